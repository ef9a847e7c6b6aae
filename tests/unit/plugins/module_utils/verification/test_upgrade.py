# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers an upgrade reaches, in which order, and when it must not begin."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import upgrade_reasons
from ansible_collections.distributed.tiers.plugins.module_utils.verification.upgrade import NO_RELEASE, check_upgrade


@pytest.fixture
def system(judge: Any) -> dict[str, Any]:
    """The rules' example as deployed with release 1, and release 2 in the inventory; the arguments of the check."""
    plan = judge("{all: {vars: {tiers_version: '2'}}}").plan
    names = [*plan["servers"]]
    answers = {
        name: {
            "edges": [
                {
                    "name": name, "address": plan["servers"][name]["address"], "protocol": protocol, "ok": True,
                    "reachable": protocol != "drained", "role": None, "position": {}, "servers": {}, "why": "",
                }
                for protocol in ("ldaps", "drained")
            ]
        }
        for name in names
    }  # fmt: skip
    recorded = {name: {"version": "1", "settings": {"port": plan["servers"][name]["port"]}} for name in names}
    return {"plan": plan, "answers": answers, "recorded": recorded}


def test_the_first_server_of_the_order_is_the_canary(system: dict[str, Any]) -> None:
    found = check_upgrade(**system)
    (first, *_others) = [name for name in system["plan"]["upgrade_order"] if name in found["todo"]]
    assert found["todo"][0] == found["canary"] == first
    assert found["watched"] == [first]
    assert (found["wrong"], found["ill"]) == ([], [])
    count = len(found["todo"])
    lines = found["text"].splitlines()[1:]
    assert lines[0].split() == ["1", "of", f"{count},", "canary", first, "1", "2"]
    assert lines[-1].split()[:3] == [f"{count}", "of", f"{count}"]
    assert {"d1", "d2"} & {*found["todo"]} == set(), "a distributor runs no product"


def test_a_repeated_run_watches_what_is_done_and_goes_on(system: dict[str, Any]) -> None:
    (first, second, *rest) = check_upgrade(**system)["todo"]
    for name in (first, second):
        system["recorded"][name]["version"] = "2"
    found = check_upgrade(**system)
    assert (found["todo"], found["canary"], found["watched"]) == (rest, "", [first, second])
    lines = found["text"].splitlines()[1:]
    assert [line.split()[0] for line in lines[:3]] == ["done", "done", "3"]


def test_nothing_is_watched_when_all_servers_run_the_release(system: dict[str, Any]) -> None:
    for record in system["recorded"].values():
        record["version"] = "2"
    found = check_upgrade(**system)
    assert (found["todo"], found["canary"], found["watched"], found["wrong"]) == ([], "", [], [])


def test_servers_that_are_not_as_planned_forbid_it_unless_the_operator_accepts_that(system: dict[str, Any]) -> None:
    system["answers"]["p1"]["edges"][0].update(ok=False, reachable=False, why="connection refused")
    system["answers"]["d1"] = {"unreachable": True, "msg": "no route to host"}
    found = check_upgrade(**system)
    assert found["ill"] == ["d1: host: no route to host.", "p1: connection refused."]
    assert upgrade_reasons(found, loss_confirmed=False) == [
        *found["ill"], "Repair this first, or accept it: -e tiers_restart_confirm=true.",
    ]  # fmt: skip
    assert upgrade_reasons(found, loss_confirmed=True) == []


def test_an_interrupted_run_is_continued(system: dict[str, Any]) -> None:
    closed = {"ok": False, "reachable": True, "traffic": "interrupted", "why": "an interrupted run left it closed"}
    system["answers"]["px1"]["edges"][1].update(closed)
    system["answers"]["d1"]["edges"][0].update(ok=False, why="HAProxy reports px1 DRAIN")
    found = check_upgrade(**system)
    assert (found["ill"], found["wrong"]) == ([], [])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"recorded": {"px1": {}}}, "px1 was never deployed. Run deploy with the present release first."),
        (
            {"recorded": {"px1": {"version": "1", "settings": {"port": 1}}}},
            "px1 would not only get another release: the inventory changes port, too. Run deploy with the present "
            "release first.",
        ),
        ({"answers": {"m2": None}}, "m2 would not be upgraded. Run this without --limit."),
    ],
)
def test_an_upgrade_changes_nothing_but_the_release_of_all_servers(
    system: dict[str, Any], change: dict[str, Any], wrong: str
) -> None:
    for key, entries in change.items():
        system[key] |= entries
        system[key] = {name: one for name, one in system[key].items() if one is not None}
    found = check_upgrade(**system)
    assert found["wrong"] == [wrong]
    assert upgrade_reasons(found, loss_confirmed=True) == [wrong]


def test_a_product_without_a_release_cannot_be_upgraded(system: dict[str, Any]) -> None:
    for server in system["plan"]["servers"].values():
        server["version"] = None
    assert check_upgrade(**system)["wrong"] == [NO_RELEASE]
