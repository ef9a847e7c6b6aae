# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assign some clients again to some proxies while all others stay: the best assignment, or the best that was found.

One client after the other, the heaviest first, goes to every proxy with room. The rooms that are left make a **state**;
assignments that lead to the same state differ in nothing that matters later, so the cheapest of them goes on (pack.py
has an example). A state is dropped if its regret, and the price of room that no sum of the clients to come can fill,
reach the regret of the best known assignment. While that leaves few states the search is exact; above `MOST_STATES` or
with too little effort left, the most promising go on.

A state is one integer with a field of bits for each number, because comparing and storing it takes most of the time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from heapq import nsmallest
from typing import TypeAlias

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.assignment import (
    NOWHERE,
    Assignment,
    Movable,
    regret_at,
)

EFFORT_OF_CLIENT = 10  # before a search looks at anything
MOST_STATES = 400
MOST_ROOM = 20_000  # units of a proxy up to which it is looked up what can fill it

Route: TypeAlias = "tuple[int, Route] | None"  # the proxy of the last client assigned, and the path before
States: TypeAlias = "dict[int, tuple[int, Route]]"  # state -> regret so far, path


@dataclass
class BitField:
    """A number inside a state."""

    shift: int
    mask: int

    def read(self, state: int) -> int:
        return state >> self.shift & self.mask


