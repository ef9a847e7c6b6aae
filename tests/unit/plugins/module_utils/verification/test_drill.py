# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification import drill, drill_report
from ansible_collections.distributed.tiers.plugins.module_utils.verification.promises import (
    ALLOWED,
    judge,
    judge_lasting,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import (
    Sample,
    Stall,
    Times,
    acknowledged,
    figures,
    read_samples,
    read_stalls,
)
from ansible_collections.distributed.tiers.tests.unit.slices import ClientSlice

# Off at 100 (the command took 0.3 s), on at 110, whole at 120.
TIMES = Times(100.0, 100.3, 110.0, 120.0)
RUN = "drill-1"


def program(
    client: str, stream: str, outages: tuple[tuple[float, float], ...] = (), server: str = "s", tries: int = 1
) -> list[Sample]:
    """Two requests a second from 95 to 130, failing where they start inside an outage."""
    samples = []
    for tick in range(70):
        start = 95 + tick / 2
        error = "lost" if any(begin <= start < end for begin, end in outages) else ""
        number = tick + 1 if stream in drill.HOME_WRITES else 0
        samples.append(Sample(client, stream, start, start + 0.01, server, tries, number, error))
    return samples


def load(
    broken: dict[tuple[str, str], tuple[tuple[float, float], ...]] | None = None, server: str = "s"
) -> list[Sample]:
    """Two clients with all programs."""
    return [
        sample
        for client in ("c1", "c2")
        for stream in (*drill.HOME_READS, *drill.HOME_WRITES, *drill.POOL_READS, drill.POOL_WATCH)
        for sample in program(client, stream, (broken or {}).get((client, stream), ()), server)
    ]


def server(name: str, tier: str, **more: Any) -> dict[str, Any]:
    base = {"name": name, "tier": tier, "state": "active", "backup": None, "virtual_address": None}
    base |= {"address": f"192.0.2.{ord(name[0])}"}
    return {**base, **more}


def client(name: str, *endpoints: str) -> dict[str, Any]:
    return ClientSlice(
        name=name,
        protocol="ldaps",
        endpoints=[{"name": e, "address": f"a-{e}", "port": 636, "role": "proxy"} for e in endpoints],
        pool=[{"name": "pool", "address": "a-pool", "port": 636}],
    )


PLAN: dict[str, Any] = {
    "system": "demo",
    "digest": "now",
    "servers": {
        "m": server("m", "master", backup="mb"),
        "mb": server("mb", "backup"),
        "x": server("x", "proxy"),
        "y": server("y", "proxy", backup="yb"),
        "yb": server("yb", "backup"),
        "p": server("p", "parallel"),
        "d": server("d", "distributor", backup="db", virtual_address="v"),
        "db": server("db", "backup"),
    },
    "clients": {"c1": client("c1", "x"), "c2": client("c2", "y", "yb")},
}


def experiment(kind: str, fault: str = "off", plan: dict[str, Any] | None = None) -> dict[str, Any]:
    (one,) = drill.experiments(plan or PLAN, wanted=[f"{kind}_{fault}"])["todo"]
    return one


def judged(
    kind: str,
    samples: list[Sample],
    missing: int | None = None,
    plan: dict[str, Any] | None = None,
    stalls: list[Stall] | None = None,
) -> dict[str, bool]:
    promises = judge(experiment(kind, plan=plan), plan or PLAN, samples, TIMES, ALLOWED, missing, stalls=stalls or [])
    return {promise["promise"]: promise["ok"] for promise in promises}


HOME = (*drill.HOME_READS, *drill.HOME_WRITES)


def outage(client_name: str, streams: tuple[str, ...], begin: float, end: float) -> dict[Any, Any]:
    return {(client_name, stream): ((begin, end),) for stream in streams}


def test_experiments_come_from_the_plan() -> None:
    found = drill.experiments(PLAN)
    assert [(one["kind"], one["target"], one["own"]) for one in found["todo"]] == [
        ("proxy_alone", "x", ["c1"]),
        ("proxy_backed", "y", ["c2"]),
        ("member", "p", []),
        ("distributor", "d", []),
        ("master", "m", []),
    ]
    assert [one["kind"] for one in found["skipped"]] == ["standby"]


def test_experiments_without_a_target_are_skipped_with_a_reason() -> None:
    found = drill.experiments({"servers": {"m": server("m", "master")}, "clients": {"c": client("c", "m")}})
    assert found["todo"] == []
    assert {one["kind"]: one["why"] for one in found["skipped"]} == {
        "proxy_alone": "no proxy without a backup serves a client host",
        "proxy_backed": "no proxy with a backup serves a client host",
        "member": "there is no pool of parallel members",
        "distributor": "there is no distributor with a backup",
        "master": "the master has no backup",
        "standby": "no master waits for a standby before it acknowledges a write",
    }


def test_a_drained_server_is_not_broken() -> None:
    plan = {**PLAN, "servers": {**PLAN["servers"], "p": server("p", "parallel", state="draining")}}
    assert "member" not in [one["kind"] for one in drill.experiments(plan)["todo"]]


def test_streams_of_a_client() -> None:
    programs = drill.streams(PLAN["clients"]["c2"], {"read": 5, "connect": 2, "write": 3}, RUN)
    assert [(p["name"], p["kind"], p.get("connection"), p["rate"]) for p in programs] == [
        ("home reads", "read", None, 5),
        ("home reads, new connections", "read", "new", 2),
        ("pool reads", "read", None, 5),
        ("pool reads, new connections", "read", "new", 2),
        ("pool address", "read", "new", 2),
        ("home writes", "write", None, 3),
    ]
    assert [s["name"] for s in programs[0]["servers"]] == ["y", "yb"]
    assert programs[-1]["prefix"] == "drill-1-c2"


def test_many_requests_are_shared_among_workers() -> None:
    programs = drill.streams(PLAN["clients"]["c2"], {"pool_read": 195, "read": 20, "write": 0}, RUN)
    assert [(p["name"], p["rate"], p["workers"]) for p in programs] == [
        ("home reads", 20, 2),
        ("home reads, new connections", 2, 1),
        ("pool reads", 195, 20),
        ("pool reads, new connections", 2, 1),
        ("pool address", 2, 1),
    ]
    programs = drill.streams(PLAN["clients"]["c2"], {"read": 20}, RUN)
    assert next(p["rate"] for p in programs if p["name"] == "pool reads") == 20


@pytest.mark.parametrize(
    ("offers", "kinds"),
    [
        ([], set()),
        (["read", "status"], {"read"}),
        (["write", "names"], set()),  # they could not be removed
        (["write", "remove"], {"write"}),
        (["read", "write", "names", "remove", "status"], {"read", "write"}),
    ],
)
def test_only_what_is_offered_is_asked(offers: list[str], kinds: set[str]) -> None:
    programs = drill.streams(PLAN["clients"]["c2"], {}, RUN, "command", offers)
    assert {p["kind"] for p in programs} == kinds
    assert {s["protocol"] for p in programs for s in p["servers"]} == ({"command"} if kinds else set())


def test_the_active_node_of_a_pair_fails_in_the_drill() -> None:
    found = {one["kind"]: one for one in drill.experiments(PLAN, standing_by=["m", "db"])["todo"]}
    assert (found["master"]["target"], found["master"]["backup"]) == ("mb", "m")
    assert found["master"]["title"] == "the master fails: mb"
    assert (found["distributor"]["target"], found["distributor"]["backup"]) == ("d", "db")


@pytest.mark.parametrize(("aside", "target", "peer"), [(["mb"], "m", "mb"), (["m"], "mb", "m"), ([], "m", "mb")])
def test_the_node_that_serves_now_fails_although_the_other_one_was_planned(
    aside: list[str], target: str, peer: str
) -> None:
    planned = experiment("master", "cut_from_peer")
    aimed = drill.aim(planned, PLAN, aside)
    assert (aimed["name"], aimed["target"], aimed["backup"]) == ("master_cut_from_peer", target, peer)
    assert aimed["title"] == f"the master is cut off from its peer alone: {target}"
    assert {host: fault["peers"] for host, fault in aimed["faults"].items()} == {
        target: [PLAN["servers"][peer]["address"]]
    }


ELECTING: dict[str, Any] = {"product_election": True, "replication": "synchronous"}
SYNCHRONOUS: dict[str, Any] = {
    **PLAN,
    "servers": {**PLAN["servers"], "m": server("m", "master", backup="mb", **ELECTING), "mb": server("mb", "backup")},
}


def test_a_standby_fails_only_where_the_master_waits_for_it() -> None:
    planned = experiment("standby", plan=SYNCHRONOUS)
    assert (planned["target"], planned["backup"]) == ("mb", "m")
    assert drill.aim(planned, SYNCHRONOUS, ["m"])["target"] == "m"
    assert drill.aim(planned, SYNCHRONOUS, ["mb"])["target"] == "mb"
    late = replace_product(replication="asynchronous")
    assert drill.experiments(late, wanted=["standby_off"])["todo"] == []


def replace_product(**more: Any) -> dict[str, Any]:
    servers = SYNCHRONOUS["servers"]
    return {**SYNCHRONOUS, "servers": {**servers, "m": {**servers["m"], **more}}}


@pytest.mark.parametrize(("seconds", "ok"), [(9, True), (99, False)])
def test_writes_may_pause_while_the_master_waits_for_its_standby(seconds: float, ok: bool) -> None:
    late = load(outage("c1", drill.HOME_WRITES, 100.4, 100.4 + seconds))
    seen = judged("standby", late, plan=SYNCHRONOUS)
    assert (seen["writes go on without the standby"], seen["reads go on"]) == (ok, True)
    lost = load(outage("c1", drill.HOME_READS, 100.4, 101))
    assert judged("standby", lost, plan=SYNCHRONOUS)["reads go on"] is False


def test_a_leader_that_is_cut_off_from_its_standby_may_pause_writes_alone() -> None:
    late = judged_cut("cut_from_peer", load(outage("c1", drill.HOME_WRITES, 100.4, 109)), SYNCHRONOUS)
    assert (late["writes go on without the standby"]["ok"], late["reads go on"]["ok"]) == (True, True)
    lost = judged_cut("cut_from_peer", load(outage("c1", drill.HOME_READS, 100.4, 101)), SYNCHRONOUS)
    assert lost["reads go on"]["ok"] is False


def test_a_leader_chosen_by_the_product_may_not_serve_beside_its_peer() -> None:
    assert judged_cut("cut", load(), SYNCHRONOUS, serving=("m", "mb"))[ONE]["ok"] is False
    assert judged_cut("cut", load(), SYNCHRONOUS, serving=("mb",))[ONE]["ok"] is True


def test_samples_are_read_up_to_a_line_that_was_cut_off() -> None:
    text = '["home reads",100.5,0.25,"x",2,0,"",0]\n["home writes",101,1,"",1,7,"LDAP: gone",3]\n["home rea'
    assert read_samples("c1", text) == [
        Sample("c1", "home reads", 100.5, 100.75, "x", 2, 0, ""),
        Sample("c1", "home writes", 101, 102, "", 1, 7, "LDAP: gone", 3),
    ]


def test_late_ticks_are_read_apart_from_the_requests() -> None:
    text = '["home reads",100.5,0.25,"x",1,0,"",0]\n{"late":0.75,"due":101.0}\n{"late":0.'
    assert read_stalls("c1", text) == [Stall("c1", 101.0, 101.75)]
    assert len(read_samples("c1", text)) == 1


@pytest.mark.parametrize(
    ("stall", "verdict"),
    [
        (Stall("c2", 105.0, 106.2), None),
        (Stall("c2", 119.9, 120.6), None),  # it began before the system was as planned again
        (Stall("c2", 105.0, 105.4), False),  # too short to explain it
        (Stall("c2", 95.0, 96.0), False),  # over before the loss
        (Stall("c2", 121.0, 125.0), False),  # after the end of the experiment
    ],
)
def test_a_limit_missed_while_a_client_host_stalled_is_not_measured(stall: Stall, verdict: bool | None) -> None:
    late = load(outage("c2", drill.POOL_READS, 101, 109.5))
    seen = judged("distributor", late, stalls=[stall])
    assert seen["the pool fails over to db"] is verdict
    assert seen["clients of the proxies are not affected"] is True


def test_a_stall_takes_nothing_back_that_was_kept() -> None:
    assert all(judged("member", load(), stalls=[Stall("c1", 101, 105)]).values())


def test_a_stall_excuses_no_missing_write() -> None:
    replicated = server("m", "master", backup="mb", replication="synchronous")
    plan = {**PLAN, "servers": {**PLAN["servers"], "m": replicated}}
    seen = judged("master", load(), missing=1, plan=plan, stalls=[Stall("c1", 101, 105)])
    assert seen["acknowledged writes missing at the backup at takeover"] is False


@pytest.mark.parametrize(
    ("start", "end", "in_flight", "failed"),
    [
        (99.9, 103.0, 1, 0),  # on its way when the server went
        (100.2, 103.0, 1, 0),  # started while the command was killing it
        (100.4, 103.0, 0, 1),  # started after
        (98.0, 99.0, 0, 0),  # failed before: not this experiment's
        (119.0, 121.0, 0, 1),  # started before all was whole
        (120.5, 121.0, 0, 0),  # the next experiment's
    ],
)
def test_in_flight_and_failed(start: float, end: float, in_flight: int, failed: int) -> None:
    seen = figures([Sample("c", "s", start, end, "", 1, 0, "lost")], TIMES)
    assert (seen["in_flight"], seen["failed"]) == (in_flight, failed)


def test_the_longest_gap_is_one_programs_own() -> None:
    """Another program's successes do not hide it, and a service that never returns has a gap to the end."""
    broken = program("c", "a", ((101, 104),)) + program("c", "b")
    assert figures(broken, TIMES)["gap"] == pytest.approx(3.5, abs=0.02)
    assert figures(program("c", "a", ((101, 999),)), TIMES)["gap"] == pytest.approx(19.49, abs=0.02)


def test_a_program_that_blocks_has_a_gap_though_nothing_failed() -> None:
    samples = [Sample("c", "a", 99.9, 99.95, "x", 1, 0, ""), Sample("c", "a", 100.1, 108.1, "y", 2, 0, "")]
    seen = figures(samples, TIMES)
    assert (seen["failed"], seen["repeated"]) == (0, 1)
    assert seen["gap"] >= 8


def test_one_worker_that_is_not_served_is_not_hidden_by_the_others() -> None:
    good = program("c", "a")
    bad = [replace(sample, worker=1) for sample in program("c", "a", ((101, 104),))]
    assert figures(good + bad, TIMES)["gap"] == pytest.approx(3.5, abs=0.02)


def test_first_success_after() -> None:
    assert figures(program("c", "a", ((100, 103),)), TIMES)["first"] == pytest.approx(2.71)
    assert figures(program("c", "a", ((100, 999),)), TIMES)["first"] is None


def test_one_program_that_is_never_served_again_is_enough() -> None:
    assert figures(program("c", "a") + program("c", "b", ((100, 999),)), TIMES)["first"] is None


def test_acknowledged_writes() -> None:
    samples = [
        Sample("c", "home writes", 1, 2, "x", 1, 1, ""),
        Sample("c", "home writes", 3, 4, "x", 1, 2, "lost"),
        Sample("c", "home writes", 5, 6, "x", 1, 3, ""),
        Sample("c", "home reads", 5, 6, "x", 1, 0, ""),
    ]
    assert acknowledged(samples, RUN) == ["drill-1-c-00001", "drill-1-c-00003"]
    assert acknowledged(samples, RUN, before=5.5) == ["drill-1-c-00001"]


def test_proxy_alone_kept() -> None:
    verdict = judged("proxy_alone", load(outage("c1", HOME, 100.4, 114)))
    assert verdict == {
        "exactly its own clients lose service": True,
        "no other client is affected": True,
        "its clients are served again after its return": True,
        "x comes back, all is as planned": True,
        "no client waits longer than allowed at its return": True,
    }


def test_proxy_alone_but_another_client_notices() -> None:
    verdict = judged("proxy_alone", load(outage("c1", HOME, 100.4, 114) | outage("c2", HOME, 101, 102)))
    assert not verdict["exactly its own clients lose service"]
    assert not verdict["no other client is affected"]


def test_proxy_alone_but_its_clients_lose_the_pool_too() -> None:
    verdict = judged("proxy_alone", load(outage("c1", (*HOME, *drill.POOL_READS), 100.4, 114)))
    assert not verdict["no other client is affected"]


def test_proxy_alone_without_an_affected_client_is_not_measured() -> None:
    """Then it was not off, or its clients were not its own: the promise says exactly."""
    assert not judged("proxy_alone", load())["exactly its own clients lose service"]


def test_proxy_alone_but_its_clients_stay_without_service() -> None:
    verdict = judged("proxy_alone", load(outage("c1", HOME, 100.4, 999)))
    assert not verdict["its clients are served again after its return"]


def test_proxy_alone_whose_clients_have_another_proxy() -> None:
    plan = {**PLAN, "clients": {**PLAN["clients"], "c1": client("c1", "x", "y")}}
    verdict = judged("proxy_alone", load(outage("c1", HOME, 100.4, 102)), plan=plan)
    assert verdict["exactly its own clients lose service"]
    assert verdict["those with another endpoint are served again"]
    verdict = judged("proxy_alone", load(outage("c1", HOME, 100.4, 999)), plan=plan)
    assert not verdict["those with another endpoint are served again"]


@pytest.mark.parametrize(("end", "by", "ok"), [(104, "yb", True), (104, "y", False), (109.5, "yb", False)])
def test_proxy_with_a_backup(end: float, by: str, ok: bool) -> None:
    """Within the limit, and by the backup: whoever else answers, the proxy was not lost."""
    verdict = judged("proxy_backed", load(outage("c2", HOME, 100.4, end), server=by))
    assert verdict["its clients are served again by yb"] is ok
    assert verdict["no other client is affected"]


def test_member() -> None:
    assert all(judged("member", load()).values())
    in_flight = load()
    in_flight.append(Sample("c1", drill.POOL_READS[1], 99.9, 102, "", 1, 0, "lost"))
    assert judged("member", in_flight)["no request fails beyond those in flight"]
    in_flight.append(Sample("c1", drill.POOL_READS[1], 100.5, 102, "", 1, 0, "lost"))
    assert not judged("member", in_flight)["no request fails beyond those in flight"]


def test_member_but_a_program_hangs_since_before() -> None:
    hung = [s for s in load() if (s.client, s.stream) != ("c2", drill.POOL_READS[1]) or s.start < 97]
    assert not judged("member", hung)["no request fails beyond those in flight"]


def test_no_load_is_no_proof() -> None:
    samples = [sample for sample in load() if sample.stream not in drill.POOL_READS]
    assert not judged("member", samples)["no request fails beyond those in flight"]


@pytest.mark.parametrize(("end", "ok"), [(104, True), (109.5, False)])
def test_distributor(end: float, ok: bool) -> None:
    broken = outage("c1", drill.POOL_READS, 100.4, end) | outage("c2", drill.POOL_READS, 100.4, end)
    verdict = judged("distributor", load(broken))
    assert verdict["the pool fails over to db"] is ok
    assert verdict["clients of the proxies are not affected"]


@pytest.mark.parametrize(("end", "ok"), [(102.5, True), (104, False)])
def test_address_of_the_distributor(end: float, ok: bool) -> None:
    broken = outage("c1", (drill.POOL_WATCH,), 100.4, end)
    verdict = judged("distributor", load(broken))
    assert verdict["v answers again"] is ok
    assert verdict["the pool fails over to db"]


def test_master_kept() -> None:
    broken = outage("c1", drill.HOME_WRITES, 100.4, 104) | outage("c2", drill.HOME_WRITES, 100.4, 104)
    assert all(judged("master", load(broken), missing=2).values())


def test_master_broken() -> None:
    verdict = judged("master", load(outage("c1", HOME, 100.4, 999)), missing=None)
    assert not verdict["proxies go on answering reads"]
    assert not verdict["writes resume at mb"]
    assert not verdict["acknowledged writes missing at the backup at takeover"]


def test_a_synchronous_product_may_not_miss_one() -> None:
    plan = {**PLAN, "servers": {**PLAN["servers"], "m": {**PLAN["servers"]["m"], "replication": "synchronous"}}}
    text = "acknowledged writes missing at the backup at takeover"
    assert judged("master", load(), missing=0, plan=plan)[text]
    assert not judged("master", load(), missing=1, plan=plan)[text]


@pytest.mark.parametrize(
    ("replication", "told"),
    [("asynchronous", "any, reported (asynchronous replication)"), ("none", "any, reported (nothing is replicated)")],
)
def test_unpromised_writes_are_reported(replication: str, told: str) -> None:
    plan = {**PLAN, "servers": {**PLAN["servers"], "m": {**PLAN["servers"]["m"], "replication": replication}}}
    promises = judge(experiment("master"), plan, load(), TIMES, ALLOWED, 7)
    (one,) = (p for p in promises if "missing at the backup" in p["promise"])
    assert (one["measured"], one["allowed"], one["ok"]) == ("7", told, True)


@pytest.mark.parametrize(("end", "ok"), [(104, True), (109.9, False)])
@pytest.mark.parametrize("passes_on", [{"passes_through": True}, {"proxy_mode": "pooler"}])
def test_behind_a_proxy_that_passes_on_reads_resume_with_the_backup(
    end: float, ok: bool, passes_on: dict[str, Any]
) -> None:
    x = {**PLAN["servers"]["x"], **passes_on}
    plan = {**PLAN, "servers": {**PLAN["servers"], "x": x}}
    verdict = judged("master", load(outage("c1", drill.HOME_READS, 100.4, end)), 0, plan)
    assert verdict["reads that go to the master itself resume at mb"] is ok
    assert verdict["proxies go on answering reads"]


def test_clients_of_the_master_itself() -> None:
    plan = {
        **PLAN,
        "servers": {**PLAN["servers"], "m": server("m", "master", backup="mb", serves_as="master")},
        "clients": {name: client(name, "m", "mb") for name in ("c1", "c2")},
    }
    verdict = judged("master", load(outage("c1", HOME, 100.4, 104)), 0, plan)
    assert "proxies go on answering reads" not in verdict
    assert verdict["reads that go to the master itself resume at mb"]


@pytest.mark.parametrize("kind", ["proxy_alone", "proxy_backed", "member", "distributor", "master"])
def test_unmeasured_promises_are_neither_kept_nor_broken(kind: str) -> None:
    promises = judge(experiment(kind), PLAN, [], TIMES, ALLOWED, None, offers=[])
    assert {p["ok"] for p in promises if "comes back" not in p["promise"]} == {None}
    assert all("not measured: the product offers no" in p["measured"] for p in promises if p["ok"] is None)
    assert next(p["ok"] for p in promises if "comes back" in p["promise"])


def test_unaffected_clients_are_not_measured_without_requests() -> None:
    only = {"c2": ClientSlice(client("c2", "y", "yb"), pool=[])}
    broken = load(outage("c2", HOME, 100.4, 104), server="yb")
    promises = judge(
        experiment("proxy_backed"),
        {**PLAN, "clients": only},
        [sample for sample in broken if sample.client == "c2" and sample.stream in HOME],
        TIMES,
        ALLOWED,
    )
    verdict = {p["promise"]: p["ok"] for p in promises}
    assert verdict["its clients are served again by yb"]
    assert verdict["no other client is affected"] is None
    assert verdict["no client waits longer than allowed at its return"]


def test_the_return_affects_no_client_where_all_were_affected() -> None:
    only = {"c1": ClientSlice(client("c1", "x"), pool=[])}
    broken = [s for s in load(outage("c1", HOME, 100.4, 114)) if s.client == "c1" and s.stream in HOME]
    promises = judge(experiment("proxy_alone"), {**PLAN, "clients": only}, broken, TIMES, ALLOWED)
    assert {p["promise"]: p["ok"] for p in promises} == {
        "exactly its own clients lose service": True,
        "no other client is affected": None,
        "its clients are served again after its return": True,
        "x comes back, all is as planned": True,
        "no client waits longer than allowed at its return": None,
    }


def test_a_client_of_which_nothing_is_known_is_no_proof() -> None:
    samples = [sample for sample in load(outage("c1", HOME, 100.4, 114)) if sample.client == "c1"]
    promises = judge(experiment("proxy_alone"), PLAN, samples, TIMES, ALLOWED)
    one = next(p for p in promises if p["promise"] == "no other client is affected")
    assert one["ok"] is False
    assert "no request of c2" in one["measured"]


def test_a_takeover_is_proven_by_every_client_that_it_concerns() -> None:
    plan = {**PLAN, "clients": {name: client(name, "y", "yb") for name in ("c1", "c2")}}
    (backed,) = (one for one in drill.experiments(plan)["todo"] if one["kind"] == "proxy_backed")
    samples = [s for s in load(outage("c2", HOME, 100.4, 104), server="yb") if s.client == "c2"]
    one = judge(backed, plan, samples, TIMES, ALLOWED)[0]
    assert one["ok"] is False
    assert "no request of c1" in one["measured"]


def test_a_pool_without_requests_while_the_master_was_down_proves_nothing() -> None:
    samples = [sample for sample in load() if sample.stream not in drill.POOL]
    assert judged("master", samples, missing=0)["so does the pool"] is False


def test_offered_operations_are_measured() -> None:
    reads = [sample for sample in load() if sample.stream not in drill.HOME_WRITES]
    promises = judge(experiment("master"), PLAN, reads, TIMES, ALLOWED, None, offers=["read"])
    verdict = {p["promise"]: p["ok"] for p in promises}
    assert verdict["proxies go on answering reads"] is True
    assert verdict["writes resume at mb"] is None
    assert verdict["acknowledged writes missing at the backup at takeover"] is None


def test_a_return_that_costs_service() -> None:
    verdict = judged("member", load(outage("c1", drill.POOL_READS, 111, 118)))
    assert not verdict["no client waits longer than allowed at its return"]


def test_a_return_that_takes_too_long() -> None:
    late = Times(100, 100.3, 110, 110 + ALLOWED["return"] + 1)
    promises = judge(experiment("member"), PLAN, load(), late, ALLOWED)
    assert not next(p for p in promises if "comes back" in p["promise"])["ok"]


@pytest.mark.parametrize(
    ("missing", "unread", "written", "ok"),
    [
        ({"m": 0, "x": 0}, {}, 10, True),
        ({"m": 0, "x": 1}, {}, 10, False),
        ({"m": 0}, {"x": "no answer"}, 10, False),
        ({}, {}, 10, False),
        ({"m": 0}, {}, 0, False),
    ],
)
def test_lasting(missing: dict[str, int], unread: dict[str, str], written: int, ok: bool) -> None:
    assert judge_lasting(missing, unread, written)["ok"] is ok


def record(**more: Any) -> dict[str, Any]:
    found = drill.experiments(PLAN)
    times = {"off_begin": 100.0, "off": 100.3, "on": 110.0, "whole": 120.0}
    return {
        "experiments": [one for one in found["todo"] if one["kind"] == "member"],
        "skipped": [{"kind": "master", "title": "the master fails", "why": "the master has no backup"}],
        "times": {"member_off": times},
        "takeover": {},
        "broken": {},
        "lasting": {"m": {"missing": [], "ok": True}},
        "method": "power off",
        **more,
    }


def test_report() -> None:
    report = drill_report.build(PLAN, record(), load(), RUN)
    assert report["ok"]
    assert json.loads(json.dumps(report)) == report
    text = drill_report.as_text(report)
    assert "kept" in text and "BROKEN" not in text
    assert "skipped: the master fails: the master has no backup" in text
    page = drill_report.as_markdown(report)
    assert "## A parallel member fails: p" in page
    assert "| c1 | home reads |" in page


@pytest.mark.parametrize(
    "more",
    [
        {"broken": {"member_off": "not healthy again"}},
        {"times": {}},
        {"lasting": {"m": {"missing": ["a"], "ok": False}}},
        {"lasting": {"m": {"why": "no answer"}}},
        {"experiments": [], "lasting": None},
    ],
)
def test_report_of_what_could_not_be_shown(more: dict[str, Any]) -> None:
    """Not carried through, not counted or not tried at all is not kept."""
    assert not drill_report.build(PLAN, record(**more), load(), RUN)["ok"]


def test_report_says_what_was_not_measured() -> None:
    reads = [sample for sample in load() if sample.stream not in drill.HOME_WRITES]
    report = drill_report.build(PLAN, record(), reads, RUN, offers=["read"])
    assert report["ok"]
    text = drill_report.as_text(report)
    assert "not measured: the product offers no write and no names and no remove to probes" in text
    assert "4 of 4 promises kept, 1 not measured; " in text


def test_nothing_measured_is_nothing_proven() -> None:
    report = drill_report.build(PLAN, record(experiments=[]), [], RUN, offers=[])
    assert [p["ok"] for p in report["after"]] == [None]
    assert not report["ok"]


@pytest.mark.parametrize(
    ("replication", "active", "gone", "ok"),
    [
        ("asynchronous", "one", ["a"], True),  # was missing when the master was lost, and stays so
        ("asynchronous", "one", ["a", "b"], False),
        ("asynchronous", "both", ["a"], False),  # it is there again when the master is
        ("synchronous", "one", ["a"], False),
        ("none", "one", ["a", "b"], True),
    ],
)
def test_writes_that_may_be_missing_after_a_failover(replication: str, active: str, gone: list[str], ok: bool) -> None:
    master = {**PLAN["servers"]["m"], "replication": replication, "active_standby": active == "one"}
    plan = {**PLAN, "servers": {**PLAN["servers"], "m": master}}
    kept = record(
        experiments=[experiment("master")],
        times={"master_off": record()["times"]["member_off"]},
        takeover={"master_off": {"missing": ["a"], "found": 9, "why": ""}},
        lasting={"x": {"missing": gone, "ok": False}},
    )
    assert drill_report.build(plan, kept, load(), RUN)["after"][0]["ok"] is ok


def test_limits_of_the_operator() -> None:
    broken = load(outage("c1", drill.POOL_READS, 111, 113))
    assert drill_report.build(PLAN, record(), broken, RUN)["ok"]
    assert not drill_report.build(PLAN, record(), broken, RUN, {"return_gap": 1})["ok"]


def test_load_writes_at_the_write_ports() -> None:
    one = ClientSlice(client("c1", "x"), write_endpoints=[{"name": "x", "address": "a-x", "port": 637}])
    ports = {program["name"]: program["servers"][0]["port"] for program in drill.streams(one, {}, "drill-1")}
    assert ports["home writes"] == 637
    assert set(ports.values()) == {636, 637}


def test_client_whose_servers_take_no_writes_writes_nothing() -> None:
    one = ClientSlice(client("c1", "x"), write_endpoints=[], write_pool=[])
    assert "home writes" not in {program["name"] for program in drill.streams(one, {}, "drill-1")}
    plan = {**PLAN, "clients": {"c1": one}}
    samples = [sample for sample in load() if sample.client == "c1" and sample.stream not in drill.HOME_WRITES]
    verdict = {p["promise"]: p["ok"] for p in judge(experiment("master"), plan, samples, TIMES, ALLOWED, 0)}
    assert verdict["writes resume at mb"] is None
    assert verdict["proxies go on answering reads"]


def test_drill_without_a_choice_switches_servers_off() -> None:
    assert {one["fault"] for one in drill.experiments(PLAN)["todo"]} == {"off"}


def test_experiments_are_chosen_by_patterns_of_their_names() -> None:
    found = drill.experiments(PLAN, wanted=["master_[cdmo][eufu]*", "member_cut"])
    assert [one["name"] for one in found["todo"]] == [
        "master_off",
        "member_cut",
        "master_cut",
        "master_cut_from_peer",
        "master_deaf",
        "master_mute",
    ]
    assert drill.list_unknown(["master_*", "member_cut", "master_cold"]) == ["master_cold"]


def test_names_of_experiments_are_unique() -> None:
    assert len(set(drill.NAMES)) == len(drill.NAMES)


def test_cut_drops_packets_on_the_host_of_the_server_alone() -> None:
    assert experiment("master", "cut")["faults"] == {
        "m": {"kind": "cut", "peers": [], "direction": "both", "shared": []},
    }
    peer = experiment("master", "cut_from_peer")["faults"]["m"]["peers"]
    assert peer == [PLAN["servers"]["mb"]["address"]]
    assert experiment("master", "deaf")["faults"]["m"]["direction"] == "in"
    assert experiment("master", "mute")["faults"]["m"]["direction"] == "out"
    assert experiment("master", "off")["faults"] == {}


def test_shared_address_is_no_longer_announced_by_a_node_that_is_cut_off() -> None:
    assert experiment("distributor", "cut")["faults"]["d"]["shared"] == ["v"]


def test_fault_ends_on_the_host_itself_after_the_drill_should_have_undone_it() -> None:
    (one,) = drill.experiments(PLAN, wanted=["master_cut"], seconds=20)["todo"]
    assert (one["seconds"], one["lasts"]) == (20, 80)


def test_cut_needs_ip_addresses() -> None:
    plan = {**PLAN, "servers": {**PLAN["servers"], "mb": server("mb", "backup", address="mb.example.org")}}
    found = drill.experiments(plan, wanted=["master_cut", "master_cut_from_peer"])
    assert [one["name"] for one in found["todo"]] == ["master_cut"]
    assert [one["why"] for one in found["skipped"]] == ["mb.example.org is a name, and a cut needs IP addresses"]


def test_load_lasts_for_all_experiments_and_their_repetitions() -> None:
    assert drill.load_seconds([]) == 1200
    assert drill.load_seconds([{"seconds": 60}] * 10) == 3600


PAIR: dict[str, Any] = {
    **PLAN,
    "servers": {
        **PLAN["servers"],
        "m": server("m", "master", backup="mb", active_standby=True, failover="vrrp"),
    },
}
LEASE = {**PAIR, "servers": {**PAIR["servers"], "m": {**PAIR["servers"]["m"], "failover": "lease"}}}


def evidence(
    alive: bool = True, dropped: int = 9, lasted: bool = True, serving: tuple[str, ...] = ()
) -> dict[str, Any]:
    def edges(name: str) -> list[dict[str, Any]]:
        return [
            {"name": name, "protocol": "ldaps", "reachable": alive},
            {"name": name, "protocol": "active", "reachable": name in serving},
        ]

    return {
        "probed": {name: {"edges": edges(name)} for name in ("m", "mb")},
        "ended": {"m": {"dropped": dropped, "lasted": lasted}},
    }


def judged_cut(
    fault: str, samples: list[Sample], plan: dict[str, Any] | None = None, **seen: Any
) -> dict[str, dict[str, Any]]:
    one = experiment("master", fault, plan)
    promises = judge(one, plan or PLAN, samples, TIMES, ALLOWED, 0, evidence=evidence(**seen))
    return {promise["promise"]: promise for promise in promises}


ALIVE = "m is alive, and the fault lasts"
ONE = "at most one node of the pair serves"


@pytest.mark.parametrize(
    ("seen", "ok"), [({}, True), ({"alive": False}, False), ({"dropped": 0}, False), ({"lasted": False}, False)]
)
def test_cut_server_must_be_alive_and_cut_all_the_time(seen: dict[str, Any], ok: bool) -> None:
    assert judged_cut("cut", load(), **seen)[ALIVE]["ok"] is ok


def test_cut_without_any_answer_of_the_host_proves_nothing() -> None:
    promises = judge(experiment("master", "cut"), PLAN, load(), TIMES, ALLOWED, 0)
    assert next(p["ok"] for p in promises if p["promise"] == ALIVE) is False


def test_cut_master_is_held_to_what_a_failed_one_is() -> None:
    late = load(outage("c1", drill.HOME_WRITES, 100.4, 999))
    assert judged_cut("cut", late)["writes resume at mb"]["ok"] is False
    seen = judged_cut("cut", load(outage("c1", drill.HOME_WRITES, 100.4, 104)))
    assert all(promise["ok"] for promise in seen.values())
    assert "m comes back, all is as planned" in seen


@pytest.mark.parametrize(("plan", "ok", "allowed"), [(LEASE, False, "1"), (PAIR, True, "any, reported")])
def test_two_serving_nodes_break_the_promise_of_a_lease_alone(plan: dict[str, Any], ok: bool, allowed: str) -> None:
    both = judged_cut("cut", load(), plan, serving=("m", "mb"))[ONE]
    assert (both["ok"], both["measured"]) == (ok, "m and mb at the end")
    assert both["allowed"].startswith(allowed)
    assert judged_cut("cut", load(), plan, serving=("mb",))[ONE]["ok"]


def test_pair_without_active_node_election_may_have_two_serving_nodes() -> None:
    assert ONE not in judged_cut("cut", load())


def test_cut_from_the_peer_affects_no_client_of_masters_that_both_serve() -> None:
    assert judged_cut("cut_from_peer", load())["no client is affected"]["ok"]
    lost = load(outage("c1", drill.HOME_WRITES, 101, 102))
    assert judged_cut("cut_from_peer", lost)["no client is affected"]["ok"] is False


def test_cut_from_the_peer_may_move_the_active_role_of_a_pair() -> None:
    lost = load(outage("c1", drill.HOME_WRITES, 101, 104))
    assert judged_cut("cut_from_peer", lost, LEASE)["clients are served"]["ok"]
    gone = load(outage("c1", drill.HOME_WRITES, 100.4, 999))
    assert judged_cut("cut_from_peer", gone, LEASE)["clients are served"]["ok"] is False


def test_nothing_is_promised_for_a_node_that_keeps_its_peer_from_promotion() -> None:
    gone = load(outage("c1", HOME, 100.4, 109.9))
    by_vrrp = judged_cut("deaf", gone, PAIR)["writes resume at mb"]
    assert (by_vrrp["ok"], by_vrrp["allowed"]) == (True, "any, reported (elected by VRRP)")
    assert judged_cut("deaf", gone, LEASE)["writes resume at mb"]["ok"] is False
    assert judged_cut("mute", gone, PAIR)["writes resume at mb"]["ok"] is False


def content(position: str, digest: str | None) -> dict[str, Any]:
    return {"edges": [{"position": {"1": position}, "digest": digest, "ok": True}]}


@pytest.mark.parametrize(
    ("answers", "ok"),
    [
        ({"m": content("7", "a"), "mb": content("7", "a")}, True),
        ({"m": content("7", "a"), "mb": content("7", "b")}, False),
        ({"m": content("7", "a"), "mb": content("8", "b")}, None),
        # A product that offers no digest, or a server that gave none.
        ({"m": content("7", None), "mb": content("7", None)}, None),
        ({"m": content("7", "a"), "mb": content("7", None)}, None),
        ({"m": content("7", "a"), "mb": {"edges": [{"ok": False, "why": "no answer", "position": {}}]}}, False),
    ],
)
def test_content_of_all_servers_is_compared_at_the_end(answers: dict[str, Any], ok: bool | None) -> None:
    after = drill_report.build(PLAN, record(content=answers), load(), RUN)["after"]
    assert after[1]["promise"] == "the content of all servers is equal"
    assert after[1]["ok"] is ok


def test_servers_without_content_promise_no_equal_content() -> None:
    after = drill_report.build(PLAN, record(content={"d": {"edges": []}}), load(), RUN)["after"]
    assert "the content of all servers is equal" not in [promise["promise"] for promise in after]


def test_writes_excused_by_several_experiments_add_up() -> None:
    master = {**PLAN["servers"]["m"], "replication": "asynchronous", "active_standby": True}
    plan = {**PLAN, "servers": {**PLAN["servers"], "m": master}}
    times = record()["times"]["member_off"]
    kept = record(
        experiments=[experiment("master"), experiment("master", "cut")],
        times={"master_off": times, "master_cut": times},
        takeover={"master_off": {"missing": ["a"], "found": 9}, "master_cut": {"missing": ["b"], "found": 9}},
        lasting={"x": {"missing": ["a", "b"], "ok": False}},
    )
    assert drill_report.build(plan, kept, load(), RUN)["after"][0]["ok"]


def test_preview_shows_what_is_done_undone_and_promised() -> None:
    text = drill_report.as_preview(PLAN, drill.experiments(PLAN, wanted=["master_cut", "member_off"]))
    assert "master_cut: the master is cut off while alive: m" in text
    assert "on m for 12 s: nftables on the host drops all packets but those of the run" in text
    assert "undone: by the host itself" in text
    assert "writes resume at mb" in text and "10 s" in text


def voter(name: str, site: str) -> dict[str, Any]:
    return {"name": name, "address": f"192.0.2.{ord(name[0])}", "site": site}


VOTERS = [voter("m", "central"), voter("mb", "central"), voter("x", "paris")]
SITES: dict[str, Any] = {
    "system": "demo",
    "servers": {
        "m": server("m", "master", backup="n", site="central", serves_as="master"),
        "n": server("n", "backup", site="central", serves_as="master"),
        "x": server("x", "proxy", site="paris", serves_as="proxy"),
        "t": server("t", "proxy", site="tokyo", serves_as="proxy"),
    },
    "clients": {
        "c1": ClientSlice(client("c1", "x"), site="paris", address="192.0.2.201"),
        "c2": ClientSlice(client("c2", "t"), site="tokyo", address="192.0.2.202"),
        "c3": ClientSlice(client("c3", "x"), site="central", address="192.0.2.203"),
    },
    "voters": {one["name"]: {**one, "voters": VOTERS} for one in VOTERS},
}


def planned(name: str, plan: dict[str, Any] | None = None, **more: Any) -> list[dict[str, Any]]:
    return drill.experiments(plan or SITES, wanted=[name], **more)["todo"]


def test_site_is_cut_off_on_each_of_its_hosts_from_the_hosts_of_all_other_sites() -> None:
    (one,) = planned("site_cut")
    assert (one["site"], sorted(one["faults"])) == ("paris", ["c1", "x"])
    address = {host: entry["address"] for part in ("servers", "clients") for host, entry in SITES[part].items()}
    expected = sorted(address[host] for host in ("m", "n", "t", "c2", "c3"))
    assert sorted(one["faults"]["x"]["peers"]) == expected
    (two,) = planned("site_cut_from_master")
    assert sorted(two["faults"]["x"]["peers"]) == sorted(address[host] for host in ("m", "n", "c3"))


def test_site_of_the_master_is_not_cut_off() -> None:
    servers = {name: {**one, "site": "central"} for name, one in SITES["servers"].items()}
    found = drill.experiments({**SITES, "servers": servers}, wanted=["site_cut"])
    assert [one["why"] for one in found["skipped"]] == [
        "no site without a master has a proxy that serves a client host"
    ]


def sites_load(lost: dict[str, tuple[str, ...]]) -> list[Sample]:
    return [
        sample
        for name in SITES["clients"]
        for stream in (*HOME, *drill.POOL_READS)
        for sample in program(name, stream, ((100.0, 111.0),) if stream in lost.get(name, ()) else ())
    ]


def judged_site(lost: dict[str, tuple[str, ...]]) -> dict[str, bool]:
    (one,) = planned("site_cut")
    seen = {
        "probed": {"x": {"edges": [{"name": "x", "protocol": "ldaps", "reachable": True}]}},
        "ended": {"x": {"dropped": 3, "lasted": True}},
    }
    promises = judge(one, SITES, sites_load(lost), TIMES, ALLOWED, evidence=seen)
    return {promise["promise"]: promise["ok"] for promise in promises}


LOCAL = "clients of paris with a proxy there go on reading"
OTHERS = "clients and servers of other sites notice nothing"


def test_site_that_is_cut_off_reads_and_the_others_notice_nothing() -> None:
    """A client outside with its only proxy inside loses service, which is promised to no one."""
    assert all(judged_site({"c1": drill.HOME_WRITES, "c3": HOME}).values())


def test_site_that_stops_reading_while_it_is_cut_off_breaks_the_promise() -> None:
    assert judged_site({"c1": HOME})[LOCAL] is False


def test_another_site_that_notices_breaks_the_promise() -> None:
    assert judged_site({"c2": drill.HOME_WRITES})[OTHERS] is False


def test_writes_of_a_site_must_be_served_after_the_cut() -> None:
    (one,) = planned("site_cut")
    never = [
        replace(s, error="lost") if s.stream in drill.HOME_WRITES and s.client == "c1" else s for s in sites_load({})
    ]
    found = {p["promise"]: p["ok"] for p in judge(one, SITES, never, TIMES, ALLOWED)}
    assert found["reads and writes of paris are served after the cut"] is False


def test_each_voter_fails_once_and_then_the_fewest_that_cost_the_majority() -> None:
    assert [(one["name"], sorted(one["faults"])) for one in planned("voter*_down")] == [
        ("voter_down:m", ["m"]),
        ("voter_down:mb", ["mb"]),
        ("voter_down:x", ["x"]),
        ("voters_down", ["m", "mb"]),
    ]
    assert planned("voters_down")[0]["faults"]["m"] == {"kind": "down", "units": ["etcd"]}
    five = {name: {"voters": []} for name in "abcde"}
    assert len(planned("voters_down", {**SITES, "voters": five})[0]["faults"]) == 3
    found = drill.experiments({**SITES, "voters": {}}, wanted=["voter*"])
    assert {one["why"] for one in found["skipped"]} == {"there is no arbiter"}


@pytest.mark.parametrize(
    ("failover", "gone", "ok"), [("vrrp", 111.0, False), ("lease", 111.0, True), ("lease", 999, False)]
)
def test_lost_majority_may_interrupt_only_pairs_that_need_a_lease(failover: str, gone: float, ok: bool) -> None:
    plan = {**SITES, "servers": {**SITES["servers"], "m": {**SITES["servers"]["m"], "failover": failover}}}
    (one,) = planned("voters_down", plan)
    lost = [
        sample
        for name in SITES["clients"]
        for stream in (*HOME, *drill.POOL_READS)
        for sample in program(name, stream, ((100.4, gone),))
    ]
    assert judge(one, plan, lost, TIMES, ALLOWED)[0]["ok"] is ok


@pytest.mark.parametrize("fault", ["stopped_5", "stopped_60", "disk_full", "lossy", "slow"])
def test_hindered_master_is_held_to_reads_of_proxies_and_to_writes(fault: str) -> None:
    (one,) = planned(f"master_{fault}", PLAN)

    def found(samples: list[Sample]) -> dict[str, bool]:
        return {p["promise"]: p["ok"] for p in judge(one, PLAN, samples, TIMES, ALLOWED)}

    assert all(found(load(outage("c1", drill.HOME_WRITES, 100.4, 104))).values())
    assert found(load(outage("c1", drill.HOME_WRITES, 100.0, 999)))["writes are served"] is False
    assert found(load(outage("c1", drill.HOME_READS, 101, 102)))["proxies go on answering reads"] is False


def test_program_is_continued_by_the_host_in_time() -> None:
    (one,) = planned("master_stopped_5")
    assert (one["seconds"], one["lasts"]) == (5, 5)
    assert planned("master_disk_full")[0]["lasts"] == 90


def test_faults_that_a_host_cannot_have_are_skipped_with_its_reason() -> None:
    found = drill.experiments(SITES, wanted=["master_slow", "master_lossy"], possible={"m": {"delay": "no netem"}})
    assert [one["name"] for one in found["todo"]] == ["master_lossy"]
    assert [one["why"] for one in found["skipped"]] == ["m: no netem"]
