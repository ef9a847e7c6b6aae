# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan as a text for a person, and its difference to what is deployed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.difference import Difference, difference
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Finding
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome, Plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.preview import Loss, preview, preview_asked
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import TIERS, beside_its_primary
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import switched_off
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, first_rows, table

GAUGE = 20
# Rows of a table, unless the operator asks for another number with tiers_report_rows.
ROWS_SHOWN = 40
REASONS_SHOWN = 10
LOSSES_SHOWN = 10
LOSS_HEADS = ("IF THIS FAILS", "CLIENTS LOST", "CLIENTS MOVED TO", "THEN FULLEST", "WRITES", "POOL")
SERVERS_SHOWN = 4
WAYS_SHOWN = 20
# Of each rule.
FINDINGS_SHOWN = 10
GOES_ON = {True: "go on", False: "stop", None: None}


def report(topology: Topology, outcome: Outcome, previewed: list[Loss] | None = None, diff: bool = False) -> str:
    """Short tables: the servers, who serves how many clients, what moves, what a loss costs, and the findings."""
    if topology.handed_from:
        return handed_report(topology, outcome)
    most = rows_asked(topology)
    parts = [headline(topology), unread(topology)]
    if (plan := outcome.plan) is not None:
        parts += [
            servers(plan, **most),
            shares(plan, **most),
            moves(plan, **most),
            losses(preview(topology, plan) if previewed is None else previewed, **most),
            asked_loss(preview_asked(topology, plan)),
            who_votes(plan),
            who_cannot_write(plan),
            ways_of_writes(plan),
        ]
        change = difference(topology, plan)
        if diff or len(change["unseen"]) < len(plan["servers"]):
            parts.append(changes(change, topology.report_rows, moves_shown=True))
    parts += [findings(outcome.findings, **most), lowered(topology)]
    return "\n\n".join(part for part in parts if part)


def rows_asked(topology: Topology) -> dict[str, int]:
    """The number of rows that the operator permits in a table."""
    return {} if topology.report_rows is None else {"most": topology.report_rows}


def handed_report(topology: Topology, outcome: Outcome) -> str:
    """The report of a plan that the run received: its moves and the costs of failures were shown when it was
    computed."""
    hosts = f"{len(topology.hosts())} of its hosts are in this inventory"
    most = rows_asked(topology)
    parts = [f"System {topology.name}, as planned in {topology.handed_from}; {hosts}", unread(topology)]
    if outcome.plan is not None:
        change = difference(topology, outcome.plan)
        parts += [servers(outcome.plan, **most), shares(outcome.plan, **most), changes(change, topology.report_rows)]
    return "\n\n".join(part for part in (*parts, findings(outcome.findings, **most), lowered(topology)) if part)


def headline(topology: Topology) -> str:
    counts = [(len(topology.tier(tier)), tier) for tier in (*TIERS, "backup")]
    counts.append((len(topology.clients), "client"))
    text = ", ".join(f"{number} {tier}" for number, tier in counts if number)
    if topology.population:
        text += f", {len(topology.population)} named client" + ("s" if len(topology.population) > 1 else "")
    return f"System {topology.name}: {text or 'no hosts'}"


def unread(topology: Topology) -> str:
    """The servers that a plan had to be made without."""
    if not topology.unread:
        return ""
    text = f"The deployed state could not be read on {enumerate_names(topology.unread)}."
    return text if topology.handed_from else f"{text} The plan counts clients of a proxy among them as new."


def servers(plan: Plan, most: int = ROWS_SHOWN) -> str:
    rows: list[tuple[Any, ...]] = []
    ordered = sorted(plan["servers"].values(), key=beside_its_primary)
    if len(ordered) > most:
        # If not all fit, those that do not serve matter most.
        ordered.sort(key=lambda server: bool(server["state"] == "active"))
    for server in ordered[:most]:
        tier, primary = server["tier"], server["primary"]
        if primary:
            tier = f"{tier} of {primary}, {server['redundancy']}"
        place = server["site"] + (f"/{server['zone']}" if server["zone"] else "")
        # Members are equals; of the upstreams the best comes first.
        members = enumerate_names(entry["name"] for entry in server["members"])
        upstreams = ", ".join(entry["name"] for entry in server["upstreams"])
        goes_to = f"{members}; writes to {upstreams}" if members and upstreams else members or upstreams
        address = f"{server['address']}:" + ", writes ".join(map(str, server["client_ports"]))
        rows.append((server["name"], tier, address, place, server["state"], goes_to or None))
    rest = len(ordered) - len(rows)
    text = table(("SERVER", "TIER", "ADDRESS", "SITE/ZONE", "STATE", "CONNECTS TO"), rows)
    return text + (f"\nand {rest} more servers" if rest else "")


def gauge(used: int, capacity: int | None) -> str:
    if not capacity:
        return "no limit"
    filled = min(GAUGE, round(GAUGE * used / capacity))
    return f"[{'#' * filled}{'.' * (GAUGE - filled)}] {100 * used / capacity:.0f} %"


