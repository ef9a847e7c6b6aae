# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the voters of the arbiter."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import (
    failover_way,
    holds_state,
    is_active_standby,
    is_leased,
    pairs,
    product_election,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import RESERVED_PORTS
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.voters import (
    FEW,
    candidates,
    choose_voters,
    etcd_version,
    majorities,
    majority,
    users_of,
    versions_differ,
    wants_voters,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.writes import write_port
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted, enumerate_names


@rule(
    "arbiter-too-few",
    WARNING,
    reason="Two hosts that cannot see each other cannot decide which of them serves; a third must. Without an arbiter "
    "no node can get a lease.",
    remedy="Add hosts to the group arbiter until it has three; they may also serve, or do nothing else. Or remove the "
    "group: no pair of the system serves by a lease.",
    fires="""
        arbiter:
          hosts:
            m1:
            m2:
    """,
    silent="""
        arbiter:
          hosts:
            m1:
            m2:
            px1: {tiers_zone: rack-c}
    """,
)
def arbiter_too_few(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    hosts = candidates(topology)
    if wants_voters(topology) and len(hosts) < FEW and not users_of(topology):
        message = f"{counted(len(hosts), 'host')} can vote, at least {FEW} are needed: no arbiter is deployed."
        yield Problem(None, "tiers_failover", message, hosts=tuple(host.name for host in hosts))


@rule(
    "two-writers",
    WARNING,
    reason="The two nodes of a pair that cannot see each other both accept writes. When they can again, writes of one "
    "of them may be lost.",
    remedy="Remove tiers_failover: vrrp. Then at most one node serves, by a lease that three hosts grant. They may "
    "also serve; if there are fewer, add some to the group arbiter. For masters that may both accept writes, "
    "tiers_active: both states that the later of two changes may replace the other.",
    fires="""
        all:
          vars: {tiers_active: one, tiers_failover: vrrp}
    """,
    silent="""
        all:
          vars: {tiers_active: one}
    """,
)
def two_writers(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if topology.serves_as(primary) != "master" or not holds_state(topology, primary):
            continue
        if failover_way(topology, primary) == "lease":
            continue
        if is_leased(topology, primary) or (
            is_active_standby(topology, primary) and not product_election(topology, primary)
        ):
            message = f"It and {backup.name} both accept writes while they cannot see each other."
            yield Problem(primary.name, "tiers_failover", message)


@rule(
    "lease-without-arbiter",
    ERROR,
    reason="A node of a pair that holds state serves only while a majority of at least three voters grants it a lease. "
    "Two hosts that cannot see each other cannot decide which of them serves, so there is no automatic failover.",
    remedy="Add hosts to the group arbiter until it has three; they may also serve, or do nothing else. Or set "
    "tiers_failover: vrrp: then there is automatic failover, and both nodes of a pair accept writes if they cannot see "
    "each other. For masters that may both serve, tiers_active: both is enough. A product that elects by itself always "
    "needs an arbiter.",
    fires="""
        all:
          vars: {tiers_product: example.simple.product, tiers_clients: !remove }
        proxy: !remove
        parallel: !remove
        distributor: !remove
        client: !remove
        backup: {hosts: {d2: !remove }}
    """,
    silent="""
        all:
          vars: {tiers_failover: vrrp, tiers_product: example.simple.product, tiers_clients: !remove }
        proxy: !remove
        parallel: !remove
        distributor: !remove
        client: !remove
        backup: {hosts: {d2: !remove }}
    """,
)
def lease_without_arbiter(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    if users_of(topology) and not choose_voters(topology):
        hosts = candidates(topology)
        message = f"{counted(len(hosts), 'host')} can vote, at least {FEW} are needed: no node of a pair could serve."
        yield Problem(None, "tiers_failover", message, hosts=tuple(host.name for host in hosts))


@rule(
    "arbiter-even",
    WARNING,
    reason="An even number of voters survives no more failures than one voter less, and has one more that can fail.",
    remedy="Add a host to the group arbiter, or remove one: three voters survive one failure, five survive two.",
    fires="""
        arbiter:
          hosts:
            m1:
            m2:
            px1:
            px2:
    """,
    silent="""
        arbiter:
          hosts:
            m1:
            m2:
            px1: {tiers_zone: rack-c}
    """,
)
def arbiter_even(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    voters = choose_voters(topology)
    if voters and len(voters) % 2 == 0:
        survive = len(voters) - majority(len(voters))
        message = f"{len(voters)} hosts vote, and {survive} of them may fail, as of {len(voters) - 1}."
        yield Problem(None, None, message, hosts=tuple(host.name for host in voters))


@rule(
    "arbiter-majority",
    WARNING,
    reason="A majority of the voters grants leases. If a majority fails at once, no lease is granted or renewed.",
    remedy="Distribute the voters over three zones and, where there are several sites, over three sites. A host that "
    "only votes may be small: add one to the group arbiter.",
    fires="""
        all:
          vars: {tiers_failover: lease}
        proxy:
          hosts:
            px1: {tiers_site: paris}
    """,
    silent="""
        all:
          vars: {tiers_failover: lease}
        proxy:
          hosts:
            px1: {tiers_zone: rack-c}
    """,
)
def arbiter_majority(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    voters = choose_voters(topology)
    for kind, name, names in majorities(topology, voters):
        variable = "tiers_site" if kind == "site" else "tiers_zone"
        message = (
            f"{len(names)} of {len(voters)} voters are at {kind} {name}: {enumerate_names(names)}. "
            f"If {kind} {name} fails, no lease can be granted."
        )
        yield Problem(None, variable, message, hosts=tuple(names))


@rule(
    "arbiter-versions",
    ERROR,
    reason="etcd supports voters of different releases only while they are upgraded, one after the other.",
    remedy="Choose hosts with one release of Debian for the group arbiter. During an upgrade, set tiers_upgrading.",
    fires="""
        arbiter:
          hosts:
            # As `setup` answers on Debian 12 and 13
            m1: {tiers_record_read: {ansible_facts: {ansible_local: {}, ansible_distribution_major_version: "12"}}}
            m2: {tiers_record_read: {ansible_facts: {ansible_local: {}, ansible_distribution_major_version: "12"}}}
            px1: {tiers_record_read: {ansible_facts: {ansible_local: {}, ansible_distribution_major_version: "13"}}}
    """,
    silent="""
        arbiter:
          hosts:
            m1: {tiers_record_read: {ansible_facts: {ansible_local: {}, ansible_distribution_major_version: "12"}}}
            m2: {tiers_record_read: {ansible_facts: {ansible_local: {}, ansible_distribution_major_version: "12"}}}
            px1: {tiers_record_read: {ansible_facts: {ansible_local: {}, ansible_distribution_major_version: "12"}}}
    """,
)
def arbiter_versions(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    voters = choose_voters(topology)
    if versions_differ(topology, voters):
        of_version: dict[str, list[str]] = {}
        for host in voters:
            if version := etcd_version(host):
                of_version.setdefault(version, []).append(host.name)
        releases = ", ".join(f"{version} on {enumerate_names(names)}" for version, names in sorted(of_version.items()))
        yield Problem(
            None, None, f"The voters have different releases of etcd: {releases}.", hosts=names_of(of_version)
        )


def names_of(of_version: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(name for names in of_version.values() for name in names)


@rule(
    "arbiter-same-machine",
    ERROR,
    reason="Two voters on one machine fail together, and cannot listen on the same port of one address.",
    remedy="Keep one of them in the group arbiter, or correct tiers_address (or ansible_host).",
    fires="""
        arbiter:
          hosts:
            m1:
            m2:
            px1:
            voter-1: {ansible_host: 192.0.2.1}
            voter-2: {ansible_host: 192.0.2.62}
    """,
    silent="""
        arbiter:
          hosts:
            m1:
            m2:
            voter-1: {ansible_host: 192.0.2.61, tiers_zone: rack-c}
    """,
)
def arbiter_same_machine(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    at: dict[str, list[str]] = {}
    for host in choose_voters(topology):
        at.setdefault(host.address, []).append(host.name)
    for address, names in at.items():
        if len(names) > 1:
            message = f"{address} is the host of {len(names)} voters: {enumerate_names(names)}."
            yield Problem(None, "tiers_address", message, hosts=tuple(names))


@rule(
    "arbiter-unused",
    WARNING,
    reason="Voters cost memory and writes on their hosts. They grant leases only to pairs in active/standby mode, and "
    "with tiers_failover: vrrp to none.",
    remedy="Remove the group arbiter, or tiers_failover: lease. For a pair in active/standby mode, remove "
    "tiers_failover: vrrp, or tiers_active: both.",
    fires="""
        arbiter:
          hosts:
            m1:
            m2:
            px1:
    """,
    silent="""
        all:
          vars: {tiers_failover: vrrp}
    """,
)
def arbiter_unused(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    voters = choose_voters(topology)
    if voters and not users_of(topology):
        message = f"{enumerate_names(host.name for host in voters)} vote, and no pair of the system serves by a lease."
        yield Problem(None, "tiers_failover", message, hosts=tuple(host.name for host in voters))


@rule(
    "arbiter-ports",
    ERROR,
    reason="A voter cannot start if another program of its host has one of its two ports.",
    remedy="Set tiers_arbiter_client_port and tiers_arbiter_peer_port to two free ports.",
    fires="""
        all:
          vars: {tiers_failover: lease, tiers_arbiter_client_port: 636}
    """,
    silent="""
        all:
          vars: {tiers_failover: lease, tiers_arbiter_client_port: 12379}
    """,
)
def arbiter_ports(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    ports = {
        "tiers_arbiter_client_port": topology.arbiter_client_port,
        "tiers_arbiter_peer_port": topology.arbiter_peer_port,
    }
    voters = choose_voters(topology)
    if voters and len(set(ports.values())) < len(ports):
        message = f"Port {topology.arbiter_peer_port} is that of the clients of the arbiter, too."
        yield Problem(None, "tiers_arbiter_peer_port", message)
    for variable, port in ports.items() if voters else ():
        if port in RESERVED_PORTS:
            yield Problem(None, variable, f"Port {port} is used by {RESERVED_PORTS[port]}.")
        for host in voters:
            server = topology.servers.get(host.name)
            product = topology.product_of(server) if server else None
            further = [more.port for more in product.more_ports] if product else []
            if server and port in (server.port, write_port(topology, server), *further):
                yield Problem(host.name, variable, f"The voter serves as {server.tier} on port {port}.")


@rule(
    "arbiter-port-changed",
    ERROR,
    reason="The voters of a running arbiter know each other by these ports. With other ports, each of them would be "
    "taken for a new voter, and its data would be removed.",
    remedy="Set the former port. To change it, remove the arbiter first: deploy with tiers_failover: vrrp and without "
    "the group arbiter. Then deploy with the new port, and without tiers_failover: vrrp.",
    fires="""
        all:
          vars: {tiers_failover: lease, tiers_arbiter_peer_port: 12380}
        master:
          hosts:
            m1:
              tiers_record_read:
                ansible_facts:
                  ansible_local: {tiers_voter: {schema: 1, voters: [m1], client_port: 2379, peer_port: 2380}}
    """,
    silent="""
        all:
          vars: {tiers_failover: lease}
        master:
          hosts:
            m1:
              tiers_record_read:
                ansible_facts:
                  ansible_local: {tiers_voter: {schema: 1, voters: [m1], client_port: 2379, peer_port: 2380}}
    """,
)
def arbiter_port_changed(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    planned = {
        "tiers_arbiter_client_port": topology.arbiter_client_port,
        "tiers_arbiter_peer_port": topology.arbiter_peer_port,
    }
    for host in choose_voters(topology):
        for variable, port in host.voter_ports:
            if port != planned[variable]:
                message = f"The voter is deployed with port {port}, and the inventory sets {planned[variable]}."
                yield Problem(host.name, variable, message)
