# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification import maintenance
from ansible_collections.distributed.tiers.tests.unit.slices import Slice

NOW = "20260101000100.000000Z#000000#001#000000"
LONG_AGO = "20260101000000.000000Z#000000#001#000000"
LATER = "20260101000200.000000Z#000000#001#000000"
Answers = dict[str, dict[str, Any]]


def server(name: str, serves_as: str, **more: Any) -> Slice:
    base: dict[str, Any] = dict.fromkeys(("primary", "backup", "pair", "virtual_address", "redundancy", "failback"))
    base |= {
        "name": name,
        "tier": serves_as,
        "serves_as": serves_as,
        "address": name,
        "port": 1,
        "leader_election": False,
    }
    base |= {"state": "active", "upstreams": [], "members": [], "protocol": "ldaps", "capacity": None}
    return Slice({**base, **more})


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
        **pair("d", "db", "distributor", leader_election=True, virtual_address="v", failback="manual"),
    }
    clients = {"x": 3, "y": 2, "z": 1}
    return {
        "system": "s",
        "servers": servers,
        "clients": {},
        "voters": {},
        "sites": {},
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
def test_the_servers_that_serve_meanwhile_are_named(
    plan: dict[str, Any], answers: Answers, name: str, meanwhile: str
) -> None:
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
        (["m"], ["mb"], "No server would accept writes without mb."),
        (["p1"], ["p2"], "The pool would not serve without p2."),
        (["db"], ["d"], "The pool would not serve without d."),
    ],
)
@pytest.mark.parametrize("how", ["down", "drained", "cannot write", "nobody reaches it", "not asked"])
def test_service_without_a_substitute_is_reported(
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


def test_a_backup_without_a_position_does_not_serve_meanwhile(plan: dict[str, Any], answers: Answers) -> None:
    """It holds a part of the data, or none."""
    answers["m"]["edges"][0].update(role="provider", position={"1": "20260101000000.000000Z#000000#001#000000"})
    answers["mb"]["edges"][0].update(role="provider", position={})
    assert maintenance.drain(plan, answers, ["m"])["lost"] == ["mb, which must serve without m, lags behind."]
    assert maintenance.restart(plan, answers, "m")["lost"][0] == "mb, which must serve without m, lags behind."


def test_service_that_is_down_already_needs_no_confirmation(plan: dict[str, Any], answers: Answers) -> None:
    answers["z"] = {"msg": "timed out"}
    assert maintenance.drain(plan, answers, ["p1"])["lost"] == []


def test_the_pool_needs_as_many_as_the_inventory_says(plan: dict[str, Any], answers: Answers) -> None:
    assert maintenance.drain(plan, answers, ["p1"], 2)["lost"] == ["The pool would not serve without p1."]


def test_a_server_that_is_behind_must_not_serve_alone(plan: dict[str, Any], answers: Answers) -> None:
    for name, change in (("m", NOW), ("mb", LONG_AGO)):
        answers[name]["edges"][0].update(role="provider", position={"1": change})
    assert maintenance.drain(plan, answers, ["m"])["lost"] == ["mb, which must serve without m, lags behind."]
    assert maintenance.drain(plan, answers, ["mb"])["lost"] == []


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ([], ["Name the servers, separated by commas: -e tiers_targets=NAME"]),
        (["dbb"], ["'dbb' is no server of s; did you mean 'db'?"]),
        (
            ["down", "cold", "gone"],
            ["down is down in the", "cold is a stopped cold backup", "gone: host: timed out. A host"],
        ),
    ],
)
def test_all_reasons_against_a_drain_are_reported_at_once(
    plan: dict[str, Any], answers: Answers, asked: list[str], wrong: list[str]
) -> None:
    plan["servers"]["down"] = server("down", "parallel", state="down")
    plan["servers"]["cold"] = server("cold", "parallel", tier="backup", primary="p1", redundancy="cold")
    plan["servers"]["gone"] = server("gone", "parallel")
    answers["gone"] = {"msg": "timed out"}
    verdict = maintenance.drain(plan, answers, asked)
    assert verdict["todo"] == []
    assert all(said.startswith(expected) for said, expected in zip(verdict["wrong"], wrong, strict=True))


