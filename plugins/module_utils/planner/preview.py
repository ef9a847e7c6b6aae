# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of a failure of one server, of a zone, of a site, or of any set of servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import demands
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology

Loss = dict[str, Any]


def preview(topology: Topology, plan: Plan) -> list[Loss]:
    """The loss of every server, zone and site, the worst first."""
    weigh = _scales(topology, plan)
    losses = [weigh.loss(kind, name, servers) for kind, name, servers in _candidates(plan)]
    return sorted(losses, key=severity)


def severity(loss: Loss) -> tuple[Any, ...]:
    """The worst first: clients lost or without room, then writes, then the pool, then clients that have to move."""
    unserved = loss["lost_weight"] + loss["beyond_weight"]
    return -unserved, loss["writes"], loss["pool"] is not False, -loss["moved_weight"], loss["name"]


def preview_of(topology: Topology, plan: Plan, servers: Iterable[str], name: str = "") -> Loss:
    """The loss of just these servers, all at once."""
    dead = sorted(set(servers))
    return _scales(topology, plan).loss("set", name or ", ".join(dead), dead)


def loss_of(plan: Plan, servers: Iterable[str], min_online: int = 1) -> Loss:
    """The failure of these servers, as far as the plan shows it: every client weighs 1."""
    dead = sorted(set(servers))
    return _Scales(plan, {}, {}, min_online).loss("set", ", ".join(dead), dead)


def preview_asked(topology: Topology, plan: Plan) -> Loss | None:
    """The failure that `tiers_loss` names; None if it names none."""
    servers = [name for selector in topology.loss for name in topology.selected(selector)]
    return preview_of(topology, plan, servers, " and ".join(topology.loss)) if servers else None


def _candidates(plan: Plan) -> Iterator[tuple[str, str, list[str]]]:
    zones: dict[str, list[str]] = {}
    sites: dict[str, list[str]] = {}
    for name, server in plan["servers"].items():
        yield "server", name, [name]
        sites.setdefault(server["site"], []).append(name)
        if server["zone"]:
            zones.setdefault(f"{server['site']}/{server['zone']}", []).append(name)
    # A zone or site of one server is told by that server.
    yield from (("zone", name, servers) for name, servers in zones.items() if len(servers) > 1)
    yield from (("site", name, servers) for name, servers in sites.items() if len(servers) > 1)


def _scales(topology: Topology, plan: Plan) -> _Scales:
    weight = {name: int(client.get("weight") or 1) for name, client in demands(topology)}
    direct = {client.name: client.weight for client in topology.clients.values() if client.direct}
    return _Scales(plan, weight, direct, topology.min_online)


