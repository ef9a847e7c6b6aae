# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each host has to probe so that together they see the whole plan, and what their answers mean. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.report import table

# By the tier a server serves as. Behind a distributor members answer.
ROLES = {"master": "provider", "proxy": "replica", "parallel": "replica", "distributor": "replica"}

# Where HAProxy's monitor listens, on loopback, unless the role's variable says otherwise.
MONITOR = 8404

# A firewall that drops shows as a timeout.
_FIREWALLS = ["firewall", "timeout"]


def _edge(name: str, address: str, port: int, protocol: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "address": address, "port": port, "protocol": protocol, **more}


def starts(server: Mapping[str, Any]) -> bool:
    """Whether the plan has this server running."""
    return bool(server["state"] != "down" and server["redundancy"] != "cold")


def holds(plan: Mapping[str, Any], server: Mapping[str, Any]) -> bool | None:
    """Whether the shared address has to be at this server. None: it has none, or the plan leaves it open."""
    if not server["virtual_address"]:
        return None
    primary = plan["servers"][server["primary"]] if server["primary"] else server
    backup = plan["servers"].get(primary["backup"])
    if backup is not None and backup["failback"] == "manual":
        return None
    return bool(server["name"] == primary["name"])


def newest(positions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The last change of each writing server that anybody has."""
    last: dict[str, str] = {}
    for position in positions:
        for writer, change in position.items():
            last[writer] = max(change, last.get(writer, ""))
    return last


def own_edges(
    plan: Mapping[str, Any], name: str, at_least: Mapping[str, str] | None = None, monitor: int = MONITOR
) -> list[dict[str, Any]]:
    """What a server looks at on itself: its service, its role, how far its data is, whom its HAProxy gives to, and its
    part of a shared address."""
    server = plan["servers"][name]
    address, port = server["address"], server["port"]
    if server["state"] == "down":
        return []
    if not starts(server):
        return [_edge(name, address, port, "tcp", expect="refused", refused_by=["closed"])]
    edges = [_served(server, address)]
    if edges[0].get("role"):
        edges[0]["at_least"] = dict(at_least or {})
    below = [
        target["name"]
        for target in (*server["upstreams"], *server["members"])
        if starts(plan["servers"][target["name"]]) and plan["servers"][target["name"]]["state"] == "active"
    ]
    if server["serves_as"] != "master":
        edges.append(_edge(name, "127.0.0.1", monitor, "haproxy", up=below))
    held = holds(plan, server)
    shared = server["virtual_address"]
    if held is not None:
        edges.append(_edge(name, shared, port, "address", expect="open" if held else "refused"))
    if held:
        edges.append(_served(server, shared))
    return edges


def _served(server: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The service of a server, as one sees it who has the product's client; a distributor has not."""
    if server["serves_as"] == "distributor":
        return _edge(server["name"], address, server["port"], "tls")
    return _edge(server["name"], address, server["port"], server["protocol"], role=ROLES[server["serves_as"]])


def host_edges(plan: Mapping[str, Any], host: str, monitor: int = MONITOR) -> list[dict[str, Any]]:
    """All that one host probes: itself, every planned edge from it, and every server that must refuse it."""
    servers: Mapping[str, Any] = plan["servers"]
    own = servers.get(host)
    edges = own_edges(plan, host, monitor=monitor) if own else []
    planned = sorted((edge["to"], edge["address"], edge["port"]) for edge in plan["edges"] if edge["from"] == host)
    for to, address, port in dict.fromkeys(planned):
        server = servers[to]
        if server["state"] == "down":
            continue
        if not starts(server):
            edges.append(_edge(to, address, port, "tcp", expect="refused", refused_by=["closed"]))
        elif own and own["serves_as"] == "distributor":
            edges.append(_edge(to, address, port, "tls"))
        else:
            edges.append(_edge(to, address, port, server["protocol"], role=ROLES[server["serves_as"]]))
    here = (own or plan["clients"][host])["address"]
    reached = {to for to, _address, _port in planned}
    for to, server in sorted(servers.items()):
        if to != host and to not in reached and server["state"] != "down" and not admitted(server, here):
            edges.append(_edge(to, server["address"], server["port"], "tcp", expect="refused", refused_by=_FIREWALLS))
    return edges


def admitted(server: Mapping[str, Any], address: str) -> bool:
    """Whether the server's firewall lets an address in, perhaps because clients of its network are planned."""
    try:
        source = ipaddress.ip_address(address)
    except ValueError:
        return True  # a name: nobody can tell without asking for it, so no refusal is claimed
    return any(
        source in ipaddress.ip_network(network, strict=False)
        for opening in server["firewall"]
        if opening["protocol"] == "tcp" and opening["port"] == server["port"]
        for network in opening["sources"]
    )


def places(plan: Mapping[str, Any], host: str) -> list[dict[str, Any]]:
    """Where rows written and read by a host go through: the server on it, or a client's endpoints and the pool."""
    if host in plan["servers"]:
        server = plan["servers"][host]
        if server["state"] == "down" or not starts(server) or server["serves_as"] == "distributor":
            return []
        return [_edge(host, server["address"], server["port"], server["protocol"])]
    client = plan["clients"][host]
    points = [*client["endpoints"], *client["pool"][:1]]
    return [
        _edge(point["name"], point["address"], point["port"], client["protocol"])
        for point in points
        if point["name"] not in plan["servers"] or starts(plan["servers"][point["name"]])
    ]


def report(plan: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All answers as findings and as text. `results`: per host `probed`, `written` and `found`, as registered."""
    findings: list[dict[str, str]] = []
    probed: list[tuple[str, Mapping[str, Any]]] = []
    written: list[tuple[str, Mapping[str, Any]]] = []
    found: list[tuple[str, Mapping[str, Any]]] = []
    for host in sorted(results):
        for step, into, key in (("probed", probed, "edges"), ("written", written, "rows"), ("found", found, "rows")):
            answer = results[host].get(step) or {}
            if answer.get("skipped"):
                continue
            if key not in answer:
                findings.append(
                    {"host": host, "what": step, "why": str(answer.get("msg") or "no answer from this host")}
                )
            into.extend((host, one) for one in answer.get(key, []))
    for host, edge in probed:
        if not edge["ok"]:
            findings.append(
                {"host": host, "what": f"{edge['name']} {edge['address']}:{edge['port']}", "why": edge["why"]}
            )
    for host, one in [*written, *found]:
        if not one["ok"]:
            findings.append({"host": host, "what": f"rows through {one['server']}", "why": one["why"]})
    open_edges = [edge for _host, edge in probed if edge["expect"] == "open" and edge["protocol"] != "address"]
    refused = [edge for _host, edge in probed if edge["expect"] == "refused" and edge["protocol"] != "address"]
    by = sorted({str(edge["refused_by"]) for edge in refused if edge["refused_by"]})
    roles = [edge for edge in open_edges if edge["role"]]
    rows = [
        ["edges of the plan answer", _count(open_edges), _spread(edge["latency_ms"] for edge in open_edges)],
        ["edges not in the plan are refused", _count(refused), f"by {', '.join(by)}" if by else ""],
        ["roles are as planned", _count(roles), ""],
        [
            "rows written",
            _count(one for _host, one in written),
            _spread(one.get("write_ms") for _host, one in written),
        ],
        ["servers that have all rows", _count(one for _host, one in found), ""],
    ]
    text = table(["checked", "good", ""], rows)
    paths = [
        [host, one["server"], _ms(one.get("write_ms")), reader["server"], _ms(reader["ms"])]
        for host, one in written
        if host in plan["clients"]
        for reader in one["readers"]
    ]
    if paths:
        text += "\n\n" + table(["client", "wrote through", "in", "read through", "there after"], paths)
    if findings:
        text += "\n\n" + table(["host", "what", "finding"], [[f["host"], f["what"], f["why"]] for f in findings])
    return {"ok": not findings and bool(probed), "findings": findings, "text": text}


def _count(things: Iterable[Mapping[str, Any]]) -> str:
    verdicts = [bool(thing["ok"]) for thing in things]
    return f"{sum(verdicts)} of {len(verdicts)}"


def _spread(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"median {_ms(median(known))}, slowest {_ms(max(known))}" if known else ""


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"


def names(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows that were written, from what tier_rows told on each host."""
    return sorted(one["name"] for result in results for one in result.get("rows", []) if "write_ms" in one)
