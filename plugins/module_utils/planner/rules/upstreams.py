# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the way up to the master."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.upstreams import paths
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, with_hint


@rule(
    "upstream-known",
    ERROR,
    reason="A proxy can only funnel to the master, its backup, or another proxy.",
    remedy="Name servers of this inventory in tiers_upstream, or leave it out: the default is right for most.",
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
    for server in topology.servers.values():
        for name in server.upstream or ():
            target = topology.servers.get(name)
            if target is None:
                message = with_hint(f"'{name}' is no server", name, topology.servers)
                yield Problem(server.name, "tiers_upstream", message)
            elif topology.serves_as(target) not in ("master", "proxy"):
                yield Problem(server.name, "tiers_upstream", f"{name} is neither master nor proxy nor a backup of one.")
        if server.upstream is not None and topology.serves_as(server) not in ("proxy", "parallel"):
            yield Problem(server.name, "tiers_upstream", f"A {server.tier} funnels to nobody.")


@rule(
    "upstream-acyclic",
    ERROR,
    reason="Proxies that funnel to each other in a circle never reach the master.",
    remedy="Let tiers_upstream of one of them name the master and its backup.",
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
                yield Problem(name, "tiers_upstream", f"A circle: {' > '.join([*circle, name])}.")
            elif name not in settled:
                trail.append(name)
                on_trail.add(name)
                stack.append((name, True))
                stack.extend((next_name, False) for next_name in reversed(ways.get(name, ())))


@rule(
    "upstream-reaches-master",
    ERROR,
    reason="A proxy is worth what it can get from the master.",
    remedy="Let tiers_upstream name the master and its backup, or proxies that reach them.",
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
    for name in ways:
        if name not in reached:
            yield Problem(name, "tiers_upstream", "No way leads up to the master.")


@rule(
    "upstream-lists-backup",
    ERROR,
    reason="A proxy that knows the master alone is stranded when the backup takes over.",
    remedy="Name the backup too in tiers_upstream, or leave tiers_upstream out.",
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
            backup = topology.backup_of(up)
            if backup and backup.name not in ups and topology.servers[name].primary != up:
                yield Problem(name, "tiers_upstream", f"It names {up} without its backup {backup.name}.")


@rule(
    "upstream-chain",
    WARNING,
    reason="Each further step on the way to the master is one more server that can fail, and more delay.",
    remedy="Let the proxy funnel to the master and its backup.",
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
    reason="A server that is leaving, or is away, serves nobody below it for long.",
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
                yield Problem(
                    server, "tiers_upstream", f"It funnels to {name}, which is {topology.servers[name].state}."
                )
