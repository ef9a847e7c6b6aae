# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transport problem demand classes x hubs, solved exactly.

Minimum-cost flow by successive shortest paths with potentials. Two things keep it small. The paths are searched only
as far as the nearest hub with room. And a class looks at its hubs in order of latency and stops as soon as no
further one can be on a better path, because the price of a hub never falls below zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush


@dataclass
class Transport:
    """Supplies of classes, rooms of hubs, and what each pair costs a unit.

    ``rows[k]`` are the hubs class k may use as (cost, hub), cheapest first; ``costs[k][h]`` the same by hub.
    Up to ``stay[k][h]`` units go to a hub without the surcharge ``credit`` that every other unit pays: they are
    there already. ``most[k][h]`` bounds the flow between a pair. ``outside[k]`` are the units left unplaced, as
    (cost, units), cheapest first.
    """

    supply: list[int]
    room: list[int]
    rows: list[list[tuple[int, int]]]
    costs: list[list[int]]
    outside: list[list[tuple[int, int]]]
    credit: int = 0
    stay: list[dict[int, int]] = field(default_factory=list)
    most: dict[int, list[int]] = field(default_factory=dict)


@dataclass
class Flow:
    """``by_class[k][h]`` units from class k to hub h; ``outside[k]`` units left over.

    ``worth[h]`` is what one unit more of room would save: a price that proves the flow cheapest.
    """

    by_class: list[dict[int, int]]
    outside: list[int]
    worth: list[int]


def solve(problem: Transport) -> Flow:
    """The cheapest flow that places as much as can be placed. Same input, same flow, ties by number."""
    return _Solver(problem).run()


