# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Primaries and their backups: which kinds a product has, what each pair is, and how VRRP knows it. No input raises."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import FAILBACK, Product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import parsed_address

# The distributor and its shared address are this collection's own work, whatever the product.
DISTRIBUTOR_REDUNDANCY = ("hot", "warm")
DISTRIBUTOR_FAILBACK = ("auto", "manual")


def pairs(topology: Topology) -> Iterator[tuple[Server, Server]]:
    """Every (primary, backup) of which both exist."""
    for backup in topology.tier("backup"):
        primary = topology.servers.get(backup.primary or "")
        if primary and primary.name != backup.name:
            yield primary, backup


def primary_of(topology: Topology, server: Server) -> Server:
    """The primary of the server's pair, itself perhaps."""
    return topology.servers.get(server.primary or "", server) if server.tier == "backup" else server


def redundancy_kinds(tier: str | None, product: Product | None) -> tuple[str, ...]:
    """The kinds of redundancy there are in a tier, best first."""
    of_product = product.redundancy.get(tier or "", ()) if product else ()
    kinds = DISTRIBUTOR_REDUNDANCY if tier == "distributor" else of_product
    return tuple(kind for kind in ("hot", "warm", "cold") if kind in kinds)


def redundancy_of(topology: Topology, server: Server) -> str | None:
    """The kind of a backup: the inventory's, else the best there is. None for all others."""
    if server.tier != "backup" or server.redundancy:
        return server.redundancy
    product = topology.product_of(primary_of(topology, server))
    return next(iter(redundancy_kinds(topology.serves_as(server), product)), None)


def is_cold(topology: Topology, server: Server) -> bool:
    return redundancy_of(topology, server) == "cold"


def failback_kinds(topology: Topology, server: Server) -> tuple[str, ...]:
    """The kinds of failback there are for the server's pair, the default first."""
    product = topology.product_of(server)
    if topology.serves_as(server) == "distributor" or product is None:
        return DISTRIBUTOR_FAILBACK
    if failover_way(topology, server) == "lease" and is_leased(topology, server):
        # The lease alone decides which node serves, whatever both could do without it.
        return tuple(dict.fromkeys((*product.failback, *FAILBACK)))
    return product.failback


def failback_of(topology: Topology, server: Server) -> str | None:
    """How the primary of the server's pair takes over again: as its backup says, else the default of the product."""
    backup = server if server.tier == "backup" else topology.backup_of(server.name)
    if backup is None or backup.failback:
        return backup.failback if backup else None
    return next(iter(failback_kinds(topology, server)), None)


def both_may_serve(topology: Topology, server: Server) -> bool:
    """Whether both nodes of the server's pair may serve at one time. HAProxy and nginx always may."""
    product, work = topology.product_of(server), topology.serves_as(server)
    if not (product and work and product.runs_on(work)):
        return True
    return product.active == "both" and not (failover_way(topology, server) == "lease" and is_leased(topology, server))


def failover_way(topology: Topology, server: Server) -> str:
    """The way in which the nodes of an active/standby pair decide which of them serves: as the inventory says, else a
    lease for a product that holds state. Rule lease-without-arbiter refuses a system with too few hosts to vote: nobody
    has said that both nodes may accept writes."""
    return topology.failover or ("lease" if holds_state(topology, server) else "vrrp")


def holds_state(topology: Topology, server: Server) -> bool:
    """Whether the server's product has data that a failover could lose. False for a service without a description,
    of which another rule speaks."""
    product = topology.product_of(server)
    return bool(product and product.stateful and (product.description or not product.described_by))


def is_leased(topology: Topology, server: Server) -> bool:
    """Whether with a lease one node of the server's pair serves at a time, although the product lets both serve."""
    product, work = topology.product_of(server), topology.serves_as(server)
    return bool(product and topology.active == "one" and product.active == "both" and work in product.leased)


def has_leader_election(topology: Topology, server: Server) -> bool:
    """Whether one node of the server's pair is chosen: they share an address, or only one may serve."""
    primary = primary_of(topology, server)
    if primary.virtual_address is not None:
        return True
    return not both_may_serve(topology, primary) and topology.backup_of(primary.name) is not None


def is_active_standby(topology: Topology, server: Server) -> bool:
    """Whether one node of the server's pair serves at a time."""
    return has_leader_election(topology, server) and not both_may_serve(topology, server)


def product_election(topology: Topology, server: Server) -> bool:
    """Whether the product itself elects, by the arbiter, the node of the server's pair that accepts writes."""
    product = topology.product_of(server)
    return bool(product and product.election == "product" and topology.serves_as(server) == "master")


def asks_arbiter(topology: Topology, server: Server) -> bool:
    """Whether the server asks the voters: a node that serves by a lease, or one with data of a product that elects by
    itself."""
    product, work = topology.product_of(server), topology.serves_as(server)
    if product and product.election == "product":
        return work in ("master", "parallel") and product.runs_on(work)
    return is_active_standby(topology, server) and failover_way(topology, server) == "lease"


def router_ids(topology: Topology) -> dict[str, int]:
    """{primary: the number by which VRRP knows its pair}, for every pair with a leader election.

    It is the last octet of the shared address, or of the primary's own; where another pair of the segment has that
    number, the highest one that is free. So a pair keeps its number when others come and go, as far as can be.
    """
    primaries = [s for s in topology.servers.values() if s.tier != "backup" and has_leader_election(topology, s)]
    ids: dict[str, int] = {}
    assigned: set[tuple[str, int]] = set()
    for server in sorted(primaries, key=lambda s: (s.virtual_address is None, s.name)):
        preferred, here = last_octet(server.virtual_address or server.address), segment(server)
        free = (number for number in (preferred, *range(255, 0, -1)) if number and (here, number) not in assigned)
        ids[server.name] = preferred if server.virtual_address else next(free, preferred)
        assigned.add((here, ids[server.name]))
    return ids


def last_octet(address: str) -> int:
    return int(ipaddress.ip_address(address)) & 0xFF


def segment(server: Server) -> str:
    """The network segment of a server; without a setting, the usual size around its address."""
    return server.network or usual_network(server.address) or server.site


def usual_network(text: str) -> str | None:
    """The network around an address, of the size that networks mostly have."""
    address = parsed_address(text)
    size = 24 if address and address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{size}", strict=False)) if address else None


def failure_detection(topology: Topology, server: Server) -> float | None:
    """Seconds of silence after which a server treats a peer as failed: of the inventory, else of the product. 0 is
    never, None without a setting."""
    product = topology.product_of(server)
    return (
        server.failure_detection if server.failure_detection is not None or not product else product.failure_detection
    )


def reload_delay(topology: Topology, server: Server) -> float | None:
    """Seconds before a server reloads from its master; a backup has its primary's."""
    return primary_of(topology, server).reload_delay if server.reload_delay is None else server.reload_delay
