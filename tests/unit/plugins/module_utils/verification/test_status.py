# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification import status
from ansible_collections.distributed.tiers.tests.unit.slices import Slice

OLD = "20260101000000.000000Z#000000#001#000000"
LONG_AGO = "20251231225231.500000Z#000000#001#000000"
NEW = "20260101000002.500000Z#000000#001#000000"
OTHER = "20260101000001.000000Z#000000#002#000000"


def server(name: str, serves_as: str, **more: Any) -> Slice:
    base: dict[str, Any] = dict.fromkeys(("primary", "backup", "virtual_address", "clients", "redundancy", "failback"))
    base |= {"name": name, "tier": serves_as, "serves_as": serves_as, "address": name, "port": 1, "site": "s"}
    return Slice({**base, "state": "active", "upstreams": [], "members": [], **more})


def backup(name: str, primary: str, serves_as: str, **more: Any) -> Slice:
    return server(name, serves_as, tier="backup", primary=primary, redundancy="hot", **more)


MASTERS = [{"name": "m"}, {"name": "mb"}]
PLAN: dict[str, Any] = {
    "digest": "now",
    "clients": {},
    "servers": {
        "m": server("m", "master", backup="mb"),
        "mb": backup("mb", "m", "master"),
        "x": server("x", "proxy", upstreams=MASTERS, clients={"hosts": ["c"], "names": ["n1", "n2"]}),
        "y": server("y", "proxy", upstreams=MASTERS, clients={"hosts": [], "names": []}),
        "p1": server("p1", "parallel"),
        "p2": server("p2", "parallel"),
        "d": server("d", "distributor", backup="db", virtual_address="v", members=[{"name": "p1"}, {"name": "p2"}]),
        "db": backup("db", "d", "distributor", virtual_address="v"),
    },
}
Answers = dict[str, dict[str, Any]]


def edge(name: str, protocol: str = "ldaps", **more: Any) -> dict[str, Any]:
    base = {"name": name, "address": name, "protocol": protocol, "reachable": True, "role": None, "position": {}}
    return {**base, "servers": {}, "ok": True, "why": "", **more}


@pytest.fixture
def answers() -> Answers:
    both = {"1": NEW, "2": OTHER}
    relay = {"m": "UP", "mb": "UP"}
    return {
        "m": {"edges": [edge("m", role="provider", position=both)]},
        "mb": {"edges": [edge("mb", role="provider", position=both)]},
        "x": {"edges": [edge("x", role="replica", position=both), edge("x", "haproxy", address="l", servers=relay)]},
        "y": {"edges": [edge("y", role="replica", position=both), edge("y", "haproxy", address="l", servers=relay)]},
        "p1": {"edges": [edge("p1", role="replica", position=both)]},
        "p2": {"edges": [edge("p2", role="replica", position=both)]},
        "d": {
            "edges": [
                edge("d", "tls"),
                edge("d", "haproxy", address="l", servers={"p1": "UP", "p2": "DOWN"}),
                edge("d", "address", address="v"),
            ]
        },
        "db": {"edges": [edge("db", "tls"), edge("db", "address", address="v", reachable=False)]},
    }


@pytest.fixture
def recorded() -> dict[str, Any]:
    return {
        name: {"plan_digest": "now", "clients": ["c", "n1", "n2"] if name == "x" else []} for name in PLAN["servers"]
    }


def row(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in report["servers"] if one["server"] == name)


def test_a_drained_server_is_shown_as_such(answers: Answers, recorded: dict[str, Any]) -> None:
    why = "this host is drained, undrain starts its traffic"
    answers["x"]["edges"].append(edge("x", "drained", ok=False, why=why))
    answers["y"]["edges"].append(edge("y", "drained", reachable=False))
    report = status.report(PLAN, answers, recorded)
    assert (row(report, "x")["observed"], row(report, "y")["observed"]) == ("replica, drained", "replica")
    assert report["alerts"] == [f"x: {why}"]


