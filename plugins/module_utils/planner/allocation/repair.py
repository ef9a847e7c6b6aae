# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair an assignment by the flow, which splits clients, for clients of different weights that stay in one piece.

The flow splits clients, so a proxy may get one client too many for the room it has, and another proxy too few. A client
that then finds no room although the flow had a place for it gets one by a chain: others leave its proxy for one with
room, or for one that a next client leaves. And a client that sits farther away than it must, while rounding left room
nearer, goes there at once, or the next plan would move it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import AllocationProblem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import Hubs, Placement, excess

MOST_CLIENTS = 1000  # for whom a chain is sought in one run
MOST_PROXIES = 300  # that one search for a chain looks at
NEXT = 4  # full proxies tried for each client that would leave
ROUNDS = 3


@dataclass(frozen=True)
class _Relocation:
    """A client goes from one proxy, or from nowhere, to another."""

    number: int
    weight: int
    source: int | None
    target: int


Chain = tuple[_Relocation, ...]


def repair(placement: Placement, move_cost: int, left_out: int) -> int:
    """Make the placement better in place. Returns the units that left a proxy, which could keep them, to make room.

    ``left_out``: units that the flow leaves out, too. Clients of spread groups are not touched.
    """
    displaced = make_room(placement, move_cost, left_out)
    repair_run = _Repair(placement, move_cost)
    for _round in range(ROUNDS):
        if not repair_run.bring_nearer():
            break
    return displaced


def make_room(placement: Placement, move_cost: int, left_out: int) -> int:
    """The first step of that alone: clients move only for those that are left out."""
    return _Repair(placement, move_cost).make_room(left_out)


