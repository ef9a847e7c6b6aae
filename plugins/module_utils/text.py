# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words for a person: lists of names, tables, and guesses at mistyped words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

NAMES_SHOWN = 5


def ended(text: str) -> str:
    """The text with one end of a sentence: what it was put together of may have one, or end in the middle."""
    text = text.rstrip(" .:;,")
    return text if text.endswith(("?", "!", "…")) else f"{text}."


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, if any is like it."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    match = nearest(word, known)
    return f"did you mean '{match}'?" if match else ""


def with_hint(text: str, word: str, known: Iterable[str]) -> str:
    """A sentence about an unknown word, with the known word that it resembles."""
    hint = did_you_mean(word, known)
    return f"{text}; {hint}" if hint else f"{text}."


def enumerate_names(names: Iterable[str], shown: int = NAMES_SHOWN) -> str:
    """`a, b and 7 more`: a list of names that stays readable for ten thousand of them."""
    ordered = sorted(set(names))
    return enumerate_first(ordered, len(ordered), shown)


def enumerate_first(ordered: Sequence[str], number: int, shown: int = NAMES_SHOWN) -> str:
    """The same of names that are sorted and unique already; of `number` of them the first are enough."""
    return ", ".join(ordered[:shown]) + (f" and {number - shown} more" if number > shown else "")


def summarize(reasons: Sequence[str], thing: str, shown: int = NAMES_SHOWN) -> str:
    """`2 finding(s), see the table above: REASON; REASON`: a line that tells why a run failed without the table."""
    more = [f"and {len(reasons) - shown} more"] if len(reasons) > shown else []
    listed = "; ".join([*reasons[:shown], *more])
    return ended(f"{len(reasons)} {thing}(s), see the table above{f': {listed}' if listed else ''}")


def counted(number: int, thing: str) -> str:
    """`1 client`, `2 clients`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def table(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Columns as wide as their widest entry, two spaces apart; numbers to the right."""
    body = [[("-" if cell is None else cell) for cell in row] for row in rows]
    lines = [list(heads), *body]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(lines[0]))]
    right = [
        bool(body) and all(isinstance(row[i], (int, float)) or row[i] == "-" for row in body)
        for i in range(len(widths))
    ]
    text = []
    for line in lines:
        cells = (str(c).rjust(w) if r else str(c).ljust(w) for c, w, r in zip(line, widths, right, strict=True))
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def first_rows(heads: tuple[str, ...], rows: list[tuple[Any, ...]], what: str, most: int) -> str:
    """A table that stays readable for a thousand rows."""
    rest = len(rows) - most
    return table(heads, rows[:most]) + (f"\nand {rest} more {what}" if rest > 0 else "")