def test_a_server_that_cannot_write_is_shown_as_such(answers: Answers, recorded: dict[str, Any]) -> None:
    why = "cannot write: 0.0 % of the file system of /var/lib/x is free, the limit is 5 %; it has stepped aside for mb"
    answers["m"]["edges"].append(edge("m", "writes", reachable=False, ok=False, why=why))
    answers["mb"]["edges"].append(edge("mb", "writes"))
    report = status.report(PLAN, answers, recorded)
    assert row(report, "m")["observed"] == "provider, cannot write"
    assert "cannot write" not in row(report, "mb")["observed"]
    assert report["alerts"] == [f"m: {why}"]


def test_the_hosts_of_clients_are_checked_too(answers: Answers, recorded: dict[str, Any]) -> None:
    plan = {**PLAN, "clients": {"c1": {}, "c2": {}, "c3": {}}}
    late = {"findings": [], "clock": {"least": -70.0, "most": -69.0}}
    asked = {name: {"findings": []} for name in PLAN["servers"]}
    report = status.report(
        plan, answers, recorded, hosts={**asked, "c1": late, "c2": {"unreachable": True, "msg": "No route to host"}}
    )
    clock = "its clock is 69.5 s (± 0.5 s) behind the controller's (tiers_clock_alert: 1 s)"
    assert report["alerts"] == ["c2: host: No route to host", f"c1: clock: {clock}"]
    assert report["not_checked"] == ["c3: outside the limit of this run"]


def test_a_silent_haproxy_is_named(answers: Answers, recorded: dict[str, Any]) -> None:
    why = "the host answers, and nothing listens on the port"
    answers["x"]["edges"][1] |= {"reachable": False, "ok": False, "why": why, "servers": {}}
    assert status.report(PLAN, answers, recorded)["alerts"] == [f"x: HAProxy: {why}"]


def test_status_names_content_that_was_not_read(answers: Answers, recorded: dict[str, Any]) -> None:
    del answers["p2"]
    content = {
        "m": {"edges": [edge("m", ok=False, why="LDAP: Timed out", digest=None)]},
        "x": {"failed": True, "msg": "Timed out after 40 s.\nsecond line"},
        "y": {"skipped": True},
    }
    report = status.report(PLAN, answers, recorded, content=content)
    assert report["not_checked"] == [
        "p2: outside the limit of this run",
        "the content of m: LDAP: Timed out",
        "the content of x: Timed out after 40 s.",
    ]
    assert report["ok"]
    assert "All other checks are as planned." in report["text"]
    assert "Not checked: the content of m: LDAP: Timed out" in report["text"]


def test_content_of_a_server_that_is_down_is_no_second_line(answers: Answers, recorded: dict[str, Any]) -> None:
    answers["m"]["edges"][0] |= {"reachable": False, "ok": False, "why": "LDAP: Timed out"}
    content = {"m": {"edges": [edge("m", ok=False, why="LDAP: Timed out", digest=None)]}}
    assert status.report(PLAN, answers, recorded, content=content)["not_checked"] == []


def test_a_server_that_an_interrupted_run_left_closed_is_shown_as_such(
    answers: Answers, recorded: dict[str, Any]
) -> None:
    why = "an interrupted run left this host closed to clients"
    answers["x"]["edges"].append(edge("x", "drained", ok=False, why=why, traffic="interrupted"))
    report = status.report(PLAN, answers, recorded)
    assert row(report, "x")["observed"] == "replica, closed to clients"
    assert report["alerts"] == [f"x: {why}"]


def test_all_as_planned(answers: Answers, recorded: dict[str, Any]) -> None:
    report = status.report(PLAN, answers, recorded)
    assert report["ok"], report["alerts"]
    assert [one["server"] for one in report["servers"]] == ["m", "mb", "x", "y", "p1", "p2", "d", "db"]
    assert row(report, "x") == {
        "server": "x",
        "planned": "proxy",
        "observed": "replica",
        "site": "s",
        "lag": "in step",
        "gives_to": "m",
        "clients": "3",
        "backup": "none",
        "health": "healthy",
    }
    assert row(report, "d")["observed"] == "up, has the shared address"
    assert row(report, "d")["gives_to"] == "1 of 2 members"
    assert row(report, "mb")["planned"] == "hot backup of m"
    assert "All checks are as planned." in report["text"]


