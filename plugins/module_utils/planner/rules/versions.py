# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about versions that differ, as they do during an upgrade."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology


def release(version: str | None) -> tuple[Any, ...]:
    """A version to compare by; none is the newest there is."""
    if version is None:
        return ((2, 0, ""),)
    parts = re.split(r"[.+~_-]", version)
    # Numbers as texts of their length: one may have any number of digits.
    return tuple((1, len(n), n) if part.isdecimal() else (0, 0, part) for part in parts for n in [part.lstrip("0")])


def replicas_first(topology: Topology, server: Server) -> bool:
    """Whether the product wants those below the master to be upgraded before it."""
    product = topology.product_of(server)
    order = product.upgrade_order if product else ()
    work = topology.serves_as(server)
    return work in order and "master" in order and order.index(work) < order.index("master")


def apart(topology: Topology) -> Iterator[tuple[Server, bool, str]]:
    """Servers below the master of another version than it: whether that is the allowed way, and how it is told."""
    master = next(iter(topology.tier("master")), None)
    for server in topology.servers.values() if master else ():
        mine, its = release(server.version), release(master.version if master else None)
        if topology.serves_as(server) in ("proxy", "parallel") and mine != its:
            others = master.version if master and master.version else "the newest"
            text = f"Its version is {server.version or 'the newest'}, the master's {others}."
            yield server, (mine > its) is replicas_first(topology, server), text


@rule(
    "version-order",
    ERROR,
    reason="A product promises in one direction only that other versions understand each other's data.",
    remedy="Keep to upgrade_order in the product's meta/product.yml; without one the master goes first.",
    fires="""
        proxy:
          vars: {tiers_version: "2.5"}
    """,
    silent="""
        all:
          vars: {tiers_version: "2.5"}
    """,
)
def version_order(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server, allowed, text in apart(topology):
        if not allowed:
            yield Problem(server.name, "tiers_version", text)


@rule(
    "upgrade-unfinished",
    WARNING,
    reason="Versions that differ are for the time of an upgrade: new features wait until the last server has them.",
    remedy="Give all the same tiers_version, or set tiers_upgrading while the upgrade is under way.",
    fires="""
        master:
          vars: {tiers_version: "2.5"}
        backup:
          hosts:
            m2: {tiers_version: "2.5"}
        parallel:
          vars: {tiers_version: "2.6"}
        proxy:
          vars: {tiers_version: "2.6"}
    """,
    silent="""
        master:
          vars: {tiers_version: "2.5"}
        backup:
          hosts:
            m2: {tiers_version: "2.5"}
        parallel:
          vars: {tiers_version: "2.6"}
        proxy:
          vars: {tiers_version: "2.6"}
        all:
          vars: {tiers_upgrading: true}
    """,
)
def upgrade_unfinished(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server, allowed, text in apart(topology):
        if allowed and not topology.upgrading:
            yield Problem(server.name, "tiers_version", text)
