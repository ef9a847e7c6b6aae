# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology as SVG: a box for each site, a row for each tier, clients above and the master below.

The place of everything follows from site and tier, so no graph is laid out. Many servers of a tier at one site become
one card with a dot for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.distributed.tiers.plugins.module_utils.reporting.excerpt import PlanExcerpt, ServerExcerpt
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.markup import Content, Markup, element
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.symbols import APPEARANCES, symbol
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted, enumerate_first

CLIENTS = "clients"
ROWS = (CLIENTS, "proxy", "distributor", "parallel", "master")
TITLES = {"proxy": "proxies", "distributor": "distributor", "parallel": "members", "master": "master"}
# Of a tier at one site, more servers than this become one card.
CARDS = 6
SITES = 12
# All in user units of the drawing, which is one pixel on a page as wide as the drawing.
CARD_WIDTH, CARD_HEIGHT, GAP, PAD = 140, 50, 12, 14
TITLE_HEIGHT, ROW_TITLE, ROW_GAP, LANE, LANES = 30, 20, 14, 7, 6
DOT, DOTS_SHOWN = 11, 600
LETTERS, SMALL_LETTERS = 14, 17


@dataclass
class Card:
    """One server, the clients of a site, or all servers of a tier at a site."""

    name: str
    lines: list[str]
    health: str | None
    description: str  # the whole text, for a pointer that rests on it
    load: float | None = None
    dots: list[str] = field(default_factory=list)  # the health of each server of a group
    servers: list[str] = field(default_factory=list)  # the names of a group
    peer: str | None = None
    targets: list[str] = field(default_factory=list)
    x: float = 0
    y: float = 0
    width: float = CARD_WIDTH
    height: float = CARD_HEIGHT

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass
class Site:
    """A site with the cards of each row."""

    name: str
    rows: dict[str, list[Card]]
    width: float = 0


