# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which moves to make: all that gain enough, as many as the budget allows, or only those that must be."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.classes import plan_again
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.flow import Flow
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import (
    MICROSECONDS,
    AllocationProblem,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.pack import pack
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import (
    Hubs,
    Placement,
    Solved,
    even_hubs,
    excess,
    hand_out,
    insert,
    latency_cost,
    moved_weight,
    solve_classes,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.repair import make_room, repair

TRIES = 5  # at meeting the budget, where weights differ and the flow only estimates how many clients move
OUTSIDE = -1
MOST_STEPS = 10000
FOLLOWING_RUNS = 4  # that a plan foresees
MOST_CLIENTS_TWICE = 100_000  # of more, a plan is not planned again: it would take twice as long


@dataclass
class Choice:
    """The placement, what nothing can beat, and the moves it makes."""

    placement: Placement
    bound: Solved
    needed: int  # units that leave a proxy which could keep them because others need the room
    voluntary: list[Move]
    held_back: bool  # by the budget: the next run may go on


@dataclass(order=True)
class Move:
    """A client that leaves a proxy which could keep it."""

    gain: int  # microseconds nearer
    name: str
    weight: int
    needed: bool = False


def choose(problem: AllocationProblem) -> Choice:
    """Decide on a placement that the next run leaves as it is.

    Clients of different weights are packed by a search that ends where no step of it gains anything. The next run
    begins where this one ended, with all moves paid for, and may get past that point. So this one goes on from there
    itself, as long as the moves of both together gain more than they cost.
    """
    hubs = Hubs(problem, (demand.reach for demand in problem.demands), excess(problem))
    move_cost = round(problem.policy.move_cost * MICROSECONDS)
    choice = _decide(problem, hubs, move_cost)
    for _run in range(FOLLOWING_RUNS):
        further = _go_on(problem, hubs, choice, move_cost)
        if further is None:
            break
        choice = further
    return choice


def _go_on(problem: AllocationProblem, hubs: Hubs, choice: Choice, move_cost: int) -> Choice | None:
    """The choice with what the next run would change of it, or None if that is nothing or no gain."""
    over = problem.clients > MOST_CLIENTS_TWICE or problem.unchanged or choice.held_back
    if over or _proven(choice.placement, choice.bound, move_cost):
        return None
    placed = _proxies_of(choice.placement)
    names = [server.name for server in problem.active]
    following = plan_again(problem, {name: names[proxy] for name, proxy in placed.items()})
    reach = (demand.reach for demand in following.demands)
    then = _proxies_of(_decide(following, Hubs(following, reach, excess(following)), move_cost).placement)
    if then == placed:
        return None
    placement = _placed_as(problem, hubs, then)
    if value(placement, move_cost) >= value(choice.placement, move_cost):
        return None
    further = replace(choice, placement=placement, voluntary=_voluntary(problem, placement, choice.needed))
    budget = problem.policy.move_budget
    return further if budget is None or _asked(further) <= budget else None


def _proxies_of(placement: Placement) -> dict[str, int]:
    """The proxy of each client that has one."""
    return {
        name: proxy
        for proxy in range(len(placement.problem.active))
        for _number, _weight, names in placement.pieces(proxy)
        for name in names
    }


def _placed_as(problem: AllocationProblem, hubs: Hubs, placed: dict[str, int]) -> Placement:
    """The placement in which each client has that proxy."""
    placement = Placement(problem, hubs)
    for number, demand in enumerate(problem.demands):
        for home, runs in ((OUTSIDE, demand.free), *demand.stays.items()):
            for weight, names in runs.items():
                parts: dict[int, list[str]] = {}
                for name in names:
                    parts.setdefault(placed.get(name, OUTSIDE), []).append(name)
                for proxy, part in parts.items():
                    if proxy == OUTSIDE:
                        placement.out.append((number, weight, part))
                    elif proxy == home:
                        placement.stay(proxy, number, weight, part)
                    else:
                        placement.put(proxy, number, weight, part)
    return placement


def _decide(problem: AllocationProblem, hubs: Hubs, move_cost: int) -> Choice:
    """The choice of one run by itself."""
    rooms = hubs.rooms(problem.limits)
    bound = solve_classes(problem, hubs, move_cost, rooms)
    if problem.unchanged:
        return Choice(_as_deployed(problem, hubs), bound, 0, [], False)
    even_hubs(problem, hubs, bound)
    placements = [hand_out(problem, hubs, bound.flow)]
    still = None
    if moved_weight(placements[0]):
        still = solve_classes(problem, hubs, None, rooms)
        even_hubs(problem, hubs, still)
        if 100 * (still.latency - bound.latency) < problem.policy.rebalance * still.latency:
            return _only_needed(problem, hubs, still, bound)
    if not _proven(placements[0], bound, move_cost):
        # Where clients do not fit exactly, what the flow wants may be worse than what is there.
        if still is not None:
            placements.append(hand_out(problem, hubs, still.flow))
        if not excess(problem):
            placements.append(insert(_as_deployed(problem, hubs)))
    displaced = 0
    placement = min(placements, key=lambda each: (value(each, move_cost), moved_weight(each)))
    if not _proven(placement, bound, move_cost):
        displaced = repair(placement, move_cost, bound.unplaced)
        placement = pack(problem, hubs, placement, move_cost, bound.worth())
    if not moved_weight(placement):
        return Choice(placement, bound, 0, [], False)
    still = still or solve_classes(problem, hubs, None, rooms)
    needed = still.moved + displaced
    choice = Choice(placement, bound, needed, _voluntary(problem, placement, needed), False)
    budget = problem.policy.move_budget
    if budget is None or _asked(choice) <= budget:
        return choice
    return _within(problem, hubs, budget, still, bound, _left_out(placement))


def _left_out(placement: Placement) -> tuple[int, int]:
    return value(placement, 0)[:2]


def value(placement: Placement, move_cost: int) -> tuple[int, int, int]:
    """The values to minimize, in order: weight left out, the squares of it, the cost."""
    left = sum(weight * len(names) for _class, weight, names in placement.out)
    squares = sum(weight * weight * len(names) for _class, weight, names in placement.out)
    return left, squares, latency_cost(placement) + moved_weight(placement) * move_cost


def _proven(placement: Placement, bound: Solved, move_cost: int) -> bool:
    least = (bound.unplaced, bound.squares, bound.latency + bound.moved * move_cost)
    return value(placement, move_cost) == least


def _as_deployed(problem: AllocationProblem, hubs: Hubs) -> Placement:
    placement = Placement(problem, hubs)
    for number, demand in enumerate(problem.demands):
        for proxy, runs in demand.stays.items():
            for weight, names in runs.items():
                placement.stay(proxy, number, weight, names)
        placement.out += [(number, weight, names) for weight, names in sorted(demand.free.items())]
    return placement


def _only_needed(problem: AllocationProblem, hubs: Hubs, still: Solved, bound: Solved) -> Choice:
    # A move dearer than any latency: better packing then never moves anybody for the sake of being nearer.
    highest = hubs.farthest // hubs.scale + 1
    placement = hand_out(problem, hubs, still.flow)
    if not _proven(placement, still, highest):
        if not excess(problem):
            other = insert(_as_deployed(problem, hubs))
            placement = min(placement, other, key=lambda each: value(each, highest))
        repair(placement, highest, still.unplaced)
        placement = pack(problem, hubs, placement, highest, still.worth())
    needed = moved_weight(placement)
    return Choice(placement, bound, needed, _voluntary(problem, placement, needed), False)


def _voluntary(problem: AllocationProblem, placement: Placement, needed: int) -> list[Move]:
    """The clients that leave a proxy that could keep them. Those that gain least count as needed."""
    number = {server.name: index for index, server in enumerate(problem.active)}
    between = problem.latency.between
    over = excess(problem)
    moves = []
    for proxy in sorted(placement.arriving):
        server = problem.active[proxy]
        for k, weight, names in placement.arriving[proxy]:
            stays = problem.demands[k].stays
            if not stays:
                continue
            site = problem.demands[k].site
            for name in names:
                home = number.get(problem.previous.get(name, ""))
                if home is not None and weight in stays.get(home, ()) and name not in problem.crowded:
                    gain = between(site, problem.active[home].site) - between(site, server.site)
                    moves.append((gain, name, weight, home))
    found = []
    for gain, name, weight, home in sorted(moves):
        if over.get(home, 0) > 0:  # leaves because it must
            over[home] -= weight
            continue
        found.append(Move(gain, name, weight, needed > 0))
        needed -= weight
    return found


def _asked(choice: Choice) -> int:
    return sum(not move.needed for move in choice.voluntary)


def _within(
    problem: AllocationProblem, hubs: Hubs, budget: int, still: Solved, bound: Solved, left_out: tuple[int, int]
) -> Choice:
    """Go from the least moves towards the best placement, by the steps that gain most a move, until none is left.

    A client without a proxy is worse than a client that moves: nothing is held back for which more would be left out.
    """
    steps = _split_into_reroutes(problem, hubs, still, bound.flow)
    allowed = budget
    for _try in range(TRIES):
        placement = hand_out(problem, hubs, _walk(still, steps, allowed))
        needed = still.moved + make_room(placement, round(problem.policy.move_cost * MICROSECONDS), bound.unplaced)
        choice = Choice(placement, bound, needed, _voluntary(problem, placement, needed), True)
        beyond = _asked(choice) - budget
        if beyond <= 0:
            if _left_out(placement) <= left_out:
                return choice
            break
        allowed -= max(beyond, allowed // 10)
        if allowed <= 0:
            break
    choice = _only_needed(problem, hubs, still, bound)
    choice.held_back = True
    return choice


@dataclass
class _Reroute:
    """Clients of some classes change hubs in a row, so that no hub in between gets more than it had."""

    arcs: list[tuple[int, int, int]]  # class, from hub, to hub
    amount: int
    clients: float  # that move, for one unit
    gain: float


def _split_into_reroutes(problem: AllocationProblem, hubs: Hubs, start: Solved, target: Flow) -> list[_Reroute]:
    """The difference of two flows, taken apart into paths and cycles of hubs."""
    arcs: defaultdict[int, list[list[int]]] = defaultdict(list)  # from hub -> [class, to hub, amount]
    change: defaultdict[int, int] = defaultdict(int)
    for k in range(len(problem.demands)):
        old, new = start.flow.by_class[k], target.by_class[k]
        less = [[hub, old[hub] - new.get(hub, 0)] for hub in sorted(old) if old[hub] > new.get(hub, 0)]
        more = [[hub, new[hub] - old.get(hub, 0)] for hub in sorted(new) if new[hub] > old.get(hub, 0)]
        out = target.outside[k] - start.flow.outside[k]
        (more if out > 0 else less).append([OUTSIDE, abs(out)])
        while less and more:
            amount = min(less[-1][1], more[-1][1])
            if amount:
                arcs[less[-1][0]].append([k, more[-1][0], amount])
                change[less[-1][0]] -= amount
                change[more[-1][0]] += amount
            for side in (less, more):
                side[-1][1] -= amount
                if not side[-1][1]:
                    side.pop()
    steps: list[_Reroute] = []
    for hub in sorted(arcs, key=lambda hub: (change[hub] >= 0, hub)):
        while arcs[hub] and len(steps) < MOST_STEPS:
            steps.append(_peel(problem, hubs, start, arcs, change, hub))
    return sorted(steps, key=lambda step: (-step.gain / step.clients if step.clients > 0 else 0.0, step.arcs))


def _peel(
    problem: AllocationProblem,
    hubs: Hubs,
    start: Solved,
    arcs: defaultdict[int, list[list[int]]],
    change: defaultdict[int, int],
    first: int,
) -> _Reroute:
    """Follow arcs from a hub until they come back or end where the load may grow; take that path out."""
    path: list[tuple[int, list[int]]] = []
    seen = {first: 0}
    hub = first
    while arcs[hub]:
        arc = arcs[hub][-1]
        path.append((hub, arc))
        hub = arc[1]
        if hub in seen:
            begin = seen[hub]
            path = path[begin:]
            break
        seen[hub] = len(path)
    amount = min(arc[2] for _hub, arc in path)
    begin, end = path[0][0], path[-1][1][1]
    if begin != end:
        amount = min([amount, *(abs(change[each]) for each in (begin, end) if change[each])])
        change[begin] += amount
        change[end] -= amount
    gain = clients = 0.0
    changes = []
    for source, arc in path:
        k, goal, _amount = arc
        costs, demand = hubs.costs(problem.demands[k].site), problem.demands[k]
        gain += (costs[source] if source >= 0 else 0) - (costs[goal] if goal >= 0 else 0)
        if start.flow.by_class[k].get(source, 0) <= start.stay[k].get(source, 0):
            clients += sum(len(names) for _weight, names in demand.runs()) / demand.weight
        changes.append((k, source, goal))
        arc[2] -= amount
        if not arc[2]:
            arcs[source].remove(arc)
    return _Reroute(changes, amount, clients, gain / hubs.scale)


def _walk(start: Solved, steps: list[_Reroute], allowed: float) -> Flow:
    flow = Flow([dict(units) for units in start.flow.by_class], list(start.flow.outside), start.flow.worth)
    for step in steps:
        amount = step.amount
        if step.clients > 0:
            amount = min(amount, int(allowed / step.clients))
            allowed -= amount * step.clients
        for k, source, goal in step.arcs if amount else []:
            units = flow.by_class[k]
            for hub, change in ((source, -amount), (goal, amount)):
                if hub == OUTSIDE:
                    flow.outside[k] += change
                    continue
                units[hub] = units.get(hub, 0) + change
                if not units[hub]:
                    del units[hub]
    return flow
