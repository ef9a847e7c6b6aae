# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assign each proxy's clients to other proxies for the case that it fails, as far as they fit.

Each failure is a problem of its own: the clients of one proxy, and the room that the proxies in other failure domains
have left. It is the allocation problem again, only smaller, and is solved the same way.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TypeAlias

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import (
    NO_RESTRICTION,
    AllocationProblem,
    Demand,
    Runs,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.pack import EFFORT, pack
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import (
    Hubs,
    Placement,
    even_hubs,
    hand_out,
    solve_classes,
)

Class: TypeAlias = "tuple[str, frozenset[int] | None]"  # site, backup reach


@dataclass
class Backups:
    """``of[proxy][server]`` the sorted names; ``left_over[proxy]`` the units that fit nowhere."""

    of: dict[str, dict[str, list[str]]]
    left_over: dict[str, int]


def find_backups(problem: AllocationProblem, placement: Placement, move_cost: int | None) -> Backups:
    """A backup endpoint for every client that has a proxy. ``move_cost`` None: who has a good one keeps it."""
    result = Backups({}, {})
    losses = _Losses(problem, placement, move_cost)
    for proxy, server in enumerate(problem.active):
        if server.backup is not None:
            names = sorted(name for _number, _weight, part in placement.pieces(proxy) for name in part)
            result.of[server.name] = {server.backup: names} if names else {}
            result.left_over[server.name] = 0
        else:
            result.of[server.name], result.left_over[server.name] = losses.of(proxy)
    return result


class _Losses:
    """Solves the failure of one proxy after the other, with the parts that all failures share computed once."""

    def __init__(self, problem: AllocationProblem, placement: Placement, move_cost: int | None) -> None:
        self.placement = placement
        self.move_cost = move_cost
        self.hubs = Hubs(problem, (demand.backup_reach for demand in problem.demands))
        self.spare = [
            max(0, capacity - load) for capacity, load in zip(problem.capacities, placement.load, strict=True)
        ]
        self.rooms = self.hubs.rooms(self.spare)
        self.number = {server.name: index for index, server in enumerate(problem.active)}
        self.domains: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
        for index, server in enumerate(problem.active):
            self.domains[server.domain].append(index)
        self.problem = replace(problem, shares=[float(room) for room in self.spare])

    def of(self, proxy: int) -> tuple[dict[str, list[str]], int]:
        spare, rooms = list(self.spare), list(self.rooms)
        for index in self.domains[self.problem.active[proxy].domain]:
            rooms[self.hubs.of_proxy[index]] -= spare[index]
            spare[index] = 0
        loss = replace(self.problem, demands=self._demands(proxy, spare), limits=spare)
        solved = solve_classes(loss, self.hubs, self.move_cost, rooms)
        even_hubs(loss, self.hubs, solved)
        after = hand_out(loss, self.hubs, solved.flow)
        left = sum(weight * len(names) for _class, weight, names in after.out)
        if left > solved.unplaced:
            highest = self.hubs.farthest // self.hubs.scale + 1
            cost = highest if self.move_cost is None else self.move_cost
            after = pack(loss, self.hubs, after, cost, solved.worth(), EFFORT // len(self.problem.active))
            left = sum(weight * len(names) for _class, weight, names in after.out)
        backups = {}
        for index in sorted({*after.staying, *after.arriving}):
            parts = [names for _class, _weight, names in after.pieces(index)]
            if parts:
                backups[loss.active[index].name] = sorted([name for names in parts for name in names])
        return backups, left

    def _demands(self, proxy: int, spare: list[int]) -> list[Demand]:
        """The clients of a proxy by what matters for a backup: where they are and what they may use."""
        parts: defaultdict[Class, Runs] = defaultdict(dict)
        for number, weight, names in self.placement.pieces(proxy):
            demand = self.problem.demands[number]
            runs = parts[demand.site, demand.backup_reach]
            runs[weight] = sorted(runs[weight] + names) if weight in runs else names
        demands = []
        held: defaultdict[int, int] = defaultdict(int)
        for (site, reach), runs in sorted(parts.items(), key=lambda part: (part[0][0], sorted(part[0][1] or ()))):
            demand = Demand(site, reach, reach, NO_RESTRICTION)
            for weight in sorted(runs, reverse=True):
                names = runs[weight]
                demand.weight += weight * len(names)
                if self.problem.previous_backups:
                    self._keep(demand, weight, names, spare, held)
                else:
                    demand.free[weight] = names
            demands.append(demand)
        return demands

    def _keep(
        self, demand: Demand, weight: int, names: list[str], spare: list[int], held: defaultdict[int, int]
    ) -> None:
        """Clients keep a backup that still has room for them."""
        split: defaultdict[str | None, list[str]] = defaultdict(list)
        for name, server in zip(names, map(self.problem.previous_backups.get, names), strict=True):
            split[server].append(name)
        free = []
        for server, part in split.items():
            index = -1 if server is None else self.number.get(server, -1)
            fits = 0
            if index >= 0 and (demand.reach is None or index in demand.reach):
                fits = min(len(part), (spare[index] - held[index]) // weight)
            if fits:
                held[index] += fits * weight
                demand.stays.setdefault(index, {})[weight] = part[:fits]
            free += part[fits:]
        if free:
            demand.free[weight] = sorted(free)