def test_a_server_that_is_down_in_the_inventory_is_no_substitute(plan: dict[str, Any], answers: Answers) -> None:
    plan["servers"]["db"]["state"] = "down"
    answers["db"] = {"edges": []}
    verdict = maintenance.drain(plan, answers, ["d"])
    assert verdict["text"].splitlines()[1].split(None, 1) == ["d", "no server serves"]


def test_a_drained_server_is_left_alone(plan: dict[str, Any], answers: Answers) -> None:
    drained(answers, "p1")
    verdict = maintenance.drain(plan, answers, ["p1"])
    assert (verdict["todo"], verdict["wrong"], verdict["lost"]) == ([], [], [])
    assert "drained already" in verdict["text"]


def test_all_that_are_drained_serve_again_unless_some_are_named(plan: dict[str, Any], answers: Answers) -> None:
    assert maintenance.undrain(plan, answers, [])["text"] == "No server is drained."
    for name in ("p1", "x"):
        drained(answers, name)
    assert maintenance.undrain(plan, answers, [])["todo"] == ["x", "p1"]
    assert maintenance.undrain(plan, answers, ["x", "y"])["todo"] == ["x"]
    assert "y       is not drained" in maintenance.undrain(plan, answers, ["x", "y"])["text"]
    assert maintenance.undrain(plan, answers, ["q"])["wrong"] == ["'q' is no server of s."]


# What an interrupted run left


def interrupted(answers: Answers, name: str) -> None:
    drained(answers, name)
    answers[name]["edges"][1]["traffic"] = "interrupted"


def reports(answers: Answers, name: str, **states: str) -> None:
    """The report of a server's HAProxy about the servers below it."""
    answers[name]["edges"].append(saw(name, "haproxy", address="127.0.0.1", servers=states))


def test_servers_left_closed_by_an_interrupted_run_are_found_and_drained_ones_are_not(
    plan: dict[str, Any], answers: Answers
) -> None:
    interrupted(answers, "m")
    drained(answers, "x")
    found = maintenance.interrupted(plan, answers)
    assert found["todo"] == ["m"]
    assert "this host is drained" in found["text"]


def test_a_member_held_out_at_a_distributor_is_left_closed(plan: dict[str, Any], answers: Answers) -> None:
    drained(answers, "p2")
    reports(answers, "db", p1="DRAIN", p2="DRAIN")
    assert maintenance.interrupted(plan, answers)["todo"] == ["p1"]
    plan["servers"]["p1"]["state"] = "draining"
    assert maintenance.interrupted(plan, answers)["todo"] == []


def test_undrain_finds_what_an_interrupted_run_left(plan: dict[str, Any], answers: Answers) -> None:
    interrupted(answers, "m")
    drained(answers, "x")
    assert maintenance.undrain(plan, answers, [])["todo"] == ["m", "x"]
    assert maintenance.undrain(plan, answers, ["m"])["todo"] == ["m"]


def test_a_drain_that_was_interrupted_is_done_again(plan: dict[str, Any], answers: Answers) -> None:
    interrupted(answers, "p1")
    assert maintenance.drain(plan, answers, ["p1"])["todo"] == ["p1"]


# Running servers that must restart


@pytest.mark.parametrize("name", ["m", "mb", "x", "xb", "y", "z", "p1", "d"])
def test_a_server_may_restart_while_all_others_are_healthy(plan: dict[str, Any], answers: Answers, name: str) -> None:
    assert maintenance.restart(plan, answers, name) == {"lost": [], "missing": []}


@pytest.mark.parametrize(
    ("away", "name", "lost"),
    [
        ("mb", "m", "No master would accept writes without m."),
        ("m", "mb", "No master would accept writes without mb."),
        ("xb", "x", "3 clients would have no server without x."),
        ("x", "y", "2 clients would have no server without y."),
    ],
)
@pytest.mark.parametrize("how", ["down", "drained", "closed", "nobody reaches it"])
def test_a_server_must_not_restart_while_its_peer_serves_no_client(
    plan: dict[str, Any], answers: Answers, away: str, name: str, lost: str, how: str
) -> None:
    if how == "drained":
        drained(answers, away)
    elif how == "closed":
        interrupted(answers, away)
    elif how == "down":
        answers[away]["edges"][0].update(reachable=False, ok=False, why="no answer")
    else:
        answers[away] = {"msg": "timed out"}
    verdict = maintenance.restart(plan, answers, name)
    assert verdict["lost"] == [lost]
    assert any(said.startswith(f"{away}: ") for said in verdict["missing"])


