# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report a person reads."""

from __future__ import annotations

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation import allocate
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import Finding
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import (
    findings,
    gauge,
    moves,
    report,
    servers,
    shares,
)
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, nearest, table


def test_a_table_has_straight_columns():
    text = table(("NAME", "NUMBER"), [("a", 5), ("longer", 1000), ("c", None)])
    assert text.split("\n") == ["NAME    NUMBER", "a            5", "longer    1000", "c            -"]


@pytest.mark.parametrize(
    ("used", "capacity", "text"),
    [
        (0, 10, "[....................] 0 %"),
        (5, 10, "[##########..........] 50 %"),
        (20, 10, "[####################] 200 %"),
        (7, None, "no limit"),
    ],
)
def test_a_gauge_shows_how_full(used, capacity, text):
    assert gauge(used, capacity) == text


def test_moves_are_counted_by_their_cause():
    many = [{"from": "a", "to": "b", "why": "a is down"}] * 50000 + [{"from": "b", "to": "c", "why": "nearer"}] * 5
    assert moves({"allocation": {"moves": many, "stats": {}}}).split("\n") == [
        "CLIENTS MOVED  FROM  TO  WHY",
        "        50000  a     b   a is down",
        "            5  b     c   nearer",
    ]
    several = [{"from": f"p{i:02}", "to": "q", "why": "gone"} for i in range(12)]
    assert moves({"allocation": {"moves": several, "stats": {}}}).endswith("and 2 for 2 other reasons")


@pytest.mark.parametrize(("budget", "moved", "held_back"), [(0, 0, True), (1, 1, True), (2, 2, False)])
def test_the_report_says_that_the_budget_holds_moves_back(budget, moved, held_back):
    proxies = {"pa": {"site": "a", "capacity": 9}, "pb": {"site": "b", "capacity": 9}}
    clients = {"c1": {"site": "b"}, "c2": {"site": "b"}}
    latency = {"a": {"a": 1, "b": 60}, "b": {"a": 60, "b": 1}}
    policy = {"move_budget": budget}
    found = allocate(clients, proxies, latency, {"c1": "pa", "c2": "pa"}, policy=policy)
    assert len(found["moves"]) == moved
    assert ("move_budget holds further moves back." in moves({"allocation": found})) == held_back


def test_the_report_of_a_sound_system(read):
    topology = read()
    text = report(topology, make_plan(topology))
    assert text.startswith(
        "System tiers: 1 master, 2 proxy, 2 parallel, 1 distributor, 2 backup, 1 client, 1 named client\n"
    )
    assert text.endswith("No findings.")
    assert "SERVER  TIER" in text
    assert "FROM > TO" not in text


def test_the_report_says_who_steps_aside_for_whom(read):
    topology = read("backup: {hosts: {px1-b: {ansible_host: 192.0.2.9, tiers_backup_of: px1, tiers_zone: rack-b}}}")
    plan = make_plan(topology).plan
    aside = [f"{name} for {server['backup']}" for name, server in plan["servers"].items() if server["backup"]]
    text = report(topology, make_plan(topology))
    assert "\nA server that cannot write steps aside for its peer: m1 for m2, px1 for px1-b, " in text
    assert "or, without one, goes on serving reads: px2.\n" in text
    assert {"m1 for m2", "px1 for px1-b"} <= set(aside)


def test_the_report_names_the_voters(read):
    topology = read("all: {vars: {tiers_failover: lease, tiers_active: one}}")
    plan = make_plan(topology).plan
    voters = ", ".join(sorted(plan["voters"]))
    text = report(topology, make_plan(topology))
    assert f"\n{voters} vote on which node of a pair serves; 1 of them may fail; a node that is down or cut" in text
    assert "is replaced after about " in text
    topology = read()
    assert " vote on which node " not in report(topology, make_plan(topology))


def test_the_report_of_errors_has_no_plan(read):
    topology = read("master: {hosts: {m1: !remove }}")
    text = report(topology, make_plan(topology))
    assert "ERROR one-master [tiers_groups]\n  No host is in the group master.\n  Remedy: " in text
    assert "CONNECTS TO" not in text


def test_a_large_system_shows_its_fullest_proxies():
    share = {"clients": [], "capacity": 100}
    proxies = {f"px{i:03}": {**share, "weight": i} for i in range(100)}
    text = shares({"allocation": {"proxies": proxies, "stats": {"cost_ms": 1, "gap": 0}}}).split("\n")
    assert text[1].startswith("px099 ")
    assert text[-2] == "and 60 more proxies, less full"


def test_no_host_at_all(read):
    tiers = ("master", "proxy", "parallel", "distributor", "backup", "client")
    topology = read("\n".join(f"{tier}: !remove" for tier in tiers))
    assert "no hosts" in report(topology, make_plan(topology))


def test_long_lists_of_names_are_cut():
    assert enumerate_names(f"h{i}" for i in range(10000)) == "h0, h1, h10, h100, h1000 and 9995 more"
    assert nearest("tiers_capacty", ["tiers_zone", "tiers_capacity"]) == "tiers_capacity"
    assert nearest("x", ["tiers_zone"]) is None


def test_one_mistake_on_many_hosts_hides_no_other():
    found = [Finding("a-rule", "error", f"h{i}", None, f"wrong {i}", "repair it") for i in range(30)]
    found.append(Finding("b-rule", "warning", None, None, "odd", "repair it"))
    text = findings(found)
    assert "30 error(s), 1 warning(s)" in text
    assert "and 20 more of a-rule (to see them: -e tiers_report_rows=30)\nWARNING b-rule" in text
    assert "more of" not in findings(found, 30)


def test_the_operator_says_how_many_rows_are_shown(read):
    few, all_rows = read("all: {vars: {tiers_report_rows: 2}}"), read("all: {vars: {tiers_report_rows: 99}}")
    assert "and 6 more servers" in report(few, make_plan(few))
    assert "more servers" not in report(all_rows, make_plan(all_rows))


def test_servers_that_do_not_serve_come_first(read):
    topology = read("all: {vars: {tiers_report_rows: 2}}", "proxy: {hosts: {px2: {tiers_state: down}}}")
    assert servers(make_plan(topology).plan, most=2).split("\n")[1].startswith("px2 ")
