# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification import maintenance

NOW = "20260101000100.000000Z#000000#001#000000"
LONG_AGO = "20260101000000.000000Z#000000#001#000000"
Answers = dict[str, dict[str, Any]]


def server(name: str, serves_as: str, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = dict.fromkeys(("primary", "backup", "pair", "virtual_address", "redundancy", "failback"))
    base |= {"name": name, "tier": serves_as, "serves_as": serves_as, "address": name, "port": 1, "elects": False}
    base |= {"state": "active", "upstreams": [], "members": [], "protocol": "ldaps", "active": "both", "capacity": None}
    return {**base, **more}


def pair(name: str, backup: str, serves_as: str, **more: Any) -> dict[str, dict[str, Any]]:
    """A primary and its backup."""
    behind = {"tier": "backup", "primary": name, "redundancy": "hot", "pair": {"name": name}}
    return {
        name: server(name, serves_as, backup=backup, pair={"name": backup}, **more),
        backup: server(backup, serves_as, **{**behind, **more}),
    }


@pytest.fixture
def plan() -> dict[str, Any]:
    """Masters that both serve; a proxy with a backup, one whose clients another takes, one alone; and a pool behind a
    pair of distributors that elects."""
    servers = {
        **pair("m", "mb", "master"),
        **pair("x", "xb", "proxy"),
        "y": server("y", "proxy"),
        "z": server("z", "proxy"),
        "p1": server("p1", "parallel"),
        "p2": server("p2", "parallel"),
        **pair("d", "db", "distributor", elects=True, virtual_address="v", failback="manual"),
    }
    clients = {"x": 3, "y": 2, "z": 1}
    return {
        "system": "s",
        "servers": servers,
        "allocation": {
            "proxies": {
                name: {"clients": [f"{name}{n}" for n in range(count)], "weight": count}
                for name, count in clients.items()
            },
            "backups": {"x": {"xb": ["x0", "x1", "x2"]}, "y": {"x": ["y0", "y1"]}},
        },
    }


def saw(name: str, protocol: str = "ldaps", **more: Any) -> dict[str, Any]:
    base = {"name": name, "address": name, "protocol": protocol, "reachable": True, "role": None, "position": {}}
    return {**base, "servers": {}, "ok": True, "why": "", **more}


@pytest.fixture
def answers(plan: dict[str, Any]) -> Answers:
    """All are well, and the first distributor has the address of the pair."""
    seen = {name: {"edges": [saw(name), saw(name, "drained", reachable=False)]} for name in plan["servers"]}
    seen["d"]["edges"].append(saw("d", "address"))
    seen["db"]["edges"].append(saw("db", "address", reachable=False))
    return seen


def drained(answers: Answers, name: str) -> None:
    answers[name]["edges"][1].update(reachable=True, ok=False, why="this host is drained")


@pytest.mark.parametrize(
    ("name", "meanwhile"),
    [
        ("m", "mb serves"),
        ("mb", "m is without a backup"),
        ("x", "xb serves"),
        ("y", "2 clients go to x"),
        ("p1", "p2 of the pool serve"),
        ("d", "db serves"),
    ],
)
def test_who_serves_meanwhile_is_said(plan: dict[str, Any], answers: Answers, name: str, meanwhile: str) -> None:
    verdict = maintenance.drain(plan, answers, [name])
    assert (verdict["todo"], verdict["wrong"], verdict["lost"]) == ([name], [], [])
    assert verdict["text"].splitlines()[1].split(None, 1) == [name, meanwhile]


@pytest.mark.parametrize(
    ("away", "asked", "lost"),
    [
        ([], ["z"], "1 clients would have no server without z."),
        (["xb"], ["x"], "3 clients would have no server without x."),
        ([], ["x", "xb"], "3 clients would have no server without x, xb."),
        (["x"], ["y"], "2 clients would have no server without y."),
        (["m"], ["mb"], "Nobody would take writes without mb."),
        (["p1"], ["p2"], "The pool would serve nobody without p2."),
        (["db"], ["d"], "The pool would serve nobody without d."),
    ],
)
@pytest.mark.parametrize("how", ["down", "drained", "cannot write", "nobody reaches it", "not asked"])
def test_service_that_nobody_else_gives_is_told(
    plan: dict[str, Any], answers: Answers, away: list[str], asked: list[str], lost: str, how: str
) -> None:
    for name in away:
        if how == "drained":
            drained(answers, name)
        elif how == "cannot write":
            answers[name]["edges"].append(saw(name, "writes", reachable=False, ok=False, why="the disk is full"))
        elif how == "down":
            answers[name]["edges"][0].update(reachable=False, ok=False, why="no answer")
        elif how == "not asked":
            del answers[name]
        else:
            answers[name] = {"msg": "timed out"}
    verdict = maintenance.drain(plan, answers, asked)
    assert (verdict["todo"], verdict["lost"]) == (asked, [lost])


def test_what_is_lost_already_is_nothing_to_ask_about(plan: dict[str, Any], answers: Answers) -> None:
    answers["z"] = {"msg": "timed out"}
    assert maintenance.drain(plan, answers, ["p1"])["lost"] == []


def test_the_pool_needs_as_many_as_the_inventory_says(plan: dict[str, Any], answers: Answers) -> None:
    assert maintenance.drain(plan, answers, ["p1"], 2)["lost"] == ["The pool would serve nobody without p1."]


def test_who_is_behind_is_not_to_serve_alone(plan: dict[str, Any], answers: Answers) -> None:
    for name, change in (("m", NOW), ("mb", LONG_AGO)):
        answers[name]["edges"][0].update(role="provider", position={"1": change})
    assert maintenance.drain(plan, answers, ["m"])["lost"] == [
        "mb, which is to serve without m, is behind in its data."
    ]
    assert maintenance.drain(plan, answers, ["mb"])["lost"] == []


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ([], ["Name the servers, with commas between them: -e tiers_targets=NAME"]),
        (["dbb"], ["'dbb' is no server of s; did you mean 'db'?"]),
        (
            ["down", "cold", "gone"],
            ["down is down in the", "cold is a cold backup", "gone: host: timed out. On a host"],
        ),
    ],
)
def test_what_cannot_be_drained_is_said_all_at_once(
    plan: dict[str, Any], answers: Answers, asked: list[str], wrong: list[str]
) -> None:
    plan["servers"]["down"] = server("down", "parallel", state="down")
    plan["servers"]["cold"] = server("cold", "parallel", tier="backup", primary="p1", redundancy="cold")
    plan["servers"]["gone"] = server("gone", "parallel")
    answers["gone"] = {"msg": "timed out"}
    verdict = maintenance.drain(plan, answers, asked)
    assert verdict["todo"] == []
    assert all(said.startswith(expected) for said, expected in zip(verdict["wrong"], wrong, strict=True))