def shares(plan: Plan, most: int = ROWS_SHOWN) -> str:
    allocation = plan["allocation"]
    if not allocation["proxies"]:
        return ""
    proxies = list(allocation["proxies"].items())
    if len(proxies) > most:
        # If not all fit, the fullest matter most.
        proxies.sort(key=lambda entry: (-entry[1]["weight"] / (entry[1]["capacity"] or math.inf), entry[0]))
    rows: list[tuple[Any, ...]] = [
        (name, len(share["clients"]), share["weight"], gauge(share["weight"], share["capacity"]))
        for name, share in proxies
    ]
    text = first_rows(("PROXY", "CLIENTS", "CONNECTIONS", "OF ITS CAPACITY"), rows, "proxies, less full", most)
    if not allocation["stats"].keys() >= {"cost_ms", "gap"}:
        return text
    cost, above = allocation["stats"]["cost_ms"], 100 * allocation["stats"]["gap"]
    return f"{text}\nMilliseconds over all connections: {cost:g}, at most {above:.2f} % above the least possible."


def moves(plan: Plan, most: int = REASONS_SHOWN) -> str:
    """Counts by from, to and cause: as readable for 50,000 moves as for 5. Also whether the budget holds moves back."""
    rows = count_moves(plan)
    lines = [table(("CLIENTS MOVED", "FROM", "TO", "WHY"), rows[:most])] if rows else []
    if rest := rows[most:]:
        lines.append(f"and {sum(row[0] for row in rest)} for {len(rest)} other reasons")
    if plan["allocation"]["stats"].get("held_back"):
        lines.append(
            "tiers_allocation: move_budget holds further moves back. Increase it to move more clients in one run."
        )
    return "\n".join(lines)


def count_moves(plan: Plan) -> list[tuple[int, str, str, str]]:
    """(number of clients, from, to, why), most clients first."""
    keys = ((str(move["from"]), str(move["to"]), str(move["why"])) for move in plan["allocation"]["moves"])
    ordered = sorted(Counter(keys).items(), key=lambda item: (-item[1], item[0]))
    return [(number, source, target, why) for (source, target, why), number in ordered]


def findings(found: Iterable[Finding], most: int = FINDINGS_SHOWN) -> str:
    found = list(found)
    if not found:
        return "No findings."
    errors = sum(1 for finding in found if finding.severity == ERROR)
    warnings = sum(1 for finding in found if finding.severity == WARNING)
    return "\n".join([f"{errors} error(s), {warnings} warning(s)", *finding_texts(found, most)])


def finding_texts(found: Iterable[Finding], most: int = FINDINGS_SHOWN) -> Iterator[str]:
    """The findings, of each rule the first ones: one mistake in a group of ten thousand hosts hides no other."""
    for (_severity, rule), group in groupby(found, key=lambda finding: (finding.severity, finding.rule)):
        of_rule = list(group)
        yield from (finding.as_text() for finding in of_rule[:most])
        if rest := len(of_rule) - len(of_rule[:most]):
            yield f"and {rest} more of {rule} (to see them: -e tiers_report_rows={len(of_rule)})"


def lowered(topology: Topology) -> str:
    return "\n".join(f"Rule {name} is off, because: {why}" for name, why in switched_off(topology))


def losses(previewed: list[Loss], most: int = LOSSES_SHOWN) -> str:
    """The cost of each failure that costs anything."""
    costly = [loss for loss in previewed if is_costly(loss)]
    if not costly:
        return "No failure of a single server, zone or site leaves a client without a server."
    worst = costly[0]
    text = table(LOSS_HEADS, (loss_row(f"{loss['kind']} {loss['name']}", loss) for loss in costly[:most]))
    rest = len(costly) - most
    milder = f"and {rest} milder ones. " if rest > 0 else ""
    worst_case = f"Worst case: {worst['kind']} {worst['name']} fails, {consequence(worst)}."
    return f"{worst_case}\n{text}\n{milder}No other failure leaves a client without a server."


def loss_row(what: str, loss: Loss) -> tuple[Any, ...]:
    moved = [f"{server} {number}" for server, number in sorted(loss["moved"].items(), key=lambda to: (-to[1], to[0]))]
    more = f" and {len(moved) - SERVERS_SHOWN} more" if len(moved) > SERVERS_SHOWN else ""
    fullest = f"{loss['fullest']} {loss['fullest_percent']} %" if loss["fullest_percent"] else None
    return (
        what,
        loss["lost"],
        ", ".join(moved[:SERVERS_SHOWN]) + more or None,
        fullest,
        GOES_ON[loss["writes"]],
        GOES_ON[loss["pool"]],
    )


def consequence(loss: Loss) -> str:
    """A loss in a few words."""
    lost, moved = loss["lost"], sum(loss["moved"].values())
    parts = [f"{lost} {'client has' if lost == 1 else 'clients have'} no server until one is back"] if lost else []
    parts += [f"{moved} {'client moves' if moved == 1 else 'clients move'}"] if moved else []
    if beyond := loss["beyond_weight"]:
        come = "connection comes" if beyond == 1 else "connections come"
        parts.append(f"{beyond} more {come} than the others can hold")
    parts += ["no client loses its server"] if not parts else []
    parts.append("writes go on" if loss["writes"] else "writes stop")
    parts += ["the pool stops"] if loss["pool"] is False else []
    return ", ".join(parts)