def test_a_server_without_clients_may_restart(plan: dict[str, Any], answers: Answers) -> None:
    drained(answers, "mb")
    interrupted(answers, "m")
    assert maintenance.restart(plan, answers, "m")["lost"] == []


def test_service_that_the_plan_drops_is_accepted(plan: dict[str, Any], answers: Answers) -> None:
    """A system without backups can be deployed."""
    for name in ("mb", "xb", "p2", "db"):
        del plan["servers"][name]
    for name in ("m", "x", "d"):
        plan["servers"][name].update(backup=None, pair=None)
    plan["allocation"]["backups"] = {}
    for name in ("m", "x", "p1", "d"):
        assert maintenance.restart(plan, answers, name)["lost"] == []


@pytest.mark.parametrize(("fresh", "name"), [("mb", "m"), ("xb", "x"), ("x", "y")])
def test_a_stand_in_that_is_deployed_later_in_this_run_is_no_loss(
    plan: dict[str, Any], answers: Answers, fresh: str, name: str
) -> None:
    answers[fresh]["edges"][0].update(reachable=False, ok=False, why="no answer")
    answers[fresh]["edges"][1]["traffic"] = "not deployed"
    assert maintenance.restart(plan, answers, name)["lost"] == []


def test_a_member_that_no_distributor_knows_yet_is_no_loss(plan: dict[str, Any], answers: Answers) -> None:
    reports(answers, "d", p1="UP")
    reports(answers, "db", p1="UP")
    assert maintenance.restart(plan, answers, "p1")["lost"] == []


def test_a_stand_in_that_is_out_by_the_inventory_is_accepted(plan: dict[str, Any], answers: Answers) -> None:
    plan["servers"]["mb"]["state"] = "down"
    answers["mb"] = {"edges": []}
    plan["servers"]["x"]["upstreams"] = [{"name": "m"}, {"name": "mb"}]
    reports(answers, "x", m="UP", mb="MAINT")
    assert maintenance.restart(plan, answers, "m")["lost"] == []


def test_a_stand_in_must_be_in_step(plan: dict[str, Any], answers: Answers) -> None:
    for name, change in (("m", NOW), ("mb", LONG_AGO)):
        answers[name]["edges"][0].update(role="provider", position={"1": change})
    assert maintenance.restart(plan, answers, "m")["lost"] == ["mb, which must serve without m, lags behind."]
    assert maintenance.restart(plan, answers, "mb")["lost"] == []


def test_a_relay_must_have_noticed_that_the_other_master_serves(plan: dict[str, Any], answers: Answers) -> None:
    plan["servers"]["y"]["upstreams"] = [{"name": "m"}, {"name": "mb"}]
    reports(answers, "y", m="UP", mb="DOWN")
    assert maintenance.restart(plan, answers, "m")["lost"] == [
        "y would reach no master without m: its HAProxy reports mb as DOWN."
    ]
    assert maintenance.restart(plan, answers, "mb")["lost"] == []
    drained(answers, "y")
    assert maintenance.restart(plan, answers, "m")["lost"] == []


def test_a_distributor_must_have_noticed_that_the_other_member_serves(plan: dict[str, Any], answers: Answers) -> None:
    plan["servers"]["d"]["members"] = [{"name": "p1"}, {"name": "p2"}]
    reports(answers, "d", p1="DOWN", p2="UP")
    verdict = maintenance.restart(plan, answers, "p2")
    assert verdict["lost"] == ["The pool would not serve without p2."]
    assert "p1: d: HAProxy reports it as DOWN." in verdict["missing"]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("m", ["m", "mb", "y"]),
        ("x", ["x", "xb"]),
        ("y", ["y", "x"]),
        ("z", ["z"]),
        ("p1", ["p1", "d", "db"]),
    ],
)
def test_only_servers_that_matter_are_asked(plan: dict[str, Any], name: str, asked: list[str]) -> None:
    plan["servers"]["y"]["upstreams"] = [{"name": "m"}, {"name": "mb"}]
    assert maintenance.servers_for_restart(plan, name) == asked


