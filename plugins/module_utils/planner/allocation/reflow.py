# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assign single clients by flows: exact for the clients of one weight, and a good start for clients of many weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.assignment import NOWHERE, Assignment
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.flow import Flow, Transport, solve

ROUNDS = 12  # flows of all clients; each fixes so many of the clients, and all of one weight
EFFORT_OF_CLIENT = 10  # of a flow, for each client in it

Alike = list[int]  # clients with the same destinations


def assign_weights_by_flows(assignment: Assignment) -> bool:
    """Weight by weight, the light first, as long as that makes anything better. True if it did."""
    weights = sorted({client.weight for client in assignment.clients})
    better = False
    while assignment.effort > 0 and any(_assign_weight(assignment, w) for w in weights if assignment.effort > 0):
        better = True
    return better


def _assign_weight(assignment: Assignment, weight: int) -> bool:
    """Assign all clients of one weight again while all others stay. True if that is better."""
    assignment.effort -= len(assignment.clients)
    groups = _group_alike(
        assignment,
        (
            index
            for index, client in enumerate(assignment.clients)
            if client.weight == weight and client.group is None and client.home not in assignment.excess
        ),
    )
    before, cost_before = list(assignment.proxy_of), _cost(assignment, groups)
    indices = [index for alike in groups for index in alike]
    for index in indices:
        assignment.remove(assignment.clients[index], before[index])
    rooms = [room // weight for room in assignment.room]
    flow = _solve_flow(assignment, groups, [len(alike) for alike in groups], rooms)
    for alike, numbers in zip(groups, flow.by_class, strict=True):
        proxies = [proxy for proxy, number in sorted(numbers.items()) for _client in range(number)]
        proxies += [NOWHERE] * (len(alike) - len(proxies))
        for index, proxy in zip(alike, proxies, strict=True):
            assignment.proxy_of[index] = proxy
    better = _cost(assignment, groups) < cost_before
    if not better:
        assignment.proxy_of = before
    for index in indices:
        assignment.add(assignment.clients[index], assignment.proxy_of[index])
    return better


def assign_all_by_flows(assignment: Assignment) -> bool:
    """Assign all clients again: a flow of all that are left, of which the heaviest are fixed. True if that is better.

    The lighter clients are split by the flow that fixes the heavier ones: they only show where room is worth most.
    """
    clients = assignment.clients
    before, regret_before = list(assignment.proxy_of), sum(assignment.regrets().values())
    loose = [index for index, client in enumerate(clients) if client.group is None]
    for index in loose:
        assignment.remove(clients[index], before[index])
    fixed_each_round = len(loose) // ROUNDS
    while loose:
        lightest = clients[loose[min(fixed_each_round, len(loose) - 1)]].weight
        groups = _group_alike(assignment, loose)
        supply = [len(alike) * clients[alike[0]].weight for alike in groups]
        flow = _solve_flow(assignment, groups, supply, list(assignment.room))
        rounded: list[tuple[int, list[int]]] = []
        for alike, units in zip(groups, flow.by_class, strict=True):
            if clients[alike[0]].weight >= lightest:
                rounded += _fix_unsplit(assignment, alike, units)
        for index, proxies in rounded:
            fitting = (proxy for proxy in proxies if assignment.room[proxy] >= clients[index].weight)
            assignment.assign(index, next(fitting, NOWHERE))
        loose = [index for index in loose if clients[index].weight < lightest]
    better = sum(assignment.regrets().values()) < regret_before
    if not better:
        for index, client in enumerate(clients):
            if client.group is None:
                assignment.remove(client, assignment.proxy_of[index])
                assignment.assign(index, before[index])
    return better


def _fix_unsplit(assignment: Assignment, alike: Alike, units: dict[int, int]) -> list[tuple[int, list[int]]]:
    """Fix the clients that the flow does not split. The others, each with the proxies it might go to."""
    weight, costs = assignment.clients[alike[0]].weight, assignment.clients[alike[0]].destinations.costs
    left = list(alike)
    for proxy, amount in sorted(units.items()):
        for _client in range(min(len(left), amount // weight)):
            assignment.assign(left.pop(0), proxy)
    near = sorted((-(units.get(proxy, 0) % weight), cost, proxy) for proxy, cost in costs.items() if proxy >= 0)
    if sum(units.values()) == len(alike) * weight:
        return [(index, [proxy for *_rank, proxy in near]) for index in left]
    return [(index, [proxy for part, _cost, proxy in near if part]) for index in left]


def _group_alike(assignment: Assignment, indices: Iterable[int]) -> list[Alike]:
    groups: defaultdict[int, Alike] = defaultdict(list)
    for index in indices:
        groups[id(assignment.clients[index].destinations)].append(index)
    return list(groups.values())


def _cost(assignment: Assignment, groups: list[Alike]) -> int:
    clients = assignment.clients
    return sum(clients[index].destinations.costs[assignment.proxy_of[index]] for alike in groups for index in alike)


def _solve_flow(assignment: Assignment, groups: list[Alike], supply: list[int], rooms: list[int]) -> Flow:
    """The cheapest flow of the groups into the rooms."""
    assignment.effort -= EFFORT_OF_CLIENT * sum(map(len, groups))
    costs = [assignment.clients[alike[0]].destinations.costs for alike in groups]
    return solve(
        Transport(
            supply=supply,
            room=rooms,
            rows=[sorted((cost, proxy) for proxy, cost in row.items() if proxy != NOWHERE) for row in costs],
            costs=[[row.get(proxy, 0) for proxy in range(len(rooms))] for row in costs],
            outside=[[(row[NOWHERE], number)] for row, number in zip(costs, supply, strict=True)],
        )
    )
