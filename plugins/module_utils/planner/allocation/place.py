# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From classes and hubs to names and proxies.

A hub is the proxies of one site that no restriction tells apart. The flow says how much of which class a hub takes;
here names are assigned: clients stay as far as the flow lets them, the rest fills the proxies evenly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heapreplace

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.flow import (
    Flow,
    Transport,
    fill,
    solve,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import (
    AllocationProblem,
    Demand,
    Runs,
)

Piece = tuple[int, list[str]]  # weight, names
HEAVIEST = 10**18  # more than any client weighs: one unit more left out is worse than which units are
ROUNDS = 20  # of levelling; each brings the loads of a site closer together


class Hubs:
    """The proxies as the classes see them, with what each pair costs.

    Costs are microseconds times ``scale``, which is more than a path has nodes. So there is room below a latency for
    breaking ties, and one latency range times the scale never outweighs a move, or a client left out.
    """

    def __init__(
        self, problem: AllocationProblem, reaches: Iterable[frozenset[int] | None], alone: Iterable[int] = ()
    ) -> None:
        """``alone``: proxies that need a hub of their own, because who stays there is limited by itself."""
        self._problem = problem
        distinct = sorted({reach for reach in reaches if reach is not None}, key=sorted)
        signature: list[list[int]] = [[] for _proxy in problem.active]
        for number, reach in enumerate(distinct):
            for proxy in reach:
                signature[proxy].append(number)
        apart = set(alone)
        together: defaultdict[tuple[str, tuple[int, ...], int], list[int]] = defaultdict(list)
        for proxy, server in enumerate(problem.active):
            together[server.site, tuple(signature[proxy]), proxy if proxy in apart else -1].append(proxy)
        self.members = sorted(together.values(), key=lambda members: (problem.active[members[0]].site, members))
        self.sites = [problem.active[members[0]].site for members in self.members]
        self.of_proxy = [0] * len(problem.active)
        self.at_site: defaultdict[str, list[int]] = defaultdict(list)
        for hub, members in enumerate(self.members):
            self.at_site[self.sites[hub]].append(hub)
            for proxy in members:
                self.of_proxy[proxy] = hub
        self.scale = len(problem.demands) + len(self.members) + 3
        self._costs: dict[str, list[int]] = {}
        self._rows: dict[tuple[str, frozenset[int] | None], list[tuple[int, int]]] = {}
        self.farthest = max((max(self.costs(demand.site), default=0) for demand in problem.demands), default=0)

    def __len__(self) -> int:
        return len(self.members)

    def costs(self, site: str) -> list[int]:
        """From a site to every hub."""
        if site not in self._costs:
            between = {other: self._problem.latency.between(site, other) * self.scale for other in self.at_site}
            self._costs[site] = [between[other] for other in self.sites]
        return self._costs[site]

    def row(self, site: str, reach: frozenset[int] | None) -> list[tuple[int, int]]:
        """(cost, hub), nearest first, of the hubs a class may use."""
        key = (site, reach)
        if key not in self._rows:
            if reach is None:
                self._rows[key] = sorted((cost, hub) for hub, cost in enumerate(self.costs(site)))
            else:
                self._rows[key] = [pair for pair in self.row(site, None) if self.members[pair[1]][0] in reach]
        return self._rows[key]

    def rooms(self, limits: list[int]) -> list[int]:
        return [sum(limits[proxy] for proxy in members) for members in self.members]


@dataclass(frozen=True)
class Worth:
    """The cost that one more unit of room at a hub would save."""

    units: int  # left out
    squares: int
    cost: int  # microseconds x scale


@dataclass
class Solved:
    """A flow together with what it proves: nothing that keeps the rules leaves less or costs less."""

    flow: Flow
    stay: list[dict[int, int]]  # class -> hub -> units that are there
    most: dict[int, list[int]]  # spread class -> hub -> most units
    unplaced: int  # units
    squares: int  # units x weight of the clients they belong to
    latency: int  # units x microseconds
    moved: int  # units moved without need
    dear: int  # the cost of leaving a unit out is a multiple of this

    def worth(self) -> list[Worth]:
        """By hub. A price is taken apart again: what is left out is dear, every other cost is small beside it."""
        found = []
        for price in self.flow.worth:
            units, rest = _nearest(price, self.dear * HEAVIEST)
            squares, cost = _nearest(rest, self.dear)
            found.append(Worth(units, squares, cost))
        return found


def solve_classes(problem: AllocationProblem, hubs: Hubs, move_cost: int | None, rooms: list[int]) -> Solved:
    """The splittable optimum. ``move_cost`` in microseconds; None: as few moves as possible, latency second."""
    demands = problem.demands
    # One unit more than the moves cost: where staying and moving are equal, who is there stays.
    credit = (hubs.farthest + 1 if move_cost is None else move_cost) * hubs.scale + 1
    stay = [_stays_at(hubs, demand) for demand in demands]
    most = {number: _most(problem, hubs, demand) for number, demand in enumerate(demands) if demand.siblings}
    dear = (hubs.farthest + credit + 1) * hubs.scale
    flow = solve(
        Transport(
            supply=[demand.weight for demand in demands],
            room=rooms,
            rows=[hubs.row(demand.site, demand.reach) for demand in demands],
            costs=[hubs.costs(demand.site) for demand in demands],
            outside=[_left_out(demand, dear) for demand in demands],
            credit=credit,
            stay=stay,
            most=most,
        )
    )
    latency = 0
    moved = -sum(excess(problem).values())
    for number, demand in enumerate(demands):
        costs, units = hubs.costs(demand.site), flow.by_class[number]
        latency += sum(amount * costs[hub] for hub, amount in units.items())
        moved += sum(max(0, amount - units.get(hub, 0)) for hub, amount in stay[number].items())
    squares = sum(_squares(demand, flow.outside[number]) for number, demand in enumerate(demands))
    return Solved(flow, stay, most, sum(flow.outside), squares, latency // hubs.scale, moved, dear)


def _nearest(amount: int, step: int) -> tuple[int, int]:
    """(how many steps, what is then left or missing)"""
    steps = (amount + step // 2) // step
    return steps, amount - steps * step


def _left_out(demand: Demand, dear: int) -> list[tuple[int, int]]:
    """(cost, units) of leaving clients out: the light first, as the heavy are dearer a unit."""
    return [(dear * (HEAVIEST + weight), units) for weight, units in _units_by_weight(demand)]


def _squares(demand: Demand, outside: int) -> int:
    squares = 0
    for weight, units in _units_by_weight(demand) if outside else ():
        squares += weight * min(units, outside)
        outside -= min(units, outside)
    return squares


def _units_by_weight(demand: Demand) -> list[tuple[int, int]]:
    units: defaultdict[int, int] = defaultdict(int)
    for weight, names in demand.runs():
        units[weight] += weight * len(names)
    return sorted(units.items())


def _stays_at(hubs: Hubs, demand: Demand) -> dict[int, int]:
    at_hub: defaultdict[int, int] = defaultdict(int)
    for proxy in sorted(demand.stays):
        at_hub[hubs.of_proxy[proxy]] += weight_of(demand.stays[proxy])
    return dict(at_hub)


def _most(problem: AllocationProblem, hubs: Hubs, demand: Demand) -> list[int]:
    """A proxy takes at most one member of a spread group."""
    each = demand.weight // (demand.siblings * demand.groups)
    return [
        sum(min(demand.groups, problem.limits[proxy] // each) * each for proxy in members) for members in hubs.members
    ]


def weight_of(runs: Runs) -> int:
    return sum(weight * len(names) for weight, names in runs.items())


def excess(problem: AllocationProblem) -> dict[int, int]:
    """How much must leave each proxy that holds more than it now may."""
    held: defaultdict[int, int] = defaultdict(int)
    for demand in problem.demands:
        for proxy, runs in demand.stays.items():
            held[proxy] += weight_of(runs)
    return {proxy: load - problem.limits[proxy] for proxy, load in held.items() if load > problem.limits[proxy]}


def even_hubs(problem: AllocationProblem, hubs: Hubs, solved: Solved) -> None:
    """Level the hubs of each site that restrictions keep apart, class by class, at no cost in latency or moves."""
    split = {hub for group in hubs.at_site.values() if len(group) > 1 for hub in group}
    if not split:
        return
    load: defaultdict[int, int] = defaultdict(int)
    for units in solved.flow.by_class:
        for hub, amount in units.items():
            load[hub] += amount
    limit = {hub: sum(problem.limits[proxy] for proxy in hubs.members[hub]) for hub in split}
    share = {hub: sum(problem.shares[proxy] for proxy in hubs.members[hub]) for hub in split}
    for _round in range(ROUNDS):
        changed = False
        for number, demand in enumerate(problem.demands):
            units, stay = solved.flow.by_class[number], solved.stay[number]
            for site in sorted({hubs.sites[hub] for hub in units if hub in split}):
                # Only who does not stay anywhere is moved about, and only between hubs open to the class.
                bins = [hub for hub in hubs.at_site[site] if units.get(hub, 0) >= stay.get(hub, 0)]
                if demand.reach is not None:
                    bins = [hub for hub in bins if hubs.members[hub][0] in demand.reach]
                if len(bins) < 2:
                    continue
                base = [stay.get(hub, 0) for hub in bins]
                movable = [units.get(hub, 0) - staying for hub, staying in zip(bins, base, strict=True)]
                rooms = [limit[hub] - load[hub] + part for hub, part in zip(bins, movable, strict=True)]
                if number in solved.most:
                    most = solved.most[number]
                    rooms = [
                        min(room, most[hub] - staying) for hub, room, staying in zip(bins, rooms, base, strict=True)
                    ]
                loads = [float(load[hub] - part) for hub, part in zip(bins, movable, strict=True)]
                poured = fill(sum(movable), rooms, loads, [share[hub] for hub in bins])
                for hub, staying, before, after in zip(bins, base, movable, poured, strict=True):
                    if before != after:
                        changed = True
                        load[hub] += after - before
                        units[hub] = staying + after
                        if not units[hub]:
                            del units[hub]
        if not changed:
            return


class Placement:
    """The clients at each proxy: ``staying[p][k]``, ``arriving[p]``; ``out`` found no proxy."""

    def __init__(self, problem: AllocationProblem, hubs: Hubs) -> None:
        self.problem = problem
        self.hubs = hubs
        self.load = [0] * len(problem.active)
        self.staying: defaultdict[int, dict[int, Runs]] = defaultdict(dict)
        self.arriving: defaultdict[int, list[tuple[int, int, list[str]]]] = defaultdict(list)
        self.out: list[tuple[int, int, list[str]]] = []
        self.proxies_of_group: defaultdict[str, set[int]] = defaultdict(set)  # spread group -> its proxies

    def pieces(self, proxy: int) -> list[tuple[int, int, list[str]]]:
        """Class, weight and names of everyone on a proxy."""
        staying = self.staying.get(proxy, {})
        stayed = [(number, weight, names) for number, runs in staying.items() for weight, names in runs.items()]
        return stayed + self.arriving.get(proxy, [])

    def room(self, proxy: int) -> int:
        return self.problem.limits[proxy] - self.load[proxy]

    def stay(self, proxy: int, number: int, weight: int, names: list[str]) -> None:
        runs = self.staying[proxy].setdefault(number, {})
        runs[weight] = sorted(runs[weight] + names) if weight in runs else names
        self._count(proxy, number, weight, names)

    def put(self, proxy: int, number: int, weight: int, names: list[str]) -> None:
        self.arriving[proxy].append((number, weight, names))
        self._count(proxy, number, weight, names)

    def _count(self, proxy: int, number: int, weight: int, names: list[str]) -> None:
        self.load[proxy] += weight * len(names)
        if self.problem.demands[number].siblings:
            for name in names:
                self.proxies_of_group[self.problem.group_of[name]].add(proxy)


def hand_out(problem: AllocationProblem, hubs: Hubs, flow: Flow) -> Placement:
    """Assign the names as the flow says. Clients whose weight does not fit go to any proxy with room."""
    placement = Placement(problem, hubs)
    for demand in problem.demands:
        for proxy, runs in demand.stays.items():
            placement.load[proxy] += weight_of(runs)
    loose: list[tuple[int, int, list[str]]] = []
    arriving: defaultdict[int, list[tuple[int, int, list[str]]]] = defaultdict(list)  # hub -> class, weight, names
    spread: list[tuple[int, Runs, dict[int, int]]] = []
    for number, demand in enumerate(problem.demands):
        free, wanted = _keep(placement, number, demand, flow.by_class[number], flow.outside[number] > 0)
        if not free:
            continue
        if demand.siblings:
            spread.append((number, free, wanted))
            continue
        bins = sorted(wanted)
        poured, rest = pour(sorted(free.items(), reverse=True), [wanted[hub] for hub in bins], whole=True)
        for hub, part in zip(bins, poured, strict=True):
            arriving[hub] += [(number, weight, names) for weight, names in part]
        loose += [(number, weight, names) for weight, names in rest]
    for number, free, wanted in spread:
        _place_spread(placement, number, free, wanted, loose)
    for hub in sorted(arriving):
        loose += _arrive(placement, hub, arriving[hub])
    placement.out = loose
    return insert(placement)


def _keep(
    placement: Placement, number: int, demand: Demand, flow: dict[int, int], light: bool
) -> tuple[Runs, dict[int, int]]:
    """Let stay who may. Returns who needs a place, and how much of the class each hub still wants.

    ``light``: some of the class will be left out, and that should not be the heavy ones.
    """
    problem, hubs = placement.problem, placement.hubs
    free = {weight: list(names) for weight, names in demand.free.items()} if demand.stays else demand.free
    wanted = dict(flow)
    at_hub: defaultdict[int, list[int]] = defaultdict(list)
    for proxy in sorted(demand.stays):
        at_hub[hubs.of_proxy[proxy]].append(proxy)
    for hub, members in at_hub.items():
        held = [weight_of(demand.stays[proxy]) for proxy in members]
        wanted[hub] = wanted.get(hub, 0) - sum(held)
        leave = [0] * len(members)
        if wanted[hub] < 0:
            # The fullest proxies of the hub give first: pouring into the negative of their loads.
            loads = [-float(placement.load[proxy]) for proxy in members]
            leave = fill(-wanted[hub], held, loads, [problem.shares[proxy] for proxy in members])
        for proxy, amount in zip(members, leave, strict=True):
            runs = demand.stays[proxy]
            if amount:
                runs, removed = _take(runs, amount, light=light)
                placement.load[proxy] -= weight_of(removed)
                for weight, names in removed.items():
                    free[weight] = sorted(free.get(weight, []) + names)
            placement.staying[proxy][number] = runs
            if demand.siblings:
                for names in runs.values():
                    for name in names:
                        placement.proxies_of_group[problem.group_of[name]].add(proxy)
    return free, {hub: amount for hub, amount in wanted.items() if amount > 0}


def _take(runs: Runs, amount: int, light: bool) -> tuple[Runs, Runs]:
    """Take at least an amount out of runs, last names first: the heavy, so that few move, or the light."""
    left: Runs = {}
    removed: Runs = {}
    for weight in sorted(runs, reverse=not light):
        names = runs[weight]
        count = min(len(names), amount // weight)
        amount -= count * weight
        rest = len(names) - count
        removed[weight], left[weight] = names[rest:], names[:rest]
    if amount > 0:
        weight = min(weight for weight, names in left.items() if names and weight >= amount)
        removed[weight] = left[weight][-1:] + removed[weight]
        left[weight] = left[weight][:-1]
    return {w: names for w, names in left.items() if names}, {w: names for w, names in removed.items() if names}


def pour(runs: list[Piece], quotas: list[int], whole: bool = False) -> tuple[list[list[Piece]], list[Piece]]:
    """Deal runs (heaviest first) into bins of given quotas, and return what did not fit.

    All but the lightest run are dealt in proportion, so that every bin gets the same mix of light and heavy; the
    lightest then fills each bin to the brim. ``whole``: quotas together are meant to be used up, and a client too
    heavy for what each has left goes to the one with most; lighter ones make room later.
    """
    left = list(quotas)
    bins: list[list[Piece]] = [[] for _quota in quotas]
    rest: list[Piece] = []
    for position, (weight, names) in enumerate(runs):
        if position < len(runs) - 1:
            together = sum(room for room in left if room > 0)
            counts = [min(room // weight, len(names) * room // together) if room > 0 else 0 for room in left]
        else:
            counts, wanted = [], len(names)
            for room in left:
                counts.append(min(max(0, room // weight), wanted))
                wanted -= counts[-1]
        missing = len(names) - sum(counts)
        if missing:
            over = [room - count * weight for room, count in zip(left, counts, strict=True)]
            heap = [(-room, index) for index, room in enumerate(over)]
            heapify(heap)
            together = sum(over)
            while missing and heap and (-heap[0][0] >= weight or (whole and together >= weight)):
                room, index = heap[0]
                heapreplace(heap, (room + weight, index))
                together -= weight
                counts[index] += 1
                missing -= 1
        start = 0
        for index, count in enumerate(counts):
            if count:
                end = start + count
                bins[index].append((weight, names[start:end]))
                left[index] -= count * weight
                start = end
        if start < len(names):
            rest.append((weight, names[start:]))
    return bins, rest


def _arrive(placement: Placement, hub: int, runs: list[tuple[int, int, list[str]]]) -> list[tuple[int, int, list[str]]]:
    """Pour what a hub takes into its proxies, level. Returns what did not fit anywhere in it."""
    problem, members = placement.problem, placement.hubs.members[hub]
    runs = sorted(runs, key=lambda run: (-run[1], run[0]))
    owner = [run[0] for run in runs]
    pieces: list[Piece] = [(weight, names) for _number, weight, names in runs]
    for full in (False, True):
        rooms = [max(0, placement.room(proxy)) for proxy in members]
        if not full:
            loads = [float(placement.load[proxy]) for proxy in members]
            amount = sum(weight * len(names) for weight, names in pieces)
            rooms = fill(amount, rooms, loads, [problem.shares[proxy] for proxy in members])
        left_owner, left_pieces = [], []
        for number, (weight, names) in zip(owner, pieces, strict=True):
            lightest = weight == pieces[-1][0]
            poured, rest = pour([(weight, names)] if lightest else [(weight, names), (1, [])], rooms)
            for index, part in enumerate(poured):
                for _weight, some in part:
                    placement.put(members[index], number, weight, some)
                    rooms[index] -= weight * len(some)
            left_owner += [number] * len(rest)
            left_pieces += rest
        owner, pieces = left_owner, left_pieces
        if not pieces:
            break
    return [(number, weight, names) for number, (weight, names) in zip(owner, pieces, strict=True)]


def _place_spread(
    placement: Placement, number: int, free: Runs, wanted: dict[int, int], loose: list[tuple[int, int, list[str]]]
) -> None:
    """Members of a group go to the proxies with most of the quota left: that way the quotas work out."""
    problem, hubs = placement.problem, placement.hubs
    groups = problem.demands[number].groups
    quota: dict[int, int] = {}
    for weight, names in free.items():
        for hub in sorted(wanted):
            members = hubs.members[hub]
            rooms = [max(0, min(placement.room(proxy) // weight, groups)) for proxy in members]
            loads = [placement.load[proxy] / weight for proxy in members]
            shares = [problem.shares[proxy] for proxy in members]
            quota.update(zip(members, fill(wanted[hub] // weight, rooms, loads, shares), strict=True))
        together: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            together[problem.group_of[name]].append(name)
        for group, some in sorted(together.items()):
            open_to = sorted((-left, proxy) for proxy, left in quota.items() if left > 0)
            choices = [proxy for _left, proxy in open_to if proxy not in placement.proxies_of_group[group]][: len(some)]
            for name, proxy in zip(some, choices, strict=False):
                quota[proxy] -= 1
                placement.put(proxy, number, weight, [name])
            placed = len(choices)
            if len(some) > placed:
                loose.append((number, weight, some[placed:]))


def insert(placement: Placement) -> Placement:
    """Put who is left out, the heaviest first, into the nearest proxy with room, as far as there is one."""
    problem, hubs = placement.problem, placement.hubs
    loose, placement.out = placement.out, []
    for number, weight, names in sorted(loose, key=lambda run: (-run[1], run[0], run[2])):
        demand = problem.demands[number]
        names = _back_home(placement, number, weight, names)
        for _cost, hub in hubs.row(demand.site, demand.reach):
            while names:
                open_to = [proxy for proxy in hubs.members[hub] if placement.room(proxy) >= weight]
                if demand.siblings:
                    group_proxies = placement.proxies_of_group[problem.group_of[names[0]]]
                    open_to = [proxy for proxy in open_to if proxy not in group_proxies]
                if not open_to:
                    break
                proxy = min(open_to, key=lambda p: (placement.load[p] / (problem.shares[p] or 1e-9), p))
                count = (
                    1 if demand.siblings else max(1, min(len(names), placement.room(proxy) // weight // len(open_to)))
                )
                placement.put(proxy, number, weight, names[:count])
                names = names[count:]
        if names:
            placement.out.append((number, weight, names))
    return placement


def _back_home(placement: Placement, number: int, weight: int, names: list[str]) -> list[str]:
    """Clients that had to make room stay where room is left after all. Returns the others."""
    problem = placement.problem
    demand = problem.demands[number]
    others = []
    for name in names:
        for proxy, runs in demand.stays.items():
            if problem.previous.get(name) != problem.active[proxy].name or weight not in runs:
                continue
            is_apart = not demand.siblings or proxy not in placement.proxies_of_group[problem.group_of[name]]
            if is_apart and placement.room(proxy) >= weight:
                placement.stay(proxy, number, weight, [name])
                break
        else:
            others.append(name)
    return others


def latency_cost(placement: Placement) -> int:
    """Units x microseconds of everyone placed."""
    problem, hubs = placement.problem, placement.hubs
    cost = 0
    for proxy, hub in enumerate(hubs.of_proxy):
        for number, weight, names in placement.pieces(proxy):
            cost += weight * len(names) * hubs.costs(problem.demands[number].site)[hub]
    return cost // hubs.scale


def moved_weight(placement: Placement) -> int:
    """Units that left a proxy they could have stayed at."""
    left: defaultdict[int, int] = defaultdict(int)
    for number, demand in enumerate(placement.problem.demands):
        for proxy, runs in demand.stays.items():
            left[proxy] += weight_of(runs) - weight_of(placement.staying.get(proxy, {}).get(number, {}))
    over = excess(placement.problem)
    return sum(max(0, units - over.get(proxy, 0)) for proxy, units in left.items())