def test_who_is_down_in_the_inventory_serves_for_nobody(plan: dict[str, Any], answers: Answers) -> None:
    plan["servers"]["db"]["state"] = "down"
    answers["db"] = {"edges": []}
    verdict = maintenance.drain(plan, answers, ["d"])
    assert verdict["text"].splitlines()[1].split(None, 1) == ["d", "nobody serves"]


def test_what_is_drained_already_is_left_alone(plan: dict[str, Any], answers: Answers) -> None:
    drained(answers, "p1")
    verdict = maintenance.drain(plan, answers, ["p1"])
    assert (verdict["todo"], verdict["wrong"], verdict["lost"]) == ([], [], [])
    assert "drained already" in verdict["text"]


def test_all_that_are_drained_serve_again_unless_some_are_named(plan: dict[str, Any]) -> None:
    out = ["p1", "x"]
    assert maintenance.undrain(plan, out, [])["todo"] == out
    assert maintenance.undrain(plan, out, ["x", "y"])["todo"] == ["x"]
    assert "y       is not drained" in maintenance.undrain(plan, out, ["x", "y"])["text"]
    assert maintenance.undrain(plan, out, ["q"])["wrong"] == ["'q' is no server of s."]
    assert maintenance.undrain(plan, [], [])["text"] == "No server is drained."


# Pairs that switch over


@pytest.mark.parametrize("asked", [["d"], ["db"], ["d", "db"]])
def test_the_half_that_serves_hands_over_to_the_other(plan: dict[str, Any], answers: Answers, asked: list[str]) -> None:
    verdict = maintenance.switch_over(plan, answers, asked)
    assert verdict["wrong"] == []
    (step,) = verdict["todo"]
    assert (step["name"], step["to"]) == ("d", "db")
    assert (step["edge"]["protocol"], step["edge"]["address"], step["edge"]["expect"]) == ("address", "v", "open")


def test_a_pair_that_takes_turns_switches_back(plan: dict[str, Any], answers: Answers) -> None:
    for name, serves in (("d", False), ("db", True)):
        plan["servers"][name].update(active="one", redundancy="cold" if name == "db" else None)
        answers[name]["edges"].append(saw(name, "turn", reachable=serves))
    (step,) = maintenance.switch_over(plan, answers, ["d"])["todo"]
    assert (step["name"], step["to"], step["edge"]["protocol"]) == ("db", "d", "turn")


def holds(answers: Answers, name: str, has: bool) -> None:
    answers[name]["edges"][-1]["reachable"] = has


