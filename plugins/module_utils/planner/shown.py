# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A value in a few words, so that a message about it stays short and can be printed, whatever it is."""

from __future__ import annotations

import reprlib
from typing import Any

LARGEST_DIGITS = 40


class _Shown(reprlib.Repr):
    """As `repr` shows it, but for lists that stand for millions, and numbers of a thousand digits."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlevel = 3

    def repr1(self, x: Any, level: int) -> str:
        # Values out of Ansible are of classes of its own.
        kind = next((kind for kind in (str, int, list, dict) if isinstance(x, kind)), None)
        if kind is None and type(x).__repr__ is object.__repr__:  # type: ignore[comparison-overlap]
            return type(x).__name__  # an address in memory would be another one in each run
        told: str = getattr(self, f"repr_{kind.__name__}")(x, level) if kind else super().repr1(x, level)
        return told

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**LARGEST_DIGITS else f"a number of more than {LARGEST_DIGITS} digits"


shown = _Shown().repr


def shorten(value: Any, most: int = 60) -> str:
    """A value as it was written, on one line and not too long."""
    if isinstance(value, str):
        text = str(value) if value.isprintable() else repr(value[: most + 1])[1:-1]
    else:
        text = shown(value)
    return text if len(text) <= most else text[: most - 1] + "…"
