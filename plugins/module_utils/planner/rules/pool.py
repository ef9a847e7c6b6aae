# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the pool: parallel members and their distributor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import SERVER_WEIGHT
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import is_cold
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.pairs import both_down
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted, enumerate_names


@rule(
    "pool-distributor",
    ERROR,
    reason="One distributor balances the load of the pool. It can have a backup.",
    remedy="Put exactly one host into the group of the distributor, and a second one into backup.",
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
        message = f"{counted(len(members), 'parallel member')} and no distributor."
        yield Problem(None, "tiers_groups", message, hosts=names_of(members))
    if len(distributors) > 1:
        names = names_of(distributors)
        message = f"There are {len(distributors)} distributors: {enumerate_names(names)}."
        yield Problem(None, "tiers_groups", message, hosts=names)


def names_of(servers: Iterable[Server]) -> tuple[str, ...]:
    return tuple(server.name for server in servers)


@rule(
    "pool-members",
    ERROR,
    reason="A pool of one member has no service when that member fails.",
    remedy="Add members, or remove the distributor.",
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
        here = f"this one has only {members[0].name}" if members else "this one has none"
        message = f"A pool needs at least two members, {here}."
        yield Problem(None, "tiers_groups", message, hosts=names_of((*members, *distributors)))


@rule(
    "pool-active",
    ERROR,
    reason="A pool does not serve if all its members are draining or down, or if its distributor is down.",
    remedy="Set tiers_state of a member, or of the distributor or its backup, to active.",
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
    if members and not any(serves(topology, member) for member in members):
        yield Problem(None, "tiers_state", "No parallel member is active.", hosts=names_of(members))
    yield from both_down(topology, "distributor")


def serves(topology: Topology, member: Server) -> bool:
    """Whether new requests go to a member's place: to itself or, while it is down, to its backup."""
    backup = topology.backup_of(member.name)
    behind = backup is not None and backup.state == "active" and not is_cold(topology, backup)
    return member.state == "active" or (member.state == "down" and behind)


@rule(
    "distributor-on-member",
    WARNING,
    reason="If that host fails, the distributor and a member fail together.",
    remedy="Place the distributor on its own host.",
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
    reason="A pool that needs all its members fails with any of them.",
    remedy="Set tiers_min_online below the number of members that are active, or add members.",
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
    members = topology.tier("parallel")
    serving = sum(serves(topology, member) for member in members)
    # Other rules report pools of one member, and those without an active one.
    if len(members) < 2 or not serving:
        return
    if topology.min_online >= len(members):
        message = f"{topology.min_online} members must be online, and the pool has {len(members)} in all."
        yield Problem(None, "tiers_min_online", message)
    elif topology.min_online > serving:
        message = f"{topology.min_online} members must be online, and only {serving} of {len(members)} are active."
        yield Problem(None, "tiers_min_online", message, hosts=away(topology))


def away(topology: Topology) -> tuple[str, ...]:
    """The members to whose place no new requests go."""
    return names_of(member for member in topology.tier("parallel") if not serves(topology, member))


@rule(
    "pool-spare",
    WARNING,
    reason="While members are draining or down, the others may be the minimum: the next failure stops the pool.",
    remedy="Set tiers_state of the members to active as soon as they can serve again, or add members.",
    fires="""
        parallel:
          hosts:
            p1: {tiers_state: draining}
    """,
    silent="""
        parallel:
          hosts:
            p1: {tiers_state: draining}
            p3: {ansible_host: 192.0.2.23}
    """,
)
def pool_spare(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    members = topology.tier("parallel")
    serving = sum(serves(topology, member) for member in members)
    if serving == topology.min_online < len(members):
        needed = f"{serving} of {len(members)} members {'is' if serving == 1 else 'are'} active, and the pool needs"
        yield Problem(None, "tiers_state", f"{needed} {topology.min_online}.", hosts=away(topology))


@rule(
    "member-weight",
    ERROR,
    reason="The distributor balances by weight, which is impossible if all weights are 0.",
    remedy="Set tiers_weight above 0. To stop the traffic of a member, set its tiers_state.",
    fires="""
        parallel:
          hosts:
            p1: {tiers_weight: 0}
    """,
    silent="""
        parallel:
          hosts:
            p1: {tiers_weight: 0.5}
    """,
    firm=True,
)
def member_weight(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for member in topology.tier("parallel"):
        if member.weight not in SERVER_WEIGHT:
            yield Problem(member.name, "tiers_weight", f"Its weight is {member.weight:g}.")


@rule(
    "pool-same",
    ERROR,
    reason="Any member may answer a request: with different versions or data, answers would differ.",
    remedy="Set the same tiers_version and tiers_data_version for all members.",
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
    members = topology.tier("parallel")
    serving = [server for server in topology.servers.values() if topology.serves_as(server) == "parallel"]
    # What a backup has been given of another version, another rule tells.
    versions = {} if topology.upgrading else {member.name: member.version or "the newest" for member in members}
    data = {server.name: data_version(topology, server) or "unnamed" for server in serving}
    for variable, of in (("tiers_version", versions), ("tiers_data_version", data)):
        having: dict[str, list[str]] = {}
        for name, value in of.items():
            having.setdefault(value, []).append(name)
        if len(having) > 1:
            # The many are right, most often.
            *odd, (usual, _most) = sorted(having.items(), key=lambda item: (len(item[1]), item[0]))
            differences = "; ".join(f"{value} on {enumerate_names(names)}" for value, names in odd[:VALUES_SHOWN])
            more = f"; {len(odd) - VALUES_SHOWN} more values" if len(odd) > VALUES_SHOWN else ""
            message = f"The members differ: {differences}{more}; {usual} on the others."
            yield Problem(None, variable, message, hosts=tuple(name for _value, names in odd for name in names))


VALUES_SHOWN = 5


def data_version(topology: Topology, server: Server) -> str | None:
    """The revision of the data a server has. A backup is given its primary's unless it says otherwise."""
    primary = topology.servers.get(server.primary or "")
    return server.data_version or (primary.data_version if primary else None)
