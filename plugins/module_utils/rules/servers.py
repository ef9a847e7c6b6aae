# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the servers: master, products, addresses, the way up to the master."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.findings import (
    ERROR,
    WARNING,
    Problem,
    did_you_mean,
    enumerate_names,
)
from ansible_collections.distributed.tiers.plugins.module_utils.rules.registry import Allocation, reading, rule
from ansible_collections.distributed.tiers.plugins.module_utils.topology import Server, Topology


@rule(
    "one-master",
    ERROR,
    reason="The master owns the data: without one there is nothing to serve, two of them would write apart.",
    remedy="Leave exactly one host in the group of the master; a second one belongs into backup.",
    fires="""
        master:
          hosts:
            m9: {ansible_host: 192.0.2.9}
    """,
    silent="""
        backup:
          hosts:
            px1-b: {ansible_host: 192.0.2.9, tiers_backup_of: px1, tiers_zone: rack-b}
    """,
    firm=True,
)
def one_master(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    masters = [server.name for server in topology.tier("master")]
    if not masters:
        yield Problem(None, "tiers_groups", f"No host is in the group {' or '.join(topology.group_names['master'])}.")
    elif len(masters) > 1:
        yield Problem(None, None, f"There are {len(masters)} masters: {enumerate_names(masters)}.")


@rule(
    "product-known",
    ERROR,
    reason="How a server is set up is told by its product's role.",
    remedy="Set tiers_product to a product of this collection or to the full name of a product role.",
    fires="""
        master:
          hosts:
            m1: {tiers_product: opnldap}
    """,
    silent="""
        master:
          hosts:
            m1: {tiers_product: openldap}
    """,
    firm=True,
    part=True,
)
def product_known(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for host in topology.hosts():
        if not host.product:
            yield Problem(host.name, "tiers_product", "No product is given.")
        elif topology.product_of(host) is None:
            hint = did_you_mean(host.product, topology.products)
            message = f"There is no usable product role for '{host.product}'{'; ' if hint else '.'}{hint}"
            yield Problem(host.name, "tiers_product", message)


rule(
    "product-role",
    ERROR,
    reason="The plan relies on what the product's role says about it.",
    remedy="Correct meta/product.yml of the role; docs/products.md describes it.",
    fires="""
        all:
          vars: {tiers_product: example.broken.product}
    """,
    silent="""
        all:
          vars: {tiers_product: openldap}
    """,
    firm=True,
    part=True,
)(reading("product-role"))


@rule(
    "one-product",
    ERROR,
    reason="Proxies, members and clients speak the master's protocol and hold its data.",
    remedy="Give all hosts of a system one product; another product is another system (tiers_groups).",
    fires="""
        proxy:
          hosts:
            px1: {tiers_product: example.other.product}
    """,
    silent="""
        all:
          vars: {tiers_product: openldap}
    """,
)
def one_product(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    masters = topology.tier("master")
    if not masters:
        return
    for host in topology.hosts():
        if host.product and host.product != masters[0].product:
            yield Problem(host.name, "tiers_product", f"'{host.product}' is not the master's '{masters[0].product}'.")


@rule(
    "tier-supported",
    ERROR,
    reason="Not every product can do the work of every tier.",
    remedy="Move the host to a tier that the product supports.",
    fires="""
        all:
          vars: {tiers_product: example.simple.product}
    """,
    silent="""
        all:
          vars: {tiers_product: openldap}
    """,
)
def tier_supported(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server in topology.tier("master", "proxy", "parallel"):
        product = topology.product_of(server)
        if product and server.tier not in product.tiers:
            can = f"{product.name} can be {', '.join(product.tiers) or 'nothing'}"
            yield Problem(server.name, "tiers_product", f"{product.name} cannot be {server.tier}: {can}.")


@rule(
    "unique-address",
    ERROR,
    reason="Two servers cannot listen on one port of one address.",
    remedy="Correct tiers_address (or ansible_host) or tiers_port of one of them.",
    fires="""
        proxy:
          hosts:
            px1: {ansible_host: 192.0.2.1}
    """,
    silent="""
        proxy:
          hosts:
            px1: {ansible_host: 192.0.2.1, tiers_port: 1636}
    """,
)
def unique_address(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    users: dict[tuple[str, int], list[str]] = {}
    for server in topology.servers.values():
        users.setdefault((server.address, server.port), []).append(server.name)
        if server.virtual_address:
            users.setdefault((server.virtual_address, server.port), []).append(f"{server.name} (shared address)")
    for (address, port), names in users.items():
        if len(names) > 1:
            yield Problem(None, "tiers_address", f"{address} port {port} belongs to {enumerate_names(names)}.")


@rule(
    "usable-address",
    ERROR,
    reason="The firewall of each server is made of its peers' addresses, and others must be able to reach it.",
    remedy="Set tiers_address (or ansible_host) to the IP address that the other hosts reach it by.",
    fires="""
        proxy:
          hosts:
            px1: {ansible_host: px1.example.com}
    """,
    silent="""
        proxy:
          hosts:
            px1: {ansible_host: px1.example.com, tiers_address: 192.0.2.11}
    """,
    firm=True,
    part=True,
)
def usable_address(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for host in topology.hosts():
        try:
            address = ipaddress.ip_address(host.address)
        except ValueError:
            yield Problem(host.name, "tiers_address", f"'{host.address}' is no IP address.")
            continue
        if address.is_loopback or address.is_unspecified or address.is_multicast:
            yield Problem(host.name, "tiers_address", f"{address} cannot be reached from other hosts.")


def upstreams(topology: Topology, server: Server) -> tuple[str, ...]:
    """The names of the servers a proxy, a member or a backup of one funnels to, best first."""
    primary = topology.servers.get(server.primary or "")
    given = server.upstream if server.upstream is not None else primary.upstream if primary else None
    if given is not None:
        return given
    if topology.serves_as(server) == "master":
        return (primary.name,) if primary else ()
    if topology.serves_as(server) not in ("proxy", "parallel"):
        return ()
    master = next(iter(topology.tier("master")), None)
    if master is None:
        return ()
    backup = topology.backup_of(master.name)
    return (master.name, backup.name) if backup else (master.name,)


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
                hint = did_you_mean(name, topology.servers)
                message = f"'{name}' is no server{'; ' if hint else '.'}{hint}"
                yield Problem(server.name, "tiers_upstream", message)
            elif topology.serves_as(target) not in ("master", "proxy"):
                yield Problem(server.name, "tiers_upstream", f"{name} is neither master nor proxy nor a backup of one.")
        if server.upstream is not None and topology.serves_as(server) not in ("proxy", "parallel"):
            yield Problem(server.name, "tiers_upstream", f"A {server.tier} funnels to nobody.")


@rule(
    "loss-known",
    ERROR,
    reason="A loss that hits no server looks harmless.",
    remedy="Name servers of this inventory in tiers_loss, or site:x, or zone:x.",
    fires="""
        all:
          vars: {tiers_loss: "px1,site:berln"}
    """,
    silent="""
        all:
          vars: {tiers_loss: "px1,site:berlin"}
    """,
)
def loss_known(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for selector in topology.loss:
        if not topology.selected(selector):
            places = {name for s in topology.servers.values() for name in (s.name, f"site:{s.site}", f"zone:{s.zone}")}
            hint = did_you_mean(selector, places)
            yield Problem(
                None, "tiers_loss", f"'{selector}' is no server and no place of one{'; ' if hint else '.'}{hint}"
            )


def paths(topology: Topology) -> Mapping[str, tuple[str, ...]]:
    """The ways up, of everyone who has one."""
    below = [s for s in topology.servers.values() if topology.serves_as(s) in ("proxy", "parallel")]
    return {server.name: upstreams(topology, server) for server in below}


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
                circle = trail[trail.index(name) :]
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


# What the collection itself, and ssh, listen on.
TAKEN = {22: "ssh", 8404: "the balancer's monitor", 10636: "the local relay"}


@rule(
    "port-usable",
    ERROR,
    reason="A server that may not bind its port, or finds it taken, does not start.",
    remedy="Set tiers_port to a port that is free and that the product may bind.",
    fires="""
        parallel:
          vars: {tiers_port: 22}
    """,
    silent="""
        parallel:
          vars: {tiers_port: 1636}
    """,
)
def port_usable(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server in topology.servers.values():
        product = topology.product_of(server)
        if server.port in TAKEN:
            yield Problem(server.name, "tiers_port", f"Port {server.port} is that of {TAKEN[server.port]}.")
        elif product and product.ports and not any(least <= server.port <= most for least, most in product.ports):
            may = ", ".join(f"{least}-{most}" if least < most else f"{least}" for least, most in product.ports)
            yield Problem(server.name, "tiers_port", f"{product.name} may bind {may}, not {server.port}.")


@rule(
    "client-address",
    WARNING,
    reason="The address of a host is how firewalls tell who it is: two hosts of one address get each other's rights.",
    remedy="Correct tiers_address (or ansible_host) of one of them.",
    fires="""
        client:
          hosts:
            c2: {ansible_host: 192.0.2.51}
    """,
    silent="""
        client:
          hosts:
            c2: {ansible_host: 192.0.2.52}
    """,
)
def client_address(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    users: dict[str, list[str]] = {}
    for client in topology.clients.values():
        users.setdefault(client.address, []).append(client.name)
    for server in topology.servers.values():
        if server.address in users:
            users[server.address].append(server.name)
    for address, names in users.items():
        if len(names) > 1:
            yield Problem(None, "tiers_address", f"{address} is the address of {enumerate_names(names)}.")