def draw_topology(plan: PlanExcerpt, observed: Mapping[str, Mapping[str, str]], width: int, name: str) -> Markup:
    """The drawing, `width` wide. `observed`: rows of status by server; without one, a server was not asked."""
    shown, left_out = _choose_sites(plan, observed)
    columns = max(1, int((width - 2 * PAD + GAP) // (CARD_WIDTH + GAP)))
    sites = [_make_site(site, plan, observed, columns) for site in shown]
    parts: list[Content] = []
    y = 0.0
    for shelf in _fill_shelves(sites, width):
        drawn, height = _draw_shelf(shelf, y, width)
        parts += drawn
        y += height + GAP
    described = _describe(plan, observed)
    if left_out:
        described += f" {counted(left_out, 'site')} more in the table of servers."
    titles = (
        element("title", f"Topology of {plan['system']}", id=f"{name}-title"),
        element("desc", described, id=f"{name}-desc"),
    )
    return element(
        "svg",
        titles,
        parts,
        class_=f"pic {name}",
        viewBox=f"0 0 {width} {y - GAP:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def health_of(server: str, observed: Mapping[str, Mapping[str, str]]) -> str:
    """The health of a server as `status` reported it, or `not asked`."""
    return observed.get(server, {}).get("health", "not asked")


def _describe(plan: PlanExcerpt, observed: Mapping[str, Mapping[str, str]]) -> str:
    tiers = Counter(server["tier"] for server in plan["servers"])
    states = Counter(health_of(server["name"], observed) for server in plan["servers"])
    return (
        f"{len(plan['sites'])} sites with {', '.join(f'{count} {tier}' for tier, count in tiers.items())} servers. "
        f"Clients connect to the proxies and to the distributor, these to the master. "
        f"State: {', '.join(f'{count} {state}' for state, count in states.items())}."
    )


def _choose_sites(plan: PlanExcerpt, observed: Mapping[str, Mapping[str, str]]) -> tuple[list[str], int]:
    """The sites to draw, that of the master first, then those with trouble, then those with most clients."""
    masters = {server["site"] for server in plan["servers"] if server["tier"] == "master"}
    trouble = Counter(
        server["site"]
        for server in plan["servers"]
        if health_of(server["name"], observed) in ("down", "no answer", "alert")
    )
    names = {server["site"] for server in plan["servers"]} | {flow["site"] for flow in plan["flows"]}

    def urgency(site: str) -> tuple[bool, int, int, str]:
        return site not in masters, -trouble[site], -plan["sites"].get(site, 0), site

    ordered = sorted(names, key=urgency)
    return ordered[:SITES], len(ordered[SITES:])


def _make_site(name: str, plan: PlanExcerpt, observed: Mapping[str, Mapping[str, str]], columns: int) -> Site:
    rows: dict[str, list[Card]] = {}
    flows = [flow for flow in plan["flows"] if flow["site"] == name]
    if number := sum(flow["clients"] for flow in flows):
        ways = [(flow["clients"], flow["server"]) for flow in sorted(flows, key=lambda flow: -flow["clients"])]
        to = ", ".join(
            (f"{count:,} to " if len(ways) > 1 else "to ") + (server or "no server") for count, server in ways
        )
        rows[CLIENTS] = [
            Card(
                CLIENTS,
                [f"{number:,} client{'' if number == 1 else 's'}", _cut(to, SMALL_LETTERS)],
                None,
                f"{number:,} clients of {name}: {to}",
                targets=[server for _count, server in ways if server],
            )
        ]
    for tier in ROWS[1:]:
        servers = [s for s in plan["servers"] if s["site"] == name and s["serves_as"] == tier]
        if len(servers) > CARDS:
            rows[tier] = [_group(tier, servers, observed, columns)]
        elif servers:
            rows[tier] = [_card(server, observed.get(server["name"], {})) for server in servers]
    for cards in rows.values():
        for place, card in enumerate(cards):
            card.x = place % columns * (CARD_WIDTH + GAP)
            card.y = place // columns * (CARD_HEIGHT + GAP)
    width = max((card.x + card.width for cards in rows.values() for card in cards), default=CARD_WIDTH)
    return Site(name, rows, width + 2 * PAD)


def _card(server: ServerExcerpt, row: Mapping[str, str]) -> Card:
    health = row.get("health", "not asked")
    observed = row.get("observed", "")
    if health in ("down", "no answer", "out of service") or not row:
        detail = health if row or server["state"] == "active" else f"planned {server['state']}"
    elif server["weight"] is not None:
        detail = f"{server['weight']:,} connections"
        if server["capacity"]:
            detail = f"{100 * server['weight'] / server['capacity']:.0f} % of {server['capacity']:,}"
    elif server["tier"] == "distributor":
        detail = row.get("gives_to") or observed
    else:
        detail = observed
    if server["tier"] == "backup" and health == "healthy":
        detail = f"{server['redundancy']} backup"
    description = f"{server['name']}: {server['tier']}, {health}, {observed}, {server['address']}:{server['port']}"
    load = server["weight"] / server["capacity"] if server["weight"] is not None and server["capacity"] else None
    # A distributor reaches all its members, other servers the best of their upstreams. Masters only follow each other.
    targets = {"distributor": server["routes_to"], "master": []}.get(server["serves_as"], server["routes_to"][:1])
    return Card(
        server["name"],
        [_cut(server["name"], LETTERS), _cut(detail, SMALL_LETTERS)],
        health,
        description,
        load,
        peer=server["primary"],
        targets=targets,
    )


def _group(
    tier: str, servers: Sequence[ServerExcerpt], observed: Mapping[str, Mapping[str, str]], columns: int
) -> Card:
    """One card for many servers, a dot for each, those in trouble first."""
    order = [*APPEARANCES]
    states = sorted((health_of(server["name"], observed), server["name"]) for server in servers)
    states.sort(key=lambda state: order.index(state[0]))
    troubled = [name for state, name in states if state in ("down", "no answer", "alert")]
    width = min(columns, 3) * (CARD_WIDTH + GAP) - GAP
    counts = ", ".join(f"{count:,} {state}" for state, count in Counter(state for state, _name in states).items())
    lines = [f"{len(servers):,} {TITLES[tier].replace('distributor', 'distributors')}", _cut(counts, int(width / 6.5))]
    if troubled:
        lines.append(_cut(enumerate_first(troubled, len(troubled), 3), int(width / 6.5)))
    dots = [state for state, _name in states][:DOTS_SHOWN]
    in_line = int((width - 24) // DOT)
    height = 22 + 17 * len(lines[1:]) + 8 + -(-len(dots) // in_line) * DOT + 8
    clients = sum(server["weight"] or 0 for server in servers)
    capacity = sum(server["capacity"] or 0 for server in servers)
    return Card(
        f"all {tier}",
        lines,
        states[0][0],
        f"{lines[0]}: {counts}",
        clients / capacity if capacity and clients and all(server["capacity"] for server in servers) else None,
        dots,
        [server["name"] for server in servers],
        targets=sorted({target for server in servers for target in server["routes_to"][:1]})[:1],
        width=width,
        height=height,
    )


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _fill_shelves(sites: Iterable[Site], width: float) -> Iterator[list[Site]]:
    """Sites side by side as far as the width allows."""
    shelf: list[Site] = []
    used = 0.0
    for site in sites:
        if shelf and used + site.width > width:
            yield shelf
            shelf, used = [], 0.0
        shelf.append(site)
        used += site.width + GAP
    if shelf:
        yield shelf


def _draw_shelf(shelf: Sequence[Site], top: float, width: float) -> tuple[list[Content], float]:
    """Sites side by side whose rows are at the same height, and the wires between their cards; and the height."""
    tiers = [tier for tier in ROWS if any(tier in site.rows for site in shelf)]
    named = {card.name: card for site in shelf for cards in site.rows.values() for card in cards}
    named |= {server: card for card in named.values() for server in card.servers}
    spare = (width - sum(site.width for site in shelf) - GAP * (len(shelf) - 1)) / len(shelf)
    lanes = {tier: _lanes(shelf, tier, named) for tier in tiers}
    x, boxes = 0.0, []
    for site in shelf:
        boxes.append((site, x, site.width + spare))
        for cards in site.rows.values():
            for card in cards:
                card.x += x + PAD
        x += site.width + spare + GAP
    y = top + TITLE_HEIGHT
    gap_at = {}
    for tier in tiers:
        y += 0 if tier == tiers[0] else ROW_GAP + LANE * len(lanes[tier])
        gap_at[tier] = y
        y += 4 if tier == CLIENTS else ROW_TITLE
        height = 0.0
        for site in shelf:
            for card in site.rows.get(tier, ()):
                card.y += y
                height = max(height, card.y + card.height - y)
        y += height
    y += PAD
    parts: list[Content] = []
    for site, left, wide in boxes:
        parts += [
            element(
                "rect",
                class_="site",
                x=_n(left + 0.5),
                y=_n(top + 0.5),
                width=_n(wide - 1),
                height=_n(y - top - 1),
                rx=8,
            ),
            element("text", _cut(site.name, 34), class_="place", x=_n(left + PAD), y=_n(top + 21)),
        ]
    wires = [wire for tier in tiers for wire in _wires(shelf, tier, lanes, gap_at, named)]
    drawn = [part for site in shelf for tier in site.rows for part in _row(site.rows[tier], tier)]
    return [*parts, *wires, *drawn], y - top


def _lanes(shelf: Sequence[Site], tier: str, named: Mapping[str, Card]) -> list[str]:
    """The cards of a row to which wires lead: each has a lane of its own above the row. Members share one."""
    own = {id(card) for site in shelf for card in site.rows.get(tier, ())}
    targets = [
        named[target]
        for site in shelf
        for cards in site.rows.values()
        for card in cards
        for target in card.targets
        if target in named
    ]
    reached = dict.fromkeys(card.name for card in targets if id(card) in own)
    return list(reached)[: 1 if tier == "parallel" else LANES]


def _wires(
    shelf: Sequence[Site],
    tier: str,
    lanes: Mapping[str, Sequence[str]],
    gap_at: Mapping[str, float],
    named: Mapping[str, Card],
) -> Iterator[Content]:
    """The wires of a row's cards: down, along the lane of their target, and down to it."""
    row_of = {id(card): row for site in shelf for row, cards in site.rows.items() for card in cards}
    flow = " flow" if tier == CLIENTS else ""
    for site in shelf:
        for card in site.rows.get(tier, ()):
            targets = [named[target] for target in card.targets if target in named]
            for place, target in enumerate(targets):
                row = row_of[id(target)]
                place_of = lanes[row].index(target.name) if target.name in lanes[row] else len(lanes[row]) - 1
                lane = gap_at[row] - LANE * place_of
                # Each way of the clients leaves at a place of its own.
                start = card.middle + (place - (len(targets) - 1) / 2) * 14 * (tier == CLIENTS)
                yield element(
                    "path",
                    class_=f"wire{flow}",
                    d=_path(start, card.y + card.height, lane, target.middle, target.y - 5),
                )
                yield element("path", class_=f"tip{flow}", d=f"M{_n(target.middle - 4)} {_n(target.y - 7)}h8l-4 7z")


def _path(x: float, y: float, lane: float, to_x: float, to_y: float) -> str:
    """Down, along the lane and down again, with round corners."""
    if abs(x - to_x) < 1:
        return f"M{_n(x)} {_n(y)}V{_n(to_y)}"
    r = min(6, abs(x - to_x) / 2, lane - y, to_y - lane)
    side = r if to_x > x else -r
    return (
        f"M{_n(x)} {_n(y)}V{_n(lane - r)}q0 {_n(r)} {_n(side)} {_n(r)}H{_n(to_x - side)}"
        f"q{_n(side)} 0 {_n(side)} {_n(r)}V{_n(to_y)}"
    )


def _row(cards: Sequence[Card], tier: str) -> Iterator[Content]:
    if tier != CLIENTS:
        yield element("text", TITLES[tier], class_="tier", x=_n(cards[0].x), y=_n(cards[0].y - 6))
    by_name = {card.name: card for card in cards}
    for card in cards:
        primary = by_name.get(card.peer or "")
        if primary and primary.y == card.y and 0 < card.x - primary.x <= CARD_WIDTH + GAP:
            for y in (card.y + 22, card.y + 28):
                yield element("path", class_="pair", d=f"M{_n(primary.x + primary.width)} {_n(y)}H{_n(card.x)}")
        yield _draw_card(card, tier)


def _draw_card(card: Card, tier: str) -> Markup:
    colour = APPEARANCES[card.health].colour if card.health else ""
    left = 32
    parts: list[Content] = [
        element("title", card.description),
        element(
            "rect",
            class_=f"card {colour}".rstrip(),
            x=_n(card.x),
            y=_n(card.y),
            width=_n(card.width),
            height=_n(card.height),
            rx=6,
        ),
    ]
    if card.health:
        parts.append(symbol(card.health, card.x + 9, card.y + 9))
    else:
        parts.append(
            element(
                "path",
                class_="person",
                d=f"M{_n(card.x + 17)} {_n(card.y + 9)}a4 4 0 1 1-.1 0zm-8 17c0-9 16-9 16 0z",
            )
        )
    parts.append(element("text", card.lines[0], class_="name", x=_n(card.x + left), y=_n(card.y + 21)))
    y = card.y + 37
    for line in card.lines[1:]:
        parts.append(
            element("text", line, x=_n(card.x + (left if not card.dots else 12)), y=_n(y + 2 * bool(card.dots)))
        )
        y += 16
    if card.dots:
        parts += _dots(card, y - 4)
    elif card.load is not None:
        parts += _load(card, card.load)
    return element("g", parts)


def _load(card: Card, load: float) -> list[Content]:
    colour = " over" if load > 1 else " full" if load >= 0.8 else ""
    box: dict[str, str | int] = {"x": _n(card.x + 1), "y": _n(card.y + card.height - 5), "height": 4}
    return [
        element("rect", class_="track", width=_n(card.width - 2), **box),
        element("rect", class_=f"load{colour}", width=_n((card.width - 2) * min(1, load)), **box),
    ]


def _dots(card: Card, top: float) -> Iterator[Content]:
    """A square for each healthy server; other states have other shapes. All of one state are one path."""
    in_line = int((card.width - 24) // DOT)
    paths: dict[str, list[str]] = {}
    for place, state in enumerate(card.dots):
        x, y = card.x + 12 + place % in_line * DOT, top + place // in_line * DOT
        appearance = APPEARANCES[state]
        shape = "h7v7h-7z"
        if appearance.colour == "bad":
            shape = "l3.5 2 3.5-2v7l-3.5-2-3.5 2z"
        elif appearance.colour == "warn":
            x += 3.5
            shape = "l4 7h-8z"
        paths.setdefault(appearance.colour, []).append(f"M{_n(x)} {_n(y)}{shape}")
    for colour, shapes in paths.items():
        yield element("path", class_=f"dot {colour}", d="".join(shapes))


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
