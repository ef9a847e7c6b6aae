# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML page that needs nothing else: no file beside it, no network."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import GOES_ON, consequence
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.drill_section import draw_drill
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.excerpt import PlanExcerpt
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.markup import (
    Content,
    Markup,
    element,
    raw,
)
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.script import SCRIPT
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.style import style_sheet
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.symbols import (
    APPEARANCES,
    definitions,
    state_word,
    symbol,
)
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.tables import (
    Column,
    draw_table,
    load_bar,
    number,
)
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.topology_drawing import (
    draw_topology,
    health_of,
)
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted, enumerate_first
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill_report import count_promises

# Rows of the table of servers and of proxies; the rest is counted. Servers in trouble come first.
SERVERS = 2000
# Days of a certificate below which it is shown as a warning, as the alerts of status are by default
CERTIFICATE_DAYS = 21
PLURALS = {
    "master": "masters",
    "proxy": "proxies",
    "parallel": "parallel members",
    "distributor": "distributors",
    "backup": "backups",
}
TROUBLE = ("down", "no answer", "alert")


@dataclass(frozen=True)
class ReportData:
    """The input of a report. `status`: what status_report returned, None if no server was asked; `drill`: the
    report.json of a drill, None if there is none."""

    plan: PlanExcerpt
    status: Mapping[str, Any] | None
    drill: Mapping[str, Any] | None
    made: str  # when, as a person reads it

    @property
    def observed(self) -> dict[str, Mapping[str, str]]:
        """The row of each server that status has."""
        return {row["server"]: row for row in (self.status or {}).get("servers", ())}


@dataclass(frozen=True)
class Tile:
    """A figure of the overview, the section that explains it, and its state."""

    title: str
    figure: str
    detail: str
    section: str
    state: str