Change = Callable[[Answers, dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "alert"),
    [
        (lambda a, _r: a.update(mb={"unreachable": True, "msg": "no route"}), "m is without a backup: mb is down"),
        (lambda a, _r: a.update(mb={"unreachable": True, "msg": "no route\nmore"}), "mb: host: no route"),
        (lambda a, _r: a["x"]["edges"][0].update(role="provider"), "x serves as provider, planned is replica"),
        (lambda a, _r: a["x"]["edges"][0].update(ok=False, why="bad"), "x: bad"),
        (
            lambda a, _r: a["y"]["edges"][1].update(servers={"m": "DOWN", "mb": "UP"}),
            "split brain: writes go to different masters: x to m; y to mb",
        ),
        (
            lambda a, _r: a["db"]["edges"][1].update(reachable=True),
            "split brain: d and db both have the shared address v",
        ),
        (lambda a, _r: a["d"]["edges"][2].update(reachable=False), "no node has the shared address v"),
        (
            lambda a, _r: (
                a["m"]["edges"][0].update(position={"1": NEW}),
                a["mb"]["edges"][0].update(position={"1": OLD, "2": OTHER}),
            ),
            "m and mb each have writes that the other has not: they do not replicate, or not yet",
        ),
        (
            lambda a, _r: a.update(mb={"failed": True, "msg": "Task failed: Missing sudo password"}),
            "mb: host: Missing sudo password",
        ),
        (
            lambda a, _r: a.update(mb={"failed": True, "timedout": {"period": 20}, "msg": "Task failed: Timed out."}),
            "mb: host: no answer within 20 s",
        ),
        (
            lambda a, _r: a["y"]["edges"][1].update(servers={"m": "DOWN", "mb": "DOWN"}),
            "y reaches no master: its clients cannot write",
        ),
        (
            lambda a, _r: a["d"]["edges"][1].update(servers={"p1": "DRAIN", "p2": "UP"}),
            f"p1 is drained at d, and nothing records a drain: {status.FINISH_IT}",
        ),
        (lambda _a, r: r["x"].update(plan_digest="before"), "deployed from another plan, run deploy: x"),
        (
            lambda a, r: (r.pop("x"), a["x"]["edges"][0].update(reachable=False)),
            "x: it has no deployment record: its deployment did not finish",
        ),
        (lambda _a, r: r.pop("x"), "x: it has no deployment record: its deployment did not finish"),
    ],
)
def test_alerts(answers: Answers, recorded: dict[str, Any], change: Change, alert: str) -> None:
    change(answers, recorded)
    report = status.report(PLAN, answers, recorded)
    assert alert in report["alerts"]
    assert not report["ok"]
    assert f"! {alert}" in report["text"]


@pytest.mark.parametrize(
    ("position", "lag"),
    [
        ({"1": NEW, "2": OTHER}, "in step"),
        ({"1": OLD, "2": OTHER}, "2.5 s"),
        ({"1": NEW}, "never in step"),
        ({}, "never in step"),
    ],
)
def test_lag(answers: Answers, recorded: dict[str, Any], position: dict[str, str], lag: str | None) -> None:
    answers["x"]["edges"][0]["position"] = position
    assert row(status.report(PLAN, answers, recorded), "x")["lag"] == lag


@pytest.mark.parametrize("name", ["mb", "x", "p1"])
def test_a_server_without_a_position_was_never_in_step(answers: Answers, recorded: dict[str, Any], name: str) -> None:
    """Such as a directory whose first copy of the data was interrupted: it answers, and has a part of them."""
    answers[name]["edges"][0]["position"] = {}
    report = status.report(PLAN, answers, recorded)
    assert report["alerts"] == [f"{name}: its data was never in step: it has no change of one of the masters"]


def test_a_product_may_report_a_position_in_one_role_only(answers: Answers, recorded: dict[str, Any]) -> None:
    for name in ("x", "y", "p1", "p2"):
        answers[name]["edges"][0]["position"] = {}
    report = status.report(PLAN, answers, recorded)
    assert report["ok"], report["alerts"]
    assert row(report, "x")["lag"] is None