class _Solver:
    def __init__(self, problem: Transport) -> None:
        self.given = problem
        classes = len(problem.supply)
        self.stay = problem.stay or [{} for _class in range(classes)]
        self.room = list(problem.room)
        self.flow: list[dict[int, int]] = [{} for _class in range(classes)]
        self.users: list[dict[int, None]] = [{} for _hub in problem.room]  # classes with flow, in order of arrival
        self.outside = [0] * classes
        self.price_class = [0] * classes
        self.price_hub = [0] * len(problem.room)

    def run(self) -> Flow:
        for source, supply in enumerate(self.given.supply):
            left = supply
            while left:
                left -= self._push(source, left)
        return Flow(self.flow, self.outside, [-price for price in self.price_hub])

    def _push(self, source: int, supply: int) -> int:
        """Send what one shortest path from the class can carry; return how much that was."""
        distance_class = {source: 0}
        distance_hub: dict[int, int] = {}
        came_class: dict[int, int] = {}  # class <- hub it is displaced from
        came_hub: dict[int, int] = {}  # hub <- class
        settled_class: list[int] = []
        settled_hub: list[int] = []
        heap: list[tuple[int, int]] = []  # (distance, hub), or (distance, ~class)
        best: int | None = None
        last_class = source
        target = -1  # the outside

        node = ~source
        distance = 0
        while True:
            if node < 0:
                k = ~node
                settled_class.append(k)
                base = distance + self.price_class[k]
                through = base + self._left_out(k)[0]
                if best is None or through < best:
                    best, last_class, target = through, k, -1
                best, last_class, target = self._relax_class(
                    k, base, best, last_class, target, distance_hub, came_hub, heap
                )
            else:
                settled_hub.append(node)
                self._relax_hub(node, distance, best, distance_class, came_class, heap)
            while heap:
                distance, node = heappop(heap)
                if distance == (distance_class[~node] if node < 0 else distance_hub[node]):
                    break
            else:
                break
            if best is not None and distance >= best:
                break

        if best is None:
            raise AssertionError("a way to the sink that was counted on is not there")
        for k in settled_class:
            self.price_class[k] += distance_class[k] - best
        for h in settled_hub:
            self.price_hub[h] += distance_hub[h] - best
        return self._augment(source, supply, last_class, target, came_class, came_hub)

    def _relax_class(
        self,
        k: int,
        base: int,
        best: int,
        last_class: int,
        target: int,
        distance_hub: dict[int, int],
        came_hub: dict[int, int],
        heap: list[tuple[int, int]],
    ) -> tuple[int, int, int]:
        given, price, room, flow = self.given, self.price_hub, self.room, self.flow[k]
        costs, stay, most = given.costs[k], self.stay[k], given.most.get(k)
        for h, units in stay.items():
            if flow.get(h, 0) < units:
                there = base + costs[h] - price[h]
                if there < best and there < distance_hub.get(h, best):
                    distance_hub[h] = there
                    came_hub[h] = k
                    if room[h]:
                        best, last_class, target = there, k, h
                    else:
                        heappush(heap, (there, h))
        base += given.credit
        for cost, h in given.rows[k]:
            if base + cost >= best:
                break
            there = base + cost - price[h]
            if there >= best or there >= distance_hub.get(h, best):
                continue
            if most is not None and flow.get(h, 0) >= most[h]:
                continue
            distance_hub[h] = there
            came_hub[h] = k
            if room[h]:
                best, last_class, target = there, k, h
            else:
                heappush(heap, (there, h))
        return best, last_class, target

    def _relax_hub(
        self,
        h: int,
        distance: int,
        best: int | None,
        distance_class: dict[int, int],
        came_class: dict[int, int],
        heap: list[tuple[int, int]],
    ) -> None:
        """Classes in a full hub can be displaced: their way back costs what they paid last."""
        base = distance + self.price_hub[h]
        credit, costs, stay, flow, price = self.given.credit, self.given.costs, self.stay, self.flow, self.price_class
        for k in self.users[h]:
            paid = costs[k][h]
            if credit and flow[k][h] > stay[k].get(h, 0):
                paid += credit
            there = base - paid - price[k]
            known = distance_class.get(k)
            if (best is None or there < best) and (known is None or there < known):
                distance_class[k] = there
                came_class[k] = h
                heappush(heap, (there, ~k))

    def _augment(
        self, source: int, supply: int, k: int, target: int, came_class: dict[int, int], came_hub: dict[int, int]
    ) -> int:
        steps: list[tuple[int, int, int]] = []  # (class, hub it leaves or -1, hub it enters or -1)
        amount = supply
        enters = target
        while True:
            if enters >= 0:
                amount = min(amount, self._forward(k, enters))
            if k == source:
                steps.append((k, -1, enters))
                break
            leaves = came_class[k]
            amount = min(amount, self._back(k, leaves))
            steps.append((k, leaves, enters))
            enters = leaves
            k = came_hub[leaves]
        if target >= 0:
            amount = min(amount, self.room[target])
            self.room[target] -= amount
        else:
            amount = min(amount, self._left_out(steps[0][0])[1])
        for k, leaves, enters in steps:
            flow = self.flow[k]
            if leaves >= 0:
                flow[leaves] -= amount
                if not flow[leaves]:
                    del flow[leaves]
                    del self.users[leaves][k]
            if enters >= 0:
                flow[enters] = flow.get(enters, 0) + amount
                self.users[enters][k] = None
            else:
                self.outside[k] += amount
        return amount

    def _left_out(self, k: int) -> tuple[int, int]:
        """The cost of the next unit left out, and how many cost that."""
        already = self.outside[k]
        for cost, units in self.given.outside[k]:
            if already < units:
                return cost, units - already
            already -= units
        return self.given.outside[k][-1]

    def _forward(self, k: int, h: int) -> int:
        """How much the piece of the cost that comes next still takes."""
        units = self.flow[k].get(h, 0)
        most = self.given.most.get(k)
        limit = self.given.supply[k] if most is None else most[h]
        stay = self.stay[k].get(h, 0)
        return (stay if units < stay else limit) - units

    def _back(self, k: int, h: int) -> int:
        """How much the piece of the cost that was paid last gives back."""
        units = self.flow[k][h]
        stay = self.stay[k].get(h, 0)
        return units - stay if units > stay else units


def fill(amount: int, rooms: list[int], loads: list[float], shares: list[float]) -> list[int]:
    """Pour an amount into bins, each at most its room, so that loads are level in proportion to the shares."""
    pairs = [index for index, room in enumerate(rooms) if room > 0]
    added = [0] * len(rooms)
    amount = min(amount, sum(rooms[index] for index in pairs))
    if amount <= 0:
        return added
    # The level rises over the points where a bin starts to take (its load) and where it is full.
    share = [shares[index] or 1e-9 for index in range(len(rooms))]
    points = []
    for index in pairs:
        points.append((loads[index] / share[index], share[index]))
        points.append(((loads[index] + rooms[index]) / share[index], -share[index]))
    points.sort()
    level, slope, poured = points[0][0], 0.0, 0.0
    for point, change in points:
        if poured + slope * (point - level) >= amount:
            break
        poured += slope * (point - level)
        level = point
        slope += change
    if slope > 0:
        level += (amount - poured) / slope
    exact = {i: min(max(level * share[i] - loads[i], 0.0), float(rooms[i])) for i in pairs}
    for index, value in exact.items():
        added[index] = min(int(value), rooms[index])
    # Whole units by the largest remainder; what rounding of the level itself left goes where there is room.
    rest = amount - sum(added)
    order = sorted(pairs, key=lambda index: (added[index] - exact[index], index))
    while rest:
        step = 1 if rest > 0 else -1
        for index in order if rest > 0 else reversed(order):
            if rest and 0 <= added[index] + step <= rooms[index]:
                added[index] += step
                rest -= step
    return added
