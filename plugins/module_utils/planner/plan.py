# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a topology to the plan: client allocation, slices of hosts, order of starts. Pure and deterministic."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner import rules
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation import AllocationError, allocate
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, Finding
from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import (
    both_may_serve,
    failback_of,
    failover_way,
    failure_detection,
    has_leader_election,
    is_active_standby,
    primary_of,
    product_election,
    redundancy_of,
    reload_delay,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import WRITE_PORT
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation
from ansible_collections.distributed.tiers.plugins.module_utils.planner.sequence import (
    WAVES,
    start_wave,
    upgrade_order,
    upgrade_waves,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Client, Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.traits import listeners, traits
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import recorded_settings
from ansible_collections.distributed.tiers.plugins.module_utils.planner.voters import Host, lease_seconds, timing
from ansible_collections.distributed.tiers.plugins.module_utils.planner.wiring import POOL, Wiring, reach

SCHEMA = 2
# What of the allocation tells plans apart. What moves depends on what is deployed: a plan carried out is the same plan.
SHARES = ("proxies", "backups", "unplaced", "survives")
UPSTREAM = "upstream"

Plan = dict[str, Any]
NO_CLIENTS: Allocation = {
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
    """The result for an inventory: the findings and, without an error, the plan."""

    findings: tuple[Finding, ...]
    plan: Plan | None

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == ERROR]


def make_plan(topology: Topology, previous: Mapping[str, Any] | None = None) -> Outcome:
    """Assign the clients, apply the rules, and compute the plan.

    `previous` is the allocation of a former plan; without it the local facts have the deployed one. A plan that the run
    received is used unchanged, if it fits.
    """
    if topology.handed_from:
        outcome = Outcome(tuple(rules.judge_part(topology)), None)
        return outcome if outcome.errors else dataclasses.replace(outcome, plan=dict(topology.handed or {}))
    allocation: Allocation = NO_CLIENTS
    try:
        allocation = assign_clients(topology, previous)
    except AllocationError as error:
        refusals = rules.refused(topology, error.problems)
        topology = dataclasses.replace(topology, problems=(*topology.problems, *refusals))
    findings = tuple(rules.judge(topology, allocation))
    outcome = Outcome(findings, None)
    return outcome if outcome.errors else Outcome(findings, _Planner(topology, allocation).plan(findings))


def assign_clients(topology: Topology, previous: Mapping[str, Any] | None = None) -> Allocation:
    """The client allocation. It moves as few clients as possible from the proxies that serve them now."""
    proxies = {
        server.name: {
            "site": server.site,
            "zone": server.zone or server.name,
            "region": server.region,
            "capacity": server.capacity,
            "state": server.state,
            "weight": server.weight,
            "tags": list(server.tags),
            "backup": backup.name if (backup := topology.backup_of(server.name)) and backup.state == "active" else None,
        }
        for server in topology.tier("proxy")
    }
    if not proxies:
        return NO_CLIENTS
    clients = dict(rules.demands(topology))
    served_by, backed_by = deployed_allocation(topology)
    allocation: Allocation = allocate(
        clients,
        proxies,
        topology.latency,
        previous=served_by if previous is None else previous,
        previous_backups=backed_by if previous is None else previous.get("backups"),
        policy=dict(topology.policy),
        former=rules.absent_proxies(topology),
    )
    return allocation


def deployed_allocation(topology: Topology) -> tuple[dict[str, str], dict[str, str]]:
    """{client: proxy} and {client: backup} from the local facts of the proxies."""
    previous: dict[str, str] = {}
    backups: dict[str, str] = {}
    deployed = {server.name: server.deployed for server in topology.servers.values() if server.deployed}
    for name, record in {**topology.retired, **deployed}.items():
        if record.tier == "proxy":
            previous.update(dict.fromkeys(record.clients, name))
            for backup, names in record.backups.items():
                backups.update(dict.fromkeys(names, backup))
    return previous, backups


class _Planner:
    """Puts the plan together, each part once, from a topology without errors."""

    def __init__(self, topology: Topology, allocation: Allocation) -> None:
        self.topology = topology
        self.allocation = allocation
        self.wiring = Wiring(topology, allocation)
        self.upgrade_order = upgrade_order(topology, allocation)
        self.upgrade_waves = upgrade_waves(
            self.upgrade_order, {s.name: self.wave(s) for s in topology.servers.values()}
        )

    def plan(self, findings: tuple[Finding, ...]) -> Plan:
        topology = self.topology
        edges = list(self.wiring.edges())
        opened = self.wiring.opened(edges)
        plan: Plan = {
            "schema": SCHEMA,
            "system": topology.name,
            "domain": topology.domain,
            "servers": {s.name: self.server(s, opened[s.name]) for s in topology.servers.values()},
            "clients": {c.name: self.client(c) for c in topology.clients.values()},
            "arbiter": self.arbiter(),
            "voters": {v.name: self.voter(v, opened[v.name]) for v in self.wiring.voters},
            "monitors": {m.name: {"name": m.name, "address": m.address, "site": m.site} for m in self.wiring.monitors},
            "edges": edges,
            "waves": [
                [s.name for s in topology.servers.values() if self.wave(s) == number] for number in range(len(WAVES))
            ],
            "upgrade_order": self.upgrade_order,
            "sites": self.sites(),
            "recorded_settings": recorded_settings(),
        }
        plan["allocation"] = dict(self.allocation)
        for server in plan["servers"].values():
            server["digest"] = slice_digest(plan, server)
        plan["digest"] = digest_of(plan)
        plan["findings"] = [finding.as_dict() for finding in findings]
        return plan

    def server(self, server: Server, firewall: list[dict[str, Any]]) -> dict[str, Any]:
        """One server's slice of the plan: all that its roles and templates read."""
        work, product = self.wiring.work[server.name], self.topology.products[server.product]
        backup, other, shared = (
            self.wiring.backups.get(server.name),
            self.wiring.peer_of(server),
            self.wiring.shared_address(server),
        )
        pool, client_ports = self.wiring.pool(), self.wiring.client_ports(server)
        redundancy, has_election = redundancy_of(self.topology, server), has_leader_election(self.topology, server)
        proxy_mode = product.proxy_mode if work == "proxy" else None
        derived = traits(
            serves_as=work,
            state=server.state,
            redundancy=redundancy,
            active_standby=is_active_standby(self.topology, server),
            product_election=product_election(self.topology, server),
            proxy_mode=proxy_mode,
            tls=product.tls,
            protocol=product.protocol,
            watched=product.watched,
        )
        return {
            "name": server.name,
            "tier": server.tier,
            "serves_as": work,
            "primary": server.primary,
            "backup": backup.name if backup else None,
            "redundancy": redundancy,
            "failback": failback_of(self.topology, server),
            "leader_election": has_election,
            "failover": self.failover(server),
            "failover_ttl": self.failover_ttl(server),
            "arbiter_endpoints": self.wiring.arbiter_endpoints(server),
            "repository": self.repository(server),
            **derived,
            "engines": [*(("haproxy",) if derived["has_balancer"] else ()), *(("keepalived",) if has_election else ())],
            "address": server.address,
            "port": server.port,
            "protocol": product.protocol,
            "tls": product.tls,
            "local_port": product.local_port if derived["terminates_tls"] else None,
            "write_port": self.wiring.write_ports[server.name],
            "client_ports": client_ports,
            "listeners": [*listeners(derived, has_write_port=len(client_ports) > 1)],
            "proxy_mode": proxy_mode,
            "site": server.site,
            "zone": server.zone,
            "state": server.state,
            "capacity": server.capacity,
            "weight": server.weight,
            "version": server.version,
            "replication": product.replication,
            "rejoin": product.rejoin,
            "product": product.name,
            "product_role": product.role,
            "upstreams": self.wiring.upward(server),
            "upstream_catches_up": self.upstream_catches_up(server),
            "peers": self.wiring.peers(server),
            "pair": reach(other) if other else None,
            "pair_addresses": [server.address, *([other.address] if other else ())],
            "members": [self.member(member) for member in self.wiring.members] if work == "distributor" else [],
            "distributors": [d.name for d in self.wiring.distributors] if server.tier == "parallel" else [],
            "virtual_address": shared,
            "virtual_router_id": self.wiring.router_id(server),
            "failure_detection": failure_detection(self.topology, server),
            "steps_aside_for": aside.name if (aside := self.wiring.steps_aside_for(server)) else None,
            "free_percent": server.free_percent,
            "watchdog_seconds": server.watchdog_seconds,
            "reload_delay": reload_delay(self.topology, server),
            "reloads_at_once": self.topology.reloads_at_once,
            "tls_names": self.tls_names(server),
            "firewall": firewall,
            "metrics": self.metrics(server),
            "clients": self.clients_of(server) if server.tier == "proxy" else None,
            "pool_address": pool[0]["address"] if pool and work == "parallel" else None,
            "wave": self.wave(server),
            "upgrade_wave": self.upgrade_waves[server.name],
            **server.handed_on,
        }

    def repository(self, server: Server) -> dict[str, Any] | None:
        """The repository of backups, for its host and for the servers whose data it has."""
        found = self.wiring.repository()
        takes_part = found and (server.name == found["name"] or server in self.wiring.backed_up)
        return found if takes_part else None

    def failover(self, server: Server) -> str | None:
        """The mechanism that decides which node of the pair serves, or has the shared address."""
        if product_election(self.topology, server):
            return "product"
        if is_active_standby(self.topology, server):
            return failover_way(self.topology, server)
        return "vrrp" if has_leader_election(self.topology, server) else None

    def failover_ttl(self, server: Server) -> float | None:
        return lease_seconds(self.topology, self.wiring.voters) if self.failover(server) == "lease" else None

    def arbiter(self) -> dict[str, Any] | None:
        """The voters as all of them know each other; None without an arbiter."""
        voters = self.wiring.voters
        if not voters:
            return None
        waits = timing(self.topology, voters)
        return {
            "voters": [
                {
                    **self.voter_address(voter),
                    "site": voter.site,
                    "zone": voter.zone,
                }
                for voter in voters
            ],
            "heartbeat_ms": waits.heartbeat,
            "election_ms": waits.election,
        }

    def voter_address(self, voter: Host) -> dict[str, Any]:
        """The address, ports and URLs of a voter. The URLs are written as etcd compares them."""
        client_port, peer_port = self.topology.arbiter_client_port, self.topology.arbiter_peer_port
        host = f"[{voter.address}]" if ":" in voter.address else voter.address
        return {
            "name": voter.name,
            "address": voter.address,
            "client_port": client_port,
            "client_url": f"https://{host}:{client_port}",
            "peer_port": peer_port,
            "peer_url": f"https://{host}:{peer_port}",
        }

    def voter(self, voter: Host, firewall: list[dict[str, Any]]) -> dict[str, Any]:
        """One voter's slice of the plan. A server has its names and its firewall in the slice of the server, too."""
        names = [voter.name, f"{voter.name}.{self.topology.domain}"]
        return {
            **self.voter_address(voter),
            **(self.arbiter() or {}),
            "only_votes": not isinstance(voter, Server),
            "tls_names": self.tls_names(voter) if isinstance(voter, Server) else {"dns": names, "ip": [voter.address]},
            "firewall": firewall,
            "metrics": self.metrics(voter),
        }

    def metrics(self, host: Host) -> list[dict[str, Any]]:
        """The ports at which the metrics of a host are scraped, with their paths."""
        return [
            {"name": port.name, "port": port.port, "path": port.metrics} for port in self.wiring.metrics_ports(host)
        ]

    def upstream_catches_up(self, server: Server) -> bool:
        """Whether the first upstream may answer before it has all data again: both nodes of its pair may serve. In
        an active/standby pair, a node is promoted before it opens its port; a product that elects promotes it before
        the health check passes."""
        upstreams = self.wiring.upstreams[server.name]
        first = next(iter(upstreams), None)
        return bool(first and both_may_serve(self.topology, first) and not product_election(self.topology, first))

    def wave(self, server: Server) -> int:
        return start_wave(self.topology, server) or 0

    def member(self, member: Server) -> dict[str, Any]:
        backup = self.wiring.backups.get(member.name)
        return {
            **reach(member),
            "weight": member.weight,
            "state": member.state,
            "backup": reach(backup) if backup and backup.state == "active" else None,
        }

    def tls_names(self, server: Server) -> dict[str, list[str]]:
        """All names and addresses that the certificate of this server must contain."""
        domain, shared = self.topology.domain, self.wiring.shared_address(server)
        dns, ip = [server.name, f"{server.name}.{domain}"], [server.address]
        if server.name in self.wiring.followed:
            dns.append(f"{UPSTREAM}.{domain}")
        if shared:
            # Anyone who has the address answers for the primary.
            primary = primary_of(self.topology, server)
            dns += [primary.name, f"{primary.name}.{domain}"]
            ip.append(shared)
        if self.is_behind_pool(server) and self.wiring.distributors:
            # The distributor passes connections through: its clients see the certificate of a member, or of the master
            # where they write.
            dns.append(f"{POOL}.{domain}")
            ip += [entry["address"] for entry in self.wiring.pool()] + [s.address for s in self.wiring.distributors]
        return {"dns": list(dict.fromkeys(dns)), "ip": list(dict.fromkeys(ip))}

    def is_behind_pool(self, server: Server) -> bool:
        """Whether a distributor forwards clients to it."""
        work, product = self.wiring.work[server.name], self.topology.products[server.product]
        return work == "parallel" or (work == "master" and product.writes == WRITE_PORT)

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
        endpoints, pool = self.wiring.endpoints(client), self.wiring.pool()
        return {
            "name": client.name,
            "site": client.site,
            "address": client.address,
            "endpoints": endpoints,
            "pool": pool,
            "write_endpoints": self.wiring.for_writes(endpoints),
            "write_pool": self.wiring.for_writes(pool),
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


def digest_of(plan: Mapping[str, Any]) -> str:
    """A digest that differs between different plans."""
    content = {key: value for key, value in plan.items() if key not in ("digest", "findings")}
    return digest({**content, "allocation": {key: plan["allocation"][key] for key in SHARES}})


def slice_digest(plan: Mapping[str, Any], server: Mapping[str, Any]) -> str:
    """A digest of all that the plan has for one server."""
    name, allocation = server["name"], plan["allocation"]
    return digest(
        {
            "system": plan["system"],
            "domain": plan["domain"],
            "slice": {key: value for key, value in server.items() if key != "digest"},
            "clients": allocation["proxies"].get(name, {}).get("clients", []),
            "backups": allocation["backups"].get(name, {}),
        }
    )


def is_deployed_from(plan: Mapping[str, Any], name: str, record: Mapping[str, Any]) -> bool:
    """Whether the deployment record of a server comes from this plan, or from one that has the same for the server."""
    if record.get("plan_digest") == plan["digest"]:
        return True
    planned = plan["servers"].get(name, {}).get("digest")
    return planned is not None and record.get("slice_digest") == planned


def digest(data: Any) -> str:
    """The same for the same content, whatever order it was put together in."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