def test_one_master_ahead_for_a_moment_is_no_split_brain(answers: Answers, recorded: dict[str, Any]) -> None:
    answers["mb"]["edges"][0]["position"] = {"1": OLD, "2": OTHER}
    assert status.report(PLAN, answers, recorded)["ok"]


def test_clients_that_are_not_deployed_yet(answers: Answers, recorded: dict[str, Any]) -> None:
    recorded["x"]["clients"] = ["c"]
    assert row(status.report(PLAN, answers, recorded), "x")["clients"] == "3, deployed 1"


def test_changes_after_a_server_was_asked_are_no_lag(answers: Answers, recorded: dict[str, Any]) -> None:
    second = 1767225600.0  # OLD's
    answers["x"]["edges"][0].update(position={"1": OLD, "2": OTHER}, at=second + 0.01)
    assert row(status.report(PLAN, answers, recorded), "x")["lag"] == "in step"
    answers["x"]["edges"][0]["at"] = second + 1
    assert row(status.report(PLAN, answers, recorded), "x")["lag"] == "1.0 s"


def test_a_server_that_was_not_asked_is_not_down(answers: Answers, recorded: dict[str, Any]) -> None:
    """As under --limit."""
    del answers["mb"], answers["x"], recorded["x"]
    report = status.report(PLAN, answers, recorded)
    assert report["ok"], report["alerts"]
    assert [row(report, name)["observed"] for name in ("mb", "x")] == ["not asked"] * 2
    assert row(report, "m")["backup"] == "mb"


def test_a_silent_server_is_down() -> None:
    """Still a table."""
    report = status.report(PLAN, {name: {"msg": "no route"} for name in PLAN["servers"]}, {})
    assert {one["observed"] for one in report["servers"]} == {"DOWN"}
    assert row(report, "m")["backup"] == "mb DOWN"


def test_a_cold_backup_is_not_down(answers: Answers, recorded: dict[str, Any]) -> None:
    plan = {**PLAN, "servers": {**PLAN["servers"], "mb": Slice({**PLAN["servers"]["mb"], "redundancy": "cold"})}}
    answers["mb"] = {"edges": [edge("mb", "tcp", reachable=False)]}
    report = status.report(plan, answers, recorded)
    assert row(report, "mb")["observed"] == "not started"
    assert report["ok"], report["alerts"]


Turns = tuple[dict[str, Any], Answers]


@pytest.fixture
def turns(answers: Answers) -> Turns:
    """The masters take turns: the first one serves."""
    half = {"active_standby": True}
    servers = {**PLAN["servers"], **{name: Slice({**PLAN["servers"][name], **half}) for name in ("m", "mb")}}
    answers["m"]["edges"].append(edge("m", "active"))
    answers["mb"]["edges"][0]["role"] = "replica"
    answers["mb"]["edges"].append(edge("mb", "active", reachable=False))
    for name in ("x", "y"):
        answers[name]["edges"][1]["servers"] = {"m": "UP", "mb": "DOWN"}
    return {**PLAN, "servers": servers}, answers


def test_the_active_node_of_a_pair_is_shown(turns: Turns, recorded: dict[str, Any]) -> None:
    report = status.report(*turns, recorded)
    assert report["ok"], report["alerts"]
    assert row(report, "m")["observed"] == "provider, serves"
    assert row(report, "mb")["observed"] == "standby, up"


@pytest.mark.parametrize(
    ("m", "mb", "alert"),
    [
        (True, True, "split brain: m and mb both serve, one must"),
        (False, False, "neither of m and mb serves: runbook 'Pair without an active node'"),
    ],
)
def test_an_alert_where_not_exactly_one_node_serves(
    turns: Turns, recorded: dict[str, Any], m: bool, mb: bool, alert: str
) -> None:
    turns[1]["m"]["edges"][-1]["reachable"] = m
    turns[1]["mb"]["edges"][-1].update(reachable=mb)
    report = status.report(*turns, recorded)
    assert alert in report["alerts"]
    assert alert in report["text"]


