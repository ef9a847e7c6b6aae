# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A value in a few words, so that a message about it stays short and can be printed, whatever it is."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from itertools import zip_longest
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
        text: str = getattr(self, f"repr_{kind.__name__}")(x, level) if kind else super().repr1(x, level)
        return text

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**LARGEST_DIGITS else f"a number of more than {LARGEST_DIGITS} digits"


shown = _Shown().repr
NOTHING = object()
MOST_LEVELS = 6


def shorten(value: Any, most: int = 60) -> str:
    """A value as it was written, on one line and not too long."""
    if isinstance(value, str):
        text = str(value) if value.isprintable() else repr(value[: most + 1])[1:-1]
    else:
        text = shown(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def first_difference(mine: Any, its: Any) -> tuple[str, Any, Any]:
    """The place where two values first differ (` at 'paris'`), and both values there: large values may differ in
    little."""
    place = ""
    steps: Iterator[tuple[str, Any, Any]]
    for _level in range(MOST_LEVELS):
        if isinstance(mine, Mapping) and isinstance(its, Mapping):
            keys = {**mine, **its}
            steps = ((f"'{shorten(key, 40)}'", mine.get(key, NOTHING), its.get(key, NOTHING)) for key in keys)
        elif isinstance(mine, (list, tuple)) and isinstance(its, (list, tuple)):
            steps = ((f"entry {n}", *pair) for n, pair in enumerate(zip_longest(mine, its, fillvalue=NOTHING), 1))
        else:
            break
        found = next((step for step in steps if step[1] is not step[2] and step[1] != step[2]), None)
        if found is None:
            break
        place += f" at {found[0]}"
        mine, its = found[1:]
    return place, mine, its


def apart(mine: Any, its: Any, most: int = 60) -> tuple[str, str]:
    """Two values that differ, each as a text that is short, and not the same as the other's."""
    if isinstance(mine, str) and isinstance(its, str):
        pairs = enumerate(zip(mine, its, strict=False))
        alike = next((number for number, (one, other) in pairs if one != other), min(len(mine), len(its)))
        if alike >= most // 2:
            # What comes before is the same.
            mine, its = (f"…{text[alike - most // 4 :]}" for text in (mine, its))
    one, other = (f"'{shorten(text, most)}'" if isinstance(text, str) else shorten(text, most) for text in (mine, its))
    return one, other