# Pairs that switch over


@pytest.mark.parametrize("asked", [["d"], ["db"], ["d", "db"]])
def test_the_active_node_switches_over_to_its_peer(plan: dict[str, Any], answers: Answers, asked: list[str]) -> None:
    verdict = maintenance.switch_over(plan, answers, asked)
    assert verdict["wrong"] == []
    (step,) = verdict["todo"]
    assert (step["name"], step["to"]) == ("d", "db")
    assert (step["edge"]["protocol"], step["edge"]["address"], step["edge"]["expect"]) == ("address", "v", "open")


@pytest.mark.parametrize("may_stay", [True, False])
def test_refusal_to_switch_over_names_how_the_backup_stays_active(
    plan: dict[str, Any], answers: Answers, may_stay: bool
) -> None:
    """Masters that both serve and share an address always fail back: only a drain keeps the address at the backup."""
    for name in ("m", "mb"):
        plan["servers"][name].update(leader_election=True, active_standby=may_stay, failback="auto")
    (why,) = maintenance.switch_over(plan, answers, ["mb"])["wrong"]
    assert why.startswith("m fails back by itself (tiers_failback: auto), so mb would not stay active. While mb must")
    assert "drain m." in why
    assert ("set tiers_failback of mb to manual, deploy, and run switch_over again" in why) is may_stay


def test_an_active_standby_pair_switches_back(plan: dict[str, Any], answers: Answers) -> None:
    for name, serves in (("d", False), ("db", True)):
        plan["servers"][name].update(active_standby=True, redundancy="cold" if name == "db" else None)
        answers[name]["edges"].append(saw(name, "active", reachable=serves))
    (step,) = maintenance.switch_over(plan, answers, ["d"])["todo"]
    assert (step["name"], step["to"], step["edge"]["protocol"]) == ("db", "d", "active")


def holds(answers: Answers, name: str, has: bool) -> None:
    answers[name]["edges"][-1]["reachable"] = has