def test_a_cold_standby_is_not_down(turns: Turns, recorded: dict[str, Any]) -> None:
    """After a takeover it is the primary."""
    plan, answers = turns
    plan["servers"]["mb"] = Slice({**plan["servers"]["mb"], "redundancy": "cold", "failback": "never"})
    answers["m"] = {"edges": [edge("m", "port", reachable=False), edge("m", "active", reachable=False)]}
    answers["mb"] = {"edges": [edge("mb", "port"), edge("mb", "active")]}
    report = status.report(plan, answers, recorded)
    assert row(report, "m")["observed"] == "standby, not started"
    assert row(report, "mb")["observed"] == "up, serves"
    assert report["ok"], report["alerts"]


def test_a_hot_standby_whose_program_does_not_answer_is_down(turns: Turns, recorded: dict[str, Any]) -> None:
    plan, answers = turns
    why = "the host answers, and nothing listens on the port"
    answers["mb"]["edges"][0] = edge("mb", "tcp", reachable=False, ok=False, why=why)
    report = status.report(plan, answers, recorded)
    assert row(report, "mb")["observed"] == "standby, DOWN"
    assert f"mb: {why}" in report["alerts"]


def test_a_proxy_that_passes_on_shows_another_ones_role(answers: Answers, recorded: dict[str, Any]) -> None:
    plan = {**PLAN, "servers": {**PLAN["servers"], "x": Slice({**PLAN["servers"]["x"], "proxy_mode": "pass"})}}
    answers["x"]["edges"][0]["role"] = "provider"
    assert status.report(plan, answers, recorded)["ok"]


@pytest.mark.parametrize(
    ("position", "lag"),
    [({"m": "07"}, "in step"), ({"m": "05"}, "2 changes"), ({"m": "04:x"}, "behind"), ({"q": "07"}, "never in step")],
)
def test_positions_that_are_no_times(
    answers: Answers, recorded: dict[str, Any], position: dict[str, str], lag: str
) -> None:
    for name in ("m", "mb", "y", "p1", "p2"):
        answers[name]["edges"][0]["position"] = {"m": "07"}
    answers["x"]["edges"][0]["position"] = position
    assert row(status.report(PLAN, answers, recorded), "x")["lag"] == lag


def test_a_product_without_a_status_is_reported_as_not_measured(answers: Answers, recorded: dict[str, Any]) -> None:
    for answer in answers.values():
        answer["edges"][0].update(role=None, position={})
    report = status.report(PLAN, answers, recorded, offers=["read"])
    assert report["ok"], report["alerts"]
    assert row(report, "x")["lag"] is None
    assert "Role and lag: not measured: the product offers no status to probes." in report["text"]


def test_masters_that_replicate_nothing_may_differ(answers: Answers, recorded: dict[str, Any]) -> None:
    alone = {name: Slice({**PLAN["servers"][name], "replication": "none"}) for name in ("m", "mb")}
    answers["m"]["edges"][0]["position"] = {"1": NEW}
    answers["mb"]["edges"][0]["position"] = {"2": OTHER}
    plan = {**PLAN, "servers": {**PLAN["servers"], **alone}}
    assert status.report(plan, answers, recorded)["ok"]


def test_a_site_that_is_cut_off_is_no_split_brain(answers: Answers, recorded: dict[str, Any]) -> None:
    answers["y"]["edges"][1]["servers"] = {"m": "DOWN", "mb": "DOWN"}
    alerts = status.report(PLAN, answers, recorded)["alerts"]
    assert alerts == ["y reaches no master: its clients cannot write"]


def test_a_split_brain_and_a_site_that_is_cut_off_are_distinguished(answers: Answers, recorded: dict[str, Any]) -> None:
    answers["y"]["edges"][1]["servers"] = {"m": "DOWN", "mb": "DOWN"}
    answers["p1"]["edges"].append(edge("p1", "haproxy", address="l", servers={"m": "DOWN", "mb": "UP"}))
    upstreams = Slice({**PLAN["servers"]["p1"], "upstreams": MASTERS})
    alerts = status.report({**PLAN, "servers": {**PLAN["servers"], "p1": upstreams}}, answers, recorded)["alerts"]
    assert "split brain: writes go to different masters: x to m; p1 to mb" in alerts
    assert "y reaches no master: its clients cannot write" in alerts


