# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients cannot be split: where that costs something, pack them better.

Only for small problems, where a single client matters; with a hundred clients a proxy rounding costs next to
nothing. A branch-and-bound search over all clients comes first. Where that is too much, it is run again and again
on the clients of two proxies and those without one. Effort is counted in nodes, not in seconds, so that the answer
does not depend on the machine.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import Hubs, Placement, excess

MOST_CLIENTS = 1000
NEAREST = 12  # proxies a client considers
NODES_FOR_ALL = 20000
NODES_FOR_SOME = 1500
NODES_TOGETHER = 120000
FEW = 12  # clients searched at a time
NOWHERE = -1


@dataclass
class Client:
    """One client with all it may choose: (cost, proxy), cheapest first, nowhere last."""

    name: str
    number: int  # its class
    weight: int
    home: int  # the proxy it may stay at
    group: str | None
    choices: list[tuple[int, int]]
    least: int  # what it costs at least
    twin: bool  # the same as the one before it, but for the name


def pack(problem: Problem, hubs: Hubs, placement: Placement, move_cost: int) -> Placement:
    """The same placement or a better one."""
    clients = sum(
        len(names)
        for pieces in (*map(placement.pieces, range(len(problem.active))), placement.out)
        for _number, _weight, names in pieces
    )
    if clients > MOST_CLIENTS:
        return placement
    packing = _Packing(problem, hubs, placement, move_cost)
    before = packing.value
    everyone = list(range(len(packing.clients)))
    packing.nodes = NODES_FOR_ALL
    if not packing.search(everyone):
        packing.improve(everyone)
    if packing.value == before:
        return placement
    packing.level()
    return packing.placement()


