# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The symbol and the colour of each state: each state has a shape of its own, so none is recognised by its colour
alone."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.distributed.tiers.plugins.module_utils.reporting.markup import (
    Content,
    Markup,
    element,
    raw,
)


@dataclass(frozen=True)
class Appearance:
    """How a state is shown: its class of colours, and the symbol's name."""

    colour: str
    symbol: str


# The words of verification.status.HEALTH, and of verdicts and findings.
APPEARANCES = {
    "down": Appearance("bad", "cross"),
    "no answer": Appearance("bad", "unknown"),
    "alert": Appearance("warn", "warning"),
    "not asked": Appearance("dim", "unknown"),
    "out of service": Appearance("dim", "pause"),
    "healthy": Appearance("good", "check"),
    "kept": Appearance("good", "check"),
    "BROKEN": Appearance("bad", "cross"),
    "not measured": Appearance("dim", "unknown"),
    "error": Appearance("bad", "cross"),
    "warning": Appearance("warn", "warning"),
    "note": Appearance("dim", "note"),
}

# In a field of 16 by 16; `o` cuts the sign out of the shape in the colour of what is behind.
_SHAPES = {
    "check": '<circle cx="8" cy="8" r="7.5" fill="currentColor"/><path d="M4.5 8.3 7 10.8l4.6-5" class="o"/>',
    "cross": '<path d="M5 .5h6L15.5 5v6L11 15.5H5L.5 11V5z" fill="currentColor"/>'
    '<path d="m5.3 5.3 5.4 5.4m0-5.4-5.4 5.4" class="o"/>',
    "warning": '<path d="M8 1 15.6 14.5H.4z" fill="currentColor" stroke="currentColor" stroke-linejoin="round"/>'
    '<path d="M8 5.8v4.2m0 2v.6" class="o"/>',
    "unknown": '<circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.5" '
    'stroke-dasharray="3 2"/>'
    '<path d="M5.9 6.3a2.1 2.1 0 1 1 3 1.9c-.6.3-.9.7-.9 1.4m0 1.6v.5" class="q"/>',
    "pause": '<circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    '<path d="M6.3 5.3v5.4m3.4-5.4v5.4" class="q"/>',
    "note": '<circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    '<path d="M8 7.2v4m0-6.5v.6" class="q"/>',
}


def definitions() -> Markup:
    """The shapes, which symbols refer to, once in a page."""
    style = (
        ".o{fill:none;stroke:var(--panel);stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}"
        ".q{fill:none;stroke:currentColor;stroke-width:1.5;stroke-linecap:round}"
    )
    shapes = [element("symbol", raw(shape), id=f"i-{name}", viewBox="0 0 16 16") for name, shape in _SHAPES.items()]
    return element("svg", element("style", raw(style)), shapes, width=0, height=0, aria_hidden="true", hidden=True)


def symbol(state: str, x: float | None = None, y: float | None = None) -> Markup:
    """The symbol of a state, for a line of text, or at a place in a drawing. It is silent: a word stands beside it."""
    appearance = APPEARANCES[state]
    use = element("use", href=f"#i-{appearance.symbol}")
    if x is None:
        return element("svg", use, class_=f"i {appearance.colour}", aria_hidden="true")
    return element("svg", use, class_=appearance.colour, x=x, y=y, width=16, height=16, viewBox="0 0 16 16")


def state_word(state: str, text: Content = None) -> Markup:
    """The symbol of a state and its word, or another text."""
    return element("span", symbol(state), element("span", text or state), class_=f"s {APPEARANCES[state].colour}")
