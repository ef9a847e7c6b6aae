# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who serves whom: the allocation of clients to proxies, and of their backups.

In this order: no rule broken; least weight without a proxy; least latency, where a client that moves without need
counts as so many milliseconds farther; even within a site; ties by name. The flow over classes of clients is solved
exactly, which also proves how good the result is: ``stats.gap`` is the distance from what no allocation can beat.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.allocation_backups import Backups, find_backups
from ansible_collections.distributed.tiers.plugins.module_utils.allocation_model import (
    MICROSECONDS,
    AllocationError,
    Problem,
    build,
)
from ansible_collections.distributed.tiers.plugins.module_utils.allocation_place import (
    Hubs,
    Placement,
    Solved,
    excess,
    hand_out,
    latency_cost,
    moved_weight,
    solve_classes,
)

__all__ = ["AllocationError", "allocate"]


def allocate(
    clients: Mapping[str, Mapping[str, Any]],
    proxies: Mapping[str, Mapping[str, Any]],
    latency: Mapping[str, Mapping[str, float]] | None,
    previous: Mapping[str, Any] | None = None,
    previous_backups: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Allocate. Pure: same input in any order, same answer. Raises AllocationError with every problem of the input.

    ``previous`` is ``{client: proxy}``, or a former result (then an unchanged input returns it as it is).
    """
    collecting = gc.isenabled()
    gc.disable()  # a million small lists are made and none is garbage: a quarter of the time
    try:
        return _allocate(clients, proxies, latency, previous, previous_backups, policy)
    finally:
        if collecting:
            gc.enable()


def _allocate(
    clients: Any, proxies: Any, latency: Any, previous: Any, previous_backups: Any, policy: Any
) -> dict[str, Any]:
    problem = build(clients, proxies, latency, previous, previous_backups, policy)
    hubs = Hubs(problem, (demand.reach for demand in problem.demands), set(excess(problem)))
    move_cost = round(problem.policy.move_cost * MICROSECONDS)
    best = solve_classes(problem, hubs, move_cost)
    placement = hand_out(problem, hubs, best.flow)
    needed = 0
    if moved_weight(placement):
        still = solve_classes(problem, hubs, None)
        needed = still.moved
        gain = 100 * (still.latency - best.latency)
        if gain < problem.policy.rebalance * still.latency:
            placement = hand_out(problem, hubs, still.flow)
    moves = _moves(problem, placement, needed)
    backups = find_backups(problem, placement)
    return _result(problem, placement, best, backups, moves, move_cost)


def _moves(problem: Problem, placement: Placement, needed: int) -> list[dict[str, Any]]:
    """Every client that changes its proxy, by name, with the reason."""
    if not problem.previous:
        return []
    number = {server.name: index for index, server in enumerate(problem.active)}
    states = {server.name: server.state for server in problem.proxies}
    over = excess(problem)
    between = problem.latency.between
    moves = []
    for proxy, server in enumerate(problem.active):
        for k, weight, names in placement.new[proxy]:
            demand = problem.demands[k]
            here = between(demand.site, server.site)
            for name in names:
                source = problem.previous.get(name)
                if source is None:
                    continue
                moves.append((name, weight, k, source, server.name, here))
    found = []
    for name, weight, k, source, target, here in sorted(moves):
        demand = problem.demands[k]
        index = number.get(source)
        forced = True
        if index is None:
            why = f"{source} is {states[source]}" if source in states else f"{source} is gone"
        elif not (demand.reach is None or index in demand.reach):
            why = f"{source} is no longer allowed"
        elif name in problem.crowded:
            why = f"another of its spread group is on {source}"
        elif over.get(index, 0) > 0:
            over[index] -= weight
            why = f"{source} is over its limit"
        else:
            gain = between(demand.site, problem.active[index].site) - here
            if gain > 0 and gain >= round(problem.policy.move_cost * MICROSECONDS):
                forced, why = False, f"{target} is nearer by {gain / MICROSECONDS:g} ms"
            else:
                forced, why = needed > 0, f"makes room at {source}"
                needed -= weight
        found.append({"client": name, "from": source, "to": target, "forced": forced, "why": why})
    return found


def _why_unplaced(problem: Problem, placement: Placement, k: int, weight: int, names: list[str]) -> str:
    demand = problem.demands[k]
    pin, allow, deny = demand.restriction
    if not problem.active:
        return "no proxy is active"
    if demand.reach is not None and not demand.reach:
        if pin is not None:
            state = next(server.state for server in problem.proxies if server.name == pin)
            reason = "allow and deny exclude it" if state == "active" else f"it is {state}"
            return f"pinned to {pin}, but {reason}"
        return "allow and deny leave no active proxy"
    reach = range(len(problem.active)) if demand.reach is None else sorted(demand.reach)
    if weight > max(problem.limits[proxy] for proxy in reach):
        return "larger than any proxy it may use"
    if demand.siblings and any(placement.room(proxy) >= weight for proxy in reach):
        return f"every proxy with room has another of its spread group {problem.group_of[names[0]]}"
    return "no room on any proxy it may use"


def _result(
    problem: Problem,
    placement: Placement,
    best: Solved,
    backups: Backups,
    moves: list[dict[str, Any]],
    move_cost: int,
) -> dict[str, Any]:
    unit = problem.unit
    all_shares = sum(problem.shares)
    servers: dict[str, Any] = {server.name: None for server in problem.proxies}
    number = {server.name: index for index, server in enumerate(problem.active)}
    for server in problem.proxies:
        names: list[str] = []
        load, share = 0, 0.0
        if server.name in number:
            proxy = number[server.name]
            load = placement.load[proxy] * unit
            share = problem.shares[proxy] / all_shares if all_shares else 0.0
            for runs in placement.kept[proxy].values():
                for part in runs.values():
                    names += part
            for _class, _weight, part in placement.new[proxy]:
                names += part
            names.sort()
        servers[server.name] = {"clients": names, "weight": load, "capacity": server.capacity, "share": share}
    unplaced = {
        name: _why_unplaced(problem, placement, k, weight, [name])
        for k, weight, names in placement.out
        for name in names
    }
    latency = latency_cost(placement)
    moved = moved_weight(placement)
    left = sum(weight * len(names) for _class, weight, names in placement.out)
    cost, bound = latency + moved * move_cost, best.latency + best.moved * move_cost
    forced = sum(move["forced"] for move in moves)
    return {
        "proxies": servers,
        "backups": backups.of,
        "unplaced": dict(sorted(unplaced.items())),
        "moves": moves,
        "survives": {
            name: {"ok": left_over == 0, "left_over_weight": left_over}
            for name, left_over in backups.left_over.items()
        },
        "stats": {
            "clients": problem.clients,
            "weight": problem.total * unit,
            "unplaced_weight": left * unit,
            "unplaced_bound": best.unplaced * unit,
            "cost_ms": cost * unit / MICROSECONDS,
            "latency_ms": latency * unit / MICROSECONDS,
            "bound_ms": bound * unit / MICROSECONDS,
            "gap": _gap(cost, bound) if left == best.unplaced else None,
            "moved": len(moves),
            "forced": forced,
        },
        "digest": problem.digest,
    }


def _gap(cost: int, bound: int) -> float:
    if cost <= bound:
        return 0.0
    return (cost - bound) / bound if bound else 1.0