@pytest.mark.parametrize(
    ("position", "limits", "alert"),
    [
        ({"1": OLD, "2": OTHER}, {}, None),
        ({"1": OLD, "2": OTHER}, {"max_lag": 2.5}, None),
        (
            {"1": OLD, "2": OTHER},
            {"max_lag": 2.0},
            "x: its data is 2 s behind, more than tiers_status_max_lag (2 s)",
        ),
        (
            {"1": LONG_AGO, "2": OTHER},
            {},
            "x: its data is 4051 s behind, more than tiers_status_max_lag (30 s)",
        ),
        ({"1": NEW}, {}, "x: its data was never in step: it has no change of one of the masters"),
    ],
)
def test_lag_above_the_limit_is_an_alert(
    answers: Answers, recorded: dict[str, Any], position: dict[str, str], limits: dict[str, Any], alert: str | None
) -> None:
    answers["x"]["edges"][0]["position"] = position
    report = status.report(PLAN, answers, recorded, **limits)
    assert report["alerts"] == ([alert] if alert else [])
    assert report["ok"] is not bool(alert)
    assert report["late"] == ({"x": {"1": NEW, "2": OTHER}} if alert else {})


@pytest.mark.parametrize(
    ("have", "alert"),
    [
        ("0900", None),
        (
            "0899",
            "x: its data is 101 changes behind, more than tiers_status_max_behind (100)",
        ),
        ("0899/x", "x: its data is behind that of the masters"),
    ],
)
def test_numeric_positions_may_be_some_changes_behind(
    answers: Answers, recorded: dict[str, Any], have: str, alert: str | None
) -> None:
    for name in ("m", "mb", "y", "p1", "p2"):
        answers[name]["edges"][0]["position"] = {"m": "1000"}
    answers["x"]["edges"][0]["position"] = {"m": have}
    assert status.report(PLAN, answers, recorded)["alerts"] == ([alert] if alert else [])


def test_a_warm_backup_may_be_behind(answers: Answers, recorded: dict[str, Any]) -> None:
    answers["mb"]["edges"][0]["position"] = {"1": LONG_AGO, "2": OTHER}
    warm = Slice({**PLAN["servers"]["mb"], "redundancy": "warm"})
    report = status.report({**PLAN, "servers": {**PLAN["servers"], "mb": warm}}, answers, recorded)
    assert report["ok"], report["alerts"]
    assert status.report(PLAN, answers, recorded)["late"]


def test_a_server_that_was_asked_again_has_reached_the_masters() -> None:
    last = {"1": NEW, "2": OTHER}
    assert status.has_reached({"edges": [edge("x", "haproxy"), edge("x", position={**last, "3": OLD})]}, last)
    assert not status.has_reached({"edges": [edge("x", position={"1": OLD, "2": OTHER})]}, last)
    assert not status.has_reached({"edges": [edge("x", position={"1": NEW})]}, last)
    assert not status.has_reached({"msg": "no answer"}, last)


def test_a_member_that_somebody_drained_is_no_interrupted_operation(answers: Answers, recorded: dict[str, Any]) -> None:
    answers["d"]["edges"][1]["servers"] = {"p1": "DRAIN", "p2": "UP"}
    answers["p1"]["edges"].append(edge("p1", "drained", ok=False, why="this host is drained"))
    assert status.report(PLAN, answers, recorded)["alerts"] == ["p1: this host is drained"]
    answers["p1"]["edges"][-1].update(traffic="interrupted", why="an interrupted run left this host closed")
    assert status.report(PLAN, answers, recorded)["alerts"] == ["p1: an interrupted run left this host closed"]
    answers["p1"] = {"msg": "no route"}  # nobody knows
    assert not any("nothing records" in alert for alert in status.report(PLAN, answers, recorded)["alerts"])


