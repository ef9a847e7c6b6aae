# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intended against observed: what each server is to be, what it is, and what is wrong with the whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import beside_its_primary
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.text import table
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import (
    OF_THE_HOST,
    ROLES,
    goes_through,
    newest,
    starts,
    without,
    wrong_pairs,
)

DOWN = "DOWN"
NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Seen:
    """One server as it showed itself. `why` says what is wrong, for a host that nobody reaches that."""

    up: bool
    why: str = ""
    asked: bool = True
    reached: bool = True
    role: str | None = None
    position: Mapping[str, str] | None = None
    at: float | None = None
    gives_to: Mapping[str, str] | None = None
    holds: bool | None = None
    serves: bool | None = None
    drained: bool = False
    can_write: bool = True
    recorded: Mapping[str, Any] | None = None


def look(server: Mapping[str, Any], answer: Mapping[str, Any] | None, recorded: Mapping[str, Any] | None) -> Seen:
    """What a server's own probes told, as tier_probe returned them. Without an answer nobody asked (`--limit`)."""
    if answer is None:
        return Seen(False, asked=False, reached=False)
    if "edges" not in answer:
        why = f"host: {answer.get('msg') or 'no answer'}".split("\n", maxsplit=1)[0]
        return Seen(False, why, reached=False, recorded=recorded)
    services = [edge for edge in answer["edges"] if edge["protocol"] not in ("haproxy", *OF_THE_HOST)]
    service = next((edge for edge in services if edge["address"] == server["address"]), None)
    balancer, shared, turn, drained, writes = (
        next((edge for edge in answer["edges"] if edge["protocol"] == look), None)
        for look in ("haproxy", "address", "turn", "drained", "writes")
    )
    return Seen(
        up=bool(service and service["reachable"]),
        why="; ".join(dict.fromkeys(edge["why"] for edge in answer["edges"] if not edge["ok"])),
        role=service["role"] if service else None,
        position=service["position"] if service else None,
        at=service.get("at") if service else None,
        gives_to=balancer["servers"] if balancer and balancer["reachable"] else None,
        holds=shared["reachable"] if shared else None,
        serves=turn["reachable"] if turn else None,
        drained=bool(drained and drained["reachable"]),
        can_write=not writes or bool(writes["reachable"]),
        recorded=recorded,
    )


def report(
    plan: Mapping[str, Any],
    answers: Mapping[str, Mapping[str, Any]],
    recorded: Mapping[str, Mapping[str, Any]],
    offers: Iterable[str] = OPERATIONS,
) -> dict[str, Any]:
    """The table, the alerts, and both as text. `answers`: tier_probe's per server; `recorded`: the local facts;
    `offers`: what the product offers to probes."""
    servers = sorted(plan["servers"].values(), key=beside_its_primary)
    seen = {s["name"]: look(s, answers.get(s["name"]), recorded.get(s["name"]) or None) for s in servers}
    last = last_changes(plan, seen)
    rows = [
        {
            "server": s["name"],
            "planned": _planned(s),
            "observed": _observed(s, seen[s["name"]]),
            "site": s["site"],
            "lag": _lag(seen[s["name"]], last),
            "gives_to": _gives_to(s, seen[s["name"]]),
            "clients": _clients(s, seen[s["name"]]),
            "backup": _backup(s, plan["servers"].get(s["backup"]), seen),
        }
        for s in servers
    ]
    alerts = [*_alerts(plan, servers, seen), *(why for _pair, why in wrong_pairs(plan, answers))]
    heads = ("SERVER", "PLANNED", "OBSERVED", "SITE", "LAG", "GIVES TO", "CLIENTS", "BACKUP")
    text = table(heads, [tuple(row.values()) for row in rows])
    if why := without(offers, "status"):
        text += f"\n\nRole and lag: {why}."
    text += "\n\n" + ("\n".join(f"! {alert}" for alert in alerts) if alerts else "All that was asked is as planned.")
    return {"ok": not alerts, "servers": rows, "alerts": alerts, "text": text}


def _planned(server: Mapping[str, Any]) -> str:
    what = f"{server['redundancy']} backup of {server['primary']}" if server["primary"] else str(server["tier"])
    return what if server["state"] == "active" else f"{what}, {server['state']}"


def _observed(server: Mapping[str, Any], seen: Seen) -> str:
    if not seen.asked:
        return NOT_ASKED
    if seen.serves is False:
        words = ["stands by", "up" if seen.up else "not started"]
    elif seen.up:
        words = [seen.role or "up"]
    else:
        words = [DOWN if starts(server) else "not started"]
    if seen.serves:
        words.append("serves")
    if seen.holds:
        words.append("has the shared address")
    if seen.drained:
        words.append("drained")
    if not seen.can_write:
        words.append("cannot write")
    return ", ".join(words)


def _gives_to(server: Mapping[str, Any], seen: Seen) -> str | None:
    """For a distributor how many members; for others the acting master, to which the relay sends."""
    if seen.gives_to is None:
        return None
    if server["serves_as"] == "distributor":
        members = [member["name"] for member in server["members"]]
        return f"{sum(seen.gives_to.get(name) == 'UP' for name in members)} of {len(members)} members"
    return acting(server, seen) or "nobody"


