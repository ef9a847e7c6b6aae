# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients in demand classes.

A million clients are some hundreds of classes: clients of one site with the same restrictions are the same to
every proxy. Everything after this file works on classes; names are touched again only when they are handed out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import (
    ACTIVE,
    NO_RESTRICTION,
    SELECTORS,
    AllocationError,
    AllocationProblem,
    Demand,
    Fault,
    Key,
    Latency,
    Policy,
    Proxy,
    Restriction,
    Runs,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.read import (
    group_clients,
    read_backups,
    read_latency,
    read_policy,
    read_previous,
    read_proxies,
)


def build(
    clients: Any,
    proxies: Any,
    latency: Any,
    previous: Any,
    previous_backups: Any,
    policy: Any,
    former: Iterable[str] = (),
) -> AllocationProblem:
    """Check everything, then group. Raises AllocationError with all problems at once."""
    problems: list[Fault] = []
    rules = read_policy(policy, problems)
    servers = read_proxies(proxies, problems)
    matrix = read_latency(latency, problems)
    deployed = read_previous(previous, problems)
    backups = read_backups(previous_backups, problems)
    names = {server.name for server in servers}
    grouped = group_clients(clients, names, {*names, *former}, problems)
    if problems or grouped is None:
        raise AllocationError(problems)
    problem = _assemble(rules, servers, matrix, deployed, backups, grouped, len(clients))
    problem.unchanged = _is_unchanged(problem, previous)
    return problem


def _is_unchanged(problem: AllocationProblem, previous: Any) -> bool:
    """Does the former result belong to this very input, and is everyone still where it says?"""
    if not isinstance(previous, Mapping) or previous.get("digest") != problem.digest:
        return False
    unplaced = previous.get("unplaced")
    homeless = [name for demand in problem.demands for names in demand.free.values() for name in names]
    if not isinstance(unplaced, Mapping) or sorted(homeless) != sorted(map(str, unplaced)):
        return False
    load = [0] * len(problem.active)
    for demand in problem.demands:
        for proxy, runs in demand.stays.items():
            load[proxy] += sum(weight * len(names) for weight, names in runs.items())
    return all(held <= limit for held, limit in zip(load, problem.limits, strict=True))


def _assemble(
    policy: Policy,
    servers: list[Proxy],
    latency: Latency,
    previous: Mapping[str, str],
    previous_backups: Mapping[str, str],
    grouped: dict[Key, list[str]],
    clients: int,
) -> AllocationProblem:
    order = sorted(grouped, key=lambda key: (key[0], key[1][0] or "", key[1][1:], key[2] or "", key[3]))
    unit = math.gcd(*(key[3] for key in order)) if order else 1
    total = sum(key[3] // unit * len(grouped[key]) for key in order)
    active = [server for server in servers if server.state == ACTIVE]
    largest = max((server.capacity for server in active if server.capacity is not None), default=1) or 1
    shares = [(largest if server.capacity is None else server.capacity) * server.weight for server in active]
    capacities = [total if server.capacity is None else min(total, server.capacity // unit) for server in active]
    limits = _limits(policy, active, shares, unit, total)
    problem = AllocationProblem(
        policy, servers, active, limits, capacities, shares, [], latency, previous, previous_backups,
        set(), {}, unit, total, clients, _digest(policy, servers, latency, grouped, order),
    )  # fmt: skip
    problem.grouped = {key: grouped[key] for key in order}
    _classify(problem)
    return problem


def plan_again(problem: AllocationProblem, placed: Mapping[str, str]) -> AllocationProblem:
    """The problem of the next run, if everybody is where ``placed`` says by then and nothing else changes."""
    following = replace(problem, previous=placed, demands=[], crowded=set(), group_of={}, unchanged=False)
    _classify(following)
    return following


def _limits(policy: Policy, active: list[Proxy], shares: list[float], unit: int, total: int) -> list[int]:
    headroom_used = Fraction(repr(policy.headroom))
    all_shares = math.fsum(shares)
    limits = []
    for server, share in zip(active, shares, strict=True):
        limit = total
        if server.capacity is not None:
            limit = min(limit, math.floor(server.capacity * (1 - headroom_used) / unit))
        if policy.balance is not None and all_shares:
            # Rounded up: at balance 1 the whole demand must still fit.
            limit = min(
                limit, math.ceil(Fraction(repr(policy.balance)) * Fraction(share) / Fraction(all_shares) * total)
            )
        limits.append(limit)
    return limits


def _digest(
    policy: Policy, servers: list[Proxy], latency: Latency, grouped: dict[Key, list[str]], order: list[Key]
) -> str:
    head = {
        "policy": [policy.move_cost, policy.move_budget, policy.balance, policy.headroom, policy.rebalance],
        "proxies": [
            [p.name, p.site, p.zone, p.region, p.capacity, p.state, p.weight, sorted(p.tags), p.backup] for p in servers
        ],
        "latency": latency.canonical(),
    }
    digest = hashlib.sha256(json.dumps(head).encode())
    for key in order:
        names = grouped[key]
        text = "\0".join(names)
        if text.count("\0") != len(names) - 1:
            text = json.dumps(names)
        digest.update(json.dumps([key, len(names)]).encode())
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _classify(problem: AllocationProblem) -> None:
    """Turn the groups into demand classes, and mark the clients that may stay."""
    number = {server.name: index for index, server in enumerate(problem.active)}
    reaches: dict[Restriction, tuple[frozenset[int] | None, frozenset[int] | None]] = {}
    classes: dict[tuple[Any, ...], Demand] = {}
    spread: defaultdict[str, list[tuple[str, Key]]] = defaultdict(list)
    for key, names in problem.grouped.items():
        site, restriction, group, weight = key
        if restriction not in reaches:
            reaches[restriction] = (
                _reach(problem.active, number, restriction),
                _reach(problem.active, number, (None,) + restriction[1:]),
            )
        if group is not None:
            spread[group] += [(name, key) for name in names]
            continue
        # The reason why a client can go nowhere is in its restriction.
        why = None if reaches[restriction][0] != frozenset() else restriction
        demand = _class(classes, (site, *reaches[restriction], why), site, reaches[restriction], restriction)
        _add(problem, demand, number, names, weight // problem.unit)
    for group, members in sorted(spread.items()):
        _add_spread_group(problem, classes, number, reaches, group, members)
    problem.demands = sorted(
        classes.values(),
        key=lambda demand: (
            demand.site, demand.reach is not None, sorted(demand.reach or ()),
            demand.backup_reach is not None, sorted(demand.backup_reach or ()), demand.siblings,
            min(demand.free or [0]),
        ),
    )  # fmt: skip


def _class(
    classes: dict[tuple[Any, ...], Demand],
    key: tuple[Any, ...],
    site: str,
    reach: tuple[frozenset[int] | None, frozenset[int] | None],
    restriction: Restriction,
) -> Demand:
    if key not in classes:
        classes[key] = Demand(site, reach[0], reach[1], restriction)
    return classes[key]


def _add(problem: AllocationProblem, demand: Demand, number: dict[str, int], names: list[str], weight: int) -> None:
    demand.weight += weight * len(names)
    if not problem.previous:
        _merge(demand.free, weight, names)
        return
    split: defaultdict[str | None, list[str]] = defaultdict(list)
    for name, server in zip(names, map(problem.previous.get, names), strict=True):
        split[server].append(name)
    for server, part in split.items():
        index = None if server is None else number.get(server)
        if index is None or not _may_stay(problem, demand.reach, index, weight):
            _merge(demand.free, weight, part)
        else:
            _merge(demand.stays.setdefault(index, {}), weight, part)


def _may_stay(problem: AllocationProblem, reach: frozenset[int] | None, proxy: int, weight: int) -> bool:
    return (reach is None or proxy in reach) and weight <= problem.limits[proxy]


def _merge(runs: Runs, weight: int, names: list[str]) -> None:
    if weight in runs:
        runs[weight] = sorted(runs[weight] + names)
    else:
        runs[weight] = names


def _add_spread_group(
    problem: AllocationProblem,
    classes: dict[tuple[Any, ...], Demand],
    number: dict[str, int],
    reaches: dict[Restriction, tuple[frozenset[int] | None, frozenset[int] | None]],
    group: str,
    members: list[tuple[str, Key]],
) -> None:
    """Spread members are classed with how many siblings share their class: a hub takes one of them a proxy."""
    occupied: set[int] = set()
    together: defaultdict[tuple[str, Any, Any, int], list[str]] = defaultdict(list)
    restriction_of: dict[tuple[str, Any, Any, int], Restriction] = {}
    for name, (site, restriction, _group_name, weight) in members:
        key = (site, *reaches[restriction], weight // problem.unit)
        together[key].append(name)
        restriction_of.setdefault(key, restriction)
        problem.group_of[name] = group
    for key, names in sorted(together.items(), key=lambda item: (-item[0][3], min(item[1]))):
        site, reach, backup_reach, weight = key
        demand = _class(classes, ("spread", len(names), *key), site, (reach, backup_reach), restriction_of[key])
        demand.siblings = len(names)
        demand.groups += 1
        demand.weight += weight * len(names)
        for name in sorted(names):
            index = number.get(problem.previous.get(name, ""))
            if index is None or index in occupied or not _may_stay(problem, reach, index, weight):
                if index in occupied:
                    problem.crowded.add(name)
                demand.free.setdefault(weight, []).append(name)
            else:
                occupied.add(index)
                demand.stays.setdefault(index, {}).setdefault(weight, []).append(name)


def _reach(active: list[Proxy], number: dict[str, int], restriction: Restriction) -> frozenset[int] | None:
    if restriction == NO_RESTRICTION:
        return None
    pin, allow, deny = restriction
    reach = set(range(len(active)))
    if pin is not None:
        reach &= {number[pin]} if pin in number else set()
    if allow:
        reach &= set().union(*(_selected(active, number, selector) for selector in allow))
    for selector in deny:
        reach -= _selected(active, number, selector)
    return None if reach and len(reach) == len(active) else frozenset(reach)


def _selected(active: list[Proxy], number: dict[str, int], selector: str) -> set[int]:
    if selector in number:
        return {number[selector]}
    kind, _colon, value = selector.partition(":")
    if kind == "tag":
        return {index for index, server in enumerate(active) if value in server.tags}
    if kind in SELECTORS:
        return {index for index, server in enumerate(active) if getattr(server, kind) == value}
    return set()  # a proxy that is not active
