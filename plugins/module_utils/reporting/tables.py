# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of a report: sorted and filtered where JavaScript runs, with rows of stacked cells on a narrow page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.distributed.tiers.plugins.module_utils.reporting.markup import (
    Content,
    Markup,
    element,
    raw,
    render,
)


@dataclass(frozen=True)
class Column:
    """The title of a column and its class: `n` for numbers, `t` for a drawing. `drawn`: what its head shows instead."""

    title: str
    kind: str = ""
    drawn: Content = None


def draw_table(
    name: str,
    caption: Content,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Content]],
    is_sorted: bool = True,
    filter_hint: str = "",
) -> Markup:
    """A table. The first cell of a row is its head. `name`: its id; `caption`: for a reader who does not see it."""
    heads = [
        element("th", column.title if column.drawn is None else column.drawn, scope="col", class_=column.kind or None)
        for column in columns
    ]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            [
                element("td", cell, class_=column.kind or None)
                for column, cell in zip(columns[1:], row[1:], strict=True)
            ],
        )
        for row in rows
    ]
    return render(
        [
            _stacked_titles(name, columns),
            element(
                "div",
                element(
                    "table",
                    element("caption", caption),
                    element(
                        "thead",
                        element("tr", heads),
                        class_="keep" if any(column.drawn for column in columns) else None,
                    ),
                    element("tbody", body),
                    id=name,
                    class_="rows sorts" if is_sorted else "rows",
                    data_filter=filter_hint or None,
                ),
                class_="scroll",
            ),
        ]
    )


def _stacked_titles(name: str, columns: Sequence[Column]) -> Markup:
    """The titles before the cells, for a page on which the cells of a row stand below each other."""
    rules = "".join(
        f'#{name} td:nth-child({number})::before{{content:"{column.title}"}}'
        for number, column in enumerate(columns, 1)
        if number > 1 and column.title and column.kind != "t"
    )
    return element("style", raw(f"@media(max-width:640px){{{rules}}}"))


def load_bar(used: float, capacity: float | None) -> Markup:
    """How much of a capacity is used. A number stands beside it."""
    if not capacity:
        return element("span", "no limit", class_="dim")
    percent = 100 * used / capacity
    colour = " over" if percent > 100 else " full" if percent >= 80 else ""
    return element("span", element("i", style=f"width:{min(100, percent):.0f}%"), class_=f"bar{colour}")


def number(value: int | None) -> str:
    """A number with separators, as 1,402."""
    return "-" if value is None else f"{value:,}"
