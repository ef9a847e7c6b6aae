# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Excerpt a plan for a report: clients as numbers, never by name, so that it stays small for a million of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypedDict

from ansible_collections.distributed.tiers.plugins.module_utils.planner.difference import Difference
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.preview import Loss
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import beside_its_primary
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import (
    count_moves,
    group_changes,
    is_costly,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology

# Rows of each table; the rest is counted.
LOSSES, MOVES, CHANGES, FINDINGS_OF_A_RULE = 30, 100, 100, 20


class ServerExcerpt(TypedDict):
    """A server as a report shows it."""

    name: str
    tier: str
    serves_as: str
    primary: str | None
    backup: str | None
    redundancy: str | None
    site: str
    zone: str | None
    state: str
    address: str
    port: int
    capacity: int | None
    clients: int | None  # None for a server that is no proxy
    weight: int | None
    routes_to: list[str]


class ClientFlow(TypedDict):
    """The clients of one site that one server serves. Without proxies, they go to the pool or to the master."""

    site: str
    server: str | None  # None: they have no server
    clients: int


class FindingExcerpt(TypedDict):
    """A finding without the names of all that it is about."""

    rule: str
    severity: str
    host: str | None
    variable: str | None
    message: str
    remedy: str


class PlanExcerpt(TypedDict):
    """The part of a plan that a report shows."""

    system: str
    digest: str
    product: str
    servers: list[ServerExcerpt]
    sites: dict[str, int]  # number of clients
    flows: list[ClientFlow]
    unplaced: list[tuple[int, str]]  # number of clients, reason
    moves: list[tuple[int, str, str, str]]  # number of clients, from, to, reason
    moves_left_out: int
    changes: list[tuple[str, int, str, str]]  # servers, number of them, what becomes of them, from > to
    changes_left_out: int
    same: int
    losses: list[Loss] | None  # None: not computed, for a plan that another run made
    losses_left_out: int
    findings: list[FindingExcerpt]
    findings_left_out: int
    voters: list[str]
    unread: list[str]


def make_excerpt(
    topology: Topology,
    plan: Plan,
    losses: Iterable[Loss] | None,
    change: Difference,
    findings: Iterable[Mapping[str, Any]],
) -> PlanExcerpt:
    """The excerpt of a plan. `losses`: the worst first; `change`: what differs from what is deployed."""
    costly = [loss for loss in losses or () if is_costly(loss)]
    moves, changes = count_moves(plan), group_changes(change)
    found = list(findings)
    shown = [one for _rule, group in groupby(found, key=_rule_of) for one in [*group][:FINDINGS_OF_A_RULE]]
    servers = sorted(plan["servers"].values(), key=beside_its_primary)
    return {
        "system": plan["system"],
        "digest": plan["digest"],
        "product": ", ".join(sorted({server["product"] for server in servers})),
        "servers": [_server(server, plan) for server in servers],
        "sites": {name: site["clients"] for name, site in plan["sites"].items()},
        "flows": list(_flows(topology, plan)),
        "unplaced": [(number, why) for why, number in Counter(plan["allocation"]["unplaced"].values()).most_common()],
        "moves": moves[:MOVES],
        "moves_left_out": sum(row[0] for row in moves[MOVES:]),
        "changes": changes[:CHANGES],
        "changes_left_out": len(changes[CHANGES:]),
        "same": change["same"],
        "losses": None if losses is None else costly[:LOSSES],
        "losses_left_out": len(costly[LOSSES:]),
        "findings": [_finding(one) for one in shown],
        "findings_left_out": len(found) - len(shown),
        "voters": [voter["name"] for voter in (plan["arbiter"] or {}).get("voters", ())],
        "unread": [*topology.unread],
    }


def _rule_of(finding: Mapping[str, Any]) -> str:
    return str(finding["rule"])


def _finding(finding: Mapping[str, Any]) -> FindingExcerpt:
    return {
        "rule": finding["rule"],
        "severity": finding["severity"],
        "host": finding["host"],
        "variable": finding["variable"],
        "message": finding["message"],
        "remedy": finding["remedy"],
    }


def _server(server: Mapping[str, Any], plan: Plan) -> ServerExcerpt:
    share = plan["allocation"]["proxies"].get(server["name"])
    return {
        "name": server["name"],
        "tier": server["tier"],
        "serves_as": server["serves_as"],
        "primary": server["primary"],
        "backup": server["backup"],
        "redundancy": server["redundancy"],
        "site": server["site"],
        "zone": server["zone"],
        "state": server["state"],
        "address": server["address"],
        "port": server["port"],
        "capacity": server["capacity"],
        "clients": len(share["clients"]) if share else None,
        "weight": share["weight"] if share else None,
        "routes_to": [entry["name"] for entry in server["members"] or server["upstreams"]],
    }


def _flows(topology: Topology, plan: Plan) -> Iterator[ClientFlow]:
    """How many clients of each site go to which server."""
    site_of = {name: client.site for name, client in topology.clients.items()}
    site_of |= {name: str(client["site"]) for name, client in topology.population.items()}
    proxies = plan["allocation"]["proxies"]
    for server, share in proxies.items():
        for site, number in sorted(Counter(site_of.get(name, "unknown") for name in share["clients"]).items()):
            yield {"site": site, "server": server, "clients": number}
    if proxies:
        for site, number in Counter(site_of.get(name, "unknown") for name in plan["allocation"]["unplaced"]).items():
            yield {"site": site, "server": None, "clients": number}
        return
    entrance = _first(plan, "distributor") or _first(plan, "master")
    for name, site in plan["sites"].items():
        if site["clients"]:
            yield {"site": name, "server": entrance, "clients": site["clients"]}


def _first(plan: Plan, tier: str) -> str | None:
    names: Sequence[str] = sorted(name for name, server in plan["servers"].items() if server["tier"] == tier)
    return names[0] if names else None
