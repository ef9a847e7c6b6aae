# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a topology to the plan: who serves whom, who may connect where, who starts when. Pure and deterministic."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner import rules
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation import AllocationError, allocate
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, Finding, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Port
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.operation import detection
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.pairs import (
    active_of,
    failback_of,
    redundancy_of,
    router_ids,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Client, Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.upstreams import upstreams

SCHEMA = 1
# Who starts after whom. The master's backup starts from the master's data, so it stands in a wave of its own.
WAVES = (("master",), ("backup of master",), ("proxy", "parallel"), ("distributor",))
# What of the allocation tells plans apart. What moves depends on what is deployed: a plan carried out is the same plan.
SHARES = ("proxies", "backups", "unplaced", "survives")
POOL = "pool"
UPSTREAM = "upstream"

Plan = dict[str, Any]
Allocation = Mapping[str, Any]
NOBODY: Allocation = {
    "proxies": {},
    "backups": {},
    "unplaced": {},
    "moves": [],
    "survives": {},
    "stats": {},
    "digest": "",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an inventory: the findings and, where none is an error, the plan."""

    findings: tuple[Finding, ...]
    plan: Plan | None

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == ERROR]


def make_plan(topology: Topology, previous: Mapping[str, Any] | None = None) -> Outcome:
    """Share the clients out, judge the whole, and put the plan together.

    `previous` is the allocation of a former plan; without it the local facts tell what is deployed. A plan that was
    handed over is taken as it is, if it fits.
    """
    if topology.handed_from:
        outcome = Outcome(tuple(rules.judge_part(topology)), None)
        return outcome if outcome.errors else dataclasses.replace(outcome, plan=dict(topology.handed or {}))
    allocation: Allocation = NOBODY
    try:
        allocation = share_out(topology, previous)
    except AllocationError as error:
        told = tuple(Problem(None, None, problem, rule="allocation-input") for problem in error.problems)
        topology = dataclasses.replace(topology, problems=(*topology.problems, *told))
    findings = tuple(rules.judge(topology, allocation))
    outcome = Outcome(findings, None)
    return outcome if outcome.errors else Outcome(findings, _Planner(topology, allocation).plan(findings))


def share_out(topology: Topology, previous: Mapping[str, Any] | None = None) -> Allocation:
    """The clients over the proxies, moving as few as need be from where they are served now."""
    proxies = {
        server.name: {
            "site": server.site,
            "zone": server.zone or server.name,
            "region": server.region,
            "capacity": server.capacity,
            "state": server.state,
            "weight": server.weight,
            "tags": list(server.tags),
            "backup": backup.name if (backup := topology.backup_of(server.name)) else None,
        }
        for server in topology.tier("proxy")
    }
    if not proxies:
        return NOBODY
    clients = dict(rules.demands(topology))
    served_by, backed_by = deployed_allocation(topology)
    allocation: Allocation = allocate(
        clients,
        proxies,
        topology.latency,
        previous=served_by if previous is None else previous,
        previous_backups=backed_by if previous is None else previous.get("backups"),
        policy=dict(topology.policy),
    )
    return allocation


def deployed_allocation(topology: Topology) -> tuple[dict[str, str], dict[str, str]]:
    """{client: proxy} and {client: backup} as the proxies' local facts tell them."""
    previous: dict[str, str] = {}
    backups: dict[str, str] = {}
    deployed = {server.name: server.deployed for server in topology.servers.values() if server.deployed}
    for name, was in {**topology.retired, **deployed}.items():
        if was.tier == "proxy":
            previous.update(dict.fromkeys(was.clients, name))
            for backup, names in was.backups.items():
                backups.update(dict.fromkeys(names, backup))
    return previous, backups


# A client's address stands in the firewall of every server it may connect to.
@lru_cache(maxsize=1 << 16)
def parsed_network(text: str) -> tuple[int, int, int, str]:
    """What puts a network in order, and the network as a firewall takes it as a source."""
    net = ipaddress.ip_network(text)
    return net.version, int(net.network_address), net.prefixlen, str(net)


def ordered_networks(texts: Iterable[str]) -> list[str]:
    """Addresses and networks as networks, each once."""
    return [net[-1] for net in sorted({parsed_network(text) for text in texts})]


class _Planner:
    """Puts the plan together, each part once, from a topology without errors."""

    def __init__(self, topology: Topology, allocation: Allocation) -> None:
        self.topology = topology
        self.allocation = allocation
        servers = topology.servers
        self.backups = {s.primary: s for s in servers.values() if s.tier == "backup" and s.primary}
        self.work = {s.name: topology.serves_as(s) or s.tier for s in servers.values()}
        self.upstreams = {s.name: [servers[name] for name in upstreams(topology, s)] for s in servers.values()}
        self.followed = {upstream.name for known in self.upstreams.values() for upstream in known}
        self.members = topology.tier("parallel")
        self.by_work: dict[str, list[Server]] = {}
        for server in sorted(servers.values(), key=lambda s: s.tier == "backup"):
            self.by_work.setdefault(self.work[server.name], []).append(server)
        self.masters, self.distributors = self.by_work.get("master", []), self.by_work.get("distributor", [])
        self.router_ids = router_ids(topology)
        self.proxied = bool(topology.tier("proxy"))
        self.proxy_of = {n: p for p, share in allocation["proxies"].items() for n in share["clients"]}
        self.second_of = {
            name: server for at in allocation["backups"].values() for server, names in at.items() for name in names
        }

    def plan(self, findings: tuple[Finding, ...]) -> Plan:
        topology = self.topology
        edges = list(self.edges())
        opened = self.opened(edges)
        plan: Plan = {
            "schema": SCHEMA,
            "system": topology.name,
            "domain": topology.domain,
            "servers": {s.name: self.server(s, opened[s.name]) for s in topology.servers.values()},
            "clients": {c.name: self.client(c) for c in topology.clients.values()},
            "edges": edges,
            "waves": [
                [s.name for s in topology.servers.values() if self.wave(s) == number] for number in range(len(WAVES))
            ],
            "sites": self.sites(),
        }
        plan["allocation"] = dict(self.allocation)
        plan["digest"] = digest_of(plan)
        plan["findings"] = [finding.as_dict() for finding in findings]
        return plan

    # Who connects to whom.

    def pool(self) -> list[dict[str, Any]]:
        """Where clients reach the pool: the shared address, else the distributor and its backup."""
        if not self.distributors:
            return []
        first = self.distributors[0]
        if first.virtual_address:
            return [{"name": POOL, "address": first.virtual_address, "port": first.port}]
        return [reach(server) for server in self.distributors]

    def endpoints(self, client: Client) -> list[dict[str, Any]]:
        """Where a client connects to, best first."""
        if self.proxied and not client.direct:
            found = ((self.proxy_of.get(client.name), "proxy"), (self.second_of.get(client.name), "backup"))
            return self.points([(self.topology.servers[name], role) for name, role in found if name])
        if self.distributors and not client.direct:
            return [{**entry, "role": POOL} for entry in self.pool()]
        return self.points([(server, server.tier) for server in self.masters])

    def points(self, servers: Iterable[tuple[Server, str]]) -> list[dict[str, Any]]:
        """Where these servers are reached, in this order. Halves that share an address are reached there, once, under
        the name of the primary."""
        found: dict[str, dict[str, Any]] = {}
        for server, role in servers:
            shared = self.shared_address(server)
            point = {**reach(self.primary(server)), "address": shared} if shared else reach(server)
            found.setdefault(point["address"], {**point, "role": role})
        return list(found.values())

    def upward(self, server: Server) -> list[dict[str, Any]]:
        """Where a server funnels to, best first. Its own other half it reaches directly."""
        if self.work[server.name] == "master":
            return [reach(upstream) for upstream in self.upstreams[server.name]]
        points = self.points((upstream, "") for upstream in self.upstreams[server.name])
        return [{key: point[key] for key in ("name", "address", "port")} for point in points]

    def edges(self) -> Iterator[dict[str, Any]]:
        """Every planned connection between two hosts of the inventory."""
        for server in self.topology.servers.values():
            work = self.work[server.name]
            if work == "master" and (other := self.other_half(server)):
                yield edge(server, other, "the master and its backup keep in step")
            for point in self.upward(server) if work != "master" else ():
                why = f"{'a proxy funnels' if work == 'proxy' else 'a member follows'} to the master"
                yield edge(server, self.topology.servers[point["name"]], why, point["address"])
            for member in self.pool_servers() if work == "distributor" else ():
                yield edge(server, member, "the distributor shares the load out")
        # The shared address is one more address of the distributor that has it.
        to_pool = {e["address"]: self.distributors[0] for e in self.pool()} | {s.address: s for s in self.distributors}
        for client in self.topology.clients.values():
            targets = {
                s["address"]: self.topology.servers[s["name"]] for s in self.endpoints(client) if s["name"] in self.work
            }
            for address, target in targets.items():
                yield edge(client, target, "a client is served", address)
            for address, target in to_pool.items():
                if address not in targets:
                    yield edge(client, target, "clients read through the pool", address)
        yield from self.more_edges()

    def more_edges(self) -> Iterator[dict[str, Any]]:
        """The connections to the products' further ports."""
        clients = self.clients_at()
        for target in self.topology.servers.values():
            work, product = self.work[target.name], self.topology.products[target.product]
            other = self.other_half(target)
            for port in product.more_ports if product.runs_on(work) else ():
                if work not in port.to:
                    continue
                found: list[Server | Client] = [s for kind in port.sources for s in self.by_work.get(kind, ())]
                if other and "pair" in port.sources and other not in found:
                    found.append(other)
                if "client" in port.sources:
                    found += clients.get(target.name, ())
                for source in found:
                    if source is not target:
                        yield edge(source, target, more_why(port), port=port)

    def clients_at(self) -> dict[str, list[Client]]:
        """{server: the clients that get to it}. A distributor may bring everybody to a member."""
        everybody = list(self.topology.clients.values())
        at = {member.name: everybody for member in self.pool_servers()} if self.distributors else {}
        for client in everybody:
            for point in self.endpoints(client):
                if point["name"] not in self.work:
                    continue
                server = self.topology.servers[point["name"]]
                other = self.other_half(server) if point["address"] == self.shared_address(server) else None
                for half in (server, other) if other else (server,):
                    at.setdefault(half.name, []).append(client)
        return at

    def pool_servers(self) -> Iterator[Server]:
        for member in self.members:
            yield member
            if member.name in self.backups:
                yield self.backups[member.name]

    def other_half(self, server: Server) -> Server | None:
        return (
            self.topology.servers.get(server.primary or "")
            if server.tier == "backup"
            else self.backups.get(server.name)
        )

    def opened(self, edges: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """The firewall of each server: the edges that end there, and the networks its named clients connect from."""
        # {server: {(why, protocol, port): networks}}
        sources: dict[str, dict[tuple[str, str, int], set[str]]] = {name: {} for name in self.topology.servers}
        addresses = {host.name: host.address for host in self.topology.hosts()}

        def let_in(name: str, why: str, protocol: str, port: int, networks: set[str]) -> None:
            sources[name].setdefault((why, protocol, port), set()).update(networks)

        for item in edges:
            target = self.topology.servers[item["to"]]
            # Where a shared address is, is not planned: both halves have to let in who comes to it.
            other = self.other_half(target) if item["address"] == self.shared_address(target) else None
            for half in (target, other) if other else (target,):
                let_in(half.name, item["why"], item["protocol"], item["port"], {addresses[item["from"]]})
        for name, sites in self.client_sites().items():
            networks = {net for site in sites for net in self.topology.networks.get(site, ())}
            if networks:
                told = ", ".join(sorted(sites))
                for why, protocol, port in self.ports_for_clients(self.topology.servers[name]):
                    let_in(name, f"{why} of {told}", protocol, port, networks)
        result: dict[str, list[dict[str, Any]]] = {}
        for name, by_port in sources.items():
            server = self.topology.servers[name]
            result[name] = [
                {"port": port, "protocol": protocol, "sources": ordered_networks(nets), "why": why}
                for (why, protocol, port), nets in sorted(by_port.items())
            ]
            other = self.other_half(server)
            if other and self.router_id(server):
                why = "the halves of a pair agree on who has the shared address"
                if not self.shared_address(server):
                    why = "the halves of a pair agree on who serves"
                result[name].append({"protocol": "vrrp", "sources": ordered_networks([other.address]), "why": why})
        return result

    def ports_for_clients(self, server: Server) -> Iterator[tuple[str, str, int]]:
        """What a server opens for named clients: why, protocol, port."""
        work, product = self.work[server.name], self.topology.products[server.product]
        if work != "parallel":
            yield "named clients", "tcp", server.port
        for port in product.more_ports if product.runs_on(work) else ():
            if work in port.to and "client" in port.sources:
                yield f"{more_why(port)}: named clients", port.protocol, port.port

    def client_sites(self) -> dict[str, set[str]]:
        """{server: the sites of the named clients that may connect to it}."""
        site_of = {name: str(client["site"]) for name, client in self.topology.population.items()}
        everywhere = set(site_of.values())
        result = {server.name: everywhere for server in self.distributors}
        if not self.proxied and not self.distributors:
            result |= {server.name: everywhere for server in self.masters}
        for proxy, share in self.allocation["proxies"].items():
            result[proxy] = {site_of[name] for name in share["clients"] if name in site_of}
        for at in self.allocation["backups"].values():
            for server_name, names in at.items():
                sites = {site_of[name] for name in names if name in site_of}
                result[server_name] = result.get(server_name, set()) | sites
        if self.distributors:
            result |= {member.name: everywhere for member in self.pool_servers()}
        for name in list(result):
            server = self.topology.servers[name]
            other = self.other_half(server) if self.shared_address(server) else None
            if other:
                result[other.name] = result[name] = result[name] | result.get(other.name, set())
        return result

    # What each host is told.

    def primary(self, server: Server) -> Server:
        """The primary of the server's pair, itself perhaps."""
        return self.topology.servers[server.primary] if server.tier == "backup" and server.primary else server

    def shared_address(self, server: Server) -> str | None:
        return self.primary(server).virtual_address

    def router_id(self, server: Server) -> int | None:
        return self.router_ids.get(self.primary(server).name)

    def peers(self, server: Server) -> list[dict[str, Any]]:
        """Who else does the same work, backups last, without the other half: where they have a port for each other."""
        work, other = self.work[server.name], self.other_half(server)
        ports = self.topology.products[server.product].more_ports
        if not any(work in port.to and work in port.sources for port in ports):
            return []
        return [reach(peer) for peer in self.by_work[work] if peer is not server and peer is not other]

    def failback(self, server: Server) -> str | None:
        backup = server if server.tier == "backup" else self.backups.get(server.name)
        product, work = self.topology.products[server.product], self.work[server.name]
        return (backup.failback or first(failback_of(work, product))) if backup else None

    def server(self, server: Server, firewall: list[dict[str, Any]]) -> dict[str, Any]:
        """One server's slice of the plan: all that its roles and templates read."""
        work, product = self.work[server.name], self.topology.products[server.product]
        backup, other, shared = self.backups.get(server.name), self.other_half(server), self.shared_address(server)
        is_backup = server.tier == "backup"
        pool = self.pool()
        return {
            "name": server.name,
            "tier": server.tier,
            "serves_as": work,
            "primary": server.primary,
            "backup": backup.name if backup else None,
            "redundancy": (server.redundancy or first(redundancy_of(work, product))) if is_backup else None,
            "failback": self.failback(server),
            "active": active_of(self.topology, server),
            "elects": self.router_id(server) is not None,
            "address": server.address,
            "port": server.port,
            "protocol": product.protocol,
            "tls": product.tls,
            "local_port": product.local_port,
            "proxy_mode": product.proxy_mode if work == "proxy" else None,
            "site": server.site,
            "zone": server.zone,
            "state": server.state,
            "capacity": server.capacity,
            "weight": server.weight,
            "version": server.version,
            "replication": product.replication,
            "product": product.name,
            "product_role": product.role,
            "upstreams": self.upward(server),
            "peers": self.peers(server),
            "pair": reach(other) if other else None,
            "members": [self.member(member) for member in self.members] if work == "distributor" else [],
            "virtual_address": shared,
            "virtual_router_id": self.router_id(server),
            "failure_detection": detection(self.topology, server),
            "reload_delay": self.primary(server).reload_delay if server.reload_delay is None else server.reload_delay,
            "reloads_at_once": self.topology.reloads_at_once,
            "tls_names": self.tls_names(server),
            "firewall": firewall,
            "clients": self.clients_of(server) if server.tier == "proxy" else None,
            "pool_address": pool[0]["address"] if pool and work == "parallel" else None,
            "wave": self.wave(server),
        }

    def wave(self, server: Server) -> int:
        work = self.work[server.name]
        if work == "master" and server.primary:
            work = f"backup of {work}"
        return next(number for number, works in enumerate(WAVES) if work in works)

    def member(self, member: Server) -> dict[str, Any]:
        backup = self.backups.get(member.name)
        return {
            **reach(member),
            "weight": member.weight,
            "state": member.state,
            "backup": reach(backup) if backup else None,
        }

    def tls_names(self, server: Server) -> dict[str, list[str]]:
        """All names and addresses that somebody checks this server's certificate for."""
        domain, shared = self.topology.domain, self.shared_address(server)
        dns, ip = [server.name, f"{server.name}.{domain}"], [server.address]
        if server.name in self.followed:
            dns.append(f"{UPSTREAM}.{domain}")
        if shared:
            # Whoever has the address answers for the primary.
            primary = self.primary(server)
            dns += [primary.name, f"{primary.name}.{domain}"]
            ip.append(shared)
        if self.work[server.name] == "parallel" and self.distributors:
            # The distributor passes connections through: its clients see the certificate of a member.
            dns.append(f"{POOL}.{domain}")
            ip += [entry["address"] for entry in self.pool()] + [s.address for s in self.distributors]
        return {"dns": list(dict.fromkeys(dns)), "ip": list(dict.fromkeys(ip))}

    def clients_of(self, proxy: Server) -> dict[str, Any]:
        share = self.allocation["proxies"].get(proxy.name, {"clients": [], "weight": 0})
        hosts = self.topology.clients
        return {
            "hosts": [name for name in share["clients"] if name in hosts],
            "names": [name for name in share["clients"] if name not in hosts],
            "weight": share["weight"],
        }

    def client(self, client: Client) -> dict[str, Any]:
        product = self.topology.products[client.product]
        return {
            "name": client.name,
            "site": client.site,
            "address": client.address,
            "endpoints": self.endpoints(client),
            "pool": self.pool(),
            "product": product.name,
            "product_role": product.role,
            "protocol": product.protocol,
            "tls_names": {"dns": [client.name, f"{client.name}.{self.topology.domain}"], "ip": [client.address]},
        }

    def sites(self) -> dict[str, Any]:
        sites: dict[str, dict[str, Any]] = {}

        def site(name: str) -> dict[str, Any]:
            return sites.setdefault(name, {"clients": 0, "weight": 0, "servers": []})

        for server in self.topology.servers.values():
            site(server.site)["servers"].append(server.name)
        for _name, client in rules.demands(self.topology):
            at = site(str(client["site"]))
            at["clients"] += 1
            at["weight"] += int(client.get("weight") or 1)
        for host in self.topology.clients.values():
            if host.direct:
                at = site(host.site)
                at["clients"] += 1
                at["weight"] += host.weight
        return dict(sorted(sites.items()))


def reach(server: Server) -> dict[str, Any]:
    return {"name": server.name, "address": server.address, "port": server.port}


def edge(
    source: Server | Client, target: Server, why: str, address: str | None = None, port: Port | None = None
) -> dict[str, Any]:
    return {
        "from": source.name,
        "to": target.name,
        "address": address or target.address,
        "port": port.port if port else target.port,
        "port_name": port.name if port else None,
        "protocol": port.protocol if port else "tcp",
        "why": why,
    }


def more_why(port: Port) -> str:
    return f"the product's port '{port.name}'"


def digest_of(plan: Mapping[str, Any]) -> str:
    """What tells this plan from others."""
    content = {key: value for key, value in plan.items() if key not in ("digest", "findings")}
    return digest({**content, "allocation": {key: plan["allocation"][key] for key in SHARES}})


def first(items: tuple[str, ...]) -> str | None:
    return items[0] if items else None


def digest(data: Any) -> str:
    """The same for the same content, whatever order it was put together in."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
