# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about primaries and their backups."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, with_hint

# The distributor and its shared address are this collection's own work, whatever the product.
DISTRIBUTOR_REDUNDANCY = ("hot", "warm")


def pairs(topology: Topology) -> Iterator[tuple[Server, Server]]:
    """Every (primary, backup) of which both exist."""
    for backup in topology.tier("backup"):
        primary = topology.servers.get(backup.primary or "")
        if primary and primary.name != backup.name:
            yield primary, backup


def redundancy_of(tier: str, product: Product | None) -> tuple[str, ...]:
    """The kinds of redundancy there are in a tier, best first."""
    kinds = DISTRIBUTOR_REDUNDANCY if tier == "distributor" else (product.redundancy.get(tier, ()) if product else ())
    return tuple(kind for kind in ("hot", "warm", "cold") if kind in kinds)


def failback_of(tier: str, product: Product | None) -> tuple[str, ...]:
    """The kinds of failback there are in a tier, the default first."""
    return ("auto", "manual") if tier == "distributor" or product is None else product.failback


@rule(
    "backup-of-one",
    ERROR,
    reason="A backup stands behind exactly one server: it holds that server's data and takes its place.",
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
    for backup in topology.tier("backup"):
        if backup.primary is None:
            yield Problem(backup.name, "tiers_backup_of", "It does not say which server it stands behind.")
        elif backup.primary == backup.name:
            yield Problem(backup.name, "tiers_backup_of", "It stands behind itself.")
        elif backup.primary not in topology.servers:
            message = with_hint(f"'{backup.primary}' is no server", backup.primary, topology.servers)
            yield Problem(backup.name, "tiers_backup_of", message)


@rule(
    "backup-of-backup",
    ERROR,
    reason="A backup is not itself backed up: the one behind it would have nobody to take over from.",
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
            yield Problem(backup.name, "tiers_backup_of", f"{primary.name} is a backup itself.")


@rule(
    "one-backup",
    ERROR,
    reason="Of two backups of one server both would take over at once.",
    remedy="Leave one of them; let the other stand behind another server.",
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
            yield Problem(
                primary_name, "tiers_backup_of", f"Several backups stand behind it: {enumerate_names(backups)}."
            )


@rule(
    "backup-same-host",
    ERROR,
    reason="What takes the primary down would take its backup with it.",
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
    reason="What a zone shares (rack, power, hypervisor) fails for primary and backup at once.",
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
    reason="After a takeover the service would behave differently, or not understand the data.",
    remedy="Give both the same tiers_version.",
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
        if primary.version != backup.version:
            mine, its = backup.version or "the newest", primary.version or "the newest"
            yield Problem(backup.name, "tiers_version", f"Version {mine} differs from {its} of {primary.name}.")


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
    reason="Only what the product can do can be promised.",
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
        kinds = redundancy_of(primary.tier, product)
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
    reason="Only what the product can do can be promised.",
    remedy="Set tiers_failback to what the product supports, or leave it out.",
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
        kinds = failback_of(primary.tier, topology.product_of(backup))
        if backup.failback is not None and backup.failback not in kinds:
            yield Problem(backup.name, "tiers_failback", f"Failback can be {', '.join(kinds)}, not {backup.failback}.")


@rule(
    "shared-address",
    ERROR,
    reason="A shared address moves between two servers of one network segment, under a number made of its last part.",
    remedy="Choose an address for a server with a backup, whose last part no other shared address of the segment has.",
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
    addresses = {s.address: s.name for s in topology.servers.values()}
    for server in topology.servers.values():
        if server.virtual_address is None:
            continue

        def problem(message: str, name: str = server.name) -> Problem:
            return Problem(name, "tiers_virtual_address", message)

        address, number = ipaddress.ip_address(server.virtual_address), last_octet(server.virtual_address)
        if server.tier == "backup":
            yield problem("It belongs to the primary; the backup takes it from there.")
        elif server.tier != "distributor" and topology.backup_of(server.name) is None:
            yield problem(f"No backup stands behind the {server.tier}, so there is nobody to share it with.")
        if not 0 < number < 256:
            yield problem(f"The last part of {address} gives the number {number}; it is to be from 1 to 255.")
        if other := used.get((segment(server), number)):
            yield problem(f"{other} has a shared address with the same last part {number}.")
        if str(address) in addresses:
            yield problem(f"{address} is the own address of {addresses[str(address)]}.")
        used.setdefault((segment(server), number), server.name)


def last_octet(address: str) -> int:
    return int(ipaddress.ip_address(address)) & 0xFF


def segment(server: Server) -> str:
    """The network segment a server is in; where nobody says, the usual size around its address."""
    if server.network:
        return server.network
    try:
        address = ipaddress.ip_address(server.address)
    except ValueError:
        return server.site
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False))


def elects(topology: Topology, primary: Server) -> bool:
    """Whether keepalived tells the halves of a pair who serves: they share an address, or only one may serve."""
    return primary.virtual_address is not None or (
        active_of(topology, primary) == "one" and topology.backup_of(primary.name) is not None
    )


def active_of(topology: Topology, server: Server) -> str:
    """Whether both halves of the server's pair may serve at one time. HAProxy and nginx always may."""
    product, work = topology.product_of(server), topology.serves_as(server)
    return product.active if product and work and product.runs_on(work) else "both"


def router_ids(topology: Topology) -> dict[str, int]:
    """{primary: the number by which VRRP knows its pair}, for every pair that elects.

    It is the last octet of the shared address, or of the primary's own; where another pair of the segment has that
    number, the highest one that is free. So a pair keeps its number when others come and go, as far as can be.
    """
    primaries = [s for s in topology.servers.values() if s.tier != "backup" and elects(topology, s)]
    ids: dict[str, int] = {}
    taken: set[tuple[str, int]] = set()
    for server in sorted(primaries, key=lambda s: (s.virtual_address is None, s.name)):
        wanted, here = last_octet(server.virtual_address or server.address), segment(server)
        free = (number for number in (wanted, *range(255, 0, -1)) if number and (here, number) not in taken)
        ids[server.name] = wanted if server.virtual_address else next(free, wanted)
        taken.add((here, ids[server.name]))
    return ids


@rule(
    "shared-address-sites",
    WARNING,
    reason="An address cannot move between sites unless one network segment spans them.",
    remedy="Put both halves of the pair on one site.",
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
                f"It is shared with {backup.name} of another site ({primary.site}, {backup.site}).",
            )


@rule(
    "shared-address-network",
    ERROR,
    reason="An address outside the servers' own network segment is reached by nobody.",
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
    for server in topology.servers.values():
        primary = topology.servers.get(server.primary or "", server)
        if primary.virtual_address and server.network:
            address, segment = ipaddress.ip_address(primary.virtual_address), ipaddress.ip_network(server.network)
            if address not in segment:
                message = f"The shared address {address} is outside its network {segment}."
                yield Problem(server.name, "tiers_virtual_address", message)


@rule(
    "backup-capacity",
    WARNING,
    reason="A backup that is smaller than the load it takes over is full the moment it is needed.",
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
        if backup.capacity is not None and load > backup.capacity:
            message = f"It can hold {backup.capacity} connections, its primary {primary.name} has {load}."
            yield Problem(backup.name, "tiers_capacity", message)


@rule(
    "pair-options",
    ERROR,
    reason="A backup with other options serves otherwise once it takes over.",
    remedy="Give both the same; what may differ is named by may_differ in the product's meta/product.yml.",
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
            if primary.options.get(name) != backup.options.get(name):
                yield Problem(backup.name, name, f"The option is given otherwise than to its primary {primary.name}.")