@pytest.mark.parametrize(
    ("name", "change", "wrong"),
    [
        ("z", None, "z has no backup to switch over to."),
        ("m", None, "m and mb both serve, without leader election. While only mb must serve, drain m."),
        (
            "d",
            lambda plan, _: plan["servers"]["d"].update(failback="auto"),
            "d fails back by itself (tiers_failback:",
        ),
        ("d", lambda _, answers: holds(answers, "d", False), "Neither d nor db serves now: see status."),
        ("d", lambda _, answers: holds(answers, "db", True), "Both d and db serve now: see status."),
        ("d", lambda plan, _: plan["servers"]["db"].update(state="down"), "db cannot be promoted: it is down in the"),
        ("d", lambda _, answers: drained(answers, "db"), "db cannot be promoted: this host is drained."),
        ("d", lambda _, answers: answers.update(db={"msg": "timed out"}), "db cannot be promoted: host: timed out."),
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


def by_lease(plan: dict[str, Any], answers: Answers, active: str, paused: bool = False) -> None:
    """The masters as a pair with a lease."""
    for name in ("m", "mb"):
        plan["servers"][name].update(leader_election=True, active_standby=True, failover="lease")
        lease = {"holder": active, "paused": paused, "paused_until": 0, "age": 0.1, "ttl": 3.0}
        answers[name]["edges"].append(saw(name, "active", reachable=name == active, lease=lease))


@pytest.mark.parametrize("asked", [[], ["m"], ["mb", "m"]])
def test_failover_is_paused_by_the_active_node_of_each_pair(
    plan: dict[str, Any], answers: Answers, asked: list[str]
) -> None:
    by_lease(plan, answers, active="mb")
    verdict = maintenance.pause_failover(plan, answers, asked, minutes=30)
    assert (verdict["todo"], verdict["wrong"]) == ({"m": "mb"}, [])
    assert verdict["text"].splitlines()[1].split(maxsplit=3) == ["m", "mb", "on", "paused for 30 min"]


def test_only_a_paused_pair_is_resumed_and_also_without_an_active_node(plan: dict[str, Any], answers: Answers) -> None:
    by_lease(plan, answers, active="mb")
    assert maintenance.pause_failover(plan, answers, [], resumes=True)["todo"] == {}
    for name in ("m", "mb"):
        del answers[name]["edges"][-1]
    by_lease(plan, answers, active="nobody", paused=True)
    verdict = maintenance.pause_failover(plan, answers, [], resumes=True)
    assert (verdict["todo"], verdict["wrong"]) == ({"m": "m"}, [])


@pytest.mark.parametrize(
    ("name", "active", "wrong"),
    [
        ("m", "nobody", "Neither m nor mb is active, and a pause would keep it so: see status."),
        ("z", "m", "z has no backup: it has no failover."),
        ("d", "m", "d and db do not serve by a lease (tiers_failover: lease), and only a lease can be paused."),
        ("x", "m", "x and xb have no lease: their product elects"),
    ],
)
def test_a_pair_that_cannot_be_paused_says_why(
    plan: dict[str, Any], answers: Answers, name: str, active: str, wrong: str
) -> None:
    by_lease(plan, answers, active)
    plan["servers"]["x"].update(product_election=True)
    verdict = maintenance.pause_failover(plan, answers, [name])
    assert verdict["todo"] == {}
    assert verdict["wrong"][0].startswith(wrong)


def test_a_system_without_a_lease_has_nothing_to_pause(plan: dict[str, Any], answers: Answers) -> None:
    verdict = maintenance.pause_failover(plan, answers, [])
    assert verdict["wrong"] == ["No pair of this system serves by a lease (tiers_failover: lease)."]


def test_a_node_that_is_behind_is_not_promoted(plan: dict[str, Any], answers: Answers) -> None:
    for name in ("m", "mb"):
        plan["servers"][name].update(leader_election=True, active_standby=True, failback="manual")
        answers[name]["edges"][0]["position"] = {"1": NOW if name == "m" else LONG_AGO}
        answers[name]["edges"].append(saw(name, "active", reachable=name == "m"))
    verdict = maintenance.switch_over(plan, answers, ["m"])
    assert verdict["wrong"] == ["mb cannot be promoted: it lags behind."]


@pytest.mark.parametrize(
    ("again", "allowed"),
    [
        ({"1": NOW}, True),
        ({"1": LATER}, True),
        ({"1": LONG_AGO}, False),
        (None, False),
    ],
    ids=["caught up", "ahead of the first look", "behind", "no answer"],
)
@pytest.mark.parametrize("operation", ["switch_over", "drain"])
def test_a_server_that_catches_up_at_the_second_look_is_in_step(
    plan: dict[str, Any], answers: Answers, operation: str, again: dict[str, str] | None, allowed: bool
) -> None:
    """The first change in hours, made between the probe of the standby and that of the active node."""
    for name in ("m", "mb"):
        answers[name]["edges"][0]["position"] = {"1": NOW if name == "m" else LONG_AGO}
    if operation == "switch_over":
        for name in ("m", "mb"):
            plan["servers"][name].update(leader_election=True, active_standby=True, failback="manual")
            answers[name]["edges"].append(saw(name, "active", reachable=name == "m"))
    assert maintenance.lagging(plan, answers)["mb"] == {"1": NOW}
    second = {"mb": {"edges": [{**answers["mb"]["edges"][0], "position": again}, *answers["mb"]["edges"][1:]]}}
    seen = maintenance.with_second_look(plan, answers, second if again else {"mb": {"msg": "timed out"}})
    # A second answer that does not show the positions proves nothing: what the first one said counts.
    if operation == "switch_over":
        wrong = maintenance.switch_over(plan, seen, ["m"])["wrong"]
        assert wrong == ([] if allowed else ["mb cannot be promoted: it lags behind."])
    else:
        lost = maintenance.drain(plan, seen, ["m"])["lost"]
        assert lost == ([] if allowed else ["mb, which must serve without m, lags behind."])


# Servers that are removed from their hosts


@pytest.fixture
def records(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All were deployed from the plan."""
    plan["digest"] = "now"
    return {name: {"plan_digest": "now"} for name in plan["servers"]}


def test_a_server_that_is_down_and_unused_can_be_retired(plan: dict[str, Any], records: dict[str, Any]) -> None:
    for name in ("p1", "x", "xb"):
        plan["servers"][name]["state"] = "down"
        records[name]["plan_digest"] = "earlier"
    verdict = maintenance.retire(plan, records, ["p1", "x", "xb"])
    assert (verdict["todo"], verdict["wrong"]) == (["p1", "x", "xb"], [])


def test_a_voter_is_not_retired(plan: dict[str, Any], records: dict[str, Any]) -> None:
    plan["servers"]["p1"]["state"] = "down"
    plan["voters"]["p1"] = {}
    assert maintenance.retire(plan, records, ["p1"])["wrong"] == [
        "p1 is a voter of the arbiter: remove it from the group arbiter, deploy, and retire it then."
    ]


def test_a_retired_server_is_left_alone(plan: dict[str, Any], records: dict[str, Any]) -> None:
    plan["servers"]["p1"]["state"] = "down"
    records["p1"] = {}
    verdict = maintenance.retire(plan, records, ["p1"])
    assert (verdict["todo"], verdict["wrong"]) == ([], [])
    assert "it has no deployment record, or is unreachable" in verdict["text"]


@pytest.mark.parametrize(
    ("asked", "change", "wrong"),
    [
        (["p1"], {}, "p1 is active in the inventory: set its tiers_state to down, deploy, and retire it then."),
        (["x"], {"x": "down"}, "xb stands behind x: retire both, or give xb another tiers_backup_of first."),
        ([], {}, maintenance.NAME_THEM),
    ],
)
def test_a_server_that_others_need_cannot_be_retired(
    plan: dict[str, Any], records: dict[str, Any], asked: list[str], change: dict[str, str], wrong: str
) -> None:
    for name, state in change.items():
        plan["servers"][name]["state"] = state
    assert maintenance.retire(plan, records, asked)["wrong"] == [wrong]


@pytest.mark.parametrize("record", [{"plan_digest": "earlier"}, {}])
def test_a_server_with_an_older_deployment_may_still_use_it(
    plan: dict[str, Any], records: dict[str, Any], record: dict[str, str]
) -> None:
    plan["servers"]["p1"]["state"] = "down"
    records["d"] = record
    wrong = maintenance.retire(plan, records, ["p1"])["wrong"]
    assert wrong == ["d may still depend on them: deploy first, then retire."]


def test_a_backup_may_be_some_changes_behind_to_stand_in(plan: dict[str, Any], answers: Answers) -> None:
    for name in plan["servers"]:
        answers[name]["edges"][0]["position"] = {"m": "1000"}
    answers["xb"]["edges"][0]["position"] = {"m": "0950"}
    assert maintenance.drain(plan, answers, ["x"])["lost"] == []
    answers["xb"]["edges"][0]["position"] = {"m": "0850"}
    assert maintenance.drain(plan, answers, ["x"])["lost"] == ["xb, which must serve without x, lags behind."]


def test_an_ill_host_forbids_only_what_needs_it(plan: dict[str, Any], answers: Answers) -> None:
    answers["y"] = {"failed": True, "msg": "Task failed: Missing sudo password"}
    assert maintenance.drain(plan, answers, ["x"])["wrong"] == []
    (wrong,) = maintenance.drain(plan, answers, ["y"])["wrong"]
    assert wrong.startswith("y: host: Missing sudo password.")


@pytest.fixture
def stateful(plan: dict[str, Any], answers: Answers) -> dict[str, Any]:
    """All replicate and are in step; proxies and members follow both masters."""
    for name, one in plan["servers"].items():
        one["replication"] = "none" if one["serves_as"] == "distributor" else "asynchronous"
        if one["serves_as"] in ("proxy", "parallel"):
            one["upstreams"] = [{"name": "m"}, {"name": "mb"}]
        if one["replication"] != "none":
            answers[name]["edges"][0]["position"] = {"1": NOW}
    return plan


@pytest.mark.parametrize(("name", "source"), [("m", "mb"), ("mb", "m"), ("x", "m"), ("xb", "m"), ("p1", "m")])
def test_data_come_from_the_other_master_or_the_acting_one(
    stateful: dict[str, Any], answers: Answers, name: str, source: str
) -> None:
    found = maintenance.resync(stateful, answers, [name])
    assert found["todo"] == {name: {"name": source, "address": source}}
    assert (found["wrong"], found["lost"]) == ([], [])
    assert "nothing by its position" in found["text"]


def test_replica_takes_its_data_from_the_master_that_is_up(stateful: dict[str, Any], answers: Answers) -> None:
    answers["m"] = {"unreachable": True, "msg": "timed out"}
    assert maintenance.resync(stateful, answers, ["x"])["todo"] == {"x": {"name": "mb", "address": "mb"}}


def test_only_holder_of_the_data_is_not_resynced(stateful: dict[str, Any], answers: Answers) -> None:
    drained(answers, "m")
    (wrong,) = maintenance.resync(stateful, answers, ["mb"])["wrong"]
    assert wrong.startswith("mb is the only healthy master")
    stateful["servers"]["mb"]["pair"] = None
    (wrong,) = maintenance.resync(stateful, answers, ["mb"])["wrong"]
    assert wrong.startswith("mb is the only master")


def test_source_that_lacks_changes_of_a_third_server_is_refused(stateful: dict[str, Any], answers: Answers) -> None:
    answers["m"]["edges"][0]["position"] = {"1": LONG_AGO}
    for name in ("xb", "y", "z", "p1", "p2"):
        answers[name]["edges"][0]["position"] = {"1": LONG_AGO}
    (wrong,) = maintenance.resync(stateful, answers, ["mb"])["wrong"]
    assert wrong == "m, the source of the data, lacks changes that x has: see status."
    answers["m"]["edges"][0]["position"] = {}
    (wrong,) = maintenance.resync(stateful, answers, ["mb"])["wrong"]
    assert "reports no position" in wrong


def test_changes_that_only_the_target_has_are_shown_and_do_not_forbid(
    stateful: dict[str, Any], answers: Answers
) -> None:
    answers["mb"]["edges"][0]["position"] = {"1": NOW, "2": NOW}
    found = maintenance.resync(stateful, answers, ["mb"])
    assert found["todo"] and not found["wrong"]
    assert "changes that are lost" in found["text"]


def test_server_whose_service_is_down_can_be_resynced(stateful: dict[str, Any], answers: Answers) -> None:
    answers["mb"]["edges"][0].update(reachable=False, ok=False, why="closed", position={})
    found = maintenance.resync(stateful, answers, ["mb"])
    assert found["todo"] and not found["lost"] and "not known" in found["text"]


def test_drained_server_can_be_resynced_again(stateful: dict[str, Any], answers: Answers) -> None:
    drained(answers, "mb")
    found = maintenance.resync(stateful, answers, ["mb"])
    assert found["todo"] and not found["lost"]


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("d", {}, "d has no data"),
        ("x", {"replication": "none"}, "x has no data"),
        ("xb", {"redundancy": "cold"}, "xb is a cold backup"),
        ("x", {"state": "draining"}, "x is draining in the inventory"),
    ],
)
def test_server_without_data_of_another_is_not_resynced(
    stateful: dict[str, Any], answers: Answers, name: str, change: dict[str, Any], why: str
) -> None:
    stateful["servers"][name].update(change)
    (wrong,) = maintenance.resync(stateful, answers, [name])["wrong"]
    assert wrong.startswith(why)


def test_resync_names_the_service_that_would_fail(stateful: dict[str, Any], answers: Answers) -> None:
    assert maintenance.resync(stateful, answers, ["z"])["lost"] == ["1 clients would have no server without z."]


def test_resync_takes_one_server_at_a_time(stateful: dict[str, Any], answers: Answers) -> None:
    assert maintenance.resync(stateful, answers, ["m", "x"])["wrong"][0].startswith("Name one server")
    assert maintenance.resync(stateful, answers, [])["wrong"] == [maintenance.NAME_THEM]


# New machines in the place of failed servers


@pytest.fixture
def failed(stateful: dict[str, Any], answers: Answers) -> Any:
    """Have servers fail, and new machines answer in their place: returns the arguments of `replace`."""

    def fail(*names: str) -> dict[str, Any]:
        for name in names:
            closed = {"reachable": False, "ok": False, "why": "closed", "role": None, "position": None}
            answers[name] = {"edges": [saw(name, **closed), saw(name, "drained", traffic="not deployed", **closed)]}
        records = {name: {} if name in names else {"plan_digest": "now"} for name in stateful["servers"]}
        return {"plan": stateful, "answers": answers, "records": records, "unread": {}, "tried": {}, "asked": names}

    return fail


@pytest.mark.parametrize(
    ("name", "source", "meanwhile"),
    [
        ("m", "mb", "mb serves"),
        ("mb", "m", "m is without a backup"),
        ("x", "m", "xb serves"),
        ("y", "m", "2 clients go to x"),
        ("z", "m", "no server serves"),
        ("p1", "m", "p2 of the pool serve"),
        ("db", "-", "d is without a backup"),
    ],
)
def test_a_new_machine_gets_its_data_from_a_master(failed: Any, name: str, source: str, meanwhile: str) -> None:
    found = maintenance.replace(**failed(name))
    assert (found["todo"], found["wrong"]) == ([name], [])
    assert found["text"].splitlines()[1].split(None, 3) == [name, name, source, meanwhile]


def test_servers_that_failed_together_are_replaced_together(failed: Any) -> None:
    found = maintenance.replace(**failed("mb", "x", "p1"))
    assert (found["todo"], found["wrong"]) == (["mb", "x", "p1"], [])
    (one, other) = maintenance.replace(**failed("m", "mb"))["wrong"]
    assert one == "m gets its data from another master, and none is up and in service: start one first."
    assert other.startswith("mb gets its data from another master")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"records": {"x": {"plan_digest": "now"}}}, "x has a deployment record: it is no new machine."),
        ({"unread": {"x": "the host is unreachable"}}, "x: the host is unreachable. Install the new machine"),
        ({"records": {}}, "No other server of s is deployed: run deploy."),
        ({"asked": ["w"]}, "'w' is no server of s."),
        ({"asked": []}, maintenance.NAME_THEM),
    ],
)
def test_only_a_new_machine_in_a_running_system_is_deployed(failed: Any, change: dict[str, Any], wrong: str) -> None:
    given = failed("x")
    if change.get("records"):
        change = {"records": given["records"] | change["records"]}
    assert any(one.startswith(wrong) for one in maintenance.replace(**(given | change))["wrong"])


def test_a_server_that_is_down_by_the_inventory_is_not_replaced(failed: Any) -> None:
    given = failed("y")
    given["plan"]["servers"]["y"]["state"] = "down"
    assert maintenance.replace(**given)["wrong"] == ["y is down in the inventory: remove its tiers_state first."]


def test_the_only_master_is_not_replaced(failed: Any) -> None:
    given = failed("m")
    given["plan"]["servers"]["m"].update(pair=None, backup=None)
    (wrong,) = maintenance.replace(**given)["wrong"]
    assert wrong == "m is the only master: no other server has its data. Run deploy, then restore a backup."


def test_an_old_machine_that_still_serves_is_named_with_those_that_reach_it(failed: Any, answers: Answers) -> None:
    given = failed("p1")
    answers["d"]["edges"].append(saw("d", "haproxy", servers={"p1": "UP", "p2": "UP"}))
    answers["db"]["edges"].append(saw("db", "haproxy", servers={"p1": "DOWN", "p2": "UP"}))
    given["tried"] = {"c1": {"edges": [saw("p1", "port")]}, "c2": {"edges": [saw("p1", "port", reachable=False)]}}
    assert maintenance.replace(**given)["wrong"] == [
        "p1 still serves: c1 can connect to it and HAProxy of d reports it UP. Switch the old machine off, or cut it "
        "off from the network."
    ]


@pytest.mark.parametrize("shown_by", ["address", "active"])
def test_no_node_of_a_pair_is_replaced_before_its_peer_is_active(failed: Any, answers: Answers, shown_by: str) -> None:
    given = failed("d" if shown_by == "address" else "m")
    (name,) = given["asked"]
    peer = f"{name}b"
    if shown_by == "active":
        for one in (name, peer):
            given["plan"]["servers"][one].update(leader_election=True, active_standby=True, failback="manual")
        answers[peer]["edges"].append(saw(peer, "active", reachable=False))
    (wrong,) = maintenance.replace(**given)["wrong"]
    assert wrong.startswith(f"{peer}, the peer of {name}, is not active. The old machine of {name} may still serve")
    answers[peer]["edges"][-1]["reachable"] = True
    assert maintenance.replace(**given)["wrong"] == []
