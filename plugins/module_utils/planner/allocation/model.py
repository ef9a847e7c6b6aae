# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input and terms of the allocation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

ACTIVE = "active"
SELECTORS = ("site", "region", "zone", "tag")

# Latencies are whole microseconds inside, so that sums are exact and no order of adding them matters.
MICROSECONDS = 1000
SHOWN_PROBLEMS = 20

Restriction: TypeAlias = "tuple[str | None, tuple[str, ...], tuple[str, ...]]"  # pin, allow, deny
Key: TypeAlias = "tuple[str, Restriction, str | None, int]"  # site, restriction, spread group, weight
Runs = dict[int, list[str]]  # weight -> sorted names

NO_RESTRICTION: Restriction = (None, (), ())


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the input. As a text it is one line."""

    what: str
    # How the line says what it is about: "client 'desk-1'".
    where: str = ""
    # The client or proxy it is about, and which of its settings, where it is about one.
    name: str | None = None
    key: str | None = None
    # A name in the setting that no proxy has.
    unknown: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class AllocationError(ValueError):
    """The input cannot be planned from. ``problems`` holds every reason."""

    def __init__(self, problems: Iterable[Fault]) -> None:
        self.problems = list(problems)
        shown = [str(problem) for problem in self.problems[:SHOWN_PROBLEMS]]
        if len(self.problems) > len(shown):
            shown.append(f"and {len(self.problems) - len(shown)} more")
        super().__init__("; ".join(shown))


@dataclass(frozen=True)
class Policy:
    """How much a move must gain, how many there may be, and how much room stays free."""

    move_cost: float = 20.0
    move_budget: int | None = None
    balance: float | None = None
    headroom: float = 0.0
    rebalance: float = 0.0


@dataclass(frozen=True)
class Proxy:
    """One proxy as given, and the most weight it may take under the policy (``limit``, in units)."""

    name: str
    site: str
    zone: str | None
    region: str | None
    capacity: int | None
    state: str
    weight: float
    tags: frozenset[str]
    backup: str | None

    @property
    def domain(self) -> tuple[str, str, str]:
        """The failure domain: a zone of its site, or the proxy by itself without a zone."""
        return (self.site, "", self.name) if self.zone is None else (self.site, self.zone, "")


@dataclass
class Demand:
    """One class of clients: the same site and restrictions, and so the same to every proxy."""

    site: str
    reach: frozenset[int] | None  # indices of the active proxies they may use; None: all
    backup_reach: frozenset[int] | None  # the same without the pin, which binds the proxy and not the backup
    restriction: Restriction
    siblings: int = 0  # spread classes: so many members of each group are in this class
    free: Runs = field(default_factory=dict)  # who has no proxy to stay at
    stays: dict[int, Runs] = field(default_factory=dict)  # proxy -> who is there and may stay
    weight: int = 0  # of all of them, in units
    groups: int = 0  # spread classes: the number of groups

    def runs(self) -> Iterator[tuple[int, list[str]]]:
        """Weight and names of everyone, wherever they are."""
        for runs in (self.free, *self.stays.values()):
            yield from runs.items()


@dataclass
class AllocationProblem:
    """Everything the solver needs, in canonical order."""

    policy: Policy
    proxies: list[Proxy]  # all of them, by name
    active: list[Proxy]  # index here is a proxy's number everywhere after
    limits: list[int]  # capacity less headroom, the balance bound applied; units
    capacities: list[int]  # whole capacity; units; unlimited is the total weight
    shares: list[float]  # capacity x weight
    demands: list[Demand]
    latency: Latency
    previous: Mapping[str, str]
    previous_backups: Mapping[str, str]
    crowded: set[str]  # clients whose proxy a sibling of their spread group keeps
    group_of: dict[str, str]  # client -> spread group
    unit: int  # greatest common divisor of all weights
    total: int  # weight of all clients, units
    clients: int
    digest: str
    unchanged: bool = False  # the input is the one that was deployed, and so is what came of it
    grouped: Mapping[Key, list[str]] = field(default_factory=dict)  # the clients as read, in canonical order


class Latency:
    """Microseconds between a client's site and a proxy's."""

    def __init__(self, matrix: Mapping[str, Mapping[str, float]] | None) -> None:
        self._matrix = {
            site: {other: round(ms * MICROSECONDS) for other, ms in row.items()} for site, row in (matrix or {}).items()
        }
        self._missing = (1000 if self._matrix else 1) * MICROSECONDS

    def between(self, site: str, other: str) -> int:
        known = self._matrix.get(site, {}).get(other)
        if known is not None:
            return known
        return 0 if site == other else self._missing

    def canonical(self) -> list[Any]:
        return [[site, sorted(row.items())] for site, row in sorted(self._matrix.items())]
