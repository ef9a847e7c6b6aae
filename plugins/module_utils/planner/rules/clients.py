# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about clients: who serves them, whether there is room, from where they connect."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation import Fault
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import (
    Allocation,
    Guesses,
    reading,
    rule,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted, enumerate_names

# Of one client, as a person reads it.
LONGEST_NAME = 80
# What may be the name of a host
NAME = re.compile(r"[\w.-]+")


def demands(topology: Topology) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every client, host or named, that must have a proxy, with its demands."""
    for client in topology.clients.values():
        if not client.direct:
            yield client.name, client.demand()
    yield from topology.population.items()


def absent_proxies(topology: Topology) -> set[str]:
    """Names in `allow` and `deny` that no proxy has: most often proxies that were retired."""
    named = {
        selector
        for _name, client in demands(topology)
        for key in ("allow", "deny")
        for selector in client.get(key) or ()
        if isinstance(selector, str)
    }
    return {name for name in named if NAME.fullmatch(name) and name not in topology.servers}


rule(
    "allocation-input",
    ERROR,
    reason="Clients can be assigned only if their data and those of the proxies can be read.",
    remedy="Correct what the message names.",
    fires="""
        all:
          vars:
            tiers_clients:
              - {name: desk-1, site: berlin, pin: px3}
    """,
    silent="""
        all:
          vars:
            tiers_clients:
              - {name: desk-1, site: berlin, pin: px2}
    """,
    firm=True,
)(reading("allocation-input"))


def refused(topology: Topology, faults: Iterable[Fault]) -> Iterator[Problem]:
    """Problems that the allocation reports. It knows clients, proxies and their demands, but no variables."""
    guesses = Guesses(proxy.name for proxy in topology.tier("proxy"))
    for fault in faults:
        host = None if fault.name is None else shorten(fault.name, LONGEST_NAME)
        hosts = () if fault.name is None else (fault.name,)
        variable = "tiers_clients" if fault.name in topology.population else f"tiers_{fault.key}" if fault.key else None
        message = f"{fault}." if fault.unknown is None else guesses.with_hint(str(fault), fault.unknown)
        yield Problem(host, variable, message, rule="allocation-input", hosts=hosts)


@rule(
    "selector-known",
    WARNING,
    reason="A selector that matches no proxy has no effect: it is misspelt, or the proxy was retired.",
    remedy="Correct the selector (a proxy's name, site:x, region:x, zone:x or tag:x), or remove it.",
    fires="""
        client:
          hosts:
            c1: {tiers_deny: ["site:berln"]}
    """,
    silent="""
        client:
          hosts:
            c1: {tiers_allow: ["site:berlin"]}
    """,
)
def selector_known(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    proxies = topology.tier("proxy")
    fitting = {proxy.name for proxy in proxies}
    for proxy in proxies:
        fitting.add(f"site:{proxy.site}")
        fitting.add(f"zone:{proxy.zone or proxy.name}")
        fitting.update(f"tag:{tag}" for tag in proxy.tags)
        if proxy.region:
            fitting.add(f"region:{proxy.region}")
    users: dict[tuple[str, str], list[str]] = {}
    for name, client in demands(topology):
        for key in ("allow", "deny"):
            for selector in client.get(key) or ():
                if selector not in fitting:
                    users.setdefault((key, str(selector)), []).append(name)
    guesses = Guesses(sorted(fitting))
    for (key, selector), names in users.items():
        message = f"'{selector}' matches no proxy" if proxies else f"There are no proxies, so '{selector}' matches none"
        if selector in topology.retired:
            yield Problem(None, f"tiers_{key}", f"'{selector}' is a retired proxy.", hosts=tuple(names))
            continue
        yield Problem(None, f"tiers_{key}", guesses.with_hint(message, selector), hosts=tuple(names))


@rule(
    "client-placed",
    ERROR,
    reason="Every client is served by exactly one proxy.",
    remedy="Add capacity or proxies, or ease the restriction that the message names.",
    fires="""
        proxy:
          vars: {tiers_capacity: 1}
          hosts:
            px2: {tiers_state: draining}
    """,
    silent="""
        proxy:
          vars: {tiers_capacity: 1}
    """,
)
def client_placed(_topology: Topology, allocation: Allocation) -> Iterator[Problem]:
    by_reason: dict[str, list[str]] = {}
    for name, why in allocation.get("unplaced", {}).items():
        by_reason.setdefault(str(why), []).append(name)
    for why, names in by_reason.items():
        number = "1 client has" if len(names) == 1 else f"{len(names)} clients have"
        variable = next((variable for word, variable in CAUSES.items() if word in why), "tiers_capacity")
        yield Problem(None, variable, f"{number} no proxy: {why}.", hosts=tuple(names))


# Words of the allocation's reasons, and what they come from.
CAUSES = {
    "pinned": "tiers_pin",
    "allow and deny": "tiers_allow",
    "spread group": "tiers_spread",
    "no proxy is active": "tiers_state",
}


@rule(
    "capacity-total",
    ERROR,
    reason="More clients than all proxies together can hold cannot be served.",
    remedy="Raise tiers_capacity of a proxy, add a proxy, or lower tiers_allocation.headroom.",
    fires="""
        proxy:
          vars: {tiers_capacity: 1}
          hosts:
            px2: {tiers_state: down}
    """,
    silent="""
        proxy:
          vars: {tiers_capacity: 10}
    """,
)
def capacity_total(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    active = [proxy for proxy in topology.tier("proxy") if proxy.state == "active"]
    if not topology.tier("proxy") or any(proxy.capacity is None for proxy in active):
        return
    demand = sum(int(client.get("weight") or 1) for _name, client in demands(topology))
    usable = 1 - (topology.policy.get("headroom") or 0)
    room = int(sum(proxy.capacity or 0 for proxy in active) * usable)
    if demand > room:
        yield Problem(
            None, "tiers_capacity", f"The clients need {demand} connections, all active proxies have room for {room}."
        )


@rule(
    "loss-fits",
    WARNING,
    reason="When a proxy fails, its clients move to a backup or other proxies. Without room there, some lose service.",
    remedy="Give the proxy a backup of its own, or others more tiers_capacity (or tiers_allocation.headroom).",
    fires="""
        proxy:
          vars: {tiers_capacity: 1}
    """,
    silent="""
        proxy:
          vars: {tiers_capacity: 2}
    """,
)
def loss_fits(topology: Topology, allocation: Allocation) -> Iterator[Problem]:
    for proxy, fate in allocation.get("survives", {}).items():
        if not fate["ok"]:
            of = allocation["proxies"][proxy]["weight"]
            left = fate["left_over_weight"]
            some = f"{left} of its {of} connections find" if of > 1 else "its only connection finds"
            message = f"If it fails, {some} no place elsewhere"
            if why := why_no_other_proxy(topology, topology.servers[proxy]):
                yield Problem(proxy, "tiers_backup_of", f"{message}: {why}.", ADD_A_PROXY)
            else:
                yield Problem(proxy, "tiers_capacity", f"{message}.")


ADD_A_PROXY = "Add a proxy in another zone or at another site, or give this one a backup of its own."


def why_no_other_proxy(topology: Topology, proxy: Server) -> str | None:
    """Why no other proxy can take the clients of a proxy, however much room there is."""
    others = [other for other in topology.tier("proxy") if other.name != proxy.name]
    active = [other for other in others if other.state == "active"]
    if not others:
        return "no other proxy exists"
    if not active:
        return "no other proxy is active"
    if proxy.zone and all((other.site, other.zone) == (proxy.site, proxy.zone) for other in active):
        return f"every other proxy is in the same zone ({proxy.zone})"
    return None


@rule(
    "site-networks",
    ERROR,
    reason="Firewalls accept only planned clients. Named clients are identified by the networks of their site.",
    remedy="Name the networks of the site in tiers_site_networks.",
    fires="""
        all:
          vars:
            tiers_clients:
              - {name: desk-1, site: paris}
    """,
    silent="""
        all:
          vars:
            tiers_clients:
              - {name: desk-1, site: berlin}
    """,
)
def site_networks(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    waiting: dict[str, int] = {}
    for client in topology.population.values():
        site = str(client.get("site"))
        if not topology.networks.get(site):
            waiting[site] = waiting.get(site, 0) + 1
    guesses = Guesses(topology.networks)
    for site, number in waiting.items():
        text = f"No network is named for site '{site}' with {counted(number, 'named client')}"
        yield Problem(None, "tiers_site_networks", guesses.with_hint(text, site))


@rule(
    "latency-complete",
    WARNING,
    reason="With a matrix given, a missing pair of sites counts as 1000 ms, and clients are kept away from there.",
    remedy="Add the missing pairs to tiers_site_latency.",
    fires="""
        all:
          vars:
            tiers_site_latency: {berlin: {tokyo: 120}}
        proxy:
          hosts:
            px1: {tiers_site: paris}
    """,
    silent="""
        all:
          vars:
            tiers_site_latency: {berlin: {paris: 12}}
        proxy:
          hosts:
            px1: {tiers_site: paris}
    """,
)
def latency_complete(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    if topology.latency is None:
        return
    theirs = {str(client.get("site")) for _name, client in demands(topology)}
    ours = {proxy.site for proxy in topology.tier("proxy")}
    known = {*topology.latency, *(site for row in topology.latency.values() for site in row), *ours}
    guesses = Guesses(sorted(known))
    for site in sorted(theirs):
        row = topology.latency.get(site, {})
        missing = ours - set(row) - {site}
        if missing:
            text = f"The time from {site} to {enumerate_names(missing)} is missing, and counts as 1000 ms"
            yield Problem(None, "tiers_site_latency", f"{text}." if site in known else guesses.with_hint(text, site))


@rule(
    "client-past-proxy",
    WARNING,
    reason="Clients at the master add load to it and lose reads when it fails. The proxy of their site can serve them.",
    remedy="Remove tiers_direct, unless the client needs something that only the master does.",
    fires="""
        client:
          hosts:
            c1: {tiers_direct: true}
    """,
    silent="""
        client:
          hosts:
            c1: {tiers_direct: true, tiers_site: paris}
    """,
)
def client_past_proxy(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    proxies = proxies_of_sites(topology)
    for client in topology.clients.values():
        if client.direct and client.site in proxies:
            there = enumerate_names(proxies[client.site])
            message = f"It connects to the master, although its site {client.site} has a proxy: {there}."
            yield Problem(client.name, "tiers_direct", message)


def proxies_of_sites(topology: Topology) -> dict[str, list[str]]:
    """{site: its proxies that take clients}."""
    found: dict[str, list[str]] = {}
    for proxy in topology.tier("proxy"):
        if proxy.state == "active":
            found.setdefault(proxy.site, []).append(proxy.name)
    return found


@rule(
    "client-other-site",
    WARNING,
    reason="A client served from another site has that latency in every request, and depends on that connection.",
    remedy="Raise tiers_capacity of the site's proxies, add a proxy, or relax the restriction of the clients.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_site: paris}
            px2: {tiers_capacity: 1}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_site: paris}
            px2: {tiers_capacity: 2}
    """,
)
def client_other_site(topology: Topology, allocation: Allocation) -> Iterator[Problem]:
    with_proxy = proxies_of_sites(topology)
    site_of = {name: str(client.get("site")) for name, client in demands(topology)}
    away: Counter[tuple[str, str]] = Counter()
    for proxy, share in allocation.get("proxies", {}).items():
        there = topology.servers[proxy].site
        for name in share["clients"]:
            here = site_of[name]
            if here != there and here in with_proxy:
                away[here, proxy] += 1
    for (here, proxy), number in sorted(away.items()):
        own = enumerate_names(with_proxy[here])
        message = f"It serves {counted(number, 'client')} of site {here}, which has a proxy of its own: {own}."
        yield Problem(proxy, "tiers_site", message)


