# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients cannot be split: where that costs something, pack them better.

Only for small problems, where a single client matters; with a hundred clients a proxy rounding costs next to nothing.
The flow tells what room at each proxy is worth. With these prices every choice of a client has a regret: what it costs
beyond the client's best choice, room included. The regrets of an assignment and the worth of the room that it leaves
unused are, in sum, how far it is above the bound of the flow, so a search can drop whatever exceeds the best one known.

Clients are assigned one after the other, the heaviest first, to every choice at once: of assignments that leave the
same room everywhere the cheapest goes on. Unless they become too many, nothing better can be missed. Everyone is
searched first, then again and again those on some proxies that have most to gain from each other. All clients of one
weight, whatever the others do, are a flow again, and exact. Effort is counted in assignments looked at, not in seconds,
so that the answer does not depend on the machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import combinations
from typing import TypeAlias

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.flow import Flow, Transport, solve
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import AllocationProblem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import (
    Hubs,
    Placement,
    Worth,
    excess,
)

MOST_CLIENTS = 1000
EFFORT = 1_600_000
SHARE_OF_ALL = 4  # of the effort, for searching everyone: one part in so many
SHARE_OF_PART = 20
BEGINNING = 10  # effort a client, before a search looks at anything
WIDTH = 400
LARGEST_PART = 4  # proxies searched together
PARTNERS = 6  # proxies with which one is searched together
DIVES = 12  # flows, each of which places so many of the clients, and all of one weight
MOST_ROOM = 20_000  # units of a proxy up to which it is looked up what can fill it
NOWHERE = -1

Path: TypeAlias = "tuple[int, Path] | None"  # the proxy of the last client assigned, and what came before
States: TypeAlias = "dict[int, tuple[int, Path]]"  # what is left of every room -> regret so far, path
ProxyChoices: TypeAlias = "tuple[int, int]"  # regret, proxy


def pack(
    problem: AllocationProblem,
    hubs: Hubs,
    placement: Placement,
    move_cost: int,
    worth: list[Worth],
    effort: int = EFFORT,
) -> Placement:
    """The same placement or a better one. ``worth`` is what the flow says of room at each hub."""
    clients = sum(
        len(names)
        for pieces in (*map(placement.pieces, range(len(problem.active))), placement.out)
        for _number, _weight, names in pieces
    )
    if clients > MOST_CLIENTS:
        return placement
    packing = _Packing(problem, hubs, placement, move_cost, worth, effort)
    if not packing.improve():
        return placement
    packing.level()
    return packing.placement()


@dataclass
class Leaving:
    """One client with all it may choose, what it regrets least first."""

    name: str
    number: int  # its class
    weight: int
    home: int  # the proxy it may stay at
    group: str | None
    kind: Kind


@dataclass
class Kind:
    """What clients of one class, weight and home may choose."""

    costs: dict[int, int]  # of a unit, by proxy
    choices: list[ProxyChoices]


