# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Improve an allocation of few clients, where each client weighs too much to be a rounding error.

The flow splits clients, real clients stay in one piece. With hundreds of clients a proxy that costs next to nothing;
with a dozen it decides how much room is left unused and how far clients must go. Up to `MOST_CLIENTS` clients are
assigned again one by one here.

**Regret.** The flow gives the price of room at each proxy: what one unit more there would save. A client pays for its
latency, for its move, and for the room it takes. Its regret is what it pays beyond its cheapest proxy (assignment.py).
All regrets and the price of all unused room are together exactly how far an assignment is above the bound of the flow.
At 0 nothing is better.

**Example.** Proxies A and B have room for 10 each; clients of weight 7, 6 and 4 are 0 ms from A and 5 ms from B. One
more unit of room at A would save 5, at B nothing: the price of A is 5. A client then pays 5 a unit at either, so no
choice has a regret, and only unused room at A is lost. A client at a time, the heaviest first, each to every proxy
with room:

    client   room left at (A, B) -> regret so far
             (10, 10) -> 0
    7        (3, 10) -> 0    (10, 3) -> 0
    6        (3, 4)  -> 0    (4, 3)  -> 0
    4        (3, 0)  -> 0    (0, 3)  -> 0
    unused   3 x 5 = 15      0 x 5 = 0: 7 goes to B, 6 and 4 to A. No assignment is better.

Assignments that leave the same room everywhere are one state, of which only the cheapest goes on, and a state whose
regret reaches that of the best known assignment is dropped (search.py). While the states are few, the result is the
optimum; of too many, the most promising go on.

**Order.** First all clients by flows of which the heavy clients are fixed step by step (reflow.py). Then one search of
all clients. Then, as long as anything gets better: the clients of each weight by a flow, which is exact, and searches
of the clients at two to four proxies that have most to gain from each other. A step that improves nothing is undone.
Effort is counted in states looked at and not in seconds, so that a result does not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.assignment import NOWHERE, Assignment
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import AllocationProblem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import Hubs, Placement, Worth
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.reflow import (
    assign_all_by_flows,
    assign_weights_by_flows,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.search import Search

MOST_CLIENTS = 1000
EFFORT = 1_600_000
SHARE_OF_ALL = 4  # of the effort, for the search of all clients: one part in so many
SHARE_OF_PART = 20
LARGEST_PART = 4  # proxies searched together
PARTNERS = 6  # proxies with which one is searched together

Part = tuple[int, ...]  # proxies searched together


def pack(
    problem: AllocationProblem,
    hubs: Hubs,
    placement: Placement,
    move_cost: int,
    worth: list[Worth],
    effort: int = EFFORT,
) -> Placement:
    """The same placement or a better one. ``worth`` is what the flow says of room at each hub."""
    if _count_clients(placement, len(problem.active)) > MOST_CLIENTS:
        return placement
    assignment = Assignment(problem, hubs, placement, move_cost, worth, effort)
    if not _improve(assignment):
        return placement
    assignment.level_sites()
    return assignment.to_placement()


def _count_clients(placement: Placement, proxies: int) -> int:
    pieces = (*map(placement.pieces, range(proxies)), placement.out)
    return sum(len(names) for piece in pieces for _number, _weight, names in piece)


def _improve(assignment: Assignment) -> bool:
    """All clients, then parts until none gets better or the effort is spent. True if anything got better."""
    all_clients, proxies = list(range(len(assignment.clients))), list(range(len(assignment.room)))
    effort_of_part = assignment.effort // SHARE_OF_PART
    better = assign_all_by_flows(assignment)
    better = Search(assignment, all_clients, proxies, assignment.effort // SHARE_OF_ALL).run() or better
    searched: dict[Part, list[tuple[int, int]]] = {}  # who was where after the last search of a part
    improved = True
    while improved:
        improved = assign_weights_by_flows(assignment)
        for part in _list_parts(assignment):
            if assignment.effort <= 0:
                break
            inside = _list_inside(assignment, part)
            if searched.get(part) != inside:
                clients = [index for index, _proxy in inside]
                improved = Search(assignment, clients, list(part), effort_of_part).run() or improved
                searched[part] = _list_inside(assignment, part)
        better = better or improved
    return better


def _list_inside(assignment: Assignment, part: Part) -> list[tuple[int, int]]:
    """The clients at some proxies or without one, and where they are."""
    inside = {*part, NOWHERE}
    return [(index, proxy) for index, proxy in enumerate(assignment.proxy_of) if proxy in inside]


def _list_parts(assignment: Assignment) -> Iterator[Part]:
    """Proxies to search together, the small parts first, of these the ones with most to gain."""
    regrets, partners = assignment.regrets(), _find_partners(assignment)
    for size in range(2, LARGEST_PART + 1):
        parts = {
            tuple(sorted((proxy, *others)))
            for proxy, near in partners.items()
            for others in combinations(near, size - 1)
        }
        gains = {part: sum(regrets[proxy] for proxy in part) for part in parts}
        yield from sorted((p for p in parts if gains[p] + regrets[NOWHERE]), key=lambda part: (-gains[part], part))


def _find_partners(assignment: Assignment) -> dict[int, list[int]]:
    """For each proxy those with which clients can be exchanged at the least regret."""
    least: list[dict[int, int]] = [{} for _proxy in assignment.room]
    for client, here in zip(assignment.clients, assignment.proxy_of, strict=True):
        for regret, proxy in client.destinations.regrets if here != NOWHERE else ():
            if proxy not in (here, NOWHERE) and regret < least[here].get(proxy, regret + 1):
                least[here][proxy] = regret
    found = {}
    for proxy, row in enumerate(least):
        exchanges = sorted((regret + least[other].get(proxy, 0), other) for other, regret in row.items())
        found[proxy] = [other for _regret, other in exchanges[:PARTNERS]]
    return found
