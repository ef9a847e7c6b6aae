# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each proxy's clients go when it dies, and whether they fit.

Each loss is by itself: the clients of one proxy against the room that all others have left, in other failure
domains. That is the allocation problem again, only smaller, and it is solved the same way.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from ansible_collections.distributed.tiers.plugins.module_utils.allocation_model import (
    MICROSECONDS,
    Demand,
    Problem,
    Runs,
)
from ansible_collections.distributed.tiers.plugins.module_utils.allocation_place import (
    Hubs,
    Placement,
    hand_out,
    solve_classes,
)


@dataclass
class Backups:
    """``of[proxy][server]`` the sorted names; ``left_over[proxy]`` the units that fit nowhere."""

    of: dict[str, dict[str, list[str]]]
    left_over: dict[str, int]


def find_backups(problem: Problem, placement: Placement) -> Backups:
    """A backup endpoint for every client that has a proxy."""
    result = Backups({}, {})
    hubs = Hubs(problem, (demand.backup_reach for demand in problem.demands), set())
    spare = [capacity - load for capacity, load in zip(problem.capacities, placement.load)]
    number = {server.name: index for index, server in enumerate(problem.active)}
    for proxy, server in enumerate(problem.active):
        runs = _clients_of(problem, placement, proxy)
        if server.backup is not None:
            names = sorted(name for by_weight in runs.values() for part in by_weight.values() for name in part)
            result.of[server.name] = {server.backup: names} if names else {}
            result.left_over[server.name] = 0
            continue
        result.of[server.name], left = _fail_over(problem, hubs, spare, number, proxy, runs)
        result.left_over[server.name] = left
    return result


Class = tuple  # site, backup reach


def _clients_of(problem: Problem, placement: Placement, proxy: int) -> dict[Class, Runs]:
    """The clients of a proxy by what matters for a backup: where they are and what they may use."""
    parts: defaultdict[Class, Runs] = defaultdict(dict)
    pieces = [
        (number, weight, names)
        for number, runs in placement.kept[proxy].items()
        for weight, names in runs.items()
    ]  # fmt: skip
    for number, weight, names in pieces + placement.new[proxy]:
        demand = problem.demands[number]
        runs = parts[demand.site, demand.backup_reach]
        runs[weight] = runs[weight] + names if weight in runs else names
    return parts


def _fail_over(
    problem: Problem,
    hubs: Hubs,
    spare: list[int],
    number: dict[str, int],
    proxy: int,
    runs: dict[Class, Runs],
) -> tuple[dict[str, list[str]], int]:
    domain = problem.active[proxy].domain
    rooms = [
        0 if index == proxy or problem.active[index].domain == domain else max(0, room)
        for index, room in enumerate(spare)
    ]
    demands = []
    held: defaultdict[int, int] = defaultdict(int)
    for (site, reach), by_weight in sorted(runs.items(), key=lambda item: (item[0][0], sorted(item[0][1] or ()))):
        demand = Demand(site, reach, reach, (None, (), ()))
        for weight, names in sorted(by_weight.items(), reverse=True):
            names = sorted(names)
            demand.weight += weight * len(names)
            for name in names:
                index = number.get(problem.previous_backups.get(name, ""))
                if index is None or not (reach is None or index in reach) or held[index] + weight > rooms[index]:
                    demand.free.setdefault(weight, []).append(name)
                else:
                    held[index] += weight
                    demand.stays.setdefault(index, {}).setdefault(weight, []).append(name)
        demands.append(demand)
    loss = replace(problem, demands=demands, limits=rooms, shares=[float(room) for room in rooms])
    solved = solve_classes(loss, hubs, round(problem.policy.move_cost * MICROSECONDS))
    after = hand_out(loss, hubs, solved.flow)
    backups: dict[str, list[str]] = {}
    for index, server in enumerate(problem.active):
        names = [name for by_weight in after.kept[index].values() for part in by_weight.values() for name in part]
        for _class, _weight, part in after.new[index]:
            names += part
        if names:
            backups[server.name] = sorted(names)
    return backups, sum(weight * len(names) for _class, weight, names in after.out) * problem.unit