class _Scales:
    """Facts about the whole system, computed once, so that each failure only costs time for its own servers."""

    def __init__(self, plan: Plan, weight: Mapping[str, int], direct: Mapping[str, int], min_online: int) -> None:
        self.servers = plan["servers"]
        self.clients = {proxy: (len(s["clients"]), s["weight"]) for proxy, s in plan["allocation"]["proxies"].items()}
        # {proxy: {server its clients go to: (how many, their weight)}}
        self.flights = {
            proxy: {server: (len(names), sum(weight.get(name, 1) for name in names)) for server, names in at.items()}
            for proxy, at in plan["allocation"]["backups"].items()
        }
        loads = ((self.percent(proxy, weight), proxy) for proxy, (_number, weight) in self.clients.items())
        self.fullest = sorted(loads, reverse=True)
        # A server that is out of service takes nothing over, nor does a cold backup that no failover starts.
        self.ready: dict[str, list[str]] = {}
        for name, server in self.servers.items():
            if server["state"] == "active" and server["promotable"]:
                self.ready.setdefault(server["serves_as"], []).append(name)
        self.min_online = min_online
        self.has_pool = any(server["serves_as"] == "distributor" for server in self.servers.values())
        self.at_master, self.at_pool = self.without_proxy(plan, direct)

    def loss(self, kind: str, name: str, servers: Iterable[str]) -> Loss:
        dead = set(servers)
        moved: dict[str, int] = {}
        come: dict[str, int] = {}
        lost = lost_weight = 0
        for proxy in dead & self.clients.keys():
            number, weight = self.clients[proxy]
            for server, (fleeing, their_weight) in self.flights.get(proxy, {}).items():
                if server not in dead:
                    moved[server] = moved.get(server, 0) + fleeing
                    come[server] = come.get(server, 0) + their_weight
                    number, weight = number - fleeing, weight - their_weight
            lost, lost_weight = lost + number, lost_weight + weight
        writes, pool = self.masters_go_on(dead), self.pool_goes_on(dead)
        for (number, weight), goes_on, before in (
            (self.at_master, writes, self.masters_go_on),
            (self.at_pool, pool, self.pool_goes_on),
        ):
            # What nobody serves before the loss is no part of it.
            if goes_on is False and before(set()):
                lost, lost_weight = lost + number, lost_weight + weight
        then = {server: self.clients.get(server, (0, 0))[1] + more for server, more in come.items()}
        loads = [(self.percent(server, weight), server) for server, weight in then.items()]
        loads += next(([entry] for entry in self.fullest if entry[1] not in dead and entry[1] not in come), [])
        percent, fullest = max(loads, default=(0, None))
        return {
            "kind": kind,
            "name": name,
            "servers": sorted(dead),
            "lost": lost,
            "lost_weight": lost_weight,
            "moved": dict(sorted(moved.items())),
            "moved_weight": sum(come.values()),
            "beyond_weight": sum(self.beyond(server, weight) for server, weight in then.items()),
            "fullest": fullest,
            "fullest_percent": percent,
            "writes": writes,
            "pool": pool,
        }

    def without_proxy(self, plan: Plan, direct: Mapping[str, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """How many clients use the master itself, and how many only the pool, each with their weight."""
        at_master = [
            name
            for name, client in plan["clients"].items()
            if any(point["role"] == "master" for point in client["endpoints"])
        ]
        number, weight = len(at_master), sum(direct.get(name, 1) for name in at_master)
        if self.clients:
            return (number, weight), (0, 0)
        # Clients that are no hosts of the inventory are known by their number only.
        sites = plan["sites"].values()
        everyone, their_weight = sum(site["clients"] for site in sites), sum(site["weight"] for site in sites)
        if self.has_pool:
            return (number, weight), (everyone - number, their_weight - weight)
        return (everyone, their_weight), (0, 0)

    def capacity(self, server: str) -> int | None:
        """A backup has its primary's if it gives none."""
        primary = self.servers[server]["primary"]
        own: int | None = self.servers[server]["capacity"]
        return self.servers[primary]["capacity"] if primary and not own else own

    def percent(self, server: str, weight: int) -> int:
        """The load in percent of the capacity, 0 without a limit."""
        capacity = self.capacity(server)
        return round(100 * weight / capacity) if capacity else 0

    def beyond(self, server: str, weight: int) -> int:
        """Connections beyond the capacity of a server: it may be the backup of several that fail together."""
        capacity = self.capacity(server)
        return max(0, weight - capacity) if capacity else 0

    def masters_go_on(self, dead: set[str]) -> bool:
        return self.goes_on("master", dead)

    def pool_goes_on(self, dead: set[str]) -> bool | None:
        """None without a pool."""
        if not self.has_pool:
            return None
        return self.goes_on("distributor", dead) and self.goes_on("parallel", dead, self.min_online)

    def goes_on(self, work: str, dead: set[str], least: int = 1) -> bool:
        """Whether enough are left who do the work of a tier; a primary and its backup count as one."""
        left = {self.servers[name]["primary"] or name for name in self.ready.get(work, ()) if name not in dead}
        return len(left) >= least