def make_page(data: ReportData) -> str:
    """The page."""
    sections = [(name, title, [*content]) for name, title, content in _sections(data)]
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{data.plan['system']}: report of {data.made}"),
        element("style", raw(style_sheet())),
    )
    body = element(
        "body",
        definitions(),
        element("a", "Skip to the overview", href="#overview", class_="skip"),
        element(
            "div",
            _header(data, [(name, title) for name, title, _content in sections]),
            element(
                "main",
                element("h2", "Overview", id="overview", class_="skip", tabindex=-1),
                element("ul", [_draw_tile(tile) for tile in _tiles(data)], class_="tiles"),
                [
                    element(
                        "section",
                        element("h2", title, id=f"{name}-head"),
                        content,
                        id=name,
                        aria_labelledby=f"{name}-head",
                        class_="long" if name in ("servers", "drill") else None,
                    )
                    for name, title, content in sections
                ],
            ),
            _footer(data),
            class_="wrap",
        ),
        element("script", raw(SCRIPT)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _verdict(data: ReportData) -> tuple[str, str]:
    """(state, sentence) of the whole system."""
    if data.status is None:
        return "not asked", "The servers were not asked how they are"
    states = Counter(health_of(server["name"], data.observed) for server in data.plan["servers"])
    bad = states["down"] + states["no answer"]
    alerts = counted(len(data.status["alerts"]), "alert")
    if bad:
        return (
            "down",
            f"{bad} of {counted(states.total(), 'server')} {'is' if bad == 1 else 'are'} down or silent; {alerts}",
        )
    if data.status["alerts"]:
        return "alert", f"{alerts}; no server is down"
    if states["not asked"]:
        asked = states.total() - states["not asked"]
        return "not asked", f"All {asked} servers that were asked are as planned, {states['not asked']} were not asked"
    if data.status.get("not_checked"):
        return "not asked", "No alert, but not everything was checked"
    return "healthy", f"All {counted(states.total(), 'server')} are as planned"


def _header(data: ReportData, sections: Sequence[tuple[str, str]]) -> Markup:
    state, sentence = _verdict(data)
    tiers = Counter(server["tier"] for server in data.plan["servers"])
    counts = ", ".join(
        counted(count, tier) if count == 1 else f"{count} {PLURALS[tier]}" for tier, count in tiers.items()
    )
    clients = sum(data.plan["sites"].values())
    return element(
        "header",
        element("h1", "Report of the system ", element("b", data.plan["system"]), f", {data.made}"),
        element("p", symbol(state), element("span", sentence), class_="verdict"),
        element(
            "p",
            f"{counts}; {counted(clients, 'client') if clients < 2 else f'{clients:,} clients'} at "
            f"{counted(len(data.plan['sites']), 'site')}; product {data.plan['product']}",
            class_="sub",
        ),
        element(
            "nav",
            element("ul", [element("li", element("a", title, href=f"#{name}")) for name, title in sections]),
            aria_label="Sections",
        ),
    )


def _tiles(data: ReportData) -> Iterator[Tile]:
    plan = data.plan
    states = Counter(health_of(server["name"], data.observed) for server in plan["servers"])
    trouble = {state: states[state] for state in APPEARANCES if states[state] and state != "healthy"}
    yield Tile(
        "Servers healthy",
        f"{states['healthy']} of {states.total()}",
        ", ".join(f"{count} {state}" for state, count in trouble.items()) or "all probed on their hosts",
        "servers",
        next(iter(trouble), "healthy"),
    )
    proxies = [server for server in plan["servers"] if server["weight"] is not None]
    loads = sorted(
        ((server["weight"] or 0) / server["capacity"], server["name"]) for server in proxies if server["capacity"]
    )
    unplaced = sum(row[0] for row in plan["unplaced"])
    if unplaced:
        yield Tile("Clients without a proxy", f"{unplaced:,}", plan["unplaced"][0][1], "clients", "down")
    elif loads:
        load, fullest = loads[-1]
        state = "down" if load > 1 else "alert" if load >= 0.8 else "healthy"
        yield Tile("Fullest proxy", f"{100 * load:.0f} %", f"{fullest}, of its capacity", "clients", state)
    if plan["losses"]:
        worst = plan["losses"][0]
        lost = worst["lost"] or sum(worst["moved"].values())
        figure = f"{worst['lost']:,} clients" if lost == worst["lost"] and lost else "no client lost"
        yield Tile(
            "Worst single failure",
            figure,
            f"{worst['kind']} {worst['name']} fails: {consequence(worst)}",
            "losses",
            "warning",
        )
    elif plan["losses"] is None:
        yield Tile("Worst single failure", "unknown", "not computed for a plan of another run", "losses", "not asked")
    else:
        yield Tile("Worst single failure", "costs nothing", "no client loses its server", "losses", "healthy")
    if data.drill is None:
        yield Tile("Promises kept", "no drill", "run drill to measure them", "drill", "not measured")
    else:
        fulfilled, measured, rest = count_promises(data.drill)
        state = "BROKEN" if fulfilled < measured else "not measured" if rest or not measured else "kept"
        detail = f"{rest} not measured" if rest else "while servers failed under load"
        yield Tile("Promises kept", f"{fulfilled} of {measured}", detail, "drill", state)


def _draw_tile(tile: Tile) -> Markup:
    return element(
        "li",
        element("h3", element("a", tile.title, href=f"#{tile.section}")),
        element("p", symbol(tile.state), element("span", tile.figure), class_="big"),
        element("p", tile.detail),
    )


def _sections(data: ReportData) -> Iterator[tuple[str, str, Iterator[Content]]]:
    yield "topology", "Topology", _topology(data)
    yield "alerts", "Alerts", _alerts(data)
    yield "clients", "Clients", _clients(data)
    yield "changes", "Changes", _changes(data)
    yield "findings", "Findings", _findings(data)
    yield "losses", "Failures and what they cost", _losses(data)
    yield "drill", "Drill", _drill(data)
    yield "content", "Content", _contents(data)
    yield "certificates", "Certificates", _certificates(data)
    if data.plan["voters"]:
        yield "voters", "Voters of the arbiter", _voters(data)
    yield "servers", "Servers", _servers(data)


def _lead(*content: Content) -> Markup:
    return element("p", *content, class_="lead")


def _not_asked(what: str) -> Markup:
    return element("p", state_word("not asked", f"{what} not asked: run the playbook report or status."), class_="none")


def _topology(data: ReportData) -> Iterator[Content]:
    yield _lead(
        "Clients connect to the proxies, which each serve some of them, and to the distributor, which shares a load "
        "over its members. All of these get their data from the master. A double line joins a server and its backup."
    )
    for width, name in ((1092, "wide"), (720, "medium"), (330, "small")):
        yield draw_topology(data.plan, data.observed, width, name)
    states = Counter(health_of(server["name"], data.observed) for server in data.plan["servers"])
    shown = [state for state in ("healthy", *TROUBLE, "out of service", "not asked") if states[state]]
    yield element(
        "ul", [element("li", state_word(state, f"{states[state]} {state}")) for state in shown], class_="legend"
    )


def _alerts(data: ReportData) -> Iterator[Content]:
    if data.status is None:
        yield _not_asked("The servers were")
    elif data.status["alerts"]:
        yield _lead("What differs from the plan now. The runbooks of the collection have a page for each kind.")
        yield element(
            "ul",
            [element("li", symbol("down"), element("p", alert)) for alert in data.status["alerts"]],
            class_="alerts",
        )
    elif not data.status.get("not_checked"):
        yield element("p", state_word("healthy", "All checks are as planned."), class_="none")
    for text in (data.status or {}).get("not_checked", ()):
        yield element("p", state_word("not asked", f"Not checked: {text}"), class_="none")


def _clients(data: ReportData) -> Iterator[Content]:
    proxies = [server for server in data.plan["servers"] if server["weight"] is not None]
    if not proxies:
        yield element("p", "The system has no proxies.", class_="none")
        return
    proxies.sort(key=lambda server: (-(server["weight"] or 0) / (server["capacity"] or float("inf")), server["name"]))
    yield _lead("The clients of each proxy in the plan, and how much of its capacity their connections take.")
    columns = (
        Column("Proxy"),
        Column("Site"),
        Column("Clients", "n"),
        Column("Connections", "n"),
        Column("Capacity", "n"),
        Column("Load", "n"),
        Column("", "t"),
    )
    rows = [
        (
            server["name"],
            server["site"],
            number(server["clients"]),
            number(server["weight"]),
            number(server["capacity"]) if server["capacity"] else "no limit",
            f"{100 * (server['weight'] or 0) / server['capacity']:.0f} %" if server["capacity"] else "-",
            load_bar(server["weight"] or 0, server["capacity"]),
        )
        for server in proxies[:SERVERS]
    ]
    yield draw_table("table-clients", "Proxies, the fullest first", columns, rows, filter_hint="proxy or site")
    yield _left_out(len(proxies) - SERVERS, "less full proxies")
    if data.plan["unplaced"]:
        yield element("h3", "Clients without a proxy")
        reasons = [(number(count), why) for count, why in data.plan["unplaced"]]
        heads = (Column("Clients"), Column("Why"))
        yield draw_table("table-unplaced", "Clients without a proxy, and why", heads, reasons)


def _left_out(rest: int, what: str) -> Content:
    return element("p", f"and {rest:,} {what}", class_="dim") if rest > 0 else None


def _changes(data: ReportData) -> Iterator[Content]:
    plan = data.plan
    yield _lead(
        "What a deployment of this plan would change, compared with what the servers were deployed as, and the clients "
        "that would get another proxy."
    )
    if plan["changes"]:
        columns = (Column("Servers"), Column("Number", "n"), Column("What"), Column("From > to"))
        rows = [(names, number(count), what, text) for names, count, what, text in plan["changes"]]
        yield draw_table("table-changes", "Servers that a deployment would change", columns, rows)
        yield _left_out(plan["changes_left_out"], "other kinds of change")
        if plan["same"]:
            yield element("p", f"{counted(plan['same'], 'server')} stay as they are.", class_="dim")
    else:
        yield element("p", "Every server is deployed as planned.", class_="none")
    if plan["moves"]:
        columns = (Column("From"), Column("To"), Column("Clients", "n"), Column("Why"))
        rows = [(source, target, number(count), why) for count, source, target, why in plan["moves"]]
        yield element("h3", "Clients that move")
        yield draw_table(
            "table-moves", "Clients that move to another proxy", columns, rows, filter_hint="proxy or reason"
        )
        yield _left_out(plan["moves_left_out"], "other clients")
    else:
        yield element("p", "No client moves to another proxy.", class_="none")


def _findings(data: ReportData) -> Iterator[Content]:
    findings = data.plan["findings"]
    if not findings:
        yield element("p", state_word("healthy", "The rules find nothing wrong with the inventory."), class_="none")
        return
    yield _lead("What the rules say about the inventory, with the remedy.")
    items = []
    for finding in findings:
        where = " ".join(filter(None, (finding["host"], finding["variable"])))
        about: Content = [element("b", finding["rule"]), f" [{where}]" if where else None]
        items.append(
            element(
                "li",
                symbol(finding["severity"] if finding["severity"] in APPEARANCES else "note"),
                element(
                    "div",
                    element("p", about),
                    element("p", finding["message"]),
                    element("p", f"Remedy: {finding['remedy']}", class_="remedy"),
                ),
            )
        )
    yield element("ul", items, class_="alerts w")
    yield _left_out(data.plan["findings_left_out"], "more findings of these rules")


def _losses(data: ReportData) -> Iterator[Content]:
    losses = data.plan["losses"]
    if losses is None:
        text = "Not computed: the plan was made by another run. Run the playbook report without tiers_plan_file."
        yield element("p", state_word("not measured", text), class_="none")
        return
    if not losses:
        yield element("p", state_word("healthy", "No failure of a server, zone or site costs a client its server."))
        return
    yield _lead("What the failure of one server, zone or site would cost, the worst first.")
    columns = (
        Column("If this fails"),
        Column("Clients lost", "n"),
        Column("Clients moved", "n"),
        Column("They move to"),
        Column("Then fullest"),
        Column("Writes"),
        Column("Pool"),
    )
    rows = []
    for loss in losses:
        moved = sorted(loss["moved"], key=lambda name: (-loss["moved"][name], name))
        fullest = f"{loss['fullest']} {loss['fullest_percent']} %" if loss["fullest_percent"] else "-"
        rows.append(
            (
                f"{loss['kind']} {loss['name']}",
                number(loss["lost"]),
                number(sum(loss["moved"].values())),
                enumerate_first(moved, len(moved), 4) or "-",
                fullest,
                _goes_on(loss["writes"]),
                _goes_on(loss["pool"]),
            )
        )
    yield draw_table("table-losses", "Failures that cost something", columns, rows, filter_hint="server, zone or site")
    yield _left_out(data.plan["losses_left_out"], "milder failures")
    yield element("p", "Any other failure costs no client its server.", class_="dim")


def _goes_on(value: bool | None) -> Content:
    return "-" if value is None else state_word("kept" if value else "BROKEN", GOES_ON[value])


def _drill(data: ReportData) -> Iterator[Content]:
    if data.drill is None:
        yield element("p", state_word("not measured", "No drill was found: run the playbook drill."), class_="none")
        return
    if data.drill.get("plan_digest") not in (None, data.plan["digest"]):
        yield element("p", state_word("alert", "This drill was of another plan than the one in this report."))
    yield from draw_drill(data.drill)


def _contents(data: ReportData) -> Iterator[Content]:
    if data.status is None:
        yield _not_asked("The servers were")
        return
    rows = data.status["content"]
    if not rows:
        yield element("p", "The product has no content that can be compared.", class_="none")
        return
    yield _lead("A checksum over the data of each server. Servers at the same position must have the same.")
    states = {True: ("healthy", "same"), False: ("down", "differs"), None: ("not asked", "not compared")}
    columns = (Column("Server"), Column("Comparison"), Column("Digest"), Column("Position"), Column("Note"))
    yield draw_table(
        "table-content",
        "Digests of the content",
        columns,
        [
            (
                row["server"],
                state_word(*states[row["equal"]]),
                element("code", row["digest"]) if row["digest"] else "-",
                element("code", row["position"]) if row["position"] else "-",
                row["why"],
            )
            for row in rows[:SERVERS]
        ],
        filter_hint="server or digest",
    )


def _certificates(data: ReportData) -> Iterator[Content]:
    if data.status is None:
        yield _not_asked("The hosts were")
        return
    found = data.status["certificates"]
    answered = {row["host"] for row in found}
    rows: list[tuple[Content, ...]] = []
    for row in sorted(found, key=lambda row: (row["days"], row["host"])):
        state = "down" if row["days"] <= 0 else "alert" if row["days"] < CERTIFICATE_DAYS else "healthy"
        days = f"{row['days']:.0f}" if row["days"] > 0 else f"expired {-row['days']:.0f} ago"
        rows.append((row["host"], row["path"].rpartition("/")[2], row["subject"], state_word(state, f"{days} days")))
    silent = [server["name"] for server in data.plan["servers"] if server["name"] not in answered]
    rows = [(name, "-", "-", state_word("not asked", "not read")) for name in silent] + rows
    yield _lead("The certificates on each host and the days until they expire, the first to expire at the top.")
    columns = (Column("Host"), Column("File"), Column("Subject"), Column("Valid for"))
    yield draw_table("table-certificates", "Certificates", columns, rows[:SERVERS], filter_hint="host or subject")
    yield _left_out(len(rows) - SERVERS, "more certificates")


def _voters(data: ReportData) -> Iterator[Content]:
    yield _lead("The hosts that decide which node of a pair serves. A majority of them must be healthy.")
    rows = (data.status or {}).get("voters") or [{"voter": name, "healthy": None} for name in data.plan["voters"]]
    states = {True: "healthy", False: "down", None: "not asked"}
    columns = (
        Column("Voter"),
        Column("State"),
        Column("Role"),
        Column("Site and zone"),
        Column("etcd"),
        Column("Data"),
        Column("Note"),
    )
    yield draw_table(
        "table-voters",
        "Voters",
        columns,
        [
            (
                row["voter"],
                state_word(states[row["healthy"]]),
                *(row.get(key) or "-" for key in ("role", "place", "version", "data")),
                row.get("why", ""),
            )
            for row in rows
        ],
    )


def _servers(data: ReportData) -> Iterator[Content]:
    order = [*TROUBLE, "not asked", "out of service", "healthy"]
    observed = data.observed
    servers = sorted(data.plan["servers"], key=lambda server: order.index(health_of(server["name"], observed)))
    columns = (
        Column("Server"),
        Column("State"),
        Column("Tier"),
        Column("Observed"),
        Column("Site and zone"),
        Column("Address"),
        Column("Lag"),
        Column("Routes to"),
    )
    rows = []
    for server in servers[:SERVERS]:
        row = observed.get(server["name"], {})
        tier = f"{server['redundancy']} backup of {server['primary']}" if server["primary"] else server["tier"]
        place = f"{server['site']}/{server['zone']}" if server["zone"] else server["site"]
        routes = row.get("gives_to") or enumerate_first(server["routes_to"], len(server["routes_to"]), 3)
        rows.append(
            (
                server["name"],
                state_word(health_of(server["name"], observed)),
                tier if server["state"] == "active" else f"{tier}, {server['state']}",
                row.get("observed") or "-",
                place,
                f"{server['address']}:{server['port']}",
                row.get("lag") or "-",
                routes or "-",
            )
        )
    yield _lead("Every server, those in trouble first.")
    yield draw_table("table-servers", "Servers", columns, rows, filter_hint="name, state, tier or site")
    yield _left_out(len(servers) - SERVERS, "more servers, none of them worse than these")


def _footer(data: ReportData) -> Markup:
    digest = element("code", data.plan["digest"][:16])
    unread = data.plan["unread"]
    return element(
        "footer",
        element("p", f"Made by the Ansible collection distributed.tiers, {data.made}. Plan ", digest, "."),
        element("p", f"The deployment records of {enumerate_first(unread, len(unread))} could not be read.")
        if unread
        else None,
    )
