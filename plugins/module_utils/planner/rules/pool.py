# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the pool: parallel members and their distributor."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names


@rule(
    "pool-distributor",
    ERROR,
    reason="Somebody has to share the load out: exactly one distributor, with a backup if need be.",
    remedy="Put one host into the group of the distributor; a second one belongs into backup.",
    fires="""
        distributor:
          hosts:
            d9: {ansible_host: 192.0.2.39}
    """,
    silent="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 192.0.2.30}
    """,
    firm=True,
)
def pool_distributor(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    members, distributors = topology.tier("parallel"), topology.tier("distributor")
    if members and not distributors:
        yield Problem(None, None, f"There are {len(members)} parallel members and no distributor.")
    if len(distributors) > 1:
        names = enumerate_names(server.name for server in distributors)
        yield Problem(None, None, f"There are {len(distributors)} distributors: {names}.")


@rule(
    "pool-members",
    ERROR,
    reason="A pool of one loses its service with its only member.",
    remedy="Add members, or take the distributor out.",
    fires="""
        parallel:
          hosts:
            p2: !remove
    """,
    silent="""
        parallel:
          hosts:
            p3: {ansible_host: 192.0.2.23}
    """,
)
def pool_members(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    members, distributors = topology.tier("parallel"), topology.tier("distributor")
    if (members or distributors) and len(members) < 2:
        yield Problem(None, None, f"A pool needs at least two members, here are {len(members)}.")


@rule(
    "pool-active",
    ERROR,
    reason="A pool whose members are all draining or down serves nobody.",
    remedy="Set tiers_state of a member to active.",
    fires="""
        parallel:
          vars: {tiers_state: draining}
    """,
    silent="""
        parallel:
          hosts:
            p1: {tiers_state: draining}
    """,
)
def pool_active(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    members = topology.tier("parallel")
    if members and not any(member.state == "active" for member in members):
        yield Problem(None, "tiers_state", "No parallel member is active.")


@rule(
    "distributor-without-backup",
    WARNING,
    reason="Without a backup the distributor is the one server whose loss takes the whole pool away.",
    remedy="Add a backup with tiers_backup_of naming the distributor.",
    fires="""
        backup:
          hosts:
            d2: !remove
    """,
    silent="""
        backup:
          hosts:
            d2: {tiers_backup_of: d1}
    """,
)
def distributor_without_backup(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for distributor in topology.tier("distributor"):
        if topology.backup_of(distributor.name) is None:
            yield Problem(distributor.name, "tiers_backup_of", "No backup stands behind it.")


@rule(
    "distributor-on-member",
    WARNING,
    reason="The loss of that one host takes the distributor and a member away at once.",
    remedy="Give the distributor a host of its own.",
    fires="""
        distributor:
          hosts:
            d1: {ansible_host: 192.0.2.21, tiers_port: 1636}
        backup:
          hosts:
            d2: {tiers_port: 1636}
    """,
    silent="""
        distributor:
          hosts:
            d1: {ansible_host: 192.0.2.31}
    """,
)
def distributor_on_member(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    members = {
        server.address: server.name for server in topology.servers.values() if topology.serves_as(server) == "parallel"
    }
    for server in topology.servers.values():
        if topology.serves_as(server) == "distributor" and server.address in members:
            yield Problem(server.name, "tiers_address", f"It is on the host of member {members[server.address]}.")


@rule(
    "min-online",
    ERROR,
    reason="A pool that needs all its members is lost with any of them.",
    remedy="Set tiers_min_online below the number of members, or add members.",
    fires="""
        all:
          vars: {tiers_min_online: 2}
    """,
    silent="""
        all:
          vars: {tiers_min_online: 1}
    """,
)
def min_online(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    active = [member for member in topology.tier("parallel") if member.state == "active"]
    # A pool of one is told by another rule.
    if len(active) > 1 and topology.min_online >= len(active):
        message = f"{topology.min_online} members are to be online, the pool has {len(active)} that are active."
        yield Problem(None, "tiers_min_online", message)


@rule(
    "pool-same",
    ERROR,
    reason="Members stand in for each other: with other versions or data a client gets other answers.",
    remedy="Give all members the same tiers_version and tiers_data_version.",
    fires="""
        parallel:
          hosts:
            p1: {tiers_data_version: "41"}
            p2: {tiers_data_version: "42"}
    """,
    silent="""
        parallel:
          vars: {tiers_data_version: "42"}
    """,
)
def pool_same(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    members = [server for server in topology.servers.values() if topology.serves_as(server) == "parallel"]
    kinds = {"tiers_version": {m.version for m in members}, "tiers_data_version": {m.data_version for m in members}}
    if topology.upgrading:
        del kinds["tiers_version"]
    for variable, values in kinds.items():
        if len(values) > 1:
            told = enumerate_names(str(value or "unnamed") for value in values)
            yield Problem(enumerate_names(m.name for m in members), variable, f"The members differ: {told}.")
