# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intended against observed: what each server must be, what it is, and what is wrong with the whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import is_deployed_from
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import beside_its_primary
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.probing.traffic import INTERRUPTED, NOT_DEPLOYED
from ansible_collections.distributed.tiers.plugins.module_utils.text import summarize, table
from ansible_collections.distributed.tiers.plugins.module_utils.verification import host_findings
from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import (
    content_rows,
    differing,
    list_unread,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import (
    OF_THE_HOST,
    explain_pauses,
    newest,
    reason,
    without,
    wrong_pairs,
)

DOWN = "DOWN"
NOT_ASKED = "not asked"
# What a server is, in one word, for a report; the most urgent first. `out of service`: drained, or planned to be down
HEALTH = ("down", "no answer", "alert", NOT_ASKED, "out of service", "healthy")

# Seconds that a server's data may be behind.
MAX_LAG = 30.0
# Changes that it may be behind where positions are numbers. All servers are asked within about 10 s, in which a system
# that writes ten times a second, as much as a drill does, makes as many.
MAX_BEHIND = 100


FINISH_IT = "an operation was interrupted or still runs. Run deploy or undrain"
_WITHOUT_MASTER = {
    "proxy": "its clients cannot write",
    "parallel": "its data are not updated",
    "distributor": "its clients cannot write",
}


@dataclass(frozen=True)
class ServerState:
    """One server as it showed itself. `why` says what is wrong, for an unreachable host the error.
    `failed`: its program should run and does not answer; a cold standby's should not.
    `interrupted`: a run that was interrupted left the server closed to clients.
    `lacks_position`: it reports none, and another server in the same role does."""

    up: bool
    why: str = ""
    failed: bool = False
    asked: bool = True
    reached: bool = True
    role: str | None = None
    position: Mapping[str, str] | None = None
    lacks_position: bool = False
    at: float | None = None
    routes_to: Mapping[str, str] | None = None
    holds: bool | None = None
    serves: bool | None = None
    lease: Mapping[str, Any] | None = None
    drained: bool = False
    can_write: bool = True
    interrupted: bool = False
    deployed: bool = True
    recorded: Mapping[str, Any] | None = None


def read_state(
    server: Mapping[str, Any], answer: Mapping[str, Any] | None, recorded: Mapping[str, Any] | None
) -> ServerState:
    """The state of a server from its own probes, as tier_probe returned them. Without an answer it was not probed."""
    if answer is None:
        return ServerState(False, asked=False, reached=False)
    if "edges" not in answer:
        return ServerState(False, f"host: {reason(answer)}", reached=False, recorded=recorded)
    services = [edge for edge in answer["edges"] if edge["protocol"] not in ("haproxy", *OF_THE_HOST)]
    service = next((edge for edge in services if edge["address"] == server["address"]), None)
    balancer, shared, active, drained, writes = (
        next((edge for edge in answer["edges"] if edge["protocol"] == protocol), None)
        for protocol in ("haproxy", "address", "active", "drained", "writes")
    )
    stopped = bool(drained and drained["reachable"])
    interrupted = bool(stopped and drained and drained.get("traffic") == INTERRUPTED)
    return ServerState(
        up=bool(service and service["reachable"]),
        failed=bool(service and not service["reachable"] and not service["ok"]),
        why="; ".join(dict.fromkeys(_explain(edge) for edge in answer["edges"] if not edge["ok"])),
        role=service["role"] if service else None,
        position=service["position"] if service else None,
        at=service.get("at") if service else None,
        routes_to=balancer["servers"] if balancer and balancer["reachable"] else None,
        holds=shared["reachable"] if shared else None,
        serves=active["reachable"] if active else None,
        lease=active.get("lease") if active else None,
        can_write=not writes or bool(writes["reachable"]),
        drained=stopped and not interrupted,
        interrupted=interrupted,
        deployed=not drained or drained.get("traffic") != NOT_DEPLOYED,
        recorded=recorded,
    )


def _explain(edge: Mapping[str, Any]) -> str:
    """The reason why an edge is not as expected. HAProxy listens beside the product."""
    is_silent = edge["protocol"] == "haproxy" and not edge["reachable"]
    return f"HAProxy: {edge['why']}" if is_silent else str(edge["why"])


def read_states(
    servers: Iterable[Mapping[str, Any]],
    answers: Mapping[str, Mapping[str, Any]],
    recorded: Mapping[str, Mapping[str, Any]],
) -> dict[str, ServerState]:
    """The state of each server, by name. A directory whose first copy of the data was interrupted has no position."""
    seen = {s["name"]: read_state(s, answers.get(s["name"]), recorded.get(s["name"]) or None) for s in servers}
    positioned = {one.role for one in seen.values() if one.up and one.role and one.position}
    for server in servers:
        one = seen[server["name"]]
        replicates = server["redundancy"] != "warm" and server.get("replication") != "none"
        if replicates and one.up and not one.position and one.role in positioned:
            seen[server["name"]] = replace(one, lacks_position=True)
    return seen


@dataclass(frozen=True)
class Lag:
    """How far a server is behind one that writes. Seconds where positions are times, infinite where it has nothing of
    the writer; changes where positions are numbers; neither: it is behind, and the product does not report how far."""

    seconds: float | None = None
    changes: int | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """Grows with the lag."""
        if self.seconds is None:
            return (1.0, float(self.changes if self.changes is not None else 0))
        return (2.0, self.seconds) if self.seconds == float("inf") else (0.0, self.seconds)

    def exceeds(self, max_lag: float, max_behind: int) -> bool:
        if self.seconds is not None:
            return self.seconds > max_lag
        return self.changes is None or self.changes > max_behind

    def __str__(self) -> str:
        if self.seconds == float("inf"):
            return "never in step"
        if self.seconds is not None:
            return f"{self.seconds:.1f} s" if self.seconds >= 0.05 else "in step"
        if self.changes is not None:
            return f"{self.changes} change{'' if self.changes == 1 else 's'}"
        return "behind"


def report(
    plan: Mapping[str, Any],
    answers: Mapping[str, Mapping[str, Any]],
    recorded: Mapping[str, Mapping[str, Any]],
    offers: Iterable[str] = OPERATIONS,
    max_lag: float = MAX_LAG,
    max_behind: int = MAX_BEHIND,
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    clock_alert: float = host_findings.CLOCK_ALERT,
    content: Mapping[str, Mapping[str, Any]] | None = None,
    voters: tuple[str, Iterable[str]] = ("", ()),
) -> dict[str, Any]:
    """The table, the alerts, and both as text; `late`: the servers whose data is behind, with the positions they
    must reach; `content` and `certificates`: rows for the HTML report. `answers`: tier_probe's per server;
    `recorded`: the local facts; `offers`: what the product offers to probes; `max_lag` in seconds and `max_behind`
    in changes: how far data may be behind; `hosts`: tier_host's per host, clients too; `clock_alert`: seconds that a
    clock may differ; `content`: tier_probe's digests; `voters`: the table and the alerts of the arbiter.
    `not_checked`: the comparisons that were not possible, and why."""
    servers = sorted(plan["servers"].values(), key=beside_its_primary)
    seen = read_states(servers, answers, recorded)
    last = last_changes(plan, seen)
    rows = [
        {
            "server": s["name"],
            "planned": _describe_planned(s),
            "observed": _describe_observed(s, seen[s["name"]]),
            "site": s["site"],
            "lag": _describe_lag(seen[s["name"]], last),
            "gives_to": _list_routed_to(s, seen[s["name"]]),
            "clients": _count_clients(s, seen[s["name"]]),
            "backup": _describe_backup(s, plan["servers"].get(s["backup"]), seen),
        }
        for s in servers
    ]
    late = {s["name"]: lag for s in servers if (lag := _is_late(s, seen[s["name"]], last, max_lag, max_behind))}
    # A server that gave no answer at all has an alert already.
    answering = {
        name: host
        for name, host in (hosts or {}).items()
        if "edges" in (answers.get(name) or {}) or (name not in plan["servers"] and "findings" in host)
    }
    alerts = [
        *_list_alerts(plan, servers, seen),
        *_list_silent_clients(plan, hosts or {}),
        *(f"{name}: {_describe_lateness(lag, max_lag, max_behind)}" for name, lag in late.items()),
        *(why for _pair, why in wrong_pairs(plan, answers)),
        *_list_lease_alerts(plan, servers, seen),
        *host_findings.list_alerts(answering, clock_alert),
        *(f"{name}: {why}" for name, why in differing(plan, content or {})),
        *voters[1],
    ]
    heads = ("SERVER", "PLANNED", "OBSERVED", "SITE", "LAG", "ROUTES TO", "CLIENTS", "BACKUP")
    text = table(heads, [tuple(row.values()) for row in rows])
    concerned = _list_concerned(alerts, plan["servers"])
    for row, server in zip(rows, servers, strict=True):
        row["health"] = _judge_health(server, seen[server["name"]], server["name"] in concerned)
    if why := without(offers, "status"):
        text += f"\n\nRole and lag: {why}."
    if voters[0]:
        text += f"\n\n{voters[0]}"
    not_checked = [*_list_outside(plan, seen, hosts or {}), *_list_unread_content(content or {}, seen)]
    if not_checked:
        text += "\n\n" + "\n".join(f"Not checked: {what}" for what in not_checked)
    verdict = f"All {'other ' if not_checked else ''}checks are as planned."
    text += "\n\n" + ("\n".join(f"! {alert}" for alert in alerts) or verdict)
    return {
        "ok": not alerts,
        "servers": rows,
        "alerts": alerts,
        "summary": summarize(alerts, "alert"),
        "not_checked": not_checked,
        "late": dict.fromkeys(late, last),
        "content": content_rows(plan, content or {}, _list_silent(servers, seen)),
        "certificates": [
            {"host": name, **certificate}
            for name, host in sorted(answering.items())
            for certificate in (host or {}).get("certificates", ())
        ],
        "text": text,
    }


def _list_silent_clients(plan: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """The hosts of clients that could not be read."""
    for name in sorted(set(hosts) & set(plan["clients"])):
        if "findings" not in hosts[name]:
            yield f"{name}: host: {reason(hosts[name])}"


def _list_outside(
    plan: Mapping[str, Any], seen: Mapping[str, ServerState], hosts: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    """The hosts that this run did not ask."""
    outside = [name for name, one in seen.items() if not one.asked] + sorted(set(plan["clients"]) - set(hosts))
    if outside:
        yield f"{', '.join(outside)}: outside the limit of this run"


def _list_unread_content(content: Mapping[str, Mapping[str, Any]], seen: Mapping[str, ServerState]) -> Iterable[str]:
    """The servers that answer and did not give a digest of their content."""
    for name, why in list_unread(content):
        if name in seen and seen[name].up:
            yield f"the content of {name}: {why}"


def _list_silent(servers: Iterable[Mapping[str, Any]], seen: Mapping[str, ServerState]) -> dict[str, str]:
    """Why servers that run the product could not be asked for their content."""
    states = {server["name"]: seen[server["name"]] for server in servers if server["runs_product"]}
    return {name: one.why or ("not started" if one.asked else NOT_ASKED) for name, one in states.items() if not one.up}


def _list_concerned(alerts: Iterable[str], names: Iterable[str]) -> set[str]:
    """The servers that the alerts are about: the one that an alert begins with, else all that it names."""
    known, concerned = set(names), set()
    for alert in alerts:
        words = [word.strip(",:;.") for word in alert.split()]
        concerned |= {words[0]} if words[0] in known else known.intersection(words)
    return concerned


def _judge_health(server: Mapping[str, Any], seen: ServerState, is_concerned: bool) -> str:
    """One of HEALTH. A server that gave no answer is neither healthy nor known to be down."""
    if not seen.asked:
        return NOT_ASKED
    if server["state"] == "down":
        return "out of service"
    if not seen.reached:
        return "no answer"
    if not seen.up and server["kept_running"] and (seen.failed or seen.serves is not False):
        return "down"
    if is_concerned:
        return "alert"
    return "out of service" if seen.drained or server["state"] != "active" else "healthy"


def _describe_planned(server: Mapping[str, Any]) -> str:
    what = f"{server['redundancy']} backup of {server['primary']}" if server["primary"] else str(server["tier"])
    return what if server["state"] == "active" else f"{what}, {server['state']}"


def _describe_observed(server: Mapping[str, Any], seen: ServerState) -> str:
    if not seen.asked:
        return NOT_ASKED
    if seen.serves is False:
        words = ["standby", "up" if seen.up else DOWN if seen.failed else "not started"]
    elif seen.up:
        words = [seen.role or "up"]
    else:
        words = [DOWN if server["kept_running"] else "not started"]
    if seen.serves:
        words.append("has the lease, serves" if seen.lease else "serves")
    if seen.holds:
        words.append("has the shared address")
    if seen.drained:
        words.append("drained")
    if not seen.can_write:
        words.append("cannot write")
    if seen.interrupted:
        words.append("closed to clients")
    return ", ".join(words)


def _list_lease_alerts(
    plan: Mapping[str, Any], servers: Iterable[Mapping[str, Any]], seen: Mapping[str, ServerState]
) -> Iterator[str]:
    """Pairs without automatic failover, and nodes that the arbiter does not answer."""
    servers = [*servers]
    leases = {server["name"]: seen[server["name"]].lease for server in servers}
    yield from explain_pauses(plan, leases).values()
    for server in servers:
        name, lease = server["name"], leases[server["name"]]
        if lease is None:
            continue
        if lease["age"] > lease["ttl"]:
            yield f"{name}: the arbiter has not answered it for {lease['age']:.0f} s, so it cannot become active"
        peer = server["primary"] or server["backup"]
        if lease.get("lacks_writes"):
            yield f"{name}: it lacks acknowledged writes of {peer}, and is not promoted before it has them"
        if lease.get("needs_resync"):
            yield (
                f"{name}: its lease ended before it was demoted, so it may have writes that {peer} does not have. It "
                f"is promoted only if {peer} stays down: run resync for {name}"
            )


def _list_routed_to(server: Mapping[str, Any], seen: ServerState) -> str | None:
    """For a distributor how many members; for others the active master, to which the relay sends."""
    if seen.routes_to is None:
        return None
    if server["serves_as"] == "distributor":
        members = [member["name"] for member in server["members"]]
        return f"{sum(seen.routes_to.get(name) == 'UP' for name in members)} of {len(members)} members"
    return acting_master(server, seen) or "nobody"


def acting_master(server: Mapping[str, Any], seen: ServerState) -> str | None:
    """The first upstream that is up."""
    states = seen.routes_to or {}
    return next((up["name"] for up in server["upstreams"] if states.get(up["name"]) == "UP"), None)


def _count_clients(server: Mapping[str, Any], seen: ServerState) -> str | None:
    if server["clients"] is None:
        return None
    planned = len(server["clients"]["hosts"]) + len(server["clients"]["names"])
    if seen.recorded is None:
        return str(planned)
    deployed = len(seen.recorded.get("clients") or [])
    return str(planned) if deployed == planned else f"{planned}, deployed {deployed}"


def _describe_backup(
    server: Mapping[str, Any], planned: Mapping[str, Any] | None, seen: Mapping[str, ServerState]
) -> str | None:
    if server["primary"]:
        return None
    if not planned:
        return "none"
    backup = seen[server["backup"]]
    if backup.up or not backup.asked:
        return str(server["backup"])
    return f"{server['backup']} {DOWN if planned['kept_running'] else 'not started'}"


def last_changes(plan: Mapping[str, Any], seen: Mapping[str, ServerState]) -> dict[str, str]:
    """The last known change of each writing server: as the masters have it, else as anybody has it."""
    masters = [s for name, s in seen.items() if plan["servers"][name]["serves_as"] == "master" and s.up]
    return newest(one.position or {} for one in masters or seen.values())


def _describe_lag(seen: ServerState, last: Mapping[str, str]) -> str | None:
    """The lag of the server when it was asked. Writes that others, asked later, have beyond that do not count."""
    worst = worst_lag(seen, last)
    return None if worst is None else str(worst)


def worst_lag(seen: ServerState, last: Mapping[str, str]) -> Lag | None:
    """How far a server is behind the writing server of which it lacks most. None: its product reports no position."""
    if seen.lacks_position:
        return Lag(float("inf"))
    if not seen.up or not seen.position:
        return None
    lags = [_measure_lag(seen.position.get(writer), change, seen.at) for writer, change in last.items()]
    return max(lags, key=lambda lag: lag.rank, default=Lag(0.0))


def _measure_lag(have: str | None, last: str, at: float | None) -> Lag:
    """How far a position is behind the last one."""
    if have is not None and have >= last:
        return Lag(0.0)
    try:
        until = _read_time(last) if at is None else min(_read_time(last), at)
        return Lag(float("inf") if have is None else max(0.0, until - _read_time(have)))
    except ValueError:
        if have is None:
            return Lag(float("inf"))
        return Lag(changes=int(last) - int(have)) if have.isdecimal() and last.isdecimal() else Lag()


def has_reached(answer: Mapping[str, Any], last: Mapping[str, str]) -> bool:
    """Whether a server that was asked again has the changes that it lacked."""
    positions = [edge["position"] for edge in answer.get("edges", ()) if edge.get("position")]
    return any(all(have.get(writer, "") >= change for writer, change in last.items()) for have in positions)


def _is_late(
    server: Mapping[str, Any], seen: ServerState, last: Mapping[str, str], max_lag: float, max_behind: int
) -> Lag | None:
    """How far a server is behind if that is further than it may be. A warm backup may be."""
    if server["redundancy"] == "warm" or server.get("replication") == "none" or server["state"] == "down":
        return None
    lag = worst_lag(seen, last)
    return lag if lag and lag.exceeds(max_lag, max_behind) else None


def _describe_lateness(lag: Lag, max_lag: float, max_behind: int) -> str:
    if lag.seconds == float("inf"):
        return "its data was never in step: it has no change of one of the masters"
    if lag.seconds is not None:
        return f"its data is {lag.seconds:.0f} s behind, more than tiers_status_max_lag ({max_lag:g} s)"
    if lag.changes is not None:
        return f"its data is {lag.changes} changes behind, more than tiers_status_max_behind ({max_behind})"
    return "its data is behind that of the masters"


def _read_time(change: str) -> float:
    """Seconds since 1970 of `20260101000000.000000Z#…`"""
    return datetime.strptime(change.split("#")[0] + "+0000", "%Y%m%d%H%M%S.%fZ%z").timestamp()


def _list_alerts(
    plan: Mapping[str, Any], servers: Iterable[Mapping[str, Any]], seen: Mapping[str, ServerState]
) -> Iterable[str]:
    masters: list[str] = []
    outdated: list[str] = []
    relays: dict[str, list[str]] = {}
    holders: dict[str, list[str]] = {}
    for server in servers:
        name = server["name"]
        one = seen[name]
        if one.why and server["state"] != "down":
            yield f"{name}: {one.why}"
        if one.recorded is None and one.reached and server["state"] != "down":
            yield f"{name}: it has no deployment record: its deployment did not finish"
        elif one.recorded is not None and not is_deployed_from(plan, name, one.recorded):
            outdated.append(name)
        backup = seen.get(server["backup"])
        if backup and backup.asked and not backup.up and plan["servers"][server["backup"]]["kept_running"]:
            yield f"{name} is without a backup: {server['backup']} is down"
        if server["serves_as"] == "master" and one.up and server.get("replication") != "none":
            masters.append(name)
        if one.routes_to is not None and server["upstreams"]:
            master = acting_master(server, one)
            if master:
                relays.setdefault(master, []).append(name)
            else:
                yield f"{name} reaches no master: {_WITHOUT_MASTER[server['serves_as']]}"
        for member in _find_unrecorded_drains(plan, server, seen):
            yield f"{member} is drained at {name}, and nothing records a drain: {FINISH_IT}"
        if one.holds is not None:
            holders.setdefault(server["virtual_address"], [])
            if one.holds:
                holders[server["virtual_address"]].append(name)
        role = server["replication_role"] if one.serves is not False else None
        if role and one.up and one.role and one.role != role:
            yield f"{name} serves as {one.role}, planned is {role}"
    if outdated:
        yield f"deployed from another plan, run deploy: {', '.join(outdated)}"
    if len(relays) > 1:
        sides = "; ".join(f"{', '.join(names)} to {master}" for master, names in sorted(relays.items()))
        yield f"split brain: writes go to different masters: {sides}"
    for address, names in sorted(holders.items()):
        if len(names) > 1:
            yield f"split brain: {' and '.join(names)} both have the shared address {address}"
        elif not names:
            yield f"no node has the shared address {address}"
    for first, second in combinations(masters, 2):
        if _are_apart(seen[first], seen[second]) and _are_apart(seen[second], seen[first]):
            yield f"{first} and {second} each have writes that the other has not: they do not replicate, or not yet"


def _find_unrecorded_drains(
    plan: Mapping[str, Any], server: Mapping[str, Any], seen: Mapping[str, ServerState]
) -> Iterable[str]:
    """The members that a distributor gives no new sessions, although neither the plan nor the host of the member says
    why."""
    for member in server["members"]:
        name = member["name"]
        one = seen.get(name)
        planned = plan["servers"][name]["state"] == "active"
        refused = (seen[server["name"]].routes_to or {}).get(name) == "DRAIN"
        if planned and refused and one and one.reached and not (one.drained or one.interrupted):
            yield name


def _are_apart(one: ServerState, other: ServerState) -> bool:
    theirs = other.position or {}
    return any(change > theirs.get(writer, "") for writer, change in (one.position or {}).items())