class _Packing:
    """An assignment of single clients, and what makes it better."""

    def __init__(
        self,
        problem: AllocationProblem,
        hubs: Hubs,
        placement: Placement,
        move_cost: int,
        worth: list[Worth],
        effort: int,
    ) -> None:
        self.problem, self.hubs, self.effort = problem, hubs, effort
        self.excess = excess(problem)
        self.move_cost = move_cost * hubs.scale
        # One number for the whole order of aims: weight left out, then its squares, then the cost.
        heaviest = max((weight for demand in problem.demands for weight, _names in demand.runs()), default=1)
        self.square = (hubs.farthest + self.move_cost + 1) * (problem.total + 1)
        self.unit = self.square * (heaviest * problem.total + 1)
        by_hub = [max(0, each.units * self.unit + each.squares * self.square + each.cost) for each in worth]
        self.price = [by_hub[hub] for hub in hubs.of_proxy]
        self.clients, self.at = self._clients(placement)
        self.room = list(problem.limits)
        self.taken: defaultdict[str, set[int]] = defaultdict(set)
        for client, proxy in zip(self.clients, self.at, strict=True):
            self.put(client, proxy)

    def _clients(self, placement: Placement) -> tuple[list[Leaving], list[int]]:
        problem = self.problem
        homes: dict[str, int] = {}
        for demand in problem.demands:
            for proxy, runs in demand.stays.items():
                for names in runs.values():
                    homes.update(dict.fromkeys(names, proxy))
        everyone = [(NOWHERE, piece) for piece in placement.out]
        everyone += [(proxy, piece) for proxy in range(len(problem.active)) for piece in placement.pieces(proxy)]
        where = sorted(
            (-weight, number, homes.get(name, NOWHERE), name, proxy)
            for proxy, (number, weight, names) in everyone
            for name in names
        )
        kinds: dict[tuple[int, int, int], Kind] = {}
        clients = []
        for negative, number, home, name, _proxy in where:
            same = (number, -negative, home)
            if same not in kinds:
                kinds[same] = self._kind(*same)
            group = problem.group_of[name] if problem.demands[number].siblings else None
            clients.append(Leaving(name, number, -negative, home, group, kinds[same]))
        return clients, [proxy for *_same, proxy in where]

    def _kind(self, number: int, weight: int, home: int) -> Kind:
        demand, hubs = self.problem.demands[number], self.hubs
        # What leaving a proxy that is too full costs depends on who else leaves it: that is no part of a choice.
        leaving = self.move_cost if home != NOWHERE and home not in self.excess else 0
        costs = {
            proxy: cost + leaving * (proxy != home)
            for cost, hub in hubs.row(demand.site, demand.reach)
            for proxy in hubs.members[hub]
            if self.problem.limits[proxy] >= weight
        }
        costs[NOWHERE] = self.unit + self.square * weight + leaving
        price = [*self.price, 0]
        dear = sorted((weight * (cost + price[proxy]), proxy != home, proxy) for proxy, cost in costs.items())
        return Kind(costs, [(cost - dear[0][0], proxy) for cost, _away, proxy in dear])

    def put(self, client: Leaving, proxy: int) -> None:
        if proxy != NOWHERE:
            self.room[proxy] -= client.weight
            if client.group is not None:
                self.taken[client.group].add(proxy)

    def take(self, client: Leaving, proxy: int) -> None:
        if proxy != NOWHERE:
            self.room[proxy] += client.weight
            if client.group is not None:
                self.taken[client.group].discard(proxy)

    def leaving(self, some: Iterable[int]) -> defaultdict[int, int]:
        """How much of some clients leaves each proxy that is too full."""
        left: defaultdict[int, int] = defaultdict(int)
        for index in some if self.excess else ():
            client = self.clients[index]
            if client.home in self.excess and self.at[index] != client.home:
                left[client.home] += client.weight
        return left

    def regrets(self) -> defaultdict[int, int]:
        """How far above the bound each proxy, and nowhere, holds the assignment."""
        regrets: defaultdict[int, int] = defaultdict(int)
        for proxy, room in enumerate(self.room):
            regrets[proxy] = self.price[proxy] * room
        for client, proxy in zip(self.clients, self.at, strict=True):
            regrets[proxy] += next(regret for regret, other in client.kind.choices if other == proxy)
        for home, weight in self.leaving(range(len(self.at))).items():
            regrets[home] += max(0, weight - self.excess[home]) * self.move_cost
        return regrets

    def improve(self) -> bool:
        """Search everyone, then parts until none gets better or the effort is spent. True if anything got better."""
        proxies = list(range(len(self.room)))
        share = self.effort // SHARE_OF_PART
        better = self._dive()
        better = _Search(self, list(range(len(self.at))), proxies, self.effort // SHARE_OF_ALL).run() or better
        searched: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        going_on = True
        while going_on:
            going_on = self._settle()
            for part in self._parts():
                if self.effort <= 0:
                    break
                where = self._inside(part)
                if searched.get(part) != where:
                    going_on = _Search(self, [index for index, _proxy in where], list(part), share).run() or going_on
                    searched[part] = self._inside(part)
            better = better or going_on
        return better

    def _inside(self, part: tuple[int, ...]) -> list[tuple[int, int]]:
        """Who is on some proxies, or nowhere, and where."""
        inside = {*part, NOWHERE}
        return [(index, proxy) for index, proxy in enumerate(self.at) if proxy in inside]

    def _settle(self) -> bool:
        """Weight by weight, the light first, as long as that makes anything better. True if it did."""
        weights = sorted({client.weight for client in self.clients})
        better = False
        while self.effort > 0 and any(self._pour(weight) for weight in weights if self.effort > 0):
            better = True
        return better

    def _pour(self, weight: int) -> bool:
        """Assign everyone of one weight again while all others stay. True if that is better."""
        self.effort -= len(self.clients)
        kinds = self._kinds(
            index
            for index, client in enumerate(self.clients)
            if client.weight == weight and client.group is None and client.home not in self.excess
        )
        before = self._cost(kinds)
        at = list(self.at)
        for some in kinds:
            for index in some:
                self.take(self.clients[index], at[index])
        flow = self._flow(kinds, [len(some) for some in kinds], [room // weight for room in self.room])
        for some, placed in zip(kinds, flow.by_class, strict=True):
            proxies = [proxy for proxy, number in sorted(placed.items()) for _client in range(number)]
            for index, proxy in zip(some, [*proxies, *[NOWHERE] * (len(some) - len(proxies))], strict=True):
                self.at[index] = proxy
        better = self._cost(kinds) < before
        if not better:
            self.at = at
        for some in kinds:
            for index in some:
                self.put(self.clients[index], self.at[index])
        return better

    def _dive(self) -> bool:
        """Assign everyone again, the heaviest first, as the flow says that would split the lighter. True if better."""
        before, at = sum(self.regrets().values()), list(self.at)
        loose = [index for index, client in enumerate(self.clients) if client.group is None]
        for index in loose:
            self.take(self.clients[index], self.at[index])
        each = len(loose) // DIVES
        while loose:
            lightest = self.clients[loose[min(each, len(loose) - 1)]].weight  # they are numbered by weight
            kinds = self._kinds(loose)
            flow = self._flow(kinds, [len(some) * self.clients[some[0]].weight for some in kinds], list(self.room))
            rest: list[tuple[int, list[int]]] = []
            for some, placed in zip(kinds, flow.by_class, strict=True):
                if self.clients[some[0]].weight >= lightest:
                    self._place_whole(some, placed, rest)
            for index, proxies in rest:
                fitting = (proxy for proxy in proxies if self.room[proxy] >= self.clients[index].weight)
                self._place(index, next(fitting, NOWHERE))
            loose = [index for index in loose if self.clients[index].weight < lightest]
        better = sum(self.regrets().values()) < before
        if not better:
            for index, client in enumerate(self.clients):
                if client.group is None:
                    self.take(client, self.at[index])
                    self._place(index, at[index])
        return better

    def _place_whole(self, some: list[int], placed: dict[int, int], rest: list[tuple[int, list[int]]]) -> None:
        """Clients of a kind go where the flow has room for whole ones; `rest` gets the others, and where they might."""
        weight, costs = self.clients[some[0]].weight, self.clients[some[0]].kind.costs
        left = list(some)
        for proxy, units in sorted(placed.items()):
            for _client in range(min(len(left), units // weight)):
                self._place(left.pop(0), proxy)
        near = sorted((-(placed.get(proxy, 0) % weight), cost, proxy) for proxy, cost in costs.items() if proxy >= 0)
        if sum(placed.values()) == len(some) * weight:
            rest += [(index, [proxy for *_rank, proxy in near]) for index in left]
        else:
            rest += [(index, [proxy for part, _cost, proxy in near if part]) for index in left]

    def _place(self, index: int, proxy: int) -> None:
        self.at[index] = proxy
        self.put(self.clients[index], proxy)

    def _kinds(self, some: Iterable[int]) -> list[list[int]]:
        kinds: defaultdict[int, list[int]] = defaultdict(list)
        for index in some:
            kinds[id(self.clients[index].kind)].append(index)
        return list(kinds.values())

    def _cost(self, kinds: list[list[int]]) -> int:
        return sum(self.clients[index].kind.costs[self.at[index]] for some in kinds for index in some)

    def _flow(self, kinds: list[list[int]], supply: list[int], room: list[int]) -> Flow:
        """The cheapest flow of clients of some kinds, nobody else being there."""
        self.effort -= BEGINNING * sum(map(len, kinds))
        costs = [self.clients[some[0]].kind.costs for some in kinds]
        return solve(
            Transport(
                supply=supply,
                room=room,
                rows=[sorted((cost, proxy) for proxy, cost in row.items() if proxy != NOWHERE) for row in costs],
                costs=[[row.get(proxy, 0) for proxy in range(len(room))] for row in costs],
                outside=[[(row[NOWHERE], number)] for row, number in zip(costs, supply, strict=True)],
            )
        )

    def _parts(self) -> Iterator[tuple[int, ...]]:
        """Proxies to search together, the small parts first, of these the ones with most to gain."""
        regrets, partners = self.regrets(), self._partners()
        for size in range(2, LARGEST_PART + 1):
            parts = {
                tuple(sorted((proxy, *others)))
                for proxy, near in partners.items()
                for others in combinations(near, size - 1)
            }
            gains = {part: sum(regrets[proxy] for proxy in part) for part in parts}
            yield from sorted((p for p in parts if gains[p] + regrets[NOWHERE]), key=lambda part: (-gains[part], part))

    def _partners(self) -> dict[int, list[int]]:
        """The proxies that clients of each would go to with least regret, there and back."""
        least: list[dict[int, int]] = [{} for _proxy in self.room]
        for client, at in zip(self.clients, self.at, strict=True):
            for regret, proxy in client.kind.choices if at != NOWHERE else ():
                if proxy not in (at, NOWHERE) and regret < least[at].get(proxy, regret + 1):
                    least[at][proxy] = regret
        found = {}
        for proxy, row in enumerate(least):
            both = sorted((regret + least[other].get(proxy, 0), other) for other, regret in row.items())
            found[proxy] = [other for _regrets, other in both[:PARTNERS]]
        return found

    def level(self) -> None:
        """Even the load among proxies of one site, as far as it costs nothing."""
        shares, limits = self.problem.shares, self.problem.limits
        changed = True
        while changed:
            changed = False
            for index, client in enumerate(self.clients):
                here = self.at[index]
                if here in (NOWHERE, client.home):
                    continue
                load = limits[here] - self.room[here]
                for _regret, there in client.kind.choices:
                    if there in (NOWHERE, here) or self.room[there] < client.weight:
                        continue
                    if self.problem.active[there].site != self.problem.active[here].site:
                        continue
                    if client.group is not None and there in self.taken[client.group]:
                        continue
                    # Never where it would be the fuller one: so every step lowers the sum of load² by share.
                    if (limits[there] - self.room[there] + client.weight) * shares[here] < load * shares[there]:
                        self.take(client, here)
                        self.put(client, there)
                        self.at[index] = there
                        changed = True
                        break

    def placement(self) -> Placement:
        result = Placement(self.problem, self.hubs)
        kept: defaultdict[tuple[int, int, int], list[str]] = defaultdict(list)
        new: defaultdict[tuple[int, int, int], list[str]] = defaultdict(list)
        for client, proxy in zip(self.clients, self.at, strict=True):
            same = proxy == client.home != NOWHERE
            (kept if same else new)[proxy, client.number, client.weight].append(client.name)
        for (proxy, number, weight), names in kept.items():
            result.stay(proxy, number, weight, names)
        for (proxy, number, weight), names in sorted(new.items()):
            if proxy == NOWHERE:
                result.out.append((number, weight, names))
            else:
                result.put(proxy, number, weight, names)
        return result


@dataclass
class _Field:
    """A number inside the state, which is one number made of several."""

    shift: int
    mask: int

    def of(self, state: int) -> int:
        return state >> self.shift & self.mask


class _Search:
    """Some clients assigned again to some proxies, everybody else staying where they are."""

    def __init__(self, packing: _Packing, some: list[int], proxies: list[int], effort: int) -> None:
        """``effort``: what it may take, about; it gives up at twice that, where even one assignment takes more."""
        self.packing, self.proxies, self.effort, self.at_most = packing, proxies, effort, -effort
        self.some = self._ordered(some)
        self.chosen = [packing.clients[index] for index in self.some]
        inside = set(some)
        self.left = packing.leaving(index for index in range(len(packing.at)) if index not in inside)
        self.limit = self._regret()
        for index, client in zip(self.some, self.chosen, strict=True):
            packing.take(client, packing.at[index])
        self.taken = {client.group: set(packing.taken[client.group]) for client in self.chosen if client.group}
        self.fields: dict[int, _Field] = {}
        self.homes: dict[int, _Field] = {}
        self.above = self._lay_out()
        self.priced = [(packing.price[proxy], self.fields[proxy]) for proxy in proxies if packing.price[proxy]]
        self._look_ahead()
        packing.effort -= BEGINNING * len(some)

    def _ordered(self, some: list[int]) -> list[int]:
        """The heaviest first, and each spread group in one go."""
        clients = self.packing.clients
        first: dict[str, int] = {}
        for index in some:  # clients are numbered by weight
            group = clients[index].group
            if group is not None:
                first.setdefault(group, index)
        return sorted(some, key=lambda index: (first.get(clients[index].group or "", index), index))

    def _regret(self) -> int:
        """Of the clients as they are now."""
        packing = self.packing
        total = sum(packing.price[proxy] * packing.room[proxy] for proxy in self.proxies)
        for index, client in zip(self.some, self.chosen, strict=True):
            total += next(regret for regret, proxy in client.kind.choices if proxy == packing.at[index])
        for home, weight in packing.leaving(self.some).items():
            total += self._leave(home, self.left[home], weight)
        return total

    def _leave(self, home: int, before: int, weight: int) -> int:
        """What leaving costs: as much as must leave a proxy that is too full leaves for nothing."""
        over = self.packing.excess[home]
        return (max(0, before + weight - over) - max(0, before - over)) * self.packing.move_cost

    def _lay_out(self) -> int:
        """Fields for the rooms, and for what leaves proxies that are too full. Returns where free bits begin."""
        at = 0

        def field(most: int) -> _Field:
            nonlocal at
            bits = most.bit_length() + 1
            at += bits
            return _Field(at - bits, (1 << bits) - 1)

        self.first = 0
        for proxy in self.proxies:
            room = self.packing.room[proxy]
            self.fields[proxy] = field(room)
            self.first |= room << self.fields[proxy].shift
        leave: defaultdict[int, int] = defaultdict(int)
        for client in self.chosen:
            if client.home in self.packing.excess:
                leave[client.home] += client.weight
        for home, weight in leave.items():
            self.homes[home] = field(self.left[home] + weight)
            self.first |= self.left[home] << self.homes[home].shift
        return at

    def _look_ahead(self) -> None:
        """For each step the weight still to come, and as bits all the sums that it can make."""
        most = max((self.packing.room[proxy] for proxy in self.proxies), default=0)
        self.coming = [0]
        self.sums = [1]
        for client in reversed(self.chosen):
            self.coming.append(self.coming[-1] + client.weight)
            sums = self.sums[-1]
            if most <= MOST_ROOM:
                sums = (sums | sums << client.weight) & (2 << most) - 1
            self.sums.append(sums)
        self.coming.reverse()
        self.sums.reverse()
        self.fits = most <= MOST_ROOM

    def run(self) -> bool:
        """Assign again what can be assigned better. True if something was."""
        found = self._best() if self.limit > 0 else None
        packing = self.packing
        if found is None:
            for index, client in zip(self.some, self.chosen, strict=True):
                packing.put(client, packing.at[index])
            return False
        for index, client in zip(reversed(self.some), reversed(self.chosen), strict=True):
            proxy, found = found
            packing.at[index] = proxy
            packing.put(client, proxy)
            if found is None:
                break
        return True

    def _best(self) -> Path:
        states: States = {self.first: (0, None)}
        group: str | None = None
        choices: dict[tuple[int, str | None], list[tuple[int, int, _Field | None]]] = {}
        for step, client in enumerate(self.chosen, start=1):
            if client.group != group:
                if group is not None:
                    states = self._without_group(states)
                group = client.group
            kind = (id(client.kind), client.group)
            if kind not in choices:
                closed = self.taken.get(client.group or "", set())
                choices[kind] = [
                    (regret, proxy, self.fields.get(proxy))
                    for regret, proxy in client.kind.choices
                    if (proxy == NOWHERE or proxy in self.fields) and proxy not in closed
                ]
            after = self._step(states, client, choices[kind])
            states = self._kept(after, step, self._width(len(states), len(after), step))
            if not states or self.effort < self.at_most:
                return None
        return min(states.items(), key=lambda state: (state[1][0] + self._unused(state[0]), state[0]))[1][1]

    def _width(self, before: int, after: int, step: int) -> int:
        """How many states may go on, if they are to have as many followers as these had."""
        effort = before + after * (1 + len(self.priced))
        self.effort -= effort
        self.packing.effort -= effort
        return max(1, min(WIDTH, self.effort * before // (effort * (len(self.chosen) - step + 1))))

    def _step(self, states: States, client: Leaving, choices: list[tuple[int, int, _Field | None]]) -> States:
        """Every state with every choice of the next client."""
        weight, limit = client.weight, self.limit
        home = self.homes.get(client.home)
        after: States = {}
        for state, (regret, path) in states.items():
            for more, proxy, field in choices:
                total = regret + more
                if total >= limit:
                    break
                next_state = state
                if field is not None:
                    if state >> field.shift & field.mask < weight:
                        continue
                    next_state -= weight << field.shift
                    if client.group is not None:
                        bit = 1 << self.above + proxy
                        if state & bit:
                            continue
                        next_state |= bit
                if home is not None and proxy != client.home:
                    total += self._leave(client.home, home.of(state), weight)
                    next_state += weight << home.shift
                known = after.get(next_state)
                if known is None or total < known[0]:
                    after[next_state] = (total, (proxy, path))
        return after

    def _without_group(self, states: States) -> States:
        """Where members of a spread group are matters no longer once all of them have a place."""
        merged: States = {}
        for state, (regret, path) in states.items():
            state &= (1 << self.above) - 1
            known = merged.get(state)
            if known is None or regret < known[0]:
                merged[state] = (regret, path)
        return merged

    def _kept(self, states: States, step: int, width: int) -> States:
        """Those that can still be better than what is known; of too many the ones that promise most."""
        rated = []
        unused: dict[tuple[int, int], int] = {}
        for state, (regret, path) in states.items():
            least = regret + self._unusable(state, step, unused)
            if least < self.limit:
                rated.append((least, state, regret, path))
        if len(rated) > width:
            rated = nsmallest(width, rated, key=lambda each: each[:2])
        return {state: (regret, path) for _least, state, regret, path in rated}

    def _unusable(self, state: int, step: int, known: dict[tuple[int, int], int]) -> int:
        """What the room is worth that those still to come cannot use, whoever they are."""
        worth = rooms = 0
        for price, field in self.priced:
            room = state >> field.shift & field.mask
            rooms += room
            if room and self.fits:
                if (price, room) not in known:
                    fill = (self.sums[step] & (2 << room) - 1).bit_length() - 1
                    known[price, room] = (room - fill) * price
                worth += known[price, room]
        if rooms > self.coming[step]:
            worth = max(worth, (rooms - self.coming[step]) * min(price for price, _field in self.priced))
        return worth

    def _unused(self, state: int) -> int:
        return sum(price * field.of(state) for price, field in self.priced)
