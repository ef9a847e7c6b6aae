# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification import drill_report
from ansible_collections.distributed.tiers.plugins.module_utils.verification.campaign import order_campaign, summarise
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill import experiments
from ansible_collections.distributed.tiers.tests.unit.plugins.module_utils.verification.test_drill import (
    PLAN,
    RUN,
    load,
    record,
    server,
)

POOL = {**PLAN, "servers": {**PLAN["servers"], "q": server("q", "parallel")}}
ALL = experiments(POOL, wanted=["*_off", "member_cut", "proxy_*_cut"], is_every_server=True)["todo"]


def test_campaign_makes_each_server_of_a_kind_fail() -> None:
    assert [one["name"] for one in ALL if one["experiment"] == "member_cut"] == ["member_cut:p", "member_cut:q"]


def test_seed_determines_the_order_of_a_campaign() -> None:
    def order(seed: int) -> list[str]:
        return [one["name"] for one in order_campaign(ALL, Random(seed).choice, 60)]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_campaign_has_experiments_for_all_its_minutes_and_none_follows_itself() -> None:
    todo = order_campaign(ALL, Random(3).choice, 60)
    assert sum(one["seconds"] + 15 for one in todo) >= 3600
    assert len({one["name"] for one in todo}) == len(todo)
    assert all(one["title"] != other["title"] for one, other in pairwise(todo))
    assert {one["experiment"] for one in todo} == {one["experiment"] for one in ALL}


def test_campaign_of_one_experiment_repeats_it() -> None:
    assert [one["name"] for one in order_campaign(ALL[:1], Random(1).choice, 0.8)] == [
        f"001:{ALL[0]['name']}",
        f"002:{ALL[0]['name']}",
    ]
    assert order_campaign([], Random(1).choice, 10) == []


def campaign(**more: Any) -> dict[str, Any]:
    (member,) = record()["experiments"]
    todo = [{**member, "name": name} for name in ("001:member_off", "002:member_off", "003:member_off")]
    times = record()["times"]["member_off"]
    planned = {"seed": 7, "experiments": todo, "times": {one["name"]: times for one in todo[:2]}}
    return drill_report.build(PLAN, record(**{**planned, **more}), load(), RUN)


def test_experiments_after_the_minutes_of_a_campaign_break_nothing() -> None:
    report = campaign()
    assert report["ok"]
    assert len(report["experiments"]) == 2


def test_campaign_that_ends_early_is_broken() -> None:
    assert not campaign(broken={"002:member_off": "not healthy again"})["ok"]


def test_report_of_a_campaign_begins_with_its_table_and_names_broken_promises_alone() -> None:
    report = campaign()
    assert summarise(report["experiments"]) == [("member_off", "2", "8", "0", "0", "0", "0.5 s")]
    text = drill_report.as_text(report)
    assert text.startswith("EXPERIMENT  TIMES")
    assert "001" not in text
    assert "002 A PARALLEL MEMBER FAILS" in drill_report.as_text(campaign(broken={"002:member_off": "x"}))
    page = drill_report.as_markdown(report)
    assert "## Campaign with the seed 7" in page
    assert "## 001 a parallel member fails: p" in page
