# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about primaries and their backups."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import (
    failback_kinds,
    last_octet,
    pairs,
    redundancy_kinds,
    segment,
    usual_network,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import (
    Allocation,
    Guesses,
    rule,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.servers import unusable
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.versions import before_master, release
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import parsed_address
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted, enumerate_names


def alone(topology: Topology, tier: str) -> Iterator[Problem]:
    """Servers of a tier without a backup, of products that can have one."""
    for server in topology.tier(tier):
        if topology.backup_of(server.name) is None and redundancy_kinds(tier, topology.product_of(server)):
            yield Problem(server.name, "tiers_backup_of", "The server has no backup.")


def both_down(topology: Topology, tier: str) -> Iterator[Problem]:
    """Servers of a tier that are down and that no backup replaces."""
    for server in topology.tier(tier):
        backup = topology.backup_of(server.name)
        if server.state == "down" and (backup is None or backup.state == "down"):
            too = f"its backup {backup.name} is down, too" if backup else "it has no backup"
            yield Problem(server.name, "tiers_state", f"It is down, and {too}.")


NO_REDUNDANCY = (
    "Keep a dump and a spare host. If the product does support a backup, name its kind in `redundancy` of the product "
    "and add one."
)
OTHER_GROUP = (
    "Set tiers_backup_of to the name of one server. If the group 'backup' has another purpose in this inventory, "
    "name the group of the backups for all hosts: tiers_groups: {backup: NAME}."
)


@rule(
    "backup-of-one",
    ERROR,
    reason="A backup belongs to exactly one server: it has that server's data and replaces it when it fails.",
    remedy="Set tiers_backup_of to the name of one server.",
    fires="""
        backup:
          hosts:
            m2: {tiers_backup_of: m3}
    """,
    silent="""
        backup:
          hosts:
            m2: {tiers_backup_of: m1}
    """,
    firm=True,
)
def backup_of_one(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    guesses = Guesses(topology.servers)
    for backup in topology.tier("backup"):
        if backup.primary is None:
            message = "The primary of the backup is not set."
            yield Problem(backup.name, "tiers_backup_of", message, OTHER_GROUP)
        elif backup.primary == backup.name:
            yield Problem(backup.name, "tiers_backup_of", "A server cannot be its own backup.")
        elif backup.primary in topology.clients:
            yield Problem(backup.name, "tiers_backup_of", f"{backup.primary} is a client, and no server.")
        elif backup.primary not in topology.servers:
            message = guesses.with_hint(f"'{backup.primary}' is no server", backup.primary)
            yield Problem(backup.name, "tiers_backup_of", message)


@rule(
    "backup-of-backup",
    ERROR,
    reason="A backup cannot have a backup of its own.",
    remedy="Set tiers_backup_of to the primary, or to another server.",
    fires="""
        backup:
          hosts:
            m3: {ansible_host: 192.0.2.3, tiers_backup_of: m2}
    """,
    silent="""
        backup:
          hosts:
            px1-b: {ansible_host: 192.0.2.3, tiers_backup_of: px1, tiers_zone: rack-b}
    """,
    firm=True,
)
def backup_of_backup(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if primary.tier == "backup":
            of = f" of {primary.primary}" if primary.primary else ""
            yield Problem(backup.name, "tiers_backup_of", f"Its primary {primary.name} is a backup{of} itself.")


@rule(
    "one-backup",
    ERROR,
    reason="With two backups of one server, both would be promoted at the same time.",
    remedy="Keep one of them, and set tiers_backup_of of the other to another server.",
    fires="""
        backup:
          hosts:
            m3: {ansible_host: 192.0.2.3, tiers_backup_of: m1}
    """,
    silent="""
        backup:
          hosts:
            px1-b: {ansible_host: 192.0.2.3, tiers_backup_of: px1, tiers_zone: rack-b}
    """,
    firm=True,
)
def one_backup(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    behind: dict[str, list[str]] = {}
    for primary, backup in pairs(topology):
        behind.setdefault(primary.name, []).append(backup.name)
    for primary_name, backups in behind.items():
        if len(backups) > 1:
            message = f"Several backups stand behind {primary_name}: {enumerate_names(backups)}."
            yield Problem(None, "tiers_backup_of", message, hosts=tuple(backups))


@rule(
    "backup-same-host",
    ERROR,
    reason="If the host fails, primary and backup fail together.",
    remedy="Put the backup on another host.",
    fires="""
        backup:
          hosts:
            m2: {ansible_host: 192.0.2.1, tiers_port: 1636}
    """,
    silent="""
        backup:
          hosts:
            m2: {ansible_host: 192.0.2.2}
    """,
)
def backup_same_host(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if primary.address == backup.address:
            yield Problem(
                backup.name, "tiers_address", f"It is on the host of its primary {primary.name} ({primary.address})."
            )


@rule(
    "backup-same-zone",
    WARNING,
    reason="If the zone fails (rack, power, hypervisor), primary and backup fail together.",
    remedy="Put the backup into another zone, or correct tiers_zone.",
    fires="""
        backup:
          hosts:
            m2: {tiers_zone: rack-a}
    """,
    silent="""
        backup:
          hosts:
            m2: {tiers_zone: rack-b}
    """,
)
def backup_same_zone(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if primary.zone is not None and (primary.site, primary.zone) == (backup.site, backup.zone):
            yield Problem(
                backup.name, "tiers_zone", f"It is in the zone of its primary {primary.name} ({primary.zone})."
            )


@rule(
    "pair-product",
    ERROR,
    reason="A backup of another product cannot take its primary's place.",
    remedy="Give both the same tiers_product.",
    fires="""
        backup:
          hosts:
            m2: {tiers_product: example.other.product}
    """,
    silent="""
        backup:
          hosts:
            m2: {tiers_product: openldap}
    """,
)
def pair_product(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if primary.product != backup.product:
            yield Problem(
                backup.name, "tiers_product", f"'{backup.product}' differs from '{primary.product}' of {primary.name}."
            )


@rule(
    "pair-version",
    ERROR,
    reason="After a failover the service would behave differently, or could not read the data.",
    remedy="Set the same tiers_version for both. During an upgrade, set tiers_upgrading.",
    fires="""
        backup:
          hosts:
            m2: {tiers_version: "2.6"}
    """,
    silent="""
        all:
          vars: {tiers_version: "2.6"}
    """,
)
def pair_version(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        product, work = topology.product_of(backup), topology.serves_as(backup)
        # HAProxy and nginx are of no version of the product.
        if primary.version == backup.version or not (product and work and product.runs_on(work)):
            continue
        mine, its = backup.version or "the newest", primary.version or "the newest"
        differs = f"Version {mine} differs from {its} of {primary.name}"
        if not topology.upgrading:
            yield Problem(backup.name, "tiers_version", f"{differs}.")
        elif work == "master":
            backup_first = before_master(product, "backup")
            if (release(backup.version) > release(primary.version)) is not backup_first:
                first = "backup" if backup_first else "master"
                yield Problem(backup.name, "tiers_version", f"{differs}, and in an upgrade the {first} comes first.")


@rule(
    "pair-port",
    ERROR,
    reason="A backup that answers on another port cannot take over a shared address or a client's settings.",
    remedy="Give both the same tiers_port.",
    fires="""
        backup:
          hosts:
            d2: {tiers_port: 1636}
    """,
    silent="""
        distributor:
          hosts:
            d1: {tiers_port: 1636}
        backup:
          hosts:
            d2: {tiers_port: 1636}
    """,
)
def pair_port(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if primary.port != backup.port:
            yield Problem(
                backup.name, "tiers_port", f"Port {backup.port} differs from {primary.port} of {primary.name}."
            )


@rule(
    "redundancy-supported",
    ERROR,
    reason="The plan can promise only what the product supports.",
    remedy="Set tiers_redundancy to what the product supports, or leave it out.",
    fires="""
        backup:
          hosts:
            m2: {tiers_redundancy: cold}
    """,
    silent="""
        backup:
          hosts:
            m2: {tiers_redundancy: hot}
    """,
)
def redundancy_supported(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        product = topology.product_of(backup)
        if product is None or primary.tier == "backup":
            continue
        kinds = redundancy_kinds(primary.tier, product)
        what = primary.tier if primary.tier == "distributor" else f"{primary.tier} of {product.name}"
        if not kinds:
            yield Problem(backup.name, "tiers_backup_of", f"A {what} can have no backup.")
        elif backup.redundancy is not None and backup.redundancy not in kinds:
            yield Problem(
                backup.name, "tiers_redundancy", f"A {what} can be {', '.join(kinds)}, not {backup.redundancy}."
            )


@rule(
    "failback-supported",
    ERROR,
    reason="The plan can promise only what the product supports.",
    remedy="Set tiers_failback to what the product supports, or leave it out. Masters of OpenLDAP support manual and "
    "never if they serve by a lease: without tiers_active: both and tiers_failover: vrrp.",
    fires="""
        backup:
          hosts:
            m2: {tiers_failback: manual}
    """,
    silent="""
        backup:
          hosts:
            d2: {tiers_failback: manual}
    """,
)
def failback_supported(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        kinds = failback_kinds(topology, primary)
        if backup.failback is not None and backup.failback not in kinds:
            of = primary.tier if primary.tier == "distributor" else f"{primary.tier} of {backup.product}"
            message = f"Failback to a {of} can be {', '.join(kinds)}, not {backup.failback}."
            yield Problem(backup.name, "tiers_failback", message)


@rule(
    "shared-address",
    ERROR,
    reason="A shared address moves between two servers of one network segment. Its last part gives its VRRP number.",
    remedy="Choose a free address of the segment with a last part of its own, for a server with a backup.",
    fires="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 192.0.2.0}
    """,
    silent="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 192.0.2.30}
    """,
)
def shared_address(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    used: dict[tuple[str, int], str] = {}
    shared: dict[str, str] = {}
    addresses = {host.address: host.name for host in topology.hosts()}
    for server in topology.servers.values():
        if server.virtual_address is None:
            continue

        def problem(message: str, name: str = server.name) -> Problem:
            return Problem(name, "tiers_virtual_address", message)

        address, number = ipaddress.ip_address(server.virtual_address), last_octet(server.virtual_address)
        own = parsed_address(server.address)
        if why := unusable(address):
            yield problem(f"{address} {why}.")
        elif own and own.version != address.version:
            yield problem(f"{address} is of IPv{address.version}, its own address {own} of IPv{own.version}.")
        if server.tier == "backup":
            yield problem("Set it on the primary; the backup inherits it.")
        elif server.tier != "distributor" and topology.backup_of(server.name) is None:
            yield problem(f"The {server.tier} has no backup to share the address with.")
        if not 0 < number < 256:
            yield problem(f"The last part of {address} gives the number {number}; it must be from 1 to 255.")
        if other := shared.get(str(address)):
            yield problem(f"{address} is the shared address of {other}, too.")
        elif other := used.get((segment(server), number)):
            yield problem(f"{other} has a shared address with the same last part {number} in the segment.")
        if str(address) in addresses:
            yield problem(f"{address} is the own address of {addresses[str(address)]}.")
        used.setdefault((segment(server), number), server.name)
        shared.setdefault(str(address), server.name)


@rule(
    "shared-address-sites",
    WARNING,
    reason="An address cannot move between sites unless one network segment spans them.",
    remedy="Place both nodes of the pair on one site.",
    fires="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 192.0.2.30}
        backup:
          hosts:
            d2: {tiers_site: paris}
    """,
    silent="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 192.0.2.30}
    """,
)
def shared_address_sites(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if primary.virtual_address and primary.site != backup.site:
            yield Problem(
                primary.name,
                "tiers_virtual_address",
                f"{primary.name} of site {primary.site} shares {primary.virtual_address} with {backup.name} of site "
                f"{backup.site}.",
            )


@rule(
    "shared-address-network",
    ERROR,
    reason="An address outside the servers' network segment is unreachable.",
    remedy="Choose a shared address inside tiers_network, or correct tiers_network.",
    fires="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 198.51.100.30, tiers_network: 192.0.2.0/24}
    """,
    silent="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 192.0.2.30, tiers_network: 192.0.2.0/24}
    """,
)
def shared_address_network(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server, shared, network in sharing(topology):
        for what, variable, text in (
            ("shared", "tiers_virtual_address", shared),
            ("own", "tiers_address", server.address),
        ):
            address = parsed_address(text)
            if network and address and address not in ipaddress.ip_network(network):
                yield Problem(server.name, variable, f"Its {what} address {address} is outside the network {network}.")


def sharing(topology: Topology) -> Iterator[tuple[Server, str, str | None]]:
    """Each server of a pair with a shared address, that address, and the network segment it is said to be in."""
    for server in topology.servers.values():
        primary = topology.servers.get(server.primary or "", server)
        if primary.virtual_address:
            yield server, primary.virtual_address, server.network or primary.network


@rule(
    "shared-address-near",
    WARNING,
    reason="Without tiers_network, an address far from the servers' own is usually a mistake.",
    remedy="Set tiers_network to the network, such as 192.0.2.0/23, or correct the shared address.",
    fires="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 198.51.100.30}
    """,
    silent="""
        distributor:
          hosts:
            d1: {tiers_virtual_address: 192.0.2.30}
    """,
)
def shared_address_near(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server, shared, network in sharing(topology):
        usual, address = usual_network(server.address), ipaddress.ip_address(shared)
        if network or not usual:
            continue
        around = ipaddress.ip_network(usual)
        if around.version == address.version and address not in around:
            message = f"The shared address {address} is not in {usual}, the usual network around its own."
            yield Problem(server.name, "tiers_virtual_address", message)


@rule(
    "backup-capacity",
    WARNING,
    reason="A backup with less capacity than its primary's load is full when it is needed.",
    remedy="Raise tiers_capacity of the backup if it can hold more, or lower that of its primary.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_weight: 9}
        backup:
          hosts:
            px1-b: {ansible_host: 192.0.2.9, tiers_backup_of: px1, tiers_zone: rack-b, tiers_capacity: 1}
        all:
          vars:
            tiers_clients:
              - {name: desk-1, site: berlin, pin: px1}
              - {name: desk-2, site: berlin, pin: px1}
    """,
    silent="""
        backup:
          hosts:
            px1-b: {ansible_host: 192.0.2.9, tiers_backup_of: px1, tiers_zone: rack-b, tiers_capacity: 5}
    """,
)
def backup_capacity(topology: Topology, allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        load = allocation.get("proxies", {}).get(primary.name, {}).get("weight", 0)
        if primary.tier == "parallel":
            # Nobody is assigned to a member: it is given what it can hold.
            load = primary.capacity or 0
        if backup.capacity is not None and load > backup.capacity:
            has = "may be given" if primary.tier == "parallel" else "has"
            message = f"It can hold {counted(backup.capacity, 'connection')}, its primary {primary.name} {has} {load}."
            yield Problem(backup.name, "tiers_capacity", message)


@rule(
    "backup-away",
    WARNING,
    reason="A backup that is draining or down cannot be promoted: the primary's next failure interrupts service.",
    remedy="Set tiers_state of the backup to active as soon as it can serve again.",
    fires="""
        backup:
          hosts:
            d2: {tiers_state: down}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_state: down}
    """,
)
def backup_away(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if backup.state != "active" and primary.state != "down":
            message = f"It is {backup.state}, so {primary.name} runs without a backup."
            yield Problem(backup.name, "tiers_state", message)


@rule(
    "master-down",
    ERROR,
    reason="With the master and its backup both down, no server accepts writes, and replicas get no data.",
    remedy="Set tiers_state of one of them to active.",
    fires="""
        master:
          hosts:
            m1: {tiers_state: down}
        backup:
          hosts:
            m2: {tiers_state: down}
    """,
    silent="""
        backup:
          hosts:
            m2: {tiers_state: down}
    """,
)
def master_down(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    return both_down(topology, "master")


@rule(
    "master-without-backup",
    WARNING,
    reason="Without a backup, the failure of the master stops all writes.",
    remedy="Add a backup with tiers_backup_of naming the master.",
    fires="""
        backup:
          hosts:
            m2: !remove
    """,
    silent="""
        backup:
          hosts:
            m2: {tiers_backup_of: m1}
    """,
)
def master_without_backup(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    yield from alone(topology, "master")
    for master in topology.tier("master"):
        product = topology.product_of(master)
        # Of a product that is not known, another rule speaks.
        if product and topology.backup_of(master.name) is None and not redundancy_kinds("master", product):
            message = "The master has no backup, and its product supports none for a master."
            yield Problem(master.name, "tiers_backup_of", message, NO_REDUNDANCY)


@rule(
    "distributor-without-backup",
    WARNING,
    reason="Without a backup, the failure of the distributor stops the whole pool.",
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
    return alone(topology, "distributor")


@rule(
    "pair-options",
    ERROR,
    reason="A backup with other options behaves differently after a failover.",
    remedy="Set the same options for both. may_differ in the product's meta/product.yml lists those that may differ.",
    fires="""
        backup:
          hosts:
            m2: {product_openldap_size_limit: 10}
    """,
    silent="""
        backup:
          hosts:
            m2: {product_openldap_log_level: [sync]}
    """,
)
def pair_options(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        product = topology.product_of(backup)
        if product is None or primary.product != backup.product:
            continue
        for name in sorted((primary.options.keys() | backup.options.keys()) - set(product.may_differ)):
            if name not in backup.options:
                yield Problem(backup.name, name, f"The option is set on its primary {primary.name}, but not here.")
            elif name not in primary.options:
                yield Problem(backup.name, name, f"The option is set here, but not on its primary {primary.name}.")
            elif primary.options[name] != backup.options[name]:
                yield Problem(backup.name, name, f"The option differs from that of its primary {primary.name}.")
