# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a system: what it shows, and that nothing in it comes from elsewhere or acts."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.reporting.page import ReportData, make_page
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.style import DARK, LIGHT
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.symbols import APPEARANCES
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill_report import VERDICTS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.status import HEALTH
from ansible_collections.distributed.tiers.tests.unit.report_data import HOSTILE, MADE, hostile, large, recorded

VOID = {"br", "col", "input", "meta"}


class Reader(HTMLParser):
    """The elements of a page with their attributes, and its text by the id of the section it stands in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.section = ""
        self.texts: dict[str, str] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = dict(attrs)["id"] or ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.texts[self.section] = f"{self.texts.get(self.section, '')} {data}"


@pytest.fixture(scope="module")
def demo() -> ReportData:
    return recorded("demo")


@pytest.fixture(scope="module")
def six_hosts() -> ReportData:
    return recorded("six_hosts")


def test_the_first_lines_summarize_the_demo(demo: ReportData) -> None:
    first = Reader(make_page(demo)).texts[""]
    assert "All 10 servers are as planned" in first
    assert re.search(r"Fullest proxy\s+56 %", first)
    assert re.search(r"Worst single failure\s+1,402 clients", first)
    assert re.search(r"Promises kept\s+25 of 25", first)


def test_every_section_shows_its_part(demo: ReportData) -> None:
    texts = Reader(make_page(demo)).texts
    for section, text in {
        "topology": "px-paris-b",
        "alerts": "All checks are as planned",
        "clients": "1,402",
        "changes": "No client moves",
        "findings": "Remedy: Give the proxy a backup",
        "losses": "site paris",
        "drill": "c-tokyo: home writes",
        "content": "same",
        "certificates": "397 days",
        "servers": "up, has the shared address",
    }.items():
        assert text in texts[section], section


def test_alerts_come_first(six_hosts: ReportData) -> None:
    texts = Reader(make_page(six_hosts)).texts
    assert "2 of 6 servers are down or silent; 3 alerts" in texts[""]
    assert "p2: host: Connection timed out." in texts["alerts"]
    assert re.findall(r"(px-paris|p2|d1|m1|m2|p1)\s+(?:down|no answer|alert|healthy)\s", texts["servers"])[:3] == [
        *("px-paris", "p2", "d1")
    ]
    assert "no answer" in texts["servers"]
    assert "leader" in texts["voters"]


def test_a_value_that_was_not_asked_is_never_shown_as_good(demo: ReportData) -> None:
    page = make_page(replace(demo, status=None, drill=None))
    texts = Reader(page).texts
    assert "The servers were not asked how they are" in texts[""]
    assert "0 of 10" in texts[""]
    for section in ("topology", "alerts", "content", "certificates", "servers"):
        assert "not asked" in texts[section], section
    assert "No drill was found" in texts["drill"]
    for section in ("topology", "alerts", "drill", "content", "certificates", "servers"):
        body = page[page.index(f'id="{section}"') :].partition("</section>")[0]
        assert "i-check" not in body, section


def test_a_server_that_gave_no_answer_has_no_certificate_and_no_digest_that_is_good(six_hosts: ReportData) -> None:
    page = make_page(six_hosts)
    for table in ("table-content", "table-certificates"):
        rows = page[page.index(f'id="{table}"') :].partition("</table>")[0].split("<tr")
        (row,) = [row for row in rows if ">p2<" in row]
        assert "i-unknown" in row and "i-check" not in row, table


def test_a_server_that_was_not_checked_does_not_count_as_planned(demo: ReportData) -> None:
    status = {**(demo.status or {}), "not_checked": ["c-paris: outside the limit of this run"]}
    texts = Reader(make_page(replace(demo, status=status))).texts
    assert "not everything was checked" in texts[""]
    assert "Not checked: c-paris: outside the limit" in texts["alerts"] and "as planned" not in texts["alerts"]


def test_losses_that_were_not_computed_are_not_harmless(demo: ReportData) -> None:
    plan: Any = {**demo.plan, "losses": None}
    assert "Not computed" in Reader(make_page(replace(demo, plan=plan))).texts["losses"]


def test_a_drill_of_another_plan_is_named(demo: ReportData) -> None:
    drill = {**(demo.drill or {}), "plan_digest": "another"}
    assert "another plan" in Reader(make_page(replace(demo, drill=drill))).texts["drill"]


@pytest.mark.parametrize("name", ["demo", "six_hosts"])
def test_page_needs_nothing_else(name: str) -> None:
    page = make_page(recorded(name))
    assert re.findall(r"https?:|url\(|@import|//\w", page) == []
    for tag, attributes in Reader(page).elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form"), tag
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert "default-src 'none'" in page.replace("&#x27;", "'")


def test_demo_is_small(demo: ReportData) -> None:
    assert len(make_page(demo).encode()) < 250_000


def test_hostile_texts_are_only_texts(demo: ReportData) -> None:
    page, harmless = make_page(hostile()), make_page(demo)
    spoiled, clean = Reader(page), Reader(harmless)
    assert [tag for tag, _attributes in spoiled.elements] == [tag for tag, _attributes in clean.elements]
    for (tag, attributes), (_tag, expected) in zip(spoiled.elements, clean.elements, strict=True):
        assert attributes.keys() == expected.keys(), tag
    assert not any(name.startswith("on") for _tag, attributes in spoiled.elements for name in attributes)
    assert "\x00" not in page and "\u202e" not in page
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\u202e", "\ufffd")
    assert shown in "".join(spoiled.texts.values())
    page.encode("utf-8")


def test_texts_that_utf_8_has_no_bytes_for_are_shown(demo: ReportData) -> None:
    plan: Any = {**demo.plan, "system": "half \ud800"}
    assert "half \ufffd" in make_page(replace(demo, plan=plan)).encode("utf-8").decode("utf-8")


def test_a_thousand_servers_with_a_million_clients_stay_small() -> None:
    began = time.process_time()
    page = make_page(ReportData(large(), None, None, MADE))
    assert time.process_time() - began < 30  # 3 s here, and this machine may be busy
    assert len(page.encode()) < 1_000_000
    texts = Reader(page).texts
    assert "1,000,000 clients at 50 sites" in texts[""]
    assert "px-0977" in texts["servers"]
    assert "desk-" not in page


def test_every_state_has_a_shape_of_its_own() -> None:
    assert {*HEALTH, *VERDICTS.values()} <= APPEARANCES.keys()
    shapes: dict[str, set[str]] = {}
    for appearance in APPEARANCES.values():
        shapes.setdefault(appearance.symbol, set()).add(appearance.colour)
    good = {appearance.symbol for appearance in APPEARANCES.values() if appearance.colour == "good"}
    assert all(shapes[symbol] == {"good"} for symbol in good)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_have_the_contrast_of_wcag(scheme: dict[str, str]) -> None:
    """4.5 for texts, 3 for what is drawn."""
    texts = [(text, ground) for text in ("text", "faint", "accent") for ground in ("page", "panel", "raised")]
    texts += [(text, "panel") for text in ("good", "warn", "bad")]
    texts += [(text, ground) for text in ("text", "faint") for ground in ("bad-soft", "warn-soft", "good-soft")]
    texts += [("bad", "bad-soft"), ("warn", "warn-soft")]
    assert [pair for pair in texts if contrast(scheme[pair[0]], scheme[pair[1]]) < 4.5] == []
    drawn = [("good-fill", "raised"), ("bad-fill", "raised"), ("bad-fill", "panel"), ("edge", "panel")]
    assert [pair for pair in drawn if contrast(scheme[pair[0]], scheme[pair[1]]) < 2.7] == []


def test_tables_and_drawings_can_be_heard(demo: ReportData) -> None:
    page = make_page(demo)
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert len(tables) > 15
    for table in tables:
        assert table.count("<caption>") == 1
        heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table, re.DOTALL)
        assert len(heads) >= 2
        assert all(row.count('scope="row"') == 1 for row in table.partition("<tbody")[2].split("<tr")[1:])
    for drawing in re.findall(r'<svg class="(?:pic|strip)[^>]*role="img".*?</svg>', page, re.DOTALL):
        assert "<title" in drawing
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]*)"', page):
        assert target in ids