class _Packing:
    """An assignment of single clients, its value, and searches that make it better."""

    def __init__(self, problem: Problem, hubs: Hubs, placement: Placement, move_cost: int) -> None:
        self.problem, self.hubs, self.move_cost = problem, hubs, move_cost
        self.excess = excess(problem)
        # One number for the whole order of aims: weight left out, then its squares, then the cost.
        highest = (hubs.farthest // hubs.scale + move_cost + 1) * (problem.total + 1)
        heaviest = max((weight for demand in problem.demands for weight, _names in demand.runs()), default=1)
        self.square = highest
        self.unit = highest * (heaviest * problem.total + 1)
        self.clients, self.at = self._clients(placement)
        self.room = list(problem.limits)
        self.left: defaultdict[int, int] = defaultdict(int)
        self.taken: defaultdict[str, set[int]] = defaultdict(set)
        self.nodes = 0
        self.value = 0
        for client, proxy in zip(self.clients, self.at, strict=True):
            self.value += self._put(client, proxy)

    def _clients(self, placement: Placement) -> tuple[list[Client], list[int]]:
        where: list[tuple[int, int, int, str, int]] = []  # -weight, class, home, name, proxy
        homes: dict[str, int] = {}
        for demand in self.problem.demands:
            for proxy, runs in demand.stays.items():
                for names in runs.values():
                    homes.update(dict.fromkeys(names, proxy))
        for proxy in range(len(self.problem.active)):
            for number, weight, names in placement.pieces(proxy):
                where += [(-weight, number, homes.get(name, NOWHERE), name, proxy) for name in names]
        for number, weight, names in placement.out:
            where += [(-weight, number, homes.get(name, NOWHERE), name, NOWHERE) for name in names]
        clients: list[Client] = []
        for negative, number, home, name, proxy in sorted(where):
            weight = -negative
            group = self.problem.group_of.get(name) if self.problem.demands[number].siblings else None
            last = clients[-1] if clients else None
            twin = last is not None and group is None and (last.number, last.weight, last.home, last.group) == (
                number, weight, home, None,
            )  # fmt: skip
            choices = last.choices if twin and last is not None else self._choices(number, weight, home, proxy)
            clients.append(Client(name, number, weight, home, group, choices, self._least(choices, home, weight), twin))
        return clients, [proxy for *_key, proxy in sorted(where)]

    def _choices(self, number: int, weight: int, home: int, now: int) -> list[tuple[int, int]]:
        demand, hubs = self.problem.demands[number], self.hubs
        costs = hubs.costs(demand.site)
        choices = [
            (cost // hubs.scale * weight, proxy)
            for cost, hub in hubs.row(demand.site, demand.reach)
            for proxy in hubs.members[hub]
            if self.problem.limits[proxy] >= weight
        ]
        near = choices[:NEAREST]
        for proxy in (home, now):
            if proxy != NOWHERE and proxy not in [other for _cost, other in near]:
                near.append((costs[hubs.of_proxy[proxy]] // hubs.scale * weight, proxy))
        # Home first among what costs the same once moving is counted.
        near.sort(key=lambda choice: (choice[0] + (home not in (choice[1], NOWHERE)) * self.move_cost * weight, choice))
        return [*near, (self.unit * weight + self.square * weight * weight, NOWHERE)]

    def _least(self, choices: list[tuple[int, int]], home: int, weight: int) -> int:
        moving = self.move_cost * weight if home != NOWHERE and not self.excess.get(home) else 0
        return min(cost + (proxy != home) * moving for cost, proxy in choices)

    def _put(self, client: Client, proxy: int) -> int:
        """Put a client somewhere; returns what that adds to the value."""
        added = self._leave(client.home, client.weight) if proxy != client.home != NOWHERE else 0
        if proxy == NOWHERE:
            return added + self.unit * client.weight + self.square * client.weight * client.weight
        self.room[proxy] -= client.weight
        if client.group is not None:
            self.taken[client.group].add(proxy)
        demand = self.problem.demands[client.number]
        return added + self.hubs.costs(demand.site)[self.hubs.of_proxy[proxy]] // self.hubs.scale * client.weight

    def _take(self, client: Client, proxy: int) -> None:
        if proxy != client.home != NOWHERE:
            self.left[client.home] -= client.weight
        if proxy != NOWHERE:
            self.room[proxy] += client.weight
            if client.group is not None:
                self.taken[client.group].discard(proxy)

    def _leave(self, home: int, weight: int) -> int:
        """What leaving costs: as much as must leave a proxy that is too full leaves for nothing."""
        free = self.excess.get(home, 0)
        before = max(0, self.left[home] - free)
        self.left[home] += weight
        return (max(0, self.left[home] - free) - before) * self.move_cost

    def search(self, some: list[int]) -> bool:
        """Assign some clients anew, as well as can be. True when the search was complete."""
        chosen = [self.clients[index] for index in some]
        old = [self.at[index] for index in some]
        total = self.value
        for client, proxy in zip(chosen, old, strict=True):
            self._take(client, proxy)
        rest = 0
        for client, proxy in zip(chosen, old, strict=True):
            rest += self._put(client, proxy)
        for client, proxy in zip(chosen, old, strict=True):
            self._take(client, proxy)
        least = [0] * (len(chosen) + 1)
        weight = [0] * (len(chosen) + 1)
        for depth in range(len(chosen) - 1, -1, -1):
            least[depth] = least[depth + 1] + chosen[depth].least
            weight[depth] = weight[depth + 1] + chosen[depth].weight
        best, best_value = old, rest
        now = [NOWHERE] * len(chosen)
        picked = [0] * len(chosen)  # index of the choice made
        spent = [0] * (len(chosen) + 1)
        tries = [0] * len(chosen)
        placed = [False] * len(chosen)
        room = sum(max(0, amount) for amount in self.room)
        depth = 0
        while depth >= 0:
            if depth == len(chosen):
                best, best_value = list(now), spent[depth]
                depth -= 1
                continue
            client = chosen[depth]
            if placed[depth]:
                self._take(client, now[depth])
                room += client.weight if now[depth] != NOWHERE else 0
                placed[depth] = False
            if tries[depth] >= len(client.choices) or self.nodes <= 0:
                depth -= 1
                continue
            choice = tries[depth]
            tries[depth] += 1
            proxy = client.choices[choice][1]
            if proxy != NOWHERE and (
                self.room[proxy] < client.weight or (client.group is not None and proxy in self.taken[client.group])
            ):
                continue
            self.nodes -= 1
            picked[depth] = choice
            now[depth] = proxy
            spent[depth + 1] = spent[depth] + self._put(client, proxy)
            placed[depth] = True
            room -= client.weight if proxy != NOWHERE else 0
            short = max(0, weight[depth + 1] - room)
            if spent[depth + 1] + max(least[depth + 1], short * self.unit) >= best_value:
                continue
            depth += 1
            if depth < len(chosen):
                tries[depth] = picked[depth - 1] if chosen[depth].twin and some[depth] == some[depth - 1] + 1 else 0
        for client, proxy in zip(chosen, best, strict=True):
            self._put(client, proxy)
        for index, proxy in zip(some, best, strict=True):
            self.at[index] = proxy
        self.value = total - rest + best_value
        return self.nodes > 0

    def improve(self, everyone: list[int]) -> None:
        """Search small parts again and again until none gets better."""
        nodes = NODES_TOGETHER
        pairs = list(combinations(range(len(self.problem.active)), 2))
        better = True
        while better and nodes > 0:
            better = False
            for first, second in pairs:
                part = self._part(everyone, first, second)
                if len(part) < 2 or nodes <= 0:
                    continue
                before = self.value
                self.nodes = min(nodes, NODES_FOR_SOME)
                nodes -= self.nodes
                self.search(part)
                nodes += max(0, self.nodes)
                better = better or self.value < before

    def _part(self, everyone: list[int], first: int, second: int) -> list[int]:
        """The clients of two proxies and those without one, whoever pays most for where it is, and a fit for it."""
        inside = [
            index for index in everyone
            if self.at[index] in (first, second, NOWHERE) and len(self.clients[index].choices) > 1
        ]  # fmt: skip
        if len(inside) > FEW:
            inside.sort(key=lambda index: (-self._regret(index), index))
            middle = FEW // 2
            half = inside[:middle]
            others = sorted(inside[middle:], key=lambda index: (self.clients[index].weight, index))
            step = max(1, len(others) // (FEW - len(half)))
            inside = half + others[::step][: FEW - len(half)]
        return sorted(inside)

    def _regret(self, index: int) -> int:
        client, proxy = self.clients[index], self.at[index]
        if proxy == NOWHERE:
            return client.choices[-1][0]
        demand = self.problem.demands[client.number]
        return self.hubs.costs(demand.site)[self.hubs.of_proxy[proxy]] // self.hubs.scale * client.weight - client.least

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
                for _cost, there in client.choices:
                    if there in (NOWHERE, here) or self.room[there] < client.weight:
                        continue
                    if self.problem.active[there].site != self.problem.active[here].site:
                        continue
                    if client.group is not None and there in self.taken[client.group]:
                        continue
                    # Never where it would be the fuller one: so every step lowers the sum of load² by share.
                    if (limits[there] - self.room[there] + client.weight) * shares[here] < load * shares[there]:
                        self._take(client, here)
                        self._put(client, there)
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
