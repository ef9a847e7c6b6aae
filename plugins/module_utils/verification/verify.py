# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges that each host must probe, so that the whole plan is probed, and the meaning of the answers. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import MONITOR_PORT, PROVIDER
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.text import summarize, table
from ansible_collections.distributed.tiers.plugins.module_utils.verification import host_findings
from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import (
    count_equal,
    differing,
    list_unread,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.leases import check_leases

# What it takes to write rows, to look for them and to leave none behind.
ROWS = ("write", "names", "remove")

# What is no edge from one host to another: what a server looks at on its own host.
OF_THE_HOST = ("address", "active", "drained", "writes")

# A directory's own socket gives all entries, whatever its accounts may read and however many.
_AT_HOME = {"ldap": "ldapi", "ldaps": "ldapi"}

# A firewall that drops shows as a timeout.
_FIREWALLS = ["firewall", "timeout"]
# A standby refuses connections like a port without a listener, so that clients try the next server at once.
_STANDBY = [*_FIREWALLS, "closed"]


def _make_edge(name: str, address: str, port: int, protocol: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "address": address, "port": port, "protocol": protocol, **more}


def is_planned_active(plan: Mapping[str, Any], server: Mapping[str, Any]) -> bool | None:
    """Whether of its pair this node must be the active one. None: either may be."""
    primary = plan["servers"][server["primary"]] if server["primary"] else server
    backup = plan["servers"].get(primary["backup"])
    if backup is None:
        return True
    if "down" in (primary["state"], backup["state"]):
        return bool(server["state"] != "down")
    if backup["failback"] != "auto" or primary["state"] != "active":
        return None
    return bool(server["name"] == primary["name"])


def pair_of(server: Mapping[str, Any]) -> str:
    """The name of a pair, which is that of its primary."""
    return str(server["primary"] or server["name"])


def expect_word(planned: bool | None) -> str:
    return {True: "open", False: "refused", None: "either"}[planned]


def newest(positions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The last change of each writing server that anybody has."""
    last: dict[str, str] = {}
    for position in positions:
        for writer, change in position.items():
            last[writer] = max(change, last.get(writer, ""))
    return last


def own_edges(
    plan: Mapping[str, Any],
    name: str,
    at_least: Mapping[str, str] | None = None,
    monitor: int = MONITOR_PORT,
    protocol: str | None = None,
) -> list[dict[str, Any]]:
    """The edges by which a server checks itself: its service, its role, the position of its data, the servers that its
    HAProxy routes to, whether its write port leads to the active master, its shared address, whether it is active,
    whether it is drained, and whether it can write.
    `protocol` is spoken in place of the plan's."""
    server = plan["servers"][name]
    if server["state"] == "down":
        return []
    edges = _list_own_service(plan, server, at_least or {}, protocol)
    if not server["promotable"]:
        return edges
    if server["serves_as"] != "master" and server["kept_running"]:
        edges.append(_probe_balancer(plan, server, monitor))
    if _has_own_write_port(server) and any(plan["servers"][up["name"]]["kept_running"] for up in server["upstreams"]):
        edges.append(_probe_service(_at_write_port(server), server["address"], protocol))
    planned, shared = is_planned_active(plan, server), server["virtual_address"]
    if server["active_standby"]:
        edges.append(_make_edge(name, server["address"], server["port"], "active", expect=expect_word(planned)))
    elif server["product_election"]:
        expected = "either" if server["pair"] else "open"
        edges.append(_make_edge(name, server["address"], server["port"], "active", expect=expected))
    if shared:
        edges.append(_make_edge(name, shared, server["port"], "address", expect=expect_word(planned)))
        if planned:
            edges.append(_probe_service(server, shared, protocol))
    if server["state"] == "active":
        edges.append(_make_edge(name, server["address"], server["port"], "drained", expect="refused"))
    if server.get("steps_aside_for") or server["serves_as"] == "master":
        edges.append(_make_edge(name, server["address"], server["port"], "writes"))
    return edges


def content_edges(
    plan: Mapping[str, Any], name: str, digest: str = "quick", protocol: str | None = None
) -> list[dict[str, Any]]:
    """The edge by which a server reads a digest of its content, quick or whole; none without content of its own."""
    server = plan["servers"].get(name)
    if not server or not server["kept_running"]:
        return []
    if not server["holds_data"] or server.get("replication") == "none":
        return []
    spoken = protocol or server["protocol"]
    edge = {"name": name, "address": server["address"], "port": server["port"], "expect": "open"}
    return [{**edge, "protocol": _AT_HOME.get(spoken, spoken), "digest": digest}]


def old_machine_edges(plan: Mapping[str, Any], host: str, names: Collection[str]) -> list[dict[str, Any]]:
    """The edges by which a host checks that the failed machines of these servers do not serve. They lead to the names
    of the servers, which a host knows with their addresses as deployed; the plan has those of the new machines."""
    servers = plan["servers"]
    reached = {
        edge["to"]
        for edge in plan["edges"]
        if edge["from"] == host and edge["to"] in names and edge["to"] in servers and edge["protocol"] == "tcp"
        if (edge["address"], edge["port"]) == (servers[edge["to"]]["address"], servers[edge["to"]]["port"])
    }
    return [
        _make_edge(name, f"{name}.{plan['domain']}", servers[name]["port"], "port", expect="refused")
        for name in sorted(reached)
    ]


def _list_own_service(
    plan: Mapping[str, Any], server: Mapping[str, Any], at_least: Mapping[str, str], protocol: str | None
) -> list[dict[str, Any]]:
    if server["active_standby"]:
        edge = _probe_within_pair(plan, server, protocol)
    elif server["kept_running"]:
        edge = _probe_service(server, server["address"], protocol)
    else:
        return [_expect_stopped(server, server["address"], protocol)]
    replicates = server["redundancy"] != "warm" and server.get("replication") != "none"
    # A node of a pair of which either may be active has no planned role.
    has_role = edge.get("role") or server["product_election"]
    has_data = has_role or (at_least and server["holds_data"] and server["replication_role"])
    if has_data and replicates:
        edge["at_least"] = dict(at_least)
    return [edge]


def _probe_within_pair(plan: Mapping[str, Any], server: Mapping[str, Any], protocol: str | None) -> dict[str, Any]:
    """A node of an active/standby pair, probed by itself or by its peer, which it does not refuse. The standby of a
    cold pair is not started. The product decides which role any other standby reports."""
    planned = is_planned_active(plan, server)
    if planned:
        return _probe_product(server, server["address"], protocol)
    nodes = (server, plan["servers"].get(server["backup"]))
    if any(node and node["cold"] for node in nodes):
        return {**_expect_stopped(server, server["address"], protocol), "expect": expect_word(planned)}
    edge = _probe_product(server, server["address"], protocol)
    edge.pop("role", None)
    return edge


def _expect_stopped(server: Mapping[str, Any], address: str, protocol: str | None) -> dict[str, Any]:
    """The edge of a server whose program does not run. If HAProxy terminates TLS for the program, it may run and has
    no server to forward to."""
    refused = {"expect": "refused", "refused_by": ["closed"]}
    if not server["terminates_tls"]:
        return _make_edge(server["name"], address, server["port"], "port", **refused)
    refused["refused_by"] = ["closed", "service"]
    return _make_edge(server["name"], address, server["port"], protocol or server["protocol"], **refused)


def _probe_balancer(plan: Mapping[str, Any], server: Mapping[str, Any], monitor: int) -> dict[str, Any]:
    """The servers that HAProxy must route to: all that serve, and one node of each active/standby pair."""
    servers: Mapping[str, Any] = plan["servers"]
    backups = [member["backup"] for member in server["members"] if member.get("backup")]
    below = [servers[target["name"]] for target in (*server["upstreams"], *server["members"], *backups)]
    nodes: dict[str, list[str]] = {}
    for target in below:
        if target["active_standby"] or target["product_election"]:
            nodes.setdefault(pair_of(target), []).append(target["name"])
    exclusive = {name: names for name, names in nodes.items() if len(names) > 1}
    up = []
    for target in below:
        in_pair = pair_of(target) in exclusive
        must_be_up = _is_planned_leader(plan, target) if in_pair else target["kept_running"]
        if target["state"] == "active" and must_be_up:
            up.append(target["name"])
    edge = _make_edge(server["name"], "127.0.0.1", monitor, "haproxy", up=up)
    return {**edge, "one_up_of": list(exclusive.values())} if exclusive else edge


def _has_own_write_port(server: Mapping[str, Any]) -> bool:
    return server["write_port"] not in (None, server["port"])


def _at_write_port(server: Mapping[str, Any]) -> Mapping[str, Any]:
    """The server as clients see it that write: its write port leads to the active master."""
    return {**server, "port": server["write_port"], "replication_role": PROVIDER}


def _is_planned_leader(plan: Mapping[str, Any], server: Mapping[str, Any]) -> bool | None:
    """Whether of its pair HAProxy must route to this node. None: to either."""
    return None if server["product_election"] else is_planned_active(plan, server)


def _probe_service(server: Mapping[str, Any], address: str, protocol: str | None = None) -> dict[str, Any]:
    """The service of a server, as one sees it who has the product's client; a distributor has not."""
    if server["serves_as"] == "distributor":
        return _make_edge(server["name"], address, server["port"], _protocol_without_client(server))
    return _probe_product(server, address, protocol)


def _probe_product(server: Mapping[str, Any], address: str, protocol: str | None) -> dict[str, Any]:
    """The service of a server, in its role."""
    edge = _make_edge(server["name"], address, server["port"], protocol or server["protocol"])
    return {**edge, "role": server["replication_role"]} if server["replication_role"] else edge


def _protocol_without_client(server: Mapping[str, Any]) -> str:
    """How to speak to a server where no client of the product is installed."""
    return {"ldap": "tcp", "ldaps": "tls"}.get(server["protocol"], str(server["protocol"]))


def host_edges(
    plan: Mapping[str, Any], host: str, monitor: int = MONITOR_PORT, protocol: str | None = None
) -> list[dict[str, Any]]:
    """All that one host probes: itself, every planned edge from it, and every server that must refuse it."""
    servers: Mapping[str, Any] = plan["servers"]
    own = servers.get(host)
    edges = own_edges(plan, host, monitor=monitor, protocol=protocol) if own else []
    mine = [edge for edge in plan["edges"] if edge["from"] == host and edge["protocol"] == "tcp"]
    planned = list(dict.fromkeys(sorted((edge["to"], edge["address"], edge["port"]) for edge in mine)))
    reached = {(to, port) for to, _address, port in planned}
    nodes: dict[str, set[str]] = {}
    voters: Mapping[str, Any] = plan["voters"]
    # A voter, and the node exporter of a host that only votes, answer whatever else the host does.
    apart = [point for point in planned if is_voter(voters, point[0], point[2]) or point[0] not in servers]
    edges += [_make_edge(to, address, port, "port") for to, address, port in apart]
    planned = [point for point in planned if point not in apart]
    for to, address, port in planned:
        if address == servers[to]["address"] and port == servers[to]["port"]:
            nodes.setdefault(pair_of(servers[to]), set()).add(to)
    for to, address, port in planned:
        server = servers[to]
        if server["state"] == "down":
            continue
        if writes := _has_own_write_port(server) and port == server["write_port"]:
            server = _at_write_port(server)
        if port != server["port"]:
            edges += _probe_further_port(plan, server, address, port)
        elif server["active_standby"] and address == server["address"]:
            edge = _probe_from_outside(plan, own, server, len(nodes[pair_of(server)]) > 1, protocol)
            # For each port apart, one node must answer.
            edges.append({**edge, "one_of": f"{edge['one_of']}, writes"} if writes and "one_of" in edge else edge)
        elif not server["kept_running"]:
            edges.append(_expect_stopped(server, address, protocol))
        elif own and own["serves_as"] == "distributor":
            edges.append(_make_edge(to, address, port, _protocol_without_client(server)))
        else:
            edges.append(_probe_product(server, address, protocol))
    here = (own or plan["clients"].get(host) or voters[host])["address"]
    only_vote = {name: voter for name, voter in voters.items() if voter["only_votes"]}
    for to, server in sorted({**servers, **only_vote}.items()):
        if to == host or server.get("state") == "down":
            continue
        for port in ports(server):
            if (to, port) not in reached and not is_admitted(server, here, port):
                edges.append(_make_edge(to, server["address"], port, "tcp", expect="refused", refused_by=_FIREWALLS))
    return edges


def is_voter(voters: Mapping[str, Any], host: str, port: int) -> bool:
    """Whether a port of a host is one of the two at which a voter listens."""
    return host in voters and port in (voters[host]["client_port"], voters[host]["peer_port"])


def _probe_from_outside(
    plan: Mapping[str, Any], own: Mapping[str, Any] | None, server: Mapping[str, Any], both: bool, protocol: str | None
) -> dict[str, Any]:
    """A node of an active/standby pair, probed from outside the pair: the standby refuses clients."""
    if own and pair_of(own) == pair_of(server):
        return _probe_within_pair(plan, server, protocol)
    planned = is_planned_active(plan, server)
    if planned is False:
        return _make_edge(
            server["name"], server["address"], server["port"], "tcp", expect="refused", refused_by=_STANDBY
        )
    if own and own["serves_as"] == "distributor":
        edge = _make_edge(server["name"], server["address"], server["port"], _protocol_without_client(server))
    else:
        edge = _probe_product(server, server["address"], protocol)
    if planned is None:
        edge |= {"expect": "either", "refused_by": _STANDBY, **({"one_of": pair_of(server)} if both else {})}
    return edge


def _probe_further_port(
    plan: Mapping[str, Any], server: Mapping[str, Any], address: str, port: int
) -> list[dict[str, Any]]:
    """The protocol of this port is unknown: it must be open if the product runs."""
    if server["active_standby"] and is_planned_active(plan, server) is not True:
        return []
    if not server["kept_running"]:
        return []
    return [_make_edge(server["name"], address, port, "port")]


def ports(server: Mapping[str, Any]) -> list[int]:
    """The ports that the firewall of a server, or of a host that only votes, opens."""
    further = {opening["port"] for opening in server["firewall"] if opening["protocol"] == "tcp"}
    own = [server["port"]] if "port" in server else []
    return [*own, *sorted(further.difference(own))]


def is_admitted(server: Mapping[str, Any], address: str, port: int | None = None) -> bool:
    """Whether the server's firewall lets an address in, perhaps because clients of its network are planned."""
    try:
        source = ipaddress.ip_address(address)
    except ValueError:
        return True  # a name: without resolving it, no refusal can be expected
    return any(
        source in ipaddress.ip_network(network, strict=False)
        for opening in server["firewall"]
        if opening["protocol"] == "tcp" and opening["port"] == (port or server["port"])
        for network in opening["sources"]
    )


def places(
    plan: Mapping[str, Any],
    host: str,
    protocol: str | None = None,
    standing_by: Iterable[str] = (),
    writes: bool = False,
) -> list[dict[str, Any]]:
    """The edges by which a host reads rows: the server on it, or a client's endpoints and the pool, without
    standbys. With `writes`, the edges by which it writes, without servers that take no writes."""
    port, endpoints, pool = ("write_port", "write_endpoints", "write_pool") if writes else ("port", "endpoints", "pool")
    aside = set(standing_by)
    if host in plan["servers"]:
        server = plan["servers"][host]
        if server["state"] == "down" or server["serves_as"] == "distributor" or host in aside:
            return []
        if not server["promotable"] or server[port] is None:
            return []
        return [_make_edge(host, server["address"], server[port], protocol or server["protocol"])]
    if host not in plan["clients"]:
        return []
    client = plan["clients"][host]
    # The endpoints of a client without a proxy are those of the pool.
    known = {(point["address"], point["port"]) for point in client[endpoints]}
    points = [
        *client[endpoints],
        *(point for point in client[pool][:1] if (point["address"], point["port"]) not in known),
    ]
    return [
        _make_edge(point["name"], point["address"], point["port"], protocol or client["protocol"])
        for point in points
        if point["name"] not in plan["servers"] or _is_open_at(plan["servers"][point["name"]], point["address"], aside)
    ]


def _is_open_at(server: Mapping[str, Any], address: str, aside: set[str]) -> bool:
    """Whether a server serves at one of its addresses. At one that a pair shares, one node always does."""
    if address != server["address"]:
        return True
    return server["name"] not in aside and server["state"] != "down" and bool(server["promotable"])


def _read_active_nodes(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
    """Whether each node of an active/standby pair serves, as far as they answered."""
    return {
        name: bool(edge["reachable"])
        for name, answer in answers.items()
        for edge in answer.get("edges", ())
        if edge["protocol"] == "active"
    }


def standing_by(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The nodes of pairs that do not serve. `answers`: what tier_probe returned on each server about itself."""
    return sorted(name for name, serves in _read_active_nodes(answers).items() if not serves)


def wrong_pairs(plan: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Active/standby pairs without exactly one serving node, as far as both were asked: (pair, what is wrong)."""
    nodes: dict[str, dict[str, bool]] = {}
    for name, serves in sorted(_read_active_nodes(answers).items()):
        nodes.setdefault(pair_of(plan["servers"][name]), {})[name] = serves
    wrong = []
    for name, serving in nodes.items():
        here = [node for node, serves in serving.items() if serves]
        if len(here) > 1:
            wrong.append((name, f"split brain: {' and '.join(here)} both serve, one must"))
        elif not here and len(serving) > 1:
            wrong.append((name, f"neither of {' and '.join(serving)} serves: runbook 'Pair without an active node'"))
    return wrong


def explain_pauses(plan: Mapping[str, Any], leases: Mapping[str, Mapping[str, Any] | None]) -> dict[str, str]:
    """The pairs whose automatic failover is paused, by their primaries, and until when. `leases`: what the failover
    agent of each node knows of the lease of its pair."""
    paused: dict[str, str] = {}
    for name, lease in leases.items():
        if lease and lease["paused"]:
            end = datetime.fromtimestamp(lease["paused_until"], UTC)
            until = f"until {end:%Y-%m-%d %H:%M} UTC" if lease["paused_until"] else "without a time limit"
            pair = pair_of(plan["servers"][name])
            paused[pair] = f"pair of {pair}: automatic failover is paused {until}. To end this, run resume_failover"
    return paused


def degraded_servers(plan: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Differences from the plan, by server and by pair, before and after a server is switched off."""
    silent = [f"{name}: {reason(answer)}" for name, answer in answers.items() if "edges" not in answer]
    wrong = [
        f"{edge['name']}: {edge['why']}"
        for answer in answers.values()
        for edge in answer.get("edges", ())
        if not edge["ok"]
    ]
    leases = {
        name: edge.get("lease")
        for name, answer in answers.items()
        for edge in answer.get("edges", ())
        if edge["protocol"] == "active"
    }
    paused = [*explain_pauses(plan, leases).values()]
    return silent + wrong + [why for _pair, why in wrong_pairs(plan, answers)] + paused


def report(
    plan: Mapping[str, Any],
    results: Mapping[str, Mapping[str, Any]],
    offers: Iterable[str] = OPERATIONS,
    clock_alert: float = host_findings.CLOCK_ALERT,
    voters: tuple[int, int, Iterable[str]] = (0, 0, ()),
) -> dict[str, Any]:
    """All answers as findings and as text. `results`: per host `probed`, `written`, `found`, `host` and `content`, as
    registered. `voters`: how many voters of the arbiter are healthy, how many are planned, and its alerts.
    `offers`: what the product offers to probes; the rest is said to be not measured."""
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
                findings.append({"host": host, "what": step, "why": reason(answer)})
                if step == "probed":
                    break  # a host that does not answer is one finding
            into.extend((host, one) for one in answer.get(key, []))
    for host, edge in probed:
        if not edge["ok"]:
            findings.append(
                {"host": host, "what": f"{edge['name']} {edge['address']}:{edge['port']}", "why": edge["why"]}
            )
    for host, one in [*written, *found]:
        if not one["ok"]:
            findings.append({"host": host, "what": f"rows through {one['server']}", "why": one["why"]})
    answers = {host: result.get("probed") or {} for host, result in results.items() if host in plan["servers"]}
    for pair, why in wrong_pairs(plan, answers):
        findings.append({"host": pair, "what": "its pair", "why": why})
    # A host that gave no answer at all is a finding already.
    hosts = {h: result.get("host") or {} for h, result in results.items() if "edges" in (result.get("probed") or {})}
    findings += [
        {"host": host, "what": what, "why": why} for host, what, why in host_findings.list_findings(hosts, clock_alert)
    ]
    leases = list(check_leases(plan, answers, voters[:2]))
    findings += [
        {"host": lease.pair, "what": "its lease", "why": problem} for lease in leases for problem in lease.problems
    ]
    # Clients need no exact time.
    timed = {host: answer for host, answer in hosts.items() if host in plan["servers"] or host in plan["voters"]}
    content = {host: result.get("content") or {} for host, result in results.items() if host in plan["servers"]}
    findings += [{"host": host, "what": "content", "why": why} for host, why in differing(plan, content)]
    findings += [{"host": host, "what": "clock", "why": why} for host, why in host_findings.check_time_services(timed)]
    healthy, planned, alerts = voters
    findings += [{"host": "arbiter", "what": "voters", "why": alert} for alert in alerts]
    along = [edge for _host, edge in probed if edge["protocol"] not in OF_THE_HOST]
    refused = [edge for edge in along if edge["expect"] == "refused" or (edge["refused_by"] and edge["ok"])]
    open_edges = [edge for edge in along if edge not in refused]
    by = sorted({str(edge["refused_by"]) for edge in refused if edge["refused_by"]})
    roles = [edge for edge in open_edges if edge["role"]]
    rows = [
        ["edges of the plan answer", _count(open_edges), _spread(edge["latency_ms"] for edge in open_edges)],
        ["unplanned edges are refused", _count(refused), f"by {', '.join(by)}" if by else ""],
    ]
    offered = set(offers)
    lacking = {
        "roles are as planned": without(offered, "status"),
        "rows written": without(offered, *ROWS),
        "servers that have all rows": without(offered, *ROWS),
    }
    measured = {
        "roles are as planned": (_count(roles), ""),
        "rows written": (
            _count(one for _host, one in written),
            _spread(one.get("write_ms") for _host, one in written),
        ),
        "servers that have all rows": (_count(one for _host, one in found), ""),
    }
    rows += [[what, *(measured[what] if not why else ("-", why))] for what, why in lacking.items()]
    if nodes := _read_active_nodes(answers):
        rows.append(["active nodes of pairs", f"{sum(nodes.values())} of {len(nodes)}", "one of each pair"])
    if leases:
        good = [lease for lease in leases if not lease.problems]
        held = ", ".join(f"{lease.holder} for another {lease.left:.1f} s" for lease in good)
        rows.append(["leases of pairs, with the gates of both nodes", f"{len(good)} of {len(leases)}", held])
    if planned:
        rows.append(["healthy voters of the arbiter", f"{healthy} of {planned}", ""])
    equal, holding = count_equal(plan, content)
    if holding:
        serving = {host for host, edge in probed if edge["name"] == host and edge["latency_ms"] is not None}
        silent = list(list_unread(content))
        unread = [f"{host} ({why})" for host, why in silent if host in serving]
        gave = any(edge.get("digest") is not None for one in content.values() for edge in one.get("edges", ()))
        alike, note = f"{equal} of {holding}", f"not read: {', '.join(unread)}" if unread else ""
        if not gave and not silent:
            alike, note = "-", "not measured: the product gives no digest of its content"
        rows.append(["servers with the same content as others", alike, note])
    unseen = [edge for edge in plan["edges"] if edge["protocol"] != "tcp"]
    if unseen:
        rows.append(["edges by UDP", "-", f"not measured: unknown whether one of {len(unseen)} is open"])
    text = table(["checked", "good", ""], rows)
    paths = [
        [host, one["server"], _ms(one.get("write_ms")), reader["server"], _ms(reader["ms"])]
        for host, one in written
        if host in plan["clients"]
        for reader in one.get("readers", ())
    ]
    if paths:
        text += "\n\n" + table(["client", "wrote through", "in", "read through", "there after"], paths)
    if findings:
        text += "\n\n" + table(["host", "what", "finding"], [[f["host"], f["what"], f["why"]] for f in findings])
    summary = summarize([f"{f['host']}, {f['what']}: {f['why']}" for f in findings], "finding")
    return {"ok": not findings and bool(probed), "findings": findings, "summary": summary, "text": text}


def without(offers: Iterable[str], *needed: str) -> str:
    """Why something cannot be measured, or nothing if it can."""
    missing = [operation for operation in needed if operation not in set(offers)]
    return f"not measured: the product offers no {' and no '.join(missing)} to probes" if missing else ""


def reason(answer: Mapping[str, Any]) -> str:
    """Why a host did not do what it was asked, in one line. `answer`: the result of its task."""
    if isinstance(timed_out := answer.get("timedout"), Mapping):
        return f"no answer within {timed_out.get('period')} s"
    text = str(answer.get("msg") or "").replace("Task failed: ", "").rpartition("can be reached over ssh: ")[2]
    lines = [line.strip() for line in text.splitlines()]
    # What a kept connection says when it breaks; why the next one could not be had stands below.
    own_words = [line for line in lines if line and "mux_client" not in line]
    own_words = own_words or [*filter(None, lines), "no answer"]
    return own_words[1] if own_words[0].endswith(":") and own_words[1:] else own_words[0]


def _count(things: Iterable[Mapping[str, Any]]) -> str:
    verdicts = [bool(thing["ok"]) for thing in things]
    return f"{sum(verdicts)} of {len(verdicts)}"


def _spread(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"median {_ms(median(known))}, slowest {_ms(max(known))}" if known else ""


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"


def names(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows that were written, from what tier_rows returned on each host."""
    return sorted(one["name"] for result in results for one in result.get("rows", []) if "write_ms" in one)
