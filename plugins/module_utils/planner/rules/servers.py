# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the servers: master, products, addresses, ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import RESERVED_PORTS
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import (
    Allocation,
    Guesses,
    reading,
    rule,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import IPAddress, parsed_address
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import ANSIBLE_HOST, ANSIBLE_SSH_HOST
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names


@rule(
    "one-master",
    ERROR,
    reason="The master owns the data. Without a master nothing can be served; two masters would diverge.",
    remedy="Leave exactly one host in the group of the master. A second one belongs into backup; one of another system "
    "into groups of that system (tiers_groups).",
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
        message = f"There are {len(masters)} masters: {enumerate_names(masters)}."
        yield Problem(None, "tiers_groups", message, hosts=tuple(masters))


@rule(
    "product-known",
    ERROR,
    reason="The role of the product installs and configures its servers.",
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
    guesses = Guesses(topology.products)
    for host in topology.with_product():
        if not host.product:
            yield Problem(host.name, "tiers_product", "No product is given.")
        elif topology.product_of(host) is None:
            text = f"There is no usable product role for '{host.product}'"
            yield Problem(host.name, "tiers_product", guesses.with_hint(text, host.product))


rule(
    "product-role",
    ERROR,
    reason="The plan depends on the description in the product's role.",
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
    remedy="Set one product for all hosts of a system. Another product is another system (tiers_groups).",
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
    for host in topology.with_product():
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
    # Each by its name and by the text that a person reads.
    users: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for server in topology.servers.values():
        name = server.name
        users.setdefault((server.address, server.port), []).append((name, name))
        if server.virtual_address:
            shared = (name, f"{name} (shared address)")
            users.setdefault((server.virtual_address, server.port), []).append(shared)
    for (address, port), of_address in users.items():
        if len(of_address) > 1:
            listed, names = (
                enumerate_names(text for _name, text in of_address),
                tuple(name for name, _text in of_address),
            )
            yield Problem(listed, "tiers_address", f"{address} port {port} belongs to {listed}.", hosts=names)


@rule(
    "shared-host",
    WARNING,
    reason="Servers on one host fail together, and each deployment replaces what a host has once: firewall and record.",
    remedy="Give each server a host of its own, or correct tiers_address (or ansible_host).",
    fires="""
        proxy:
          hosts:
            px1: {ansible_host: 192.0.2.1, tiers_port: 1636}
    """,
    silent="""
        proxy:
          hosts:
            px1: {ansible_host: 192.0.2.13, tiers_port: 1636}
    """,
)
def shared_host(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    at: dict[str, list[Server]] = {}
    for server in topology.servers.values():
        at.setdefault(server.address, []).append(server)
    for address, servers in at.items():
        # Where the ports are the same too, another rule tells.
        if len({server.port for server in servers}) > 1:
            names = tuple(server.name for server in servers)
            message = f"{address} is the host of {enumerate_names(names)}."
            yield Problem(None, "tiers_address", message, hosts=names)


@rule(
    "one-login",
    ERROR,
    reason="One login is one host. The other address belongs to no host of the inventory, or to another one.",
    remedy="Correct ansible_host (and ansible_port), or tiers_address, of one of them.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_address: 198.51.100.1}
            px2: {tiers_address: 198.51.100.2, ansible_host: 192.0.2.11}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_address: 198.51.100.1, ansible_host: 192.0.2.11, ansible_port: 2201}
            px2: {tiers_address: 198.51.100.2, ansible_host: 192.0.2.11, ansible_port: 2202}
    """,
)
def one_login(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    at: dict[str, dict[str, str]] = {}
    for host in topology.hosts():
        where = (host.login or "").partition(" ")[0]
        # A local connection leads to any host that its settings name.
        if where and where != "localhost" and not getattr(parsed_address(where), "is_loopback", False):
            at.setdefault(str(host.login), {})[host.address] = host.name
    for login, hosts in at.items():
        if len(hosts) > 1:
            listed, addresses = enumerate_names(hosts.values()), enumerate_names(hosts)
            message = f"Ansible reaches {listed} at {login}, but their addresses differ: {addresses}."
            yield Problem(None, "ansible_host", message, hosts=tuple(hosts.values()))


@rule(
    "one-address-family",
    ERROR,
    reason="A host connects from its one address, and cannot reach an address of the other family.",
    remedy="Set tiers_address of these hosts to an address of the family that the others have.",
    fires="""
        proxy:
          hosts:
            px1: {ansible_host: "2001:db8::11"}
    """,
    silent="""
        proxy:
          hosts:
            px1: {ansible_host: 192.0.2.11}
    """,
)
def one_address_family(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    families: dict[int, list[str]] = {}
    for host in topology.hosts():
        if address := parsed_address(host.address):
            families.setdefault(address.version, []).append(host.name)
    if len(families) > 1:
        few, many = sorted(families, key=lambda version: (len(families[version]), version))
        odd = families[few]
        message = (
            f"{enumerate_names(odd)} {'has an address' if len(odd) == 1 else 'have addresses'} of IPv{few}, all other "
            f"hosts of IPv{many}: no connection between them can be opened."
        )
        yield Problem(None, "tiers_address", message, hosts=tuple(odd))
        return
    for site in sorted({str(client.get("site")) for client in topology.population.values()}):
        of_site = {ipaddress.ip_network(network).version for network in topology.networks.get(site, ())}
        if of_site and families and not of_site & families.keys():
            message = (
                f"The networks of site '{site}' are of IPv{min(of_site)}, all hosts of IPv{min(families)}: its named "
                "clients cannot connect to any server."
            )
            remedy = "Add the networks of the other family, or set tiers_address of the servers to theirs."
            yield Problem(None, "tiers_site_networks", message, remedy)


@rule(
    "usable-address",
    ERROR,
    reason="The firewall of each server lists the addresses of the hosts that connect to it.",
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
    # The reader reported values that are no addresses.
    unread = {p.host for p in topology.problems if p.variable in ("tiers_address", ANSIBLE_HOST, ANSIBLE_SSH_HOST)}
    for host in topology.hosts():
        address = parsed_address(host.address)
        if host.name in unread:
            continue
        if address is None:
            yield Problem(host.name, "tiers_address", f"'{host.address}' is no IP address.")
        elif why := unusable(address):
            yield Problem(host.name, "tiers_address", f"{address} {why}.")


THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
BROADCAST = ipaddress.ip_address("255.255.255.255")


def unusable(address: IPAddress) -> str | None:
    """Why other hosts cannot reach this address; nothing if they can."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return f"is an IPv4 address in disguise: write {address.ipv4_mapped}"
        if address.scope_id:
            return "is good on one link only: it names an interface"
    elif address in THIS_NETWORK or address == BROADCAST:
        return "is no address of a host"
    if address.is_loopback:
        return "is the host itself for anyone who uses it: it cannot be reached from other hosts"
    if address.is_link_local:
        return "is good on one link only: hosts give themselves such an address when they get no other"
    if address.is_unspecified or address.is_multicast:
        return "is no address of a single host"
    return None


@rule(
    "loss-known",
    ERROR,
    reason="A failure that affects no server would look harmless.",
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
    unknown = [selector for selector in topology.loss if not topology.selected(selector)]
    if unknown:
        servers = topology.servers.values()
        guesses = Guesses(name for s in servers for name in (s.name, f"site:{s.site}", f"zone:{s.zone}"))
        for selector in unknown:
            message = guesses.with_hint(f"'{selector}' names no server, site or zone", selector)
            yield Problem(None, "tiers_loss", message)


@rule(
    "port-usable",
    ERROR,
    reason="A server cannot start if it must not bind its port, or if the port is in use.",
    remedy="Set tiers_port to a free port that the product may bind.",
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
        ranges = bindable(topology, server)
        if server.port in RESERVED_PORTS:
            yield Problem(server.name, "tiers_port", f"Port {server.port} is used by {RESERVED_PORTS[server.port]}.")
        elif ranges and not any(least <= server.port <= most for least, most in ranges):
            may = ", ".join(f"{least}-{most}" if least < most else f"{least}" for least, most in ranges)
            yield Problem(server.name, "tiers_port", f"{server.product} may bind {may}, not {server.port}.")


def bindable(topology: Topology, server: Server) -> tuple[tuple[int, int], ...]:
    """The ports a server's program may bind, where it has any to keep to. HAProxy and nginx may bind every port."""
    product, work = topology.product_of(server), topology.serves_as(server)
    binds = product and work and product.runs_on(work) and product.tls != "terminated"
    return product.ports if product and binds else ()


@rule(
    "client-address",
    WARNING,
    reason="Firewalls identify a host by its address: two hosts with one address would get each other's permissions.",
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
            message = f"{address} is the address of {enumerate_names(names)}."
            yield Problem(None, "tiers_address", message, hosts=tuple(names))