def asked_loss(loss: Loss | None) -> str:
    """The failure that the operator asked for, whatever it costs."""
    if loss is None:
        return ""
    of = "" if loss["servers"] == [loss["name"]] else f" ({enumerate_names(loss['servers'])})"
    return f"As asked: {loss['name']} lost{of}, {consequence(loss)}.\n{table(LOSS_HEADS, [loss_row('as asked', loss)])}"


def who_votes(plan: Plan) -> str:
    """A sentence on the voters of the arbiter, and on how fast a node is replaced; empty without an arbiter."""
    if plan["arbiter"] is None:
        return ""
    voters = [voter["name"] for voter in plan["arbiter"]["voters"]]
    spare = (len(voters) - 1) // 2
    parts = [f"{enumerate_names(voters, len(voters))} vote on which node of a pair serves; {spare} of them may fail"]
    leases = [server["failover_ttl"] for server in plan["servers"].values() if server["failover_ttl"]]
    parts += [f"a node that is down or cut off is replaced after about {max(leases):g} s"] if leases else []
    return "; ".join(parts) + "."


def who_cannot_write(plan: Plan) -> str:
    """Servers that step aside when they cannot write, and proxies that then only serve reads."""
    steps, stays = [], []
    for server in plan["servers"].values():
        if server["tier"] not in ("master", "proxy") or not server["runs_product"]:
            continue
        if server["steps_aside_for"]:
            steps.append(f"{server['name']} for {server['steps_aside_for']}")
        else:
            stays.append(server["name"])
    parts = [f"steps aside for its peer: {enumerate_names(steps)}"] if steps else []
    parts += [f"{'or, without one, ' if steps else ''}goes on serving reads: {enumerate_names(stays)}"] if stays else []
    return f"A server that cannot write {', '.join(parts)}." if parts else ""


def ways_of_writes(plan: Plan) -> str:
    """A sentence that says where clients write; empty if they write where they read."""
    servers = plan["servers"].values()
    if ports := sorted({port for server in servers for port in server["client_ports"][1:]}):
        where = " and ".join(
            {"proxy": "the proxies", "distributor": "the distributor"}[work]
            for work in ("proxy", "distributor")
            if any(server["serves_as"] == work and server["client_ports"][1:] for server in servers)
        )
        return f"Clients write at port {', '.join(map(str, ports))} of {where}, which leads to the active master."
    if any(server["write_port"] is None for server in servers):
        return "Replicas take no writes: clients must write at the master."
    return ""


def is_costly(loss: Loss) -> bool:
    return bool(loss["lost"] or loss["moved"] or not loss["writes"] or loss["pool"] is False)


def changes(change: Difference, most: int | None = None, moves_shown: bool = False) -> str:
    """The changes of a deployment. Servers with the same change share a row.

    ``moves_shown``: another table already shows which client moves from one proxy to another, and why.
    """
    if not change["changed"] and not change["retired"] and not change["same"]:
        return f"Nothing is deployed{', or the deployed state was not read' if change['unseen'] else ''}."
    rows = group_changes(change)
    parts = []
    if rows:
        parts.append(
            first_rows(("SERVERS", "NUMBER", "WHAT", "FROM > TO"), rows, "kinds of change", most or ROWS_SHOWN)
        )
        parts.append(f"{change['same']} servers stay as they are.")
    ways = [
        (way["clients"], way["from"] or "(new)", way["to"] or "(gone)")
        for way in change["clients"]
        if not (moves_shown and way["from"] and way["to"])
    ]
    if ways:
        shown = most or WAYS_SHOWN
        parts.append("\n" + table(("CLIENTS", "FROM", "TO"), ways[:shown]))
        if rest := ways[shown:]:
            parts.append(f"and {sum(way[0] for way in rest)} on {len(rest)} other ways")
    return "\n".join(parts) or f"Every server{'' if change['clients'] else ' and every client'} is as planned."


def group_changes(change: Difference) -> list[tuple[str, int, str, str]]:
    """(servers, number of them, what becomes of them, from > to), servers with the same change together."""
    groups: dict[tuple[str, str], list[str]] = {}
    if change["new"]:
        groups["new", "-"] = change["new"]
    for name, keys in change["changed"].items():
        text = "; ".join(f"{key}: {as_text(before)} > {as_text(after)}" for key, (before, after) in keys.items())
        groups.setdefault(("changed", text), []).append(name)
    for name, before in change["retired"].items():
        text = f"was {before['tier']}" + (f" of {before['clients']} clients" if before["clients"] else "")
        groups.setdefault(("retired", text), []).append(name)
    if change["unseen"]:
        groups["not reached", "its deployed state is unknown"] = change["unseen"]
    return [(enumerate_names(names), len(names), what, text) for (what, text), names in groups.items()]


def as_text(value: Any) -> str:
    """A value of the plan, short."""
    if isinstance(value, list):
        return enumerate_names(str(item.get("name", item)) if isinstance(item, dict) else str(item) for item in value)
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