def acting(server: Mapping[str, Any], seen: Seen) -> str | None:
    """The first upstream that is up."""
    states = seen.gives_to or {}
    return next((up["name"] for up in server["upstreams"] if states.get(up["name"]) == "UP"), None)


def _clients(server: Mapping[str, Any], seen: Seen) -> str | None:
    if server["clients"] is None:
        return None
    planned = len(server["clients"]["hosts"]) + len(server["clients"]["names"])
    if seen.recorded is None:
        return str(planned)
    deployed = len(seen.recorded.get("clients") or [])
    return str(planned) if deployed == planned else f"{planned}, deployed {deployed}"


def _backup(server: Mapping[str, Any], planned: Mapping[str, Any] | None, seen: Mapping[str, Seen]) -> str | None:
    if server["primary"]:
        return None
    if not planned:
        return "none"
    backup = seen[server["backup"]]
    if backup.up or not backup.asked:
        return str(server["backup"])
    return f"{server['backup']} {DOWN if starts(planned) else 'not started'}"


def last_changes(plan: Mapping[str, Any], seen: Mapping[str, Seen]) -> dict[str, str]:
    """The last known change of each writing server: as the masters have it, else as anybody has it."""
    masters = [s for name, s in seen.items() if plan["servers"][name]["serves_as"] == "master" and s.up]
    return newest(one.position or {} for one in masters or seen.values())


def _lag(seen: Seen, last: Mapping[str, str]) -> str | None:
    """How far the server was behind when it was asked. What others, asked later, have beyond that does not count."""
    if not seen.up or not seen.position:
        return None
    behind = ages(seen, last)
    worst = max((age for age in behind if age is not None), default=0.0)
    if worst == float("inf"):
        return "never in step"
    if None in behind:
        return "behind"
    return f"{worst:.1f} s" if worst >= 0.05 else "in step"


def ages(seen: Seen, last: Mapping[str, str]) -> list[float | None]:
    """How many seconds a server is behind each writing server. None: it is, but nobody knows how long."""
    position = seen.position or {}
    return [_age(position.get(writer), change, seen.at) for writer, change in last.items()]


def _age(have: str | None, last: str, at: float | None) -> float | None:
    """Seconds that a position is behind. None: it is, but positions of this product are no times."""
    if have is None:
        return float("inf")
    if have >= last:
        return 0.0
    try:
        until = _time(last) if at is None else min(_time(last), at)
        return max(0.0, until - _time(have))
    except ValueError:
        return None


def _time(change: str) -> float:
    """Seconds since 1970 of `20260101000000.000000Z#…`"""
    return datetime.strptime(change.split("#")[0] + "+0000", "%Y%m%d%H%M%S.%fZ%z").timestamp()


def _alerts(plan: Mapping[str, Any], servers: Iterable[Mapping[str, Any]], seen: Mapping[str, Seen]) -> Iterable[str]:
    masters: list[str] = []
    outdated: list[str] = []
    relays: dict[str, list[str]] = {}
    holders: dict[str, list[str]] = {}
    for server in servers:
        name = server["name"]
        one = seen[name]
        if one.why and server["state"] != "down":
            yield f"{name}: {one.why}"
        if one.recorded is None and one.up:
            yield f"{name}: nothing is recorded on it, it was not deployed to its end"
        elif one.recorded is not None and one.recorded.get("plan_digest") != plan["digest"]:
            outdated.append(name)
        backup = seen.get(server["backup"])
        if backup and backup.asked and not backup.up and starts(plan["servers"][server["backup"]]):
            yield f"{name} is without a backup: {server['backup']} is down"
        if server["serves_as"] == "master" and one.up and server.get("replication") != "none":
            masters.append(name)
        if one.gives_to is not None and server["upstreams"]:
            relays.setdefault(acting(server, one) or "nobody", []).append(name)
        if one.holds is not None:
            holders.setdefault(server["virtual_address"], [])
            if one.holds:
                holders[server["virtual_address"]].append(name)
        settled = one.serves is not False and not goes_through(server)
        if settled and one.up and one.role and one.role != ROLES[server["serves_as"]]:
            yield f"{name} serves as {one.role}, planned is {ROLES[server['serves_as']]}"
    if outdated:
        yield f"deployed from another plan, run deploy: {', '.join(outdated)}"
    if len(relays) > 1:
        sides = "; ".join(f"{', '.join(names)} to {master}" for master, names in sorted(relays.items()))
        yield f"split brain: writes go to different masters: {sides}"
    for address, names in sorted(holders.items()):
        if len(names) > 1:
            yield f"split brain: {' and '.join(names)} both have the shared address {address}"
        elif not names:
            yield f"nobody has the shared address {address}"
    for first, second in combinations(masters, 2):
        if _ahead(seen[first], seen[second]) and _ahead(seen[second], seen[first]):
            yield f"{first} and {second} each have writes that the other has not: they do not replicate, or not yet"


def _ahead(one: Seen, other: Seen) -> bool:
    theirs = other.position or {}
    return any(change > theirs.get(writer, "") for writer, change in (one.position or {}).items())