@rule(
    "proxy-idle",
    WARNING,
    reason="A proxy without clients uses a host and is never tested by traffic.",
    remedy="Remove it, or allow clients to use it: check their sites, tiers_allow, tiers_deny and tiers_pin.",
    fires="""
        client:
          vars: {tiers_pin: px1}
        all:
          vars: {tiers_clients: []}
    """,
    silent="""
        client:
          vars: {tiers_pin: px1}
    """,
)
def proxy_idle(topology: Topology, allocation: Allocation) -> Iterator[Problem]:
    shares = allocation.get("proxies", {})
    # Who passes on what other proxies ask for has enough to do.
    passing = {up for server in topology.servers.values() for up in server.upstream or ()}
    for proxy in topology.tier("proxy"):
        alone = proxy.name in shares and not shares[proxy.name]["clients"] and proxy.name not in passing
        if proxy.state == "active" and alone:
            yield Problem(proxy.name, "tiers_site", f"No client uses it; it is at site {proxy.site}.")


@rule(
    "site-served",
    WARNING,
    reason="Clients of a site without proxy and member lose all service when the connection to other sites fails.",
    remedy="Put a proxy or a member there, or correct the site of the clients.",
    fires="""
        client:
          vars: {tiers_site: paris}
    """,
    silent="""
        client:
          vars: {tiers_site: paris}
        parallel:
          hosts:
            p2: {tiers_site: paris}
    """,
)
def site_served(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    serving = topology.tier("proxy", "parallel")
    if not serving:
        return
    guesses = Guesses(sorted({server.site for server in serving}))
    served = {server.site for server in serving if server.state == "active"}
    waiting = Counter(str(client.get("site")) for _name, client in demands(topology))
    for site in sorted(waiting.keys() - served):
        text = f"Site {site} with {counted(waiting[site], 'client')} has neither proxy nor member"
        message = f"{text} that is active." if site in guesses.known else guesses.with_hint(text, site)
        yield Problem(None, "tiers_site", message)


@rule(
    "latency-symmetric",
    WARNING,
    reason="Latency is the same in both directions. Two different figures are usually a mistake.",
    remedy="Give both directions of tiers_site_latency the same figure.",
    fires="""
        all:
          vars:
            tiers_site_latency: {berlin: {paris: 12}, paris: {berlin: 120}}
    """,
    silent="""
        all:
          vars:
            tiers_site_latency: {berlin: {paris: 12}, paris: {berlin: 12}}
    """,
)
def latency_symmetric(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    matrix = topology.latency or {}
    for here, row in matrix.items():
        for there, there_ms in row.items():
            back = matrix.get(there, {}).get(here)
            if here < there and back is not None and back != there_ms:
                message = f"{here} to {there} takes {there_ms:g} ms, the way back {back:g} ms."
                yield Problem(None, "tiers_site_latency", message)