class Search:
    """One search. The clients are removed from the assignment at its start and assigned again by `run`."""

    def __init__(self, assignment: Assignment, indices: list[int], proxies: list[int], effort: int) -> None:
        """``effort``: what it may take, about; it gives up at twice that, where even one assignment takes more."""
        self.assignment, self.proxies, self.effort, self.least_effort = assignment, proxies, effort, -effort
        self.indices = self._order(indices)
        self.clients = [assignment.clients[index] for index in self.indices]
        inside = set(indices)
        others = (index for index in range(len(assignment.clients)) if index not in inside)
        self.others_leaving = assignment.weigh_leaving(others)
        self.limit = self._regret_before()
        for index, client in zip(self.indices, self.clients, strict=True):
            assignment.remove(client, assignment.proxy_of[index])
        # Proxies where clients outside the search keep others of their spread group out.
        self.closed = {c.group: set(assignment.proxies_of_group[c.group]) for c in self.clients if c.group}
        self.options: dict[tuple[int, str | None], list[tuple[int, int, BitField | None]]] = {}
        self.rooms: dict[int, BitField] = {}
        self.leaving: dict[int, BitField] = {}
        self.first, self.group_bits = self._lay_out_state()
        self.priced = [(assignment.price[proxy], self.rooms[proxy]) for proxy in proxies if assignment.price[proxy]]
        self._look_ahead()
        assignment.effort -= EFFORT_OF_CLIENT * len(indices)

    def _order(self, indices: list[int]) -> list[int]:
        """The heaviest first, and each spread group in one go."""
        clients = self.assignment.clients
        first_of_group: dict[str, int] = {}
        for index in indices:  # clients are numbered by weight
            group = clients[index].group
            if group is not None:
                first_of_group.setdefault(group, index)
        return sorted(indices, key=lambda index: (first_of_group.get(clients[index].group or "", index), index))

    def _regret_before(self) -> int:
        """The regret of the clients where they are now: what the search has to beat."""
        assignment = self.assignment
        total = sum(assignment.price[proxy] * assignment.room[proxy] for proxy in self.proxies)
        for index, client in zip(self.indices, self.clients, strict=True):
            total += regret_at(client, assignment.proxy_of[index])
        for home, weight in assignment.weigh_leaving(self.indices).items():
            total += assignment.cost_of_leaving(home, self.others_leaving[home], weight)
        return total

    def _lay_out_state(self) -> tuple[int, int]:
        """Fields for the rooms, and for what leaves proxies that are too full. (first state, where free bits begin)"""
        first = end = 0

        def add_field(most: int, value: int) -> BitField:
            nonlocal first, end
            bits = most.bit_length() + 1
            field = BitField(end, (1 << bits) - 1)
            first |= value << end
            end += bits
            return field

        for proxy in self.proxies:
            room = self.assignment.room[proxy]
            self.rooms[proxy] = add_field(room, room)
        most_leaving: defaultdict[int, int] = defaultdict(int)
        for client in self.clients:
            if client.home in self.assignment.excess:
                most_leaving[client.home] += client.weight
        for home, weight in most_leaving.items():
            others = self.others_leaving[home]
            self.leaving[home] = add_field(others + weight, others)
        return first, end

    def _look_ahead(self) -> None:
        """For each step the weight still to come, and as bits all the sums that it can make."""
        most = max((self.assignment.room[proxy] for proxy in self.proxies), default=0)
        self.knows_sums = most <= MOST_ROOM
        self.weight_to_come = [0]
        self.sums_to_come = [1]
        for client in reversed(self.clients):
            self.weight_to_come.append(self.weight_to_come[-1] + client.weight)
            sums = self.sums_to_come[-1]
            if self.knows_sums:
                sums = (sums | sums << client.weight) & (2 << most) - 1
            self.sums_to_come.append(sums)
        self.weight_to_come.reverse()
        self.sums_to_come.reverse()

    def run(self) -> bool:
        """Assign the clients again. True if they are better off, else they are where they were."""
        path = self._find_best() if self.limit > 0 else None
        assignment = self.assignment
        if path is None:
            for index, client in zip(self.indices, self.clients, strict=True):
                assignment.add(client, assignment.proxy_of[index])
            return False
        for index in reversed(self.indices):
            proxy, path = path
            assignment.assign(index, proxy)
            if path is None:
                break
        return True

    def _find_best(self) -> Route:
        """The path of the best assignment; None if none is better than the one before."""
        states: States = {self.first: (0, None)}
        group: str | None = None
        for step, client in enumerate(self.clients, start=1):
            if client.group != group:
                if group is not None:
                    states = self._merge_group(states)
                group = client.group
            followers = self._assign_client(states, client)
            states = self._select(followers, step, self._count_selectable(len(states), len(followers), step))
            if not states or self.effort < self.least_effort:
                return None
        best = min(states.items(), key=lambda item: (item[1][0] + self._price_unused(item[0]), item[0]))
        return best[1][1]

    def _assign_client(self, states: States, client: Movable) -> States:
        """Every state with every proxy for the next client."""
        weight, limit = client.weight, self.limit
        options = self._list_options(client)
        home = self.leaving.get(client.home)
        followers: States = {}
        for state, (regret, path) in states.items():
            for more, proxy, field in options:
                total = regret + more
                if total >= limit:
                    break
                follower = state
                if field is not None:
                    if state >> field.shift & field.mask < weight:
                        continue
                    follower -= weight << field.shift
                    if client.group is not None:
                        bit = 1 << self.group_bits + proxy
                        if state & bit:
                            continue
                        follower |= bit
                if home is not None and proxy != client.home:
                    total += self.assignment.cost_of_leaving(client.home, home.read(state), weight)
                    follower += weight << home.shift
                known = followers.get(follower)
                if known is None or total < known[0]:
                    followers[follower] = (total, (proxy, path))
        return followers

    def _list_options(self, client: Movable) -> list[tuple[int, int, BitField | None]]:
        """(regret, proxy, room there) for the proxies of the search, the least regret first."""
        key = (id(client.destinations), client.group)
        if key not in self.options:
            closed = self.closed.get(client.group or "", set())
            self.options[key] = [
                (regret, proxy, self.rooms.get(proxy))
                for regret, proxy in client.destinations.regrets
                if (proxy == NOWHERE or proxy in self.rooms) and proxy not in closed
            ]
        return self.options[key]

    def _merge_group(self, states: States) -> States:
        """Merge states that differ only in the places of a spread group, once all of its members have one."""
        merged: States = {}
        for state, (regret, path) in states.items():
            state &= (1 << self.group_bits) - 1
            known = merged.get(state)
            if known is None or regret < known[0]:
                merged[state] = (regret, path)
        return merged

    def _count_selectable(self, before: int, after: int, step: int) -> int:
        """The number of states that may go on, if they have as many successors as these had."""
        effort = before + after * (1 + len(self.priced))
        self.effort -= effort
        self.assignment.effort -= effort
        return max(1, min(MOST_STATES, self.effort * before // (effort * (len(self.clients) - step + 1))))

    def _select(self, states: States, step: int, most: int) -> States:
        """The states that can still be better than what is known; of too many the most promising."""
        rated = []
        known: dict[tuple[int, int], int] = {}
        for state, (regret, path) in states.items():
            least = regret + self._price_unusable(state, step, known)
            if least < self.limit:
                rated.append((least, state, regret, path))
        if len(rated) > most:
            rated = nsmallest(most, rated, key=lambda each: each[:2])
        return {state: (regret, path) for _least, state, regret, path in rated}

    def _price_unusable(self, state: int, step: int, known: dict[tuple[int, int], int]) -> int:
        """The least price of the room that the clients still to come cannot fill, wherever they go."""
        price_of_gaps = rooms = 0
        for price, field in self.priced:
            room = state >> field.shift & field.mask
            rooms += room
            if room and self.knows_sums:
                if (price, room) not in known:
                    largest_sum = (self.sums_to_come[step] & (2 << room) - 1).bit_length() - 1
                    known[price, room] = (room - largest_sum) * price
                price_of_gaps += known[price, room]
        too_much = rooms - self.weight_to_come[step]
        if too_much > 0:
            price_of_gaps = max(price_of_gaps, too_much * min(price for price, _field in self.priced))
        return price_of_gaps

    def _price_unused(self, state: int) -> int:
        return sum(price * field.read(state) for price, field in self.priced)
