# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements of HTML and SVG. Every text is escaped unless it is Markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Union

# Characters that HTML forbids, halves of pairs that UTF-8 has no bytes for, and marks that reverse the order in which
# the rest of a line is shown: a name could show as another one.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
# They have no content and no end tag.
_VOID = ("br", "col", "input", "meta")
# Those of SVG end themselves.
_SHAPES = ("path", "rect", "circle", "use")


class Markup(str):
    """Text that is HTML already."""


Content = Union[str, int, float, None, Iterable["Content"]]  # noqa: UP007 (evaluated at run time)


def escape(text: str) -> Markup:
    """The text as it is shown, whatever is in it."""
    return Markup(html.escape(_UNPRINTABLE.sub("\ufffd", text)))


def render(content: Content) -> Markup:
    """Contents one after the other. None is nothing."""
    if content is None:
        return Markup()
    if isinstance(content, Markup):
        return content
    if isinstance(content, (str, int, float)):
        return escape(str(content))
    return Markup("".join(map(render, content)))


def element(tag: str, *content: Content, **attributes: str | int | float | bool | None) -> Markup:
    """An element. In the name of an attribute, `_` at the end is left out and others become `-`. None and False leave
    out the attribute."""
    texts = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        texts.append(name if value is True else f'{name}="{escape(str(value))}"')
    if tag in _SHAPES and not content:
        return Markup(f"<{' '.join(texts)}/>")
    start = f"<{' '.join(texts)}>"
    return Markup(start if tag in _VOID else f"{start}{render(content)}</{tag}>")


def raw(text: str) -> Markup:
    """A constant of this collection that is HTML, CSS or JavaScript already."""
    return Markup(text)
