# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the way up to the master."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import (
    Allocation,
    Guesses,
    rule,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.upstreams import paths
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names


@rule(
    "upstream-known",
    ERROR,
    reason="A proxy can forward only to the master, its backup or another proxy.",
    remedy="Name servers of this inventory in tiers_upstream, or remove it to use the default.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_upstream: [m1, m3]}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_upstream: [m1, m2]}
    """,
    firm=True,
)
def upstream_known(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    guesses = Guesses(topology.servers)
    for server in topology.servers.values():
        for name in server.upstream or ():
            target = topology.servers.get(name)
            if target is None:
                yield Problem(server.name, "tiers_upstream", guesses.with_hint(f"'{name}' is no server", name))
            elif topology.serves_as(target) not in ("master", "proxy"):
                message = f"{name} is of {target.tier}: neither master nor proxy nor a backup of one."
                yield Problem(server.name, "tiers_upstream", message)
        if server.upstream is not None and topology.serves_as(server) not in ("proxy", "parallel"):
            what = f"backup of {server.primary}" if server.tier == "backup" else server.tier
            yield Problem(server.name, "tiers_upstream", f"A {what} has no upstream: remove tiers_upstream.")


CIRCLE_SHOWN = 10


@rule(
    "upstream-acyclic",
    ERROR,
    reason="Proxies that forward to each other in a circle never reach the master.",
    remedy="Set tiers_upstream of one of them to the master and its backup.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_upstream: [px2]}
            px2: {tiers_upstream: [px1]}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_upstream: [m1, m2]}
            px2: {tiers_upstream: [px1]}
    """,
    firm=True,
)
def upstream_acyclic(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    ways = paths(topology)
    settled: set[str] = set()
    for start in ways:
        # Depth first, without recursion: a chain may be as long as the inventory.
        trail: list[str] = []
        on_trail: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                trail.pop()
                on_trail.discard(name)
                settled.add(name)
            elif name in on_trail:
                begin = trail.index(name)
                circle = trail[begin:]
                shown = [*circle[:CIRCLE_SHOWN], "…"] if len(circle) > CIRCLE_SHOWN else circle
                yield Problem(name, "tiers_upstream", f"A circle: {' > '.join([*shown, name])}.")
            elif name not in settled:
                trail.append(name)
                on_trail.add(name)
                stack.append((name, True))
                stack.extend((next_name, False) for next_name in reversed(ways.get(name, ())))


@rule(
    "upstream-reaches-master",
    ERROR,
    reason="A proxy must reach the master, directly or through other proxies.",
    remedy="Set tiers_upstream to the master and its backup, or to proxies that reach them.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_upstream: []}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_upstream: [m1, m2]}
    """,
)
def upstream_reaches_master(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    if not topology.tier("master"):
        return
    ways = paths(topology)
    below: dict[str, list[str]] = {}
    for name, ups in ways.items():
        for up in ups:
            below.setdefault(up, []).append(name)
    reached: set[str] = set()
    todo = [s.name for s in topology.servers.values() if topology.serves_as(s) == "master"]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo.extend(below.get(name, ()))
    for name, ups in ways.items():
        if name not in reached:
            through = f"through {enumerate_names(ups)}" if ups else "as tiers_upstream is empty"
            yield Problem(name, "tiers_upstream", f"No upstream leads to the master {through}.")
        elif set(ups) == {topology.servers[name].primary}:
            message = f"Its only upstream is its primary {ups[0]}: when {ups[0]} fails, it has no upstream."
            yield Problem(name, "tiers_upstream", message)


@rule(
    "upstream-lists-backup",
    ERROR,
    reason="A proxy that knows only one node of a pair is cut off when the other one is active.",
    remedy="Name both nodes in tiers_upstream, or remove tiers_upstream.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_upstream: [m1]}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_upstream: [m1, m2]}
    """,
)
def upstream_lists_backup(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for name, ups in paths(topology).items():
        for up in ups:
            backup, target = topology.backup_of(up), topology.servers.get(up)
            if topology.servers[name].primary == up:
                continue
            if backup and backup.name not in ups:
                yield Problem(name, "tiers_upstream", f"It names {up} without its backup {backup.name}.")
            elif target and target.primary in topology.servers and target.primary not in ups:
                message = f"It names {up} without its primary {target.primary}."
                yield Problem(name, "tiers_upstream", message)


@rule(
    "upstream-order",
    ERROR,
    reason="If one proxy prefers the master and another its backup, both accept writes at the same time.",
    remedy="Name the backup after its primary in tiers_upstream, or remove tiers_upstream.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_upstream: [m2, m1]}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_upstream: [m1, m2]}
    """,
)
def upstream_order(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for name, ups in paths(topology).items():
        place = {up: number for number, up in reversed(list(enumerate(ups)))}
        for up in place:
            primary = topology.servers[up].primary if up in topology.servers else None
            # Who takes the primary away for long may well prefer the backup meanwhile.
            if primary in place and place[primary] > place[up] and topology.servers[primary].state == "active":
                yield Problem(name, "tiers_upstream", f"It prefers the backup {up} to its primary {primary}.")


@rule(
    "upstream-chain",
    WARNING,
    reason="Each further proxy on the way to the master is one more server that can fail, and adds latency.",
    remedy="Set tiers_upstream of the proxy to the master and its backup.",
    fires="""
        proxy:
          hosts:
            px2: {tiers_upstream: [px1]}
    """,
    silent="""
        proxy:
          hosts:
            px2: {tiers_upstream: [m1, m2]}
    """,
)
def upstream_chain(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for name, ups in paths(topology).items():
        through = [up for up in ups if up in topology.servers and topology.serves_as(topology.servers[up]) == "proxy"]
        if through:
            yield Problem(name, "tiers_upstream", f"It reaches the master through {enumerate_names(through)}.")


@rule(
    "upstream-state",
    WARNING,
    reason="A server that is draining or down does not serve the servers below it.",
    remedy="Name another one in tiers_upstream, or set its tiers_state to active.",
    fires="""
        backup:
          hosts:
            m2: {tiers_state: draining}
    """,
    silent="""
        parallel:
          hosts:
            p1: {tiers_state: draining}
    """,
)
def upstream_state(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server, ups in paths(topology).items():
        for name in ups:
            if name in topology.servers and topology.servers[name].state != "active":
                yield Problem(server, "tiers_upstream", f"Its upstream {name} is {topology.servers[name].state}.")
