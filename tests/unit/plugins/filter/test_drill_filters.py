# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of verify, status and drill, through Ansible's own templating, on the plan of the rules' example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

Render = Callable[..., Any]


@pytest.fixture
def render() -> Render:
    def render(expression: str, **variables: Any) -> Any:
        return template("{{ " + expression + " }}", variables)

    return render


@pytest.fixture
def plan(judge: Any) -> dict[str, Any]:
    outcome = judge()
    assert outcome.plan, outcome.errors
    found: dict[str, Any] = outcome.plan
    return found


def test_every_server_looks_at_itself(render: Render, plan: dict[str, Any]) -> None:
    for name in plan["servers"]:
        edges = render(f"plan | distributed.tiers.plan_edges('{name}', own=true, at_least=[{{'1': 'a'}}])", plan=plan)
        assert edges[0]["name"] == name


def test_every_planned_edge_is_probed_from_its_end(render: Render, plan: dict[str, Any]) -> None:
    for edge in plan["edges"]:
        edges = render(f"plan | distributed.tiers.plan_edges('{edge['from']}')", plan=plan)
        assert (edge["to"], edge["address"], edge["port"]) in [(e["name"], e["address"], e["port"]) for e in edges]


def test_places(render: Render, plan: dict[str, Any]) -> None:
    for name, client in plan["clients"].items():
        places = render(f"plan | distributed.tiers.plan_places('{name}')", plan=plan)
        assert [place["name"] for place in places][: len(client["endpoints"])] == [
            e["name"] for e in client["endpoints"]
        ]


def test_what_is_offered_decides_where_rows_go(render: Render, plan: dict[str, Any]) -> None:
    access = {"http": {"read": "/"}, "password": None}
    offers = render("access | distributed.tiers.probe_offers('https')", access=access)
    assert offers == ["read"]
    name = next(iter(plan["clients"]))
    assert render(f"plan | distributed.tiers.plan_places('{name}', offers=offers)", plan=plan, offers=offers) == []
    places = render(f"plan | distributed.tiers.plan_places('{name}', 'command')", plan=plan)
    assert {place["protocol"] for place in places} == {"command"}
    with pytest.raises(AnsibleError, match="unknown protocol 'gopher'"):
        render("{} | distributed.tiers.probe_offers('gopher')")


def test_who_stands_by_and_what_is_wrong(render: Render, plan: dict[str, Any]) -> None:
    answers = {"m1": {"edges": [{"name": "m1", "protocol": "turn", "reachable": False, "ok": False, "why": "late"}]}}
    assert render("answers | distributed.tiers.plan_standing_by", answers=answers) == ["m1"]
    assert render("answers | distributed.tiers.plan_not_whole(plan)", answers=answers, plan=plan) == ["m1: late"]


def test_clocks_that_are_wrong(render: Render) -> None:
    away = {"m": {"clock": {"least": 40, "most": 41}}, "x": {"clock": {"least": 0, "most": 1}}, "gone": {}}
    (wrong,) = render("clocks | distributed.tiers.clock_check(30, 'tiers_clock_refuse')", clocks=away)
    assert wrong.startswith("m: its clock is 40.5 s") and "tiers_clock_refuse: 30 s" in wrong


def test_drill(render: Render, plan: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "c1.jsonl").write_text('["home writes",1,1,"x",1,7,"",0]\n')
    experiments = render("plan | distributed.tiers.drill_experiments", plan=plan)
    assert len(experiments["todo"]) + len(experiments["skipped"]) == 5
    client = next(iter(plan["clients"].values()))
    rates = {"read": 1, "connect": 1, "write": 1}
    assert render("client | distributed.tiers.drill_streams(rates, 'r')", client=client, rates=rates)
    assert render("dir | distributed.tiers.drill_acknowledged('r')", dir=str(tmp_path)) == ["r-c1-00007"]
    assert render("dir | distributed.tiers.drill_acknowledged('r', before=1.5)", dir=str(tmp_path)) == []
    record = {"experiments": experiments["todo"], "skipped": experiments["skipped"]}
    report = render(
        "record | distributed.tiers.drill_report(plan, dir, 'r')", record=record, plan=plan, dir=str(tmp_path)
    )
    assert not report["ok"]
    assert "it was not begun" in report["text"]


@pytest.mark.parametrize(
    "template",
    [
        "[] | distributed.tiers.plan_edges('m1')",
        "'x' | distributed.tiers.plan_places('m1')",
        "[] | distributed.tiers.plan_standing_by",
        "[] | distributed.tiers.plan_not_whole({})",
        "[] | distributed.tiers.probe_offers('https')",
        "1 | distributed.tiers.drill_experiments",
        "[] | distributed.tiers.drill_streams({}, 'r')",
        "{} | distributed.tiers.drill_report([], '/nowhere', 'r')",
    ],
)
def test_wrong_input_is_said(render: Render, template: str) -> None:
    with pytest.raises(AnsibleError, match="must be a dict"):
        render(template)
