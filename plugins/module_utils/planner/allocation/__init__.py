# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client allocation: the allocation of clients to proxies, and of their backups.

In this order: no rule broken; least weight without a proxy; least latency, where a client that moves without need
counts as so many milliseconds farther; even within a site; ties by name. The flow over classes of clients is solved
exactly, which also proves how good the result is: ``stats.gap`` is the distance from what no allocation can beat.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.backups import Backups, find_backups
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.choose import Choice, choose, value
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.classes import build
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import (
    MICROSECONDS,
    AllocationError,
    AllocationProblem,
    Fault,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import Placement, latency_cost

__all__ = ["AllocationError", "Fault", "allocate", "least_headroom"]


def allocate(
    clients: Mapping[str, Mapping[str, Any]],
    proxies: Mapping[str, Mapping[str, Any]],
    latency: Mapping[str, Mapping[str, float]] | None,
    previous: Mapping[str, Any] | None = None,
    previous_backups: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
    former: Iterable[str] = (),
) -> dict[str, Any]:
    """Allocate. Pure: same input in any order, same answer. Raises AllocationError with every problem of the input.

    ``former``: names that ``allow`` and ``deny`` may hold although no proxy has them (any more).
    ``previous`` is ``{client: proxy}``, or a former result (then an unchanged input returns it as it is).
    """
    collecting = gc.isenabled()
    gc.disable()  # a million small lists are made and none is garbage: a quarter of the time
    try:
        return _allocate(clients, proxies, latency, previous, previous_backups, policy, former)
    finally:
        if collecting:
            gc.enable()


def least_headroom(
    clients: Mapping[str, Mapping[str, Any]],
    proxies: Mapping[str, Mapping[str, Any]],
    latency: Mapping[str, Mapping[str, float]] | None,
    policy: Mapping[str, Any] | None = None,
) -> float | None:
    """The smallest headroom, in whole percents, with which everyone is placed and every single loss fits.

    None where no headroom does it. By bisection: each try is an allocation.
    """

    def survives(percent: int) -> bool:
        result = allocate(clients, proxies, latency, policy={**(policy or {}), "headroom": percent / 100})
        return not result["unplaced"] and all(entry["ok"] for entry in result["survives"].values())

    if survives(0):
        return 0.0
    # More headroom than what is free leaves clients out, and then more of it never helps.
    fails, holds = 0, 100
    while holds - fails > 1:
        middle = (fails + holds) // 2
        result = allocate(clients, proxies, latency, policy={**(policy or {}), "headroom": middle / 100})
        if result["unplaced"] or all(entry["ok"] for entry in result["survives"].values()):
            holds = middle
        else:
            fails = middle
    return holds / 100 if holds < 100 and survives(holds) else None


def _allocate(
    clients: Any, proxies: Any, latency: Any, previous: Any, previous_backups: Any, policy: Any, former: Iterable[str]
) -> dict[str, Any]:
    problem = build(clients, proxies, latency, previous, previous_backups, policy, former)
    move_cost = round(problem.policy.move_cost * MICROSECONDS)
    choice = choose(problem)
    backups = find_backups(problem, choice.placement, None if problem.unchanged else move_cost)
    return _result(problem, choice, backups, move_cost)


def _moves(problem: AllocationProblem, choice: Choice) -> list[dict[str, Any]]:
    """Every client that changes its proxy, by name, with the reason."""
    states = {server.name: server.state for server in problem.proxies}
    number = {server.name: index for index, server in enumerate(problem.active)}
    voluntary = {move.name: move for move in choice.voluntary}
    found = []
    for proxy, pieces in choice.placement.arriving.items():
        target = problem.active[proxy].name
        for k, weight, names in pieces:
            reach = problem.demands[k].reach
            for name in names if problem.previous else ():
                source = problem.previous.get(name)
                if source in (None, target):  # back home, though a sibling seemed to keep it out
                    continue
                index = number.get(source)
                move = voluntary.get(name)
                if move is not None:
                    nearer = move.gain > 0 and not move.needed
                    why = (
                        f"{target} is nearer by {move.gain / MICROSECONDS:g} ms"
                        if nearer
                        else f"makes room at {source}"
                    )
                elif index is None:
                    why = f"{source} is {states.get(source, 'gone')}"
                elif not (reach is None or index in reach):
                    why = f"{source} is no longer allowed"
                elif name in problem.crowded:
                    why = f"another of its spread group is on {source}"
                elif weight > problem.limits[index]:
                    why = f"larger than {source} may carry"
                else:
                    why = f"{source} is over its limit"
                forced = move is None or move.needed
                found.append({"client": name, "from": source, "to": target, "forced": forced, "why": why})
    return sorted(found, key=lambda move: move["client"])


def _why_unplaced(
    problem: AllocationProblem, placement: Placement, k: int, weight: int, names: list[str], may_fit: bool
) -> str:
    demand = problem.demands[k]
    pin = demand.restriction[0]
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
    if may_fit:
        return "no room was found on any proxy it may use, though the bound does not rule out that all could be placed"
    return "no room on any proxy it may use"


def _result(problem: AllocationProblem, choice: Choice, backups: Backups, move_cost: int) -> dict[str, Any]:
    placement, bound = choice.placement, choice.bound
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
            for _class, _weight, part in placement.pieces(proxy):
                names += part
            names.sort()
        servers[server.name] = {"clients": names, "weight": load, "capacity": server.capacity, "share": share}
    left, squares, cost = value(placement, move_cost)
    unplaced = {
        name: _why_unplaced(problem, placement, k, weight, [name], left > bound.unplaced)
        for k, weight, names in placement.out
        for name in names
    }
    moves = _moves(problem, choice)
    least = bound.latency + bound.moved * move_cost
    forced = sum(move["forced"] for move in moves)
    milliseconds = unit / MICROSECONDS
    spare = sum(problem.capacities) - max(problem.capacities, default=0) - problem.total
    return {
        "proxies": servers,
        "backups": backups.of,
        "unplaced": dict(sorted(unplaced.items())),
        "moves": moves,
        "survives": {
            name: {"ok": left_over == 0, "left_over_weight": left_over * unit}
            for name, left_over in backups.left_over.items()
        },
        "stats": {
            "clients": problem.clients,
            "weight": problem.total * unit,
            "unplaced_weight": left * unit,
            "unplaced_bound": bound.unplaced * unit,
            "cost_ms": cost * milliseconds,
            "latency_ms": latency_cost(placement) * milliseconds,
            "bound_ms": least * milliseconds,
            # The clients left out decide what the others cost: the bound holds only where the same weight is left out.
            "gap": _gap(cost, least) if (left, squares) == (bound.unplaced, bound.squares) else None,
            "moved": len(moves),
            "forced": forced,
            "held_back": choice.held_back,
            "spare_without_largest": spare * unit,
        },
        # With moves held back, the next run has to go on: its input must not look done.
        "digest": f"unfinished-{problem.digest}" if choice.held_back else problem.digest,
    }


def _gap(cost: int, bound: int) -> float:
    if cost <= bound:
        return 0.0
    return (cost - bound) / bound if bound else 1.0
