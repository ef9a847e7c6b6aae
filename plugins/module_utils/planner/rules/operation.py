# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about running the system: votes, failure detection, clocks, reloads, the order of starting."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import (
    failure_detection,
    is_cold,
    primary_of,
    reload_delay,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import TLS_PROTOCOLS
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import (
    Allocation,
    Guesses,
    reading,
    rule,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.sequence import start_wave
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.upstreams import upstreams
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import parsed_address
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names

# Between sites an answer may be late for seconds without anything being lost.
LEAST_BETWEEN_SITES = 10


def voters(topology: Topology) -> list[Server]:
    """The servers that vote, as their product says. A cold backup does not run."""
    found = []
    for server in topology.servers.values():
        product, work = topology.product_of(server), topology.serves_as(server)
        if product and work in product.votes and not is_cold(topology, server):
            found.append(server)
    return found


@rule(
    "voters-majority",
    ERROR,
    reason="Fewer than three voters have no majority once one of them fails.",
    remedy="Use at least three voting servers, or remove the votes.",
    fires="""
        all:
          vars: {tiers_product: example.voting.product}
    """,
    silent="""
        all:
          vars: {tiers_product: example.voting.product}
        parallel:
          hosts:
            p3: {ansible_host: 192.0.2.23}
    """,
)
def voters_majority(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    names = [server.name for server in voters(topology)]
    if 0 < len(names) < 3:
        only = "is only 1 voter" if len(names) == 1 else f"are only {len(names)} voters"
        yield Problem(None, "tiers_groups", f"There {only}: {enumerate_names(names)}.", hosts=tuple(names))


@rule(
    "voters-odd",
    WARNING,
    reason="An even number of voters survives no more failures than one fewer, and can be split into equal parts.",
    remedy="Add or remove a voter.",
    fires="""
        all:
          vars: {tiers_product: example.voting.product}
        parallel:
          hosts:
            p3: {ansible_host: 192.0.2.23}
            p4: {ansible_host: 192.0.2.24}
    """,
    silent="""
        all:
          vars: {tiers_product: example.voting.product}
        parallel:
          hosts:
            p3: {ansible_host: 192.0.2.23}
    """,
)
def voters_odd(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    names = [server.name for server in voters(topology)]
    # Two are too few, which another rule tells.
    if len(names) > 2 and len(names) % 2 == 0:
        message = f"There are {len(names)} voters: {enumerate_names(names)}."
        yield Problem(None, "tiers_groups", message, hosts=tuple(names))


@rule(
    "voters-apart",
    ERROR,
    reason="Voters on one host fail together, possibly with the majority.",
    remedy="Place every voter on its own host.",
    fires="""
        all:
          vars: {tiers_product: example.voting.product}
        parallel:
          hosts:
            p2: {ansible_host: 192.0.2.21, tiers_port: 701}
            p3: {ansible_host: 192.0.2.23}
    """,
    silent="""
        all:
          vars: {tiers_product: example.voting.product}
        parallel:
          hosts:
            p3: {ansible_host: 192.0.2.23}
    """,
)
def voters_apart(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    at: dict[str, list[str]] = {}
    for server in voters(topology):
        at.setdefault(server.address, []).append(server.name)
    for address, names in at.items():
        if len(names) > 1:
            message = f"The voters {enumerate_names(names)} are on one host ({address})."
            yield Problem(None, "tiers_address", message, hosts=tuple(names))


@rule(
    "detection-between-sites",
    WARNING,
    reason="Between sites, no failure detection keeps dead connections; less than 10 seconds ends live ones.",
    remedy="Set tiers_failure_detection of the server to 10 seconds or more.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_site: paris, tiers_failure_detection: 3}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_site: paris, tiers_failure_detection: 12}
    """,
)
def detection_between_sites(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    hasty = {
        server.name: seconds
        for server in topology.servers.values()
        if (seconds := failure_detection(topology, server)) is not None and seconds < LEAST_BETWEEN_SITES
    }
    far: dict[str, list[str]] = {}
    for one, other in neighbours(topology) if hasty else ():
        # Either end may give a connection up.
        for server, peer in ((one, other), (other, one)):
            if server.name in hasty and server.site != peer.site:
                far.setdefault(server.name, []).append(peer.name)
    for name, peers in far.items():
        is_so = f"after {hasty[name]:g} s of silence" if hasty[name] else "never"
        message = f"It detects a failure of {enumerate_names(peers)} at another site {is_so}."
        yield Problem(name, "tiers_failure_detection", message)


def neighbours(topology: Topology) -> Iterator[tuple[Server, Server]]:
    """Servers that have a connection to each other: on the way up, in pairs, in the pool."""
    for server in topology.servers.values():
        for name in {*upstreams(topology, server), *((server.primary,) if server.primary else ())}:
            if name in topology.servers and name != server.name:
                yield server, topology.servers[name]
    members = [server for server in topology.servers.values() if topology.serves_as(server) == "parallel"]
    for distributor in topology.servers.values():
        for member in members if topology.serves_as(distributor) == "distributor" else ():
            yield distributor, member


@rule(
    "detection-before-clients",
    ERROR,
    reason="Clients that time out first move elsewhere, possibly to another site, before the local backup is active.",
    remedy="Make tiers_failure_detection shorter than tiers_client_timeout.",
    fires="""
        all:
          vars: {tiers_failure_detection: 60, tiers_client_timeout: 60}
    """,
    silent="""
        all:
          vars: {tiers_failure_detection: 15, tiers_client_timeout: 60}
    """,
)
def detection_before_clients(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server in topology.servers.values():
        product, seconds = topology.product_of(server), failure_detection(topology, server)
        patience = topology.client_timeout
        if patience is None:
            patience = product.client_timeout if product else None
        # 0 is a client that never gives up.
        if seconds is not None and patience and (seconds == 0 or seconds >= patience):
            is_so = f"after {seconds:g} s" if seconds else "never"
            message = f"It detects a failed peer {is_so}, and clients time out after {patience:g} s."
            yield Problem(server.name, "tiers_failure_detection", message)


@rule(
    "reload-storm",
    WARNING,
    reason="Proxies that reload from the master at the same time overload it, and do not serve meanwhile.",
    remedy="Set a different tiers_reload_delay for each (a backup inherits its primary's), or tiers_reloads_at_once.",
    fires="""
        proxy:
          vars: {tiers_reload_delay: 30}
    """,
    silent="""
        all:
          vars: {tiers_reloads_at_once: 1}
        proxy:
          vars: {tiers_reload_delay: 30}
    """,
)
def reload_storm(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    if topology.reloads_at_once:
        return
    at: dict[float, list[str]] = {}
    for proxy in topology.servers.values():
        delay = reload_delay(topology, proxy)
        if delay is not None and topology.serves_as(proxy) == "proxy" and proxy.state != "down":
            at.setdefault(delay, []).append(proxy.name)
    for delay, names in at.items():
        if len(names) > 1:
            message = f"{len(names)} proxies reload after the same {delay:g} s, and nothing limits how many at once."
            yield Problem(None, "tiers_reload_delay", message, hosts=tuple(names))


@rule(
    "clocks",
    WARNING,
    reason="A host with a wrong clock rejects valid certificates, and some products discard newer changes as older.",
    remedy="Synchronise the clocks, and name the service that does so in tiers_time_service.",
    fires="""
        all:
          vars: {tiers_time_service: none}
    """,
    silent="""
        all:
          vars: {tiers_time_service: chrony}
    """,
)
def clocks(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server in topology.servers.values():
        product, work = topology.product_of(server), topology.serves_as(server)
        if server.time_service and server.time_service.lower() == "none":
            yield Problem(server.name, "tiers_time_service", "Its clock is not synchronised.")
        elif server.time_service is None and product and product.clocks and work and product.runs_on(work):
            message = f"No time service is named, and {product.name} orders changes by the clock."
            yield Problem(server.name, "tiers_time_service", message)


@rule(
    "start-order",
    ERROR,
    reason="Servers start in waves: master, its backup, proxies and members, distributors. No wave waits for the next.",
    remedy="Remove the server from tiers_starts_after, or move one of the two to another tier.",
    fires="""
        master:
          hosts:
            m1: {tiers_starts_after: [px1]}
    """,
    silent="""
        distributor:
          hosts:
            d1: {tiers_starts_after: [px1]}
    """,
)
def start_order(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    guesses = Guesses(topology.servers)
    for server in topology.servers.values():
        mine = start_wave(topology, server)
        for name in server.starts_after:
            other = topology.servers.get(name)
            if other is None:
                yield Problem(server.name, "tiers_starts_after", guesses.with_hint(f"'{name}' is no server", name))
            elif mine is not None and (its := start_wave(topology, other)) is not None and its >= mine:
                order = "in the same wave as it" if its == mine else "in a later wave, after it: a circle"
                message = f"It must start after {name} ({other.tier}), which starts {order}."
                if other is server:
                    message = "It cannot start after itself."
                yield Problem(server.name, "tiers_starts_after", message)


rule(
    "name-resolves",
    ERROR,
    reason="If DNS resolves a name to another address, clients and replicas connect to that address.",
    remedy="Correct the record or tiers_address. Without tiers_resolve the names are written to /etc/hosts.",
    fires="""
        all:
          vars: {tiers_resolve: true, tiers_domain: wrong.example}
    """,
    silent="""
        all:
          vars: {tiers_resolve: true, tiers_domain: right.example}
    """,
)(reading("name-resolves"))


@rule(
    "certificate-names",
    ERROR,
    reason="Peers and clients reject a certificate that is not valid for the address or name they connect to.",
    remedy="Issue the certificate for all names and addresses in the message (subjectAltName).",
    fires="""
        master:
          hosts:
            m1:
              host_certificate: |
                -----BEGIN CERTIFICATE-----
                MIIBIjCByKADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAm0xMCAXDTIw
                MDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjANMQswCQYDVQQDDAJtMTBZMBMG
                ByqGSM49AgEGCCqGSM49AwEHA0IABK247xD7sxtvqvFq08Gyp/9TfumHrY3uVIQl
                f6NFIjMvgMiqjb0GzI6PQi2Vwyt2seLhoF5GbzOOJ8XYutcJ8MqjFzAVMBMGA1Ud
                EQQMMAqCAm0xhwTAAAJjMAoGCCqGSM49BAMCA0kAMEYCIQCO/XyfFfXKHh6Ks/Bl
                PcDACbTqA/dHj6BBVno7RFBKxAIhAL1NhVVAnfqdaLQHqTJkpXWu3rD7VpR95r8g
                T/LKFbci
                -----END CERTIFICATE-----
    """,
    silent="""
        master:
          hosts:
            m1: {host_certificate: ""}
    """,
)
def certificate_names(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    followed = {name for server in topology.servers.values() for name in upstreams(topology, server)}
    for host in topology.servers.values():
        if host.certificate_for is None:
            continue
        missing = [name for name in certified(topology, host, followed) if not covers(host.certificate_for, name)]
        if missing:
            good = enumerate_names(host.certificate_for) or "nothing that can be read"
            message = f"Its certificate is not good for {' and '.join(missing)}, but for {good}."
            yield Problem(host.name, "host_certificate", message)


def certified(topology: Topology, server: Server, followed: set[str]) -> Iterator[str]:
    """Names that the certificate of a server must contain; wiring.py has the connections."""
    primary, product = primary_of(topology, server), topology.product_of(server)
    yield server.address
    if primary.virtual_address:
        yield primary.virtual_address
    if product is None or product.protocol not in TLS_PROTOCOLS:
        return
    if server.name in followed:
        yield f"upstream.{topology.domain}"
    distributors = [s for s in topology.servers.values() if topology.serves_as(s) == "distributor"]
    if topology.serves_as(server) == "parallel" and distributors:
        yield f"pool.{topology.domain}"
        # What the distributor passes through unopened, clients check against its own address.
        shared = {s.virtual_address for s in distributors if s.virtual_address}
        yield from sorted(shared or {s.address for s in distributors}) if product.protocol != "https" else ()


def covers(names: tuple[str, ...], name: str) -> bool:
    """Whether a certificate with these names is good for a name or an address. A star stands for the first part."""
    name = name.lower()
    known = {name.lower() for name in names}
    return name in known or (parsed_address(name) is None and f"*.{name.partition('.')[2]}" in known)
