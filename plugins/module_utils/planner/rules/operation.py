# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about running the system: votes, failure detection, clocks, reloads, the order of starting."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, reading, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.upstreams import upstreams
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, with_hint

# Between sites an answer may be late for seconds without anything being lost.
LEAST_BETWEEN_SITES = 10
# What starts after what; see plan.WAVES.
STARTS = {"master": 0, "proxy": 2, "parallel": 2, "distributor": 3}


def voters(topology: Topology) -> list[Server]:
    """The servers that vote, as their product says."""
    return [
        server
        for server in topology.servers.values()
        if (product := topology.product_of(server)) and topology.serves_as(server) in product.votes
    ]


@rule(
    "voters-majority",
    ERROR,
    reason="Fewer than three voters have no majority left once one of them is away.",
    remedy="Have at least three servers of the tiers that vote, or take the vote from them.",
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
        yield Problem(None, None, f"There are only {len(names)} voters: {enumerate_names(names)}.")


@rule(
    "voters-odd",
    WARNING,
    reason="An even number of voters survives no more losses than one fewer, and can be split into halves.",
    remedy="Add a voter, or leave one out.",
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
def voters_odd(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    names = [server.name for server in voters(topology)]
    if names and len(names) % 2 == 0:
        yield Problem(None, None, f"There are {len(names)} voters: {enumerate_names(names)}.")


@rule(
    "voters-apart",
    ERROR,
    reason="Voters on one host are lost together, and with them perhaps the majority.",
    remedy="Give every voter a host of its own.",
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
            yield Problem(None, "tiers_address", f"The voters {enumerate_names(names)} are on one host ({address}).")


def detection(topology: Topology, server: Server) -> float | None:
    """Seconds after which a server counts a silent peer as lost, as far as anybody says; 0 is never."""
    product = topology.product_of(server)
    if server.failure_detection is not None or product is None:
        return server.failure_detection
    return product.failure_detection


@rule(
    "detection-between-sites",
    WARNING,
    reason="Between sites, detection that is off keeps dead connections, and one under 10 seconds ends live ones.",
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
    for server in topology.servers.values():
        seconds = detection(topology, server)
        others = [name for name in upstreams(topology, server) if name in topology.servers]
        far = [name for name in others if topology.servers[name].site != server.site]
        if seconds is not None and seconds < LEAST_BETWEEN_SITES and far:
            is_so = f"after {seconds:g} s" if seconds else "never"
            message = f"It counts {enumerate_names(far)} of another site as lost {is_so}."
            yield Problem(server.name, "tiers_failure_detection", message)


@rule(
    "detection-before-clients",
    ERROR,
    reason="Clients that give up first go elsewhere, to another site perhaps, before the backup at home takes over.",
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
        product, seconds = topology.product_of(server), detection(topology, server)
        patience = topology.client_timeout or (product.client_timeout if product else None)
        if seconds is not None and patience and (seconds == 0 or seconds >= patience):
            is_so = f"after {seconds:g} s" if seconds else "never"
            message = f"It counts a silent server as lost {is_so}, its clients do after {patience:g} s."
            yield Problem(server.name, "tiers_failure_detection", message)


@rule(
    "reload-storm",
    WARNING,
    reason="Proxies that reload from the master at one moment load it all at once.",
    remedy="Give them different tiers_reload_delay, or set tiers_reloads_at_once.",
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
    for proxy in topology.tier("proxy"):
        if proxy.reload_delay is not None:
            at.setdefault(proxy.reload_delay, []).append(proxy.name)
    for delay, names in at.items():
        if len(names) > 1:
            message = f"{len(names)} proxies reload after the same {delay:g} s, and nothing limits how many at once."
            yield Problem(enumerate_names(names), "tiers_reload_delay", message)


@rule(
    "clocks",
    WARNING,
    reason="The product orders changes by the clocks of its servers: a clock that is wrong makes it drop newer ones.",
    remedy="Have the clocks kept in step, and name in tiers_time_service what does it.",
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
        product = topology.product_of(server)
        if product and product.clocks and server.time_service in (None, "none"):
            yield Problem(server.name, "tiers_time_service", "Nothing is said to keep its clock right.")


def starts_at(topology: Topology, server: Server) -> int | None:
    work = topology.serves_as(server)
    return 1 if work == "master" and server.tier == "backup" else STARTS.get(work or "")


@rule(
    "start-order",
    ERROR,
    reason="Servers start in waves: master, its backup, proxies and members, distributors. None waits for a later one.",
    remedy="Take the server out of tiers_starts_after, or move one of the two to another tier.",
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
    for server in topology.servers.values():
        mine = starts_at(topology, server)
        for name in server.starts_after:
            other = topology.servers.get(name)
            if other is None:
                message = with_hint(f"'{name}' is no server", name, topology.servers)
                yield Problem(server.name, "tiers_starts_after", message)
            elif mine is not None and (its := starts_at(topology, other)) is not None and its >= mine:
                order = "in the same wave" if its == mine else "later, a circle"
                message = f"It is to start after {name} ({other.tier}), which starts {order}."
                yield Problem(server.name, "tiers_starts_after", message)


rule(
    "name-resolves",
    ERROR,
    reason="Where names are served by DNS, a name that leads elsewhere leads clients and replicas elsewhere.",
    remedy="Correct the record or tiers_address. Without tiers_resolve the hosts know the names by themselves.",
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
    reason="Peers connect by address and by name, and refuse a certificate that is good for neither.",
    remedy="Have the certificate issued for the address and the shared address too (subjectAltName).",
    fires="""
        master:
          hosts:
            m1:
              common_certificate: |
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
            m1: {common_certificate: ""}
    """,
)
def certificate_names(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for host in topology.servers.values():
        if host.certificate_for is None:
            continue
        primary = topology.servers.get(host.primary or "", host)
        wanted = [host.address] + ([primary.virtual_address] if primary.virtual_address else [])
        missing = [address for address in wanted if address not in host.certificate_for]
        if missing:
            good = enumerate_names(host.certificate_for) or "nothing that can be read"
            message = f"Its certificate is not good for {' and '.join(missing)}, but for {good}."
            yield Problem(host.name, "common_certificate", message)
