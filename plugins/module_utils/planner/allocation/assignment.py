# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single clients at single proxies, and how far that is from the bound of the flow: what pack.py improves.

A client at a proxy costs its latency, its move and the price of the room that it takes there. Its **regret** is what
that costs beyond its cheapest proxy. The regrets of all clients and the price of all unused room add up to the distance
from the bound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import AllocationProblem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import (
    Hubs,
    Placement,
    Worth,
    excess,
)

NOWHERE = -1


@dataclass
class Destinations:
    """The proxies to which clients of one class, weight and home may go, with their costs."""

    costs: dict[int, int]  # of a unit, by proxy
    regrets: list[tuple[int, int]]  # (regret, proxy), the least regret first


@dataclass
class Movable:
    """One client."""

    name: str
    number: int  # its class
    weight: int
    home: int  # the proxy it may stay at
    group: str | None  # its spread group
    destinations: Destinations


class Assignment:
    """The proxy of each client. Clients are numbered by weight, the heaviest first."""

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
        self.clients, self.proxy_of = self._list_clients(placement)
        self.room = list(problem.limits)
        self.proxies_of_group: defaultdict[str, set[int]] = defaultdict(set)
        for client, proxy in zip(self.clients, self.proxy_of, strict=True):
            self.add(client, proxy)

    def _list_clients(self, placement: Placement) -> tuple[list[Movable], list[int]]:
        """All clients, and the proxy of each."""
        problem = self.problem
        homes: dict[str, int] = {}
        for demand in problem.demands:
            for proxy, runs in demand.stays.items():
                for names in runs.values():
                    homes.update(dict.fromkeys(names, proxy))
        pieces = [(NOWHERE, piece) for piece in placement.out]
        pieces += [(proxy, piece) for proxy in range(len(problem.active)) for piece in placement.pieces(proxy)]
        rows = sorted(
            (-weight, number, homes.get(name, NOWHERE), name, proxy)
            for proxy, (number, weight, names) in pieces
            for name in names
        )
        destinations: dict[tuple[int, int, int], Destinations] = {}
        clients = []
        for negative, number, home, name, _proxy in rows:
            key = (number, -negative, home)
            if key not in destinations:
                destinations[key] = self._list_destinations(*key)
            group = problem.group_of[name] if problem.demands[number].siblings else None
            clients.append(Movable(name, number, -negative, home, group, destinations[key]))
        return clients, [proxy for *_rest, proxy in rows]

    def _list_destinations(self, number: int, weight: int, home: int) -> Destinations:
        demand, hubs = self.problem.demands[number], self.hubs
        # What leaving a proxy that is too full costs depends on who else leaves it: that is no part of an option.
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
        return Destinations(costs, [(cost - dear[0][0], proxy) for cost, _away, proxy in dear])

    def add(self, client: Movable, proxy: int) -> None:
        """Take up room for a client."""
        if proxy != NOWHERE:
            self.room[proxy] -= client.weight
            if client.group is not None:
                self.proxies_of_group[client.group].add(proxy)

    def remove(self, client: Movable, proxy: int) -> None:
        """Free the room of a client."""
        if proxy != NOWHERE:
            self.room[proxy] += client.weight
            if client.group is not None:
                self.proxies_of_group[client.group].discard(proxy)

    def assign(self, index: int, proxy: int) -> None:
        """Bring a client that was removed to a proxy."""
        self.proxy_of[index] = proxy
        self.add(self.clients[index], proxy)

    def weigh_leaving(self, some: Iterable[int]) -> defaultdict[int, int]:
        """How much of some clients leaves each proxy that is too full."""
        leaving: defaultdict[int, int] = defaultdict(int)
        for index in some if self.excess else ():
            client = self.clients[index]
            if client.home in self.excess and self.proxy_of[index] != client.home:
                leaving[client.home] += client.weight
        return leaving

    def cost_of_leaving(self, home: int, before: int, weight: int) -> int:
        """The cost of so much more leaving a proxy that is too full. As much as must leave moves for nothing."""
        over = self.excess[home]
        return (max(0, before + weight - over) - max(0, before - over)) * self.move_cost

    def regrets(self) -> defaultdict[int, int]:
        """How far above the bound each proxy, and nowhere, holds the assignment."""
        regrets: defaultdict[int, int] = defaultdict(int)
        for proxy, room in enumerate(self.room):
            regrets[proxy] = self.price[proxy] * room
        for client, proxy in zip(self.clients, self.proxy_of, strict=True):
            regrets[proxy] += regret_at(client, proxy)
        for home, weight in self.weigh_leaving(range(len(self.clients))).items():
            regrets[home] += self.cost_of_leaving(home, 0, weight)
        return regrets

    def level_sites(self) -> None:
        """Even the load among proxies of one site, as far as it costs nothing."""
        changed = True
        while changed:
            changed = False
            for index, client in enumerate(self.clients):
                here = self.proxy_of[index]
                if here in (NOWHERE, client.home):
                    continue
                for _regret, there in client.destinations.regrets:
                    if self._is_emptier(there, here, client):
                        self.remove(client, here)
                        self.assign(index, there)
                        changed = True
                        break

    def _is_emptier(self, there: int, here: int, client: Movable) -> bool:
        """Whether a client can go to another proxy of the site, which is the emptier one even with the client."""
        shares, limits, active = self.problem.shares, self.problem.limits, self.problem.active
        if there in (NOWHERE, here) or self.room[there] < client.weight or active[there].site != active[here].site:
            return False
        if client.group is not None and there in self.proxies_of_group[client.group]:
            return False
        # So every step lowers the sum of load² by share, and levelling comes to an end.
        load = limits[here] - self.room[here]
        return (limits[there] - self.room[there] + client.weight) * shares[here] < load * shares[there]

    def to_placement(self) -> Placement:
        result = Placement(self.problem, self.hubs)
        staying: defaultdict[tuple[int, int, int], list[str]] = defaultdict(list)
        arriving: defaultdict[tuple[int, int, int], list[str]] = defaultdict(list)
        for client, proxy in zip(self.clients, self.proxy_of, strict=True):
            stays = proxy == client.home != NOWHERE
            (staying if stays else arriving)[proxy, client.number, client.weight].append(client.name)
        for (proxy, number, weight), names in staying.items():
            result.stay(proxy, number, weight, names)
        for (proxy, number, weight), names in sorted(arriving.items()):
            if proxy == NOWHERE:
                result.out.append((number, weight, names))
            else:
                result.put(proxy, number, weight, names)
        return result


def regret_at(client: Movable, proxy: int) -> int:
    return next(regret for regret, other in client.destinations.regrets if other == proxy)
