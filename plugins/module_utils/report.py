# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan as a text for a person, and its difference to what is deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.findings import ERROR, WARNING, Finding, enumerate_names
from ansible_collections.distributed.tiers.plugins.module_utils.plan import Outcome, Plan
from ansible_collections.distributed.tiers.plugins.module_utils.rules import switched_off
from ansible_collections.distributed.tiers.plugins.module_utils.topology import Topology

BAR = 20
TIERS = ("master", "proxy", "parallel", "distributor", "backup")
REASONS_SHOWN = 10


def report(topology: Topology, outcome: Outcome) -> str:
    """Short tables: the servers, who serves how many clients, what moves, and the findings."""
    parts = [headline(topology)]
    if outcome.plan is not None:
        parts += [servers(outcome.plan), shares(outcome.plan), moves(outcome.plan)]
    parts += [findings(outcome.findings), lowered(topology)]
    return "\n\n".join(part for part in parts if part)


def headline(topology: Topology) -> str:
    counts = [(len(topology.tier(tier)), tier) for tier in TIERS]
    counts.append((len(topology.clients), "client"))
    text = ", ".join(f"{number} {tier}" for number, tier in counts if number)
    if topology.population:
        text += f", {len(topology.population)} named clients"
    return f"System {topology.name}: {text or 'no hosts'}"


def table(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Columns as wide as their widest entry, two spaces apart; numbers to the right."""
    body = [[("-" if cell is None else cell) for cell in row] for row in rows]
    lines = [list(heads), *body]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(lines[0]))]
    right = [
        bool(body) and all(isinstance(row[i], (int, float)) or row[i] == "-" for row in body)
        for i in range(len(widths))
    ]
    text = []
    for line in lines:
        cells = (str(c).rjust(w) if r else str(c).ljust(w) for c, w, r in zip(line, widths, right, strict=True))
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def servers(plan: Plan) -> str:
    rows = []
    for s in sorted(
        plan["servers"].values(), key=lambda s: (TIERS.index(s["serves_as"]), s["primary"] or s["name"], s["name"])
    ):
        tier = f"{s['tier']} of {s['primary']}, {s['redundancy']}" if s["primary"] else s["tier"]
        place = s["site"] + (f"/{s['zone']}" if s["zone"] else "")
        up = " ".join(u["name"] for u in s["upstreams"])
        up = " ".join(m["name"] for m in s["members"]) or up
        rows.append((s["name"], tier, f"{s['address']}:{s['port']}", place, s["state"], up or None))
    return table(("SERVER", "TIER", "ADDRESS", "SITE/ZONE", "STATE", "CONNECTS TO"), rows)


def bar(used: int, capacity: int | None) -> str:
    if not capacity:
        return "no limit"
    filled = min(BAR, round(BAR * used / capacity))
    return f"[{'#' * filled}{'.' * (BAR - filled)}] {100 * used / capacity:.0f} %"


def shares(plan: Plan) -> str:
    allocation = plan["allocation"]
    if not allocation["proxies"]:
        return ""
    rows = []
    for name, share in sorted(allocation["proxies"].items()):
        fate = allocation["survives"].get(name, {"ok": True})
        where = ", ".join(
            f"{server} {len(names)}" for server, names in sorted(allocation["backups"].get(name, {}).items())
        )
        lost = "" if fate["ok"] else f"{'; ' if where else ''}{fate['left_over_weight']} without a place"
        rows.append(
            (
                name,
                len(share["clients"]),
                share["weight"],
                bar(share["weight"], share["capacity"]),
                where + lost or None,
            )
        )
    return table(("PROXY", "CLIENTS", "CONNECTIONS", "OF ITS CAPACITY", "IF IT DIES, CLIENTS GO TO"), rows)


def moves(plan: Plan) -> str:
    """Counts by from, to and cause: as readable for 50,000 moves as for 5."""
    counts: dict[tuple[str, str, str], int] = {}
    for move in plan["allocation"]["moves"]:
        key = (str(move["from"]), str(move["to"]), str(move["why"]))
        counts[key] = counts.get(key, 0) + 1
    if not counts:
        return ""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(number, source, target, why) for (source, target, why), number in most[:REASONS_SHOWN]]
    text = table(("CLIENTS MOVED", "FROM", "TO", "WHY"), rows)
    rest = most[REASONS_SHOWN:]
    return text + (f"\nand {sum(number for _key, number in rest)} for {len(rest)} other reasons" if rest else "")


def findings(found: Iterable[Finding]) -> str:
    found = list(found)
    if not found:
        return "No findings."
    errors = sum(1 for finding in found if finding.severity == ERROR)
    warnings = sum(1 for finding in found if finding.severity == WARNING)
    return "\n".join([f"{errors} error(s), {warnings} warning(s)", *(finding.as_text() for finding in found)])


def lowered(topology: Topology) -> str:
    return "\n".join(f"Rule {name} is off, because: {why}" for name, why in switched_off(topology))


def differences(topology: Topology, plan: Plan) -> list[dict[str, str]]:
    """For `--diff`: every server as it is deployed, and as it is planned."""
    result = []
    for name, planned in sorted(plan["servers"].items()):
        deployed = topology.servers[name].deployed
        names = set()
        if planned["clients"]:
            names = {*planned["clients"]["hosts"], *planned["clients"]["names"]}
        before: dict[str, Any] = {}
        if deployed:
            before = describe(deployed.tier, deployed.serves_as, deployed.version, set(deployed.clients))
        after = describe(planned["tier"], planned["serves_as"], planned["version"], names)
        if deployed:
            after |= change("clients come", names - set(deployed.clients)) | change(
                "clients go", set(deployed.clients) - names
            )
        if before != after:
            result.append(
                {
                    "before_header": f"{name} deployed",
                    "after_header": f"{name} planned",
                    "before": lines(before),
                    "after": lines(after),
                }
            )
    return result


def describe(tier: str, serves_as: str, version: str | None, clients: set[str]) -> dict[str, Any]:
    return {"tier": tier, "serves as": serves_as, "version": version or "newest", "clients": len(clients)}


def change(what: str, names: set[str]) -> dict[str, str]:
    return {what: f"{len(names)} ({enumerate_names(names)})"} if names else {}


def lines(entries: Mapping[str, Any]) -> str:
    return "".join(f"{key}: {value}\n" for key, value in entries.items())