def test_a_deviation_of_a_host_is_an_alert(answers: Answers, recorded: dict[str, Any]) -> None:
    gone = {"findings": [{"look": "firewall", "why": "the table is not loaded"}]}
    report = status.report(PLAN, answers, recorded, hosts={"m": gone, "x": {"findings": []}})
    assert report["alerts"] == ["m: firewall: the table is not loaded"]
    answers["m"] = {"unreachable": True, "msg": "silent"}
    again = status.report(PLAN, answers, recorded, hosts={"m": {"failed": True, "msg": "silent"}})
    assert [alert for alert in again["alerts"] if "silent" in alert] == ["m: host: silent"]


def test_status_shows_the_lease_of_a_pair_and_what_ends_its_failover(turns: Turns, recorded: dict[str, Any]) -> None:
    lease = {"holder": "m", "paused": False, "paused_until": 0, "age": 0.4, "ttl": 3.0}
    active, standby = turns[1]["m"]["edges"][-1], turns[1]["mb"]["edges"][-1]
    active["lease"], standby["lease"] = lease, lease
    report = status.report(*turns, recorded)
    assert report["ok"] and row(report, "m")["observed"] == "provider, has the lease, serves"
    active["lease"] = standby["lease"] = {**lease, "paused": True, "paused_until": 1767225600}
    assert status.report(*turns, recorded)["alerts"] == [
        "pair of m: automatic failover is paused until 2026-01-01 00:00 UTC. To end this, run resume_failover"
    ]
    active["lease"], standby["lease"] = {**lease, "paused": True}, {**lease, "paused": True, "age": 12.0}
    assert status.report(*turns, recorded)["alerts"] == [
        "pair of m: automatic failover is paused without a time limit. To end this, run resume_failover",
        "mb: the arbiter has not answered it for 12 s, so it cannot become active",
    ]
    active["lease"], standby["lease"] = lease, {**lease, "needs_resync": True}
    (alert,) = status.report(*turns, recorded)["alerts"]
    assert alert.startswith("mb: its lease ended before it was demoted") and alert.endswith("run resync for mb")
    standby["lease"] = {**lease, "lacks_writes": True}
    assert status.report(*turns, recorded)["alerts"] == [
        "mb: it lacks acknowledged writes of m, and is not promoted before it has them"
    ]


def health(report: dict[str, Any]) -> dict[str, str]:
    return {row["server"]: row["health"] for row in report["servers"]}


def test_health_of_a_server_is_one_word(answers: Answers, recorded: dict[str, Any]) -> None:
    answers["m"]["edges"][0].update(reachable=False, ok=False, why="refused")
    answers["x"] = {"msg": "no route"}
    del answers["y"], recorded["y"]
    answers["p1"]["edges"].append(edge("p1", "drained", traffic="stopped"))
    recorded["p2"]["plan_digest"] = "another"
    states = health(status.report(PLAN, answers, recorded))
    assert states["m"] == "down"
    assert states["x"] == "no answer"
    assert states["y"] == "not asked"
    assert states["p1"] == "out of service"
    assert states["p2"] == "alert", "an alert that names several servers is about each of them"
    assert states["mb"] == "healthy"
    assert {*states.values()} == {*status.HEALTH}


def test_content_of_a_server_that_was_not_read_is_a_row(answers: Answers, recorded: dict[str, Any]) -> None:
    answers["x"] = {"msg": "no route"}
    digests = {"m": "a", "mb": "a", "y": "b"}
    content = {name: {"edges": [edge(name, digest=digest, position={"1": NEW})]} for name, digest in digests.items()}
    rows = {row["server"]: row for row in status.report(PLAN, answers, recorded, content=content)["content"]}
    assert {name: rows[name]["equal"] for name in ("m", "mb", "y", "x")} == {
        "m": True,
        "mb": True,
        "y": False,
        "x": None,
    }
    assert rows["x"]["why"] == "host: no route"


def test_certificates_are_rows_of_the_hosts_that_answered(answers: Answers, recorded: dict[str, Any]) -> None:
    hosts = {"m": {"findings": [], "certificates": [{"path": "/server.crt", "subject": "CN=m", "days": 3.0}]}}
    rows = status.report(PLAN, answers, recorded, hosts=hosts)["certificates"]
    assert rows == [{"host": "m", "path": "/server.crt", "subject": "CN=m", "days": 3.0}]