class _Repair:
    def __init__(self, placement: Placement, move_cost: int) -> None:
        self.placement = placement
        self.problem: AllocationProblem = placement.problem
        self.hubs: Hubs = placement.hubs
        self.move_cost = move_cost * self.hubs.scale
        self.over = excess(self.problem)
        self.number = {server.name: index for index, server in enumerate(self.problem.active)}

    def make_room(self, left_out: int) -> int:
        """Place those left out, the heaviest first, by chains. Returns the units displaced from where they were."""
        placement, displaced = self.placement, 0
        beyond = sum(weight * len(names) for _number, weight, names in placement.out) - left_out
        loose, placement.out = placement.out, []
        tried = 0
        for number, weight, names in sorted(loose, key=lambda run: (-run[1], run[0], run[2])):
            left = list(names)
            while left and beyond >= weight and tried < MOST_CLIENTS and not self.problem.demands[number].siblings:
                tried += 1
                chain = self._find_chain(number, weight)
                if chain is None:
                    break
                displaced += self._move_along(chain, left.pop(0))
                beyond -= weight
            if left:
                placement.out.append((number, weight, left))
        return displaced

    def _find_chain(self, number: int, weight: int) -> Chain | None:
        """The cheapest chain found by which a client left out gets a place."""
        order = count()
        heap: list[tuple[int, int, Chain]] = []
        for cost, proxy in self._list_targets(number):
            heappush(heap, (weight * cost, next(order), (_Relocation(number, weight, None, proxy),)))
        seen: set[int] = set()
        while heap and len(seen) < MOST_PROXIES:
            cost, _order, chain = heappop(heap)
            last = chain[-1]
            missing = last.weight - self.placement.room(last.target)
            if missing <= 0:
                return chain
            if last.target in seen:
                continue
            seen.add(last.target)
            passed = {step.target for step in chain}
            for more, steps in self._list_leaving(last.target, missing, passed):
                heappush(heap, (cost + more, next(order), chain + steps))
        return None

    def _list_leaving(self, proxy: int, missing: int, passed: set[int]) -> Iterator[tuple[int, Chain]]:
        """The clients that may leave a proxy to make room: one, or several lighter ones to free room."""
        lighter: list[tuple[int, int, _Relocation]] = []
        for number, weight, _names in self.placement.pieces(proxy):
            demand = self.problem.demands[number]
            if demand.siblings:
                continue
            here = self.hubs.costs(demand.site)[self.hubs.of_proxy[proxy]]
            leaving = (
                self.move_cost if number in self.placement.staying.get(proxy, {}) and proxy not in self.over else 0
            )
            full = 0
            for cost, target in self._list_targets(number):
                if target in passed:
                    continue
                step = _Relocation(number, weight, proxy, target)
                fits = self.placement.room(target) >= weight
                if weight < missing:
                    if fits:
                        lighter.append((cost - here + leaving, -weight, step))
                        break
                    continue
                if fits or full < NEXT:
                    yield weight * (cost - here + leaving), (step,)
                    full += not fits
                if fits:
                    break
        yield from self._combine_lighter(lighter, missing)

    def _combine_lighter(
        self, lighter: list[tuple[int, int, _Relocation]], missing: int
    ) -> Iterator[tuple[int, Chain]]:
        steps: list[_Relocation] = []
        rooms: dict[int, int] = {}
        # Clients of one class and weight may be listed twice: those that stayed, and those that came.
        clients: dict[tuple[int, int], int] = {}
        cost = 0
        for each, _weight, step in sorted(lighter, key=lambda entry: (entry[0], entry[1], entry[2].number)):
            rooms.setdefault(step.target, self.placement.room(step.target))
            alike = (step.number, step.weight)
            clients.setdefault(alike, len(self._names(step.source, *alike)))
            while clients[alike] and missing > 0 and rooms[step.target] >= step.weight:
                steps.append(step)
                rooms[step.target] -= step.weight
                missing -= step.weight
                cost += each * step.weight
                clients[alike] -= 1
        if missing <= 0:
            yield cost, tuple(steps)

    def _list_targets(self, number: int) -> Iterator[tuple[int, int]]:
        """(cost of a unit, proxy), nearest first."""
        demand = self.problem.demands[number]
        for cost, hub in self.hubs.row(demand.site, demand.reach):
            for proxy in self.hubs.members[hub]:
                yield cost, proxy

    def _move_along(self, chain: Chain, name: str) -> int:
        """The last client of the chain goes first: it makes room for the one before. Returns the units displaced."""
        displaced = 0
        for step in reversed(chain):
            if step.source is None:
                self._put(step, name)
                continue
            one, was_staying = self._take(step.source, step.number, step.weight)
            displaced += step.weight if was_staying and step.source not in self.over else 0
            self._put(step, one)
        return displaced

    def _names(self, proxy: int | None, number: int, weight: int) -> list[str]:
        pieces = self.placement.pieces(proxy) if proxy is not None else []
        return [name for k, each, names in pieces if (k, each) == (number, weight) for name in names]

    def _take(self, proxy: int, number: int, weight: int) -> tuple[str, bool]:
        """Take one client of a class and weight off a proxy, those that came before those that stayed."""
        new = self.placement.arriving[proxy]
        for index, (k, each, names) in enumerate(new):
            if (k, each) == (number, weight):
                if len(names) > 1:
                    new[index] = (k, each, names[:-1])
                else:
                    del new[index]
                self.placement.load[proxy] -= weight
                return names[-1], False
        names = self.placement.staying[proxy][number][weight]
        self._keep(proxy, number, weight, names[:-1])
        return names[-1], True

    def _keep(self, proxy: int, number: int, weight: int, names: list[str]) -> None:
        """Leave only these clients of a class and weight at the proxy. Data that the placement shares with the
        problem are not changed."""
        runs = dict(self.placement.staying[proxy][number])
        self.placement.load[proxy] -= weight * (len(runs[weight]) - len(names))
        runs[weight] = names
        self.placement.staying[proxy][number] = {each: some for each, some in runs.items() if some}

    def _put(self, step: _Relocation, name: str) -> None:
        home = self.number.get(self.problem.previous.get(name, ""))
        if home == step.target and home in self.problem.demands[step.number].stays:
            was_staying = self.placement.staying[home]
            was_staying[step.number] = dict(was_staying.get(step.number, {}))
            self.placement.stay(home, step.number, step.weight, [name])
        else:
            self.placement.put(step.target, step.number, step.weight, [name])

    def bring_nearer(self) -> bool:
        """Move clients to nearer room where that is worth the move. True if any moved."""
        placement, changed = self.placement, False
        for proxy, hub in enumerate(self.hubs.of_proxy):
            for number, runs in list(placement.staying.get(proxy, {}).items()):
                site = self.problem.demands[number].site
                far = self.hubs.costs(site)[hub] - (0 if proxy in self.over else self.move_cost)
                if far <= 0 or self.problem.demands[number].siblings:
                    continue
                for weight, names in list(runs.items()):
                    left = self._move_nearer_alike(number, weight, names, far)
                    if len(left) < len(names):
                        self._keep(proxy, number, weight, left)
                        changed = True
            pieces, placement.arriving[proxy] = placement.arriving[proxy], []
            for number, weight, names in pieces:
                far = self.hubs.costs(self.problem.demands[number].site)[hub]
                left = (
                    names
                    if self.problem.demands[number].siblings
                    else self._move_nearer_alike(number, weight, names, far)
                )
                placement.load[proxy] -= weight * (len(names) - len(left))
                changed = changed or len(left) < len(names)
                if left:
                    placement.arriving[proxy].append((number, weight, left))
        return changed

    def _move_nearer_alike(self, number: int, weight: int, names: list[str], far: int) -> list[str]:
        """Put as many as there is room for where a unit costs less than ``far``. Returns the others."""
        placement, shares = self.placement, self.problem.shares
        demand = self.problem.demands[number]
        for cost, hub in self.hubs.row(demand.site, demand.reach):
            if cost >= far or not names:
                break
            while names:
                open_to = [proxy for proxy in self.hubs.members[hub] if placement.room(proxy) >= weight]
                if not open_to:
                    break
                target = min(open_to, key=lambda p: (placement.load[p] / (shares[p] or 1e-9), p))
                self._put(_Relocation(number, weight, None, target), names[-1])
                names = names[:-1]
        return names
