# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connect servers and clients: upstreams, endpoints, and what each server's firewall opens. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import (
    primary_of,
    product_election,
    router_ids,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import (
    BALANCER_METRICS,
    NODE_METRICS,
    WATCHDOG,
    Port,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import (
    Client,
    MonitorHost,
    Server,
    Topology,
    VoterHost,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.traits import runs_balancer
from ansible_collections.distributed.tiers.plugins.module_utils.planner.upstreams import upstreams
from ansible_collections.distributed.tiers.plugins.module_utils.planner.voters import choose_voters, users_of
from ansible_collections.distributed.tiers.plugins.module_utils.planner.writes import has_own_write_port, write_port

POOL = "pool"
UPWARD = {
    "proxy": "a proxy forwards to the master",
    "parallel": "a member follows the master",
    "distributor": "the distributor forwards writes to the master",
}


# A client's address stands in the firewall of every server it may connect to.
@lru_cache(maxsize=1 << 16)
def parsed_network(text: str) -> tuple[int, int, int, str]:
    """A key that sorts networks, and last the network as a firewall takes it as a source."""
    net = ipaddress.ip_network(text)
    return net.version, int(net.network_address), net.prefixlen, str(net)


def ordered_networks(texts: Iterable[str]) -> list[str]:
    """Addresses and networks as networks, each once."""
    return [net[-1] for net in sorted({parsed_network(text) for text in texts})]


class Wiring:
    """The connections between the hosts of a topology without errors, each found once."""

    def __init__(self, topology: Topology, allocation: Mapping[str, Any]) -> None:
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
        self.voters = choose_voters(topology)
        self.monitors = topology.monitors()
        self.asking = users_of(topology) if self.voters else []
        self.backed_up = [
            server
            for work in ("master", "parallel")
            for server in self.by_work.get(work, ())
            if server.state != "down" and topology.products[server.product].repository_port is not None
        ]
        self.write_ports = {s.name: write_port(topology, s) for s in servers.values()}
        # Of the servers that take writes at another port than the one they serve on
        self.own_write_ports = {
            s.name: Port("write", port, "tcp", (), ())
            for s in servers.values()
            if (port := self.write_ports[s.name]) is not None and has_own_write_port(topology, s)
        }
        self.proxied = bool(topology.tier("proxy"))
        self.proxy_of = {n: p for p, share in allocation["proxies"].items() for n in share["clients"]}
        self.second_of = {
            name: server for at in allocation["backups"].values() for server, names in at.items() for name in names
        }

    def shared_address(self, server: Server) -> str | None:
        return primary_of(self.topology, server).virtual_address

    def router_id(self, server: Server) -> int | None:
        return self.router_ids.get(primary_of(self.topology, server).name)

    def peers(self, server: Server) -> list[dict[str, Any]]:
        """The other servers that do the same work, backups last, without the peer; empty if they have no port for
        each other."""
        work, other = self.work[server.name], self.peer_of(server)
        ports = self.topology.products[server.product].more_ports
        if not any(work in port.to and work in port.sources for port in ports):
            return []
        return [reach(peer) for peer in self.by_work[work] if peer is not server and peer is not other]

    def pool(self) -> list[dict[str, Any]]:
        """The endpoints of the pool: the shared address, else the distributor and its backup."""
        if not self.distributors:
            return []
        first = self.distributors[0]
        if first.virtual_address:
            return [{"name": POOL, "address": first.virtual_address, "port": first.port}]
        return [reach(server) for server in self.distributors]

    def endpoints(self, client: Client) -> list[dict[str, Any]]:
        """The endpoints of a client, best first."""
        if self.proxied and not client.direct:
            found = ((self.proxy_of.get(client.name), "proxy"), (self.second_of.get(client.name), "backup"))
            return self.points([(self.topology.servers[name], role) for name, role in found if name])
        if self.distributors and not client.direct:
            return [{**entry, "role": POOL} for entry in self.pool()]
        return self.points([(server, server.tier) for server in self.masters])

    def for_writes(self, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same servers in the same order, where they take writes; without those that take none."""
        ports = dict(self.write_ports)
        if self.distributors:
            ports[POOL] = ports[self.distributors[0].name]
        return [{**point, "port": ports[point["name"]]} for point in points if ports[point["name"]] is not None]

    def client_ports(self, server: Server) -> list[int]:
        """The ports at which clients reach a server."""
        own = self.own_write_ports.get(server.name)
        return [server.port, own.port] if own else [server.port]

    def points(self, servers: Iterable[tuple[Server, str]]) -> list[dict[str, Any]]:
        """The endpoints of these servers, in this order. Nodes that share an address have one endpoint, under the
        name of the primary."""
        found: dict[str, dict[str, Any]] = {}
        for server, role in servers:
            shared = self.shared_address(server)
            point = {**reach(primary_of(self.topology, server)), "address": shared} if shared else reach(server)
            found.setdefault(point["address"], {**point, "role": role})
        return list(found.values())

    def upward(self, server: Server) -> list[dict[str, Any]]:
        """The endpoints that a server forwards to, best first. It reaches its own peer directly, not at a shared
        address."""
        if self.work[server.name] == "master":
            return [reach(upstream) for upstream in self.upstreams[server.name]]
        points = self.points((upstream, "") for upstream in self.upstreams[server.name])
        return [{key: point[key] for key in ("name", "address", "port")} for point in points]

    def edges(self) -> Iterator[dict[str, Any]]:
        """Every planned connection between two hosts of the inventory."""
        for server in self.topology.servers.values():
            work = self.work[server.name]
            if work == "master" and (other := self.peer_of(server)):
                yield edge(server, other, "the master and its backup keep in step")
            if peer := self.steps_aside_for(server):
                yield edge(server, peer, "the peers tell each other whether they can write", port=WATCHDOG)
            for point in self.upward(server) if work != "master" else ():
                yield edge(server, self.topology.servers[point["name"]], UPWARD[work], point["address"])
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
                if port := self.own_write_ports.get(target.name):
                    yield edge(client, target, "a client writes", address, port)
            for address, target in to_pool.items():
                if address not in targets:
                    yield edge(client, target, "clients read through the pool", address)
                    if port := self.own_write_ports.get(target.name):
                        yield edge(client, target, "clients write through the pool", address, port)
        yield from self.more_edges()
        yield from self.arbiter_edges()
        yield from self.repository_edges()
        yield from self.monitor_edges()

    def arbiter_edges(self) -> Iterator[dict[str, Any]]:
        """The connections of the voters to each other, and of the nodes of pairs to each voter."""
        peers = Port("arbiter peers", self.topology.arbiter_peer_port, "tcp", (), ())
        clients = Port("arbiter", self.topology.arbiter_client_port, "tcp", (), ())
        for voter in self.voters:
            for other in self.voters:
                if other.name != voter.name:
                    yield edge(other, voter, "the voters of the arbiter agree", port=peers)
            for server in self.asking:
                if server.name != voter.name:
                    yield edge(server, voter, "the nodes of a pair ask the arbiter which of them serves", port=clients)

    def repository_edges(self) -> Iterator[dict[str, Any]]:
        """The connections between the repository of backups and the servers with data."""
        found = self.repository()
        if found is None:
            return
        for server in self.backed_up:
            host, port = self.topology.servers[found["name"]], Port("repository", found["port"], "tcp", (), ())
            yield edge(server, host, "a server with data archives and restores", port=port)
            yield edge(host, server, "the repository copies the data", port=port)

    def repository(self) -> dict[str, Any] | None:
        """The repository of backups, with the servers whose data it has; None without one."""
        host = self.topology.servers.get(self.topology.backup_repository)
        port = self.topology.products[host.product].repository_port if host else None
        if host is None or port is None:
            return None
        servers = [{"name": s.name, "address": s.address, "port": port} for s in self.backed_up]
        return {"name": host.name, "address": host.address, "port": port, "servers": servers}

    def monitor_edges(self) -> Iterator[dict[str, Any]]:
        """The connections by which the hosts of the group `monitor` scrape the metrics of servers and voters."""
        scraped: list[Server | VoterHost] = [
            *self.topology.servers.values(),
            *(voter for voter in self.voters if isinstance(voter, VoterHost)),
        ]
        for target in scraped:
            for port in self.metrics_ports(target):
                for monitor in self.monitors:
                    if monitor.name != target.name:
                        yield edge(monitor, target, f"monitoring scrapes the metrics of {port.name}", port=port)

    def metrics_ports(self, host: Server | VoterHost) -> list[Port]:
        """The ports at which a host gives its metrics: none without a host that scrapes them."""
        if not self.monitors:
            return []
        if isinstance(host, VoterHost):
            return [NODE_METRICS]
        work, product = self.work[host.name], self.topology.products[host.product]
        ports = [NODE_METRICS]
        if runs_balancer(work, product.proxy_mode if work == "proxy" else None, product.tls):
            ports.append(BALANCER_METRICS)
        if product.runs_on(work):
            ports += [port for port in product.more_ports if port.metrics and work in port.to]
        return ports

    def arbiter_endpoints(self, server: Server) -> list[dict[str, Any]]:
        """The endpoints of the arbiter for a node of a pair; empty for all other servers."""
        asks, port = server in self.asking, self.topology.arbiter_client_port
        return [{"name": v.name, "address": v.address, "port": port} for v in self.voters if asks]

    def more_edges(self) -> Iterator[dict[str, Any]]:
        """The connections to the products' further ports."""
        clients = self.clients_at()
        for target in self.topology.servers.values():
            work, product = self.work[target.name], self.topology.products[target.product]
            other = self.peer_of(target)
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
        """{server: the clients that get to it}. A distributor may route each client to each member."""
        every_client = list(self.topology.clients.values())
        at = {member.name: every_client for member in self.pool_servers()} if self.distributors else {}
        for client in every_client:
            for point in self.endpoints(client):
                if point["name"] not in self.work:
                    continue
                server = self.topology.servers[point["name"]]
                other = self.peer_of(server) if point["address"] == self.shared_address(server) else None
                for node in (server, other) if other else (server,):
                    at.setdefault(node.name, []).append(client)
        return at

    def pool_servers(self) -> Iterator[Server]:
        for member in self.members:
            yield member
            if member.name in self.backups:
                yield self.backups[member.name]

    def peer_of(self, server: Server) -> Server | None:
        """The other node of its pair."""
        return (
            self.topology.servers.get(server.primary or "")
            if server.tier == "backup"
            else self.backups.get(server.name)
        )

    def steps_aside_for(self, server: Server) -> Server | None:
        """Its peer, which serves in its place while it cannot write: its disk is full, or it reaches no master."""
        work, product, other = self.work[server.name], self.topology.products[server.product], self.peer_of(server)
        holds_data = work in ("master", "proxy") and product.runs_on(work) and product.stateful
        if product_election(self.topology, server):
            return None
        return other if other and holds_data and server.state == other.state == "active" else None

    def opened(self, edges: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """The firewall of each server: the edges that end there, and the networks its named clients connect from."""
        # {server: {(why, protocol, port): networks}}
        listening = (*self.topology.servers, *self.topology.voter_hosts)
        sources: dict[str, dict[tuple[str, str, int], set[str]]] = {name: {} for name in listening}
        addresses = {host.name: host.address for host in self.topology.hosts()}

        def let_in(name: str, why: str, protocol: str, port: int, networks: set[str]) -> None:
            sources[name].setdefault((why, protocol, port), set()).update(networks)

        for item in edges:
            if item["to"] in self.topology.voter_hosts:
                let_in(item["to"], item["why"], item["protocol"], item["port"], {addresses[item["from"]]})
                continue
            target = self.topology.servers[item["to"]]
            # Where a shared address is, is not planned: both nodes have to let in who comes to it.
            other = self.peer_of(target) if item["address"] == self.shared_address(target) else None
            for node in (target, other) if other else (target,):
                let_in(node.name, item["why"], item["protocol"], item["port"], {addresses[item["from"]]})
        for name, sites in self.client_sites().items():
            networks = {net for site in sites for net in self.topology.networks.get(site, ())}
            if networks:
                site_names = ", ".join(sorted(sites))
                for why, protocol, port in self.ports_for_clients(self.topology.servers[name]):
                    let_in(name, f"{why} of {site_names}", protocol, port, networks)
        result: dict[str, list[dict[str, Any]]] = {}
        for name, by_port in sources.items():
            result[name] = [
                {"port": port, "protocol": protocol, "sources": ordered_networks(nets), "why": why}
                for (why, protocol, port), nets in sorted(by_port.items())
            ]
            server = self.topology.servers.get(name)
            other = self.peer_of(server) if server else None
            if server and other and self.router_id(server):
                why = "the nodes of a pair agree on who has the shared address"
                if not self.shared_address(server):
                    why = "the nodes of a pair agree on who serves"
                result[name].append({"protocol": "vrrp", "sources": ordered_networks([other.address]), "why": why})
        return result

    def ports_for_clients(self, server: Server) -> Iterator[tuple[str, str, int]]:
        """The ports that a server opens for named clients: why, protocol, port."""
        work, product = self.work[server.name], self.topology.products[server.product]
        if work != "parallel":
            yield "named clients", "tcp", server.port
        if own := self.own_write_ports.get(server.name):
            yield "writes of named clients", own.protocol, own.port
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
            other = self.peer_of(server) if self.shared_address(server) else None
            if other:
                result[other.name] = result[name] = result[name] | result.get(other.name, set())
        return result


def reach(server: Server) -> dict[str, Any]:
    return {"name": server.name, "address": server.address, "port": server.port}


def edge(
    source: Server | Client | VoterHost | MonitorHost,
    target: Server | VoterHost,
    why: str,
    address: str | None = None,
    port: Port | None = None,
) -> dict[str, Any]:
    return {
        "from": source.name,
        "to": target.name,
        "address": address or target.address,
        "port": port.port if port else getattr(target, "port", None),
        "port_name": port.name if port else None,
        "protocol": port.protocol if port else "tcp",
        "why": why,
    }


def more_why(port: Port) -> str:
    return f"the product's port '{port.name}'"
