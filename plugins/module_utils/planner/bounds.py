# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bounds of settings, for readers, the allocation, surveys, the structure of the plan and the pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

State = Literal["active", "draining", "down"]
STATES: tuple[str, ...] = get_args(State)

# More than any number can mean: a year of milliseconds, or of seconds. Beyond it sums are no longer exact.
LARGEST_NUMBER = 10**11
LARGEST_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers from `least` to `most`, both of them included unless they are `open`."""

    least: float = 0
    most: float = LARGEST_NUMBER
    integers: bool = False
    open_below: bool = False
    open_above: bool = False

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.integers else (int, float)):
            return False
        if (self.open_below and value == self.least) or (self.open_above and value == self.most):
            return False
        return bool(self.least <= value <= self.most)

    @property
    def text(self) -> str:
        """As in `must be a whole number from 1 to 65535`."""
        kind = "a whole number" if self.integers else "a number"
        unlimited = self.most == (LARGEST_INTEGER if self.integers else LARGEST_NUMBER)
        if self.open_below and unlimited:
            return f"{kind} above {self.least:g}"
        limit = f"to {'less than ' if self.open_above else ''}{_written(self.most)}"
        return f"{kind} from {_written(self.least)} {'up' if unlimited else limit}"


def _written(number: float) -> str:
    return "10^15" if number == 10**15 else f"{int(number)}" if number == int(number) else f"{number:g}"


def integers(least: int = 0, most: int = LARGEST_INTEGER) -> Bounds:
    return Bounds(least, most, integers=True)


CAPACITY = integers(1)
SERVER_WEIGHT = Bounds(0, open_below=True)
CLIENT_WEIGHT = integers(1, 10**15)
# The keys of tiers_allocation, and of the policy of the filter allocate_clients.
POLICY = {
    "move_cost": Bounds(),
    "move_budget": integers(),
    "balance": Bounds(1),
    "headroom": Bounds(0, 1, open_above=True),
    "rebalance": Bounds(0, 100),
}
