# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a loss would cost: of one server, of a zone, of a site, or of any set of servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.plan import Plan
from ansible_collections.distributed.tiers.plugins.module_utils.rules import demands
from ansible_collections.distributed.tiers.plugins.module_utils.topology import Topology

Loss = dict[str, Any]


def preview(topology: Topology, plan: Plan) -> list[Loss]:
    """The loss of every server, zone and site, the worst first."""
    weigh = _Scales(topology, plan)
    losses = [weigh.loss(kind, name, servers) for kind, name, servers in _candidates(plan)]
    return sorted(losses, key=severity)


def severity(loss: Loss) -> tuple[Any, ...]:
    """The worst first: clients lost, then writes, then the pool, then clients that have to move."""
    return -loss["lost_weight"], loss["writes"], loss["pool"] is not False, -loss["moved_weight"], loss["name"]


def preview_of(topology: Topology, plan: Plan, servers: Iterable[str]) -> Loss:
    """The loss of just these servers."""
    dead = sorted(set(servers))
    return _Scales(topology, plan).loss("set", ", ".join(dead), dead)


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


class _Scales:
    """What is known of the whole system, gathered once for many losses."""

    def __init__(self, topology: Topology, plan: Plan) -> None:
        self.servers = plan["servers"]
        self.backups = plan["allocation"]["backups"]
        weight = {name: int(client.get("weight") or 1) for name, client in demands(topology)}
        self.clients = {proxy: (len(s["clients"]), s["weight"]) for proxy, s in plan["allocation"]["proxies"].items()}
        # {proxy: {server its clients go to: (how many, their weight)}}
        self.flights = {
            proxy: {server: (len(names), sum(weight.get(name, 1) for name in names)) for server, names in at.items()}
            for proxy, at in self.backups.items()
        }

    def loss(self, kind: str, name: str, servers: Iterable[str]) -> Loss:
        dead = set(servers)
        moved: dict[str, int] = {}
        load: dict[str, int] = {proxy: weight for proxy, (_number, weight) in self.clients.items() if proxy not in dead}
        lost = lost_weight = moved_weight = 0
        for proxy in dead & set(self.clients):
            number, weight = self.clients[proxy]
            for server, (fleeing, their_weight) in self.flights.get(proxy, {}).items():
                if server not in dead:
                    moved[server] = moved.get(server, 0) + fleeing
                    load[server] = load.get(server, 0) + their_weight
                    moved_weight += their_weight
                    number, weight = number - fleeing, weight - their_weight
            lost, lost_weight = lost + number, lost_weight + weight
        fullest = max(((self.percent(server, weight), server) for server, weight in load.items()), default=(0, None))
        return {
            "kind": kind,
            "name": name,
            "servers": sorted(dead),
            "lost": lost,
            "lost_weight": lost_weight,
            "moved": dict(sorted(moved.items())),
            "moved_weight": moved_weight,
            "fullest": fullest[1],
            "fullest_percent": fullest[0],
            "writes": self.alive("master", dead),
            "pool": self.pool(dead),
        }

    def percent(self, server: str, weight: int) -> int:
        """The load in percent of the capacity, 0 without a limit. A backup has its primary's if it gives none."""
        primary = self.servers[server]["primary"]
        capacity = self.servers[server]["capacity"] or (self.servers[primary]["capacity"] if primary else None)
        return round(100 * weight / capacity) if capacity else 0

    def alive(self, work: str, dead: set[str]) -> bool:
        """Whether somebody is left who does the work of a tier. A cold backup would have to be started first."""
        return any(
            server["serves_as"] == work
            and name not in dead
            and server["state"] != "down"
            and server["redundancy"] != "cold"
            for name, server in self.servers.items()
        )

    def pool(self, dead: set[str]) -> bool | None:
        """Whether the pool goes on serving; None where there is no pool."""
        if not any(server["serves_as"] == "distributor" for server in self.servers.values()):
            return None
        return self.alive("distributor", dead) and self.alive("parallel", dead)