@pytest.mark.parametrize(
    ("name", "change", "wrong"),
    [
        ("z", None, "z has no backup to switch over to."),
        ("m", None, "m and mb both serve, and nobody elects between them. While mb is to serve alone, drain m."),
        (
            "d",
            lambda plan, _: plan["servers"]["d"].update(failback="auto"),
            "d takes over again by itself (tiers_failback:",
        ),
        ("d", lambda _, answers: holds(answers, "d", False), "Neither d nor db serves now: see status."),
        ("d", lambda _, answers: holds(answers, "db", True), "Both d and db serve now: see status."),
        ("d", lambda plan, _: plan["servers"]["db"].update(state="down"), "db cannot take over: it is down in the"),
        ("d", lambda _, answers: drained(answers, "db"), "db cannot take over: this host is drained."),
        ("d", lambda _, answers: answers.update(db={"msg": "timed out"}), "db cannot take over: host: timed out."),
    ],
)
def test_a_pair_that_cannot_switch_over_says_why(
    plan: dict[str, Any], answers: Answers, name: str, change: Any, wrong: str
) -> None:
    if change:
        change(plan, answers)
    verdict = maintenance.switch_over(plan, answers, [name])
    assert verdict["todo"] == []
    assert verdict["wrong"][0].startswith(wrong)


def test_a_half_that_is_behind_takes_nothing_over(plan: dict[str, Any], answers: Answers) -> None:
    for name in ("m", "mb"):
        plan["servers"][name].update(elects=True, active="one", failback="manual")
        answers[name]["edges"][0]["position"] = {"1": NOW if name == "m" else LONG_AGO}
        answers[name]["edges"].append(saw(name, "turn", reachable=name == "m"))
    verdict = maintenance.switch_over(plan, answers, ["m"])
    assert verdict["wrong"] == ["mb cannot take over: it is behind in its data."]


# Servers that are removed from their hosts


@pytest.fixture
def records(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All were deployed from the plan."""
    plan["digest"] = "now"
    return {name: {"plan_digest": "now"} for name in plan["servers"]}


def test_who_is_down_and_leant_on_by_nobody_may_go(plan: dict[str, Any], records: dict[str, Any]) -> None:
    for name in ("p1", "x", "xb"):
        plan["servers"][name]["state"] = "down"
        records[name]["plan_digest"] = "earlier"
    verdict = maintenance.retire(plan, records, ["p1", "x", "xb"])
    assert (verdict["todo"], verdict["wrong"]) == (["p1", "x", "xb"], [])


def test_who_is_gone_already_is_left_alone(plan: dict[str, Any], records: dict[str, Any]) -> None:
    plan["servers"]["p1"]["state"] = "down"
    records["p1"] = {}
    verdict = maintenance.retire(plan, records, ["p1"])
    assert (verdict["todo"], verdict["wrong"]) == ([], [])
    assert "nothing is recorded, or nobody reaches it" in verdict["text"]


@pytest.mark.parametrize(
    ("asked", "change", "wrong"),
    [
        (["p1"], {}, "p1 is active in the inventory: set its tiers_state to down, deploy, and retire it then."),
        (["x"], {"x": "down"}, "xb stands behind x: retire both, or give xb another tiers_backup_of first."),
        ([], {}, maintenance.WHO),
    ],
)
def test_who_is_needed_stays(
    plan: dict[str, Any], records: dict[str, Any], asked: list[str], change: dict[str, str], wrong: str
) -> None:
    for name, state in change.items():
        plan["servers"][name]["state"] = state
    assert maintenance.retire(plan, records, asked)["wrong"] == [wrong]


@pytest.mark.parametrize("record", [{"plan_digest": "earlier"}, {}])
def test_who_was_not_deployed_since_may_lean_on_it(
    plan: dict[str, Any], records: dict[str, Any], record: dict[str, str]
) -> None:
    plan["servers"]["p1"]["state"] = "down"
    records["d"] = record
    wrong = maintenance.retire(plan, records, ["p1"])["wrong"]
    assert wrong == ["d may still lean on them: deploy first, then retire."]


def test_a_backup_may_be_some_changes_behind_to_stand_in(plan: dict[str, Any], answers: Answers) -> None:
    for name in plan["servers"]:
        answers[name]["edges"][0]["position"] = {"m": "1000"}
    answers["xb"]["edges"][0]["position"] = {"m": "0950"}
    assert maintenance.drain(plan, answers, ["x"])["lost"] == []
    answers["xb"]["edges"][0]["position"] = {"m": "0850"}
    assert maintenance.drain(plan, answers, ["x"])["lost"] == [
        "xb, which is to serve without x, is behind in its data."
    ]


def test_an_ill_host_forbids_only_what_needs_it(plan: dict[str, Any], answers: Answers) -> None:
    answers["y"] = {"failed": True, "msg": "Task failed: Missing sudo password"}
    assert maintenance.drain(plan, answers, ["x"])["wrong"] == []
    (wrong,) = maintenance.drain(plan, answers, ["y"])["wrong"]
    assert wrong.startswith("y: host: Missing sudo password.")
