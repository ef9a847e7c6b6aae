# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the playbooks act on servers, and what they do when a step fails.

The playbooks and roles are the real ones. The hosts are fake (fake_hosts.py), and the product only logs what it is
asked to do, so nothing here needs root or a container. `make quick` leaves out what is marked as slow.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet, Run

SERVERS: dict[str, dict[str, dict[str, Any]]] = {
    "master": {"m1": {}},
    "backup": {"m2": {"tiers_backup_of": "m1"}},
    "proxy": {"px1": {}},
    "parallel": {"p1": {}, "p2": {}},
    "distributor": {"d1": {}},
    "client": {"c1": {}},
}
# One server's restart: guard, stop traffic, restart, health, deployment record, start traffic.
RESTART = [
    "probe",
    "record restart",
    "drain",
    "start",
    "check",
    "record deployed",
    "undrain",
    "remove record",
]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, Run]:
    """Servers after their first deployment, and that run."""
    fleet = Fleet.make(tmp_path_factory.mktemp("fleet") / "first", SERVERS)
    return fleet, fleet.run("deploy")


@pytest.fixture
def deployed(first: tuple[Fleet, Run], tmp_path: Path) -> Fleet:
    """Servers of this test's own, after their first deployment."""
    return first[0].copy(tmp_path / "fleet")


def test_fresh_servers_of_a_wave_start_together_and_each_wave_after_the_one_before(first: tuple[Fleet, Run]) -> None:
    run = first[1]
    assert run.code == 0, run.text
    assert run.of("m1")[:4] == ["install", "configure_master", "start", "check"]
    waves = [["m1"], ["m2"], ["px1", "p1", "p2"], ["d1"]]
    places = [[run.places(host, "install", "start haproxy", "record deployed") for host in wave] for wave in waves]
    for before, after in pairwise(places):
        assert max(max(host) for host in before) < min(min(host) for host in after)
    assert run.of("c1") == ["client"]
    assert min(run.places("c1", "client")) > max(run.places("d1", "record deployed"))
    begin, end = zip(*((host[0], host[-1]) for host in places[2]))
    assert max(begin) < min(end), "the servers of a wave did not start together"


@pytest.fixture(scope="module")
def upgrade(first: tuple[Fleet, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, Run]:
    """Servers after a deployment of another release, and that run."""
    fleet = first[0].copy(tmp_path_factory.mktemp("fleet") / "upgraded")
    fleet.change(tiers_version="2")
    return fleet, fleet.run("deploy")


def test_another_release_reaches_one_server_at_a_time_and_the_only_writer_last(upgrade: tuple[Fleet, Run]) -> None:
    run = upgrade[1]
    assert run.code == 0, run.text
    assert run.hosts("start") == ["px1", "p1", "p2", "m2", "m1"]
    restarts = [run.places(host, "record restart", "remove record") for host in run.hosts("start")]
    assert [place for pair in restarts for place in pair] == sorted(place for pair in restarts for place in pair)
    for host in ("px1", "m2", "m1"):
        calls = run.of(host)
        assert calls[calls.index("install") :][:2] == ["install", next(call for call in calls if "configure_" in call)]
        assert calls[-len(RESTART) :] == RESTART
    assert run.of("p1")[-8:] == [{"drain": "disable p1", "undrain": "enable p1"}.get(call, call) for call in RESTART]
    assert max(run.places("p2", "configure_parallel")) < min(run.places("px1", "record restart"))


@pytest.mark.slow
def test_a_rollback_restarts_the_servers_in_the_reverse_order(upgrade: tuple[Fleet, Run], tmp_path: Path) -> None:
    fleet = upgrade[0].copy(tmp_path / "fleet")
    fleet.set_faults({"p1": {"check": "fail"}})
    run = fleet.run("roll_back")
    assert run.code == 2, run.text
    assert run.hosts("start") == ["m1", "m2", "p2", "p1"], "the run did not end at the server that failed"
    assert [call for call in run.of("m1") if call != "probe"] == ["earlier", "roll_back", *RESTART[1:]]
    assert run.of("p1")[-4:] == ["check", "probe", "enable p1", "remove record"]
    assert run.of("px1") == ["earlier"]


@pytest.mark.parametrize("fault", [pytest.param("start", marks=pytest.mark.slow), "check"])
def test_a_server_that_does_not_restart_gets_its_traffic_back_and_the_run_ends(deployed: Fleet, fault: str) -> None:
    deployed.set_faults({"p1": {fault: "fail"}})
    run = deployed.run("deploy", "--limit", "p1,p2", product_restart=1)
    assert run.code == 2, run.text
    assert "p1 was not restarted as planned" in run.words
    assert f"{fault} fails on p1" in run.words
    assert run.of("p1")[-4:] == [fault, "probe", "enable p1", "remove record"]
    assert run.hosts("start") == ["p1"], "another server was touched"


@pytest.mark.slow
def test_other_restarts_follow_the_waves(deployed: Fleet) -> None:
    """Servers below need what changed above: a new password of the replication, for one."""
    run = deployed.run("deploy", "--limit", "m1,m2,px1", product_restart=1)
    assert run.code == 0, run.text
    assert run.hosts("start") == ["m1", "m2", "px1"]


@pytest.mark.slow
def test_a_fresh_server_starts_after_the_masters_and_before_they_are_upgraded(deployed: Fleet) -> None:
    deployed.change(tiers_version="2")
    deployed.add("proxy", "px2")
    run = deployed.run("deploy", "--limit", "m1,m2,px2")
    assert run.code == 0, run.text
    assert run.hosts("start") == ["px2", "m2", "m1"]


@pytest.mark.slow
def test_a_server_that_cannot_be_drained_is_not_restarted(deployed: Fleet) -> None:
    deployed.set_faults({"d1": {"disable p1": "fail"}})
    run = deployed.run("deploy", "--limit", "p1,p2", product_restart=1)
    assert run.code == 2, run.text
    assert run.of("p1")[-2:] == ["record restart", "remove record"]
    assert run.hosts("start") == []


def test_the_last_server_that_serves_is_not_touched(deployed: Fleet) -> None:
    deployed.set_faults({"p2": {"answer": "fail"}})
    run = deployed.run("deploy", "--limit", "p1", product_restart=1)
    assert run.code == 2, run.text
    assert "p1 was not touched." in run.words
    assert run.of("p1")[-3:] == ["install", "configure_parallel", "probe"]


@pytest.mark.slow
def test_a_reload_needs_no_drain(deployed: Fleet) -> None:
    run = deployed.run("deploy", "--limit", "p1,p2", product_reload=1)
    assert run.code == 0, run.text
    assert run.of("p1")[-4:] == ["install", "configure_parallel", "start", "check"]
    assert max(run.places("p2", "configure_parallel")) < min(run.places("p1", "start"))


def test_a_drained_server_is_restarted_and_stays_drained_until_undrain(deployed: Fleet) -> None:
    run = deployed.run("drain", tiers_targets="p1")
    assert run.code == 0, run.text
    assert run.of("p1")[-3:] == ["record drain", "disable p1", "record drain, complete"]
    run = deployed.run("deploy", "--limit", "p1", product_restart=1)
    assert run.code == 0, run.text
    assert run.of("p1")[-4:] == ["install", "configure_parallel", "start", "check"]
    run = deployed.run("undrain")
    assert run.code == 0, run.text
    assert run.of("p1")[-4:] == ["check", "record undrain", "enable p1", "remove record"]


def test_the_firewall_stops_the_traffic_of_a_product_that_does_not(deployed: Fleet) -> None:
    run = deployed.run("drain", tiers_targets="px1", tiers_drain_confirm=True, product_drain="firewall")
    assert run.code == 0, run.text
    assert run.of("px1")[-3:] == ["record drain", "load tiers_drain", "record drain, complete"]
    run = deployed.run("undrain", product_drain="firewall")
    assert run.code == 0, run.text
    assert run.of("px1")[-4:] == ["check", "record undrain", "start traffic", "remove record"]


def test_a_drain_that_fails_starts_the_traffic_again(deployed: Fleet) -> None:
    deployed.set_faults({"m2": {"drain": "fail"}})
    run = deployed.run("drain", tiers_targets="m2,px1", tiers_drain_confirm=True)
    assert run.code == 2, run.text
    assert "m2 was not drained and serves" in run.words
    assert run.of("m2")[-4:] == ["record drain", "drain", "undrain", "remove record"]
    assert "drain" not in run.of("px1"), "another server was touched"


def test_a_run_ends_before_its_first_change_while_another_one_holds_the_lock(deployed: Fleet) -> None:
    deployed.set_faults({"m2": {"lock": "held"}})
    run = deployed.run("drain", tiers_targets="p1")
    assert run.code == 2, run.text
    assert "No host was changed. m2: deploy of ann on desk holds the lock since 2026-11-29 18:05:50 UTC" in run.words
    assert run.of("p1") == []
    assert run.hosts("lock") == run.hosts("unlock") == ["m1"], "it keeps the locks that it got"
    run = deployed.run("drain", "--check", tiers_targets="p1")
    assert run.code == 0, run.text
    assert run.hosts("lock") == []


def test_a_deployment_first_starts_the_traffic_that_a_killed_run_left_stopped(deployed: Fleet) -> None:
    deployed.set_faults({"px1": {"start": "kill"}})
    run = deployed.run("deploy", "--limit", "px1", product_restart=1)
    assert run.code == -9, run.text
    assert run.of("px1")[-3:] == ["record restart", "drain", "start"]
    deployed.set_faults({})
    run = deployed.run("deploy", "--limit", "px1", product_restart=1)
    assert run.code == 0, run.text
    assert run.of("px1") == [
        *["probe", "check", "record undrain", "undrain", "remove record"],
        *["install", "configure_proxy", *(call for call in RESTART if call != "record deployed")],
    ]


@pytest.mark.slow
def test_data_are_copied_while_the_server_is_drained(deployed: Fleet) -> None:
    run = deployed.run("resync", tiers_targets="px1", tiers_resync_confirm=True)
    assert run.code == 2, run.text
    assert "px1" in run.words
    assert "drain" not in run.of("px1")
    run = deployed.run("resync", tiers_targets="px1", tiers_resync_confirm=True, tiers_drain_confirm=True)
    assert run.code == 0, run.text
    assert run.of("px1")[1:] == [
        *["record drain", "drain", "record drain, complete", "resync"],
        *["check", "record undrain", "undrain", "remove record"],
    ]


@pytest.mark.slow
def test_a_server_without_its_data_stays_drained(deployed: Fleet) -> None:
    deployed.set_faults({"m2": {"resync": "fail"}})
    run = deployed.run("resync", tiers_targets="m2", tiers_resync_confirm=True)
    assert run.code == 2, run.text
    assert run.of("m2")[-4:] == ["record drain", "drain", "record drain, complete", "resync"]
    deployed.set_faults({})
    run = deployed.run("resync", tiers_targets="m2", tiers_resync_confirm=True)
    assert run.code == 0, run.text
    assert run.of("m2")[1:] == ["resync", "check", "record undrain", "undrain", "remove record"]


PAIR: dict[str, dict[str, dict[str, Any]]] = {
    "master": {"m1": {"tiers_failback": "manual"}},
    "backup": {"m2": {"tiers_backup_of": "m1", "tiers_redundancy": "cold", "tiers_failback": "manual"}},
}


@pytest.fixture(scope="module")
def first_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, Run]:
    """An active/standby pair with a cold backup after its first deployment, and that run."""
    fleet = Fleet.make(
        tmp_path_factory.mktemp("pair") / "first",
        PAIR,
        product={"active": "one"},
        tiers_failover="vrrp",
        tiers_clients=[],
    )
    return fleet, fleet.run("deploy")


@pytest.fixture
def pair(first_pair: tuple[Fleet, Run], tmp_path: Path) -> Fleet:
    """An active/standby pair of this test's own."""
    return first_pair[0].copy(tmp_path / "fleet")


def test_a_cold_backup_is_installed_and_not_started(first_pair: tuple[Fleet, Run]) -> None:
    run = first_pair[1]
    assert run.code == 0, run.text
    assert run.of("m1")[:5] == ["start tiers-standby", "install", "configure_master", "start", "check"]
    assert run.of("m2")[:5] == ["start tiers-standby", "install", "configure_master", "stop", "start keepalived"]


def test_a_node_refuses_clients_at_every_boot_before_its_product_can_start(tmp_path: Path) -> None:
    """A boot starts what is installed, also after a run that was killed before it started the failover agent."""
    fleet = Fleet.make(tmp_path, PAIR, product={"active": "one"}, tiers_failover="vrrp", tiers_clients=[])
    for call in ("install", "start"):
        fleet.set_faults({"m1": {call: "kill"}})
        assert fleet.run("deploy").code != 0
        state = json.loads((fleet.home / "hosts/m1/state.json").read_text(encoding="utf-8"))
        assert state["units"] == {"tiers-standby.service": "active"}
    fleet.set_faults({})
    run = fleet.run("deploy")
    assert run.code == 0, run.text
    assert "start tiers-standby" not in run.of("m1")


def test_the_active_node_steps_down_before_its_restart(pair: Fleet) -> None:
    run = pair.run("deploy", "--limit", "m1", product_restart=1)
    assert run.code == 0, run.text
    assert [call for call in run.of("m1") if call != "probe"] == [
        *["install", "configure_master", "record restart"],
        *["stop keepalived", "start", "check", "start keepalived", "remove record"],
    ]


def test_a_switchover_makes_the_peer_active(pair: Fleet) -> None:
    run = pair.run("switch_over", tiers_targets="m1")
    assert run.code == 0, run.text
    assert run.of("m1") == ["probe", "stop keepalived", "probe", "start keepalived"]


@pytest.mark.slow
def test_a_node_that_stepped_down_rejoins_if_its_peer_does_not_serve(pair: Fleet) -> None:
    pair.set_faults({"m2": {"serve": "fail"}})
    run = pair.run("switch_over", tiers_targets="m1")
    assert run.code == 2, run.text
    assert run.of("m1") == ["probe", "stop keepalived", "probe", "start keepalived"]


@pytest.mark.slow
def test_a_drained_node_takes_part_in_no_election_until_undrain(pair: Fleet) -> None:
    run = pair.run("drain", tiers_targets="m1")
    assert run.code == 0, run.text
    assert run.of("m1")[1:] == ["record drain", "stop keepalived", "record drain, complete"]
    run = pair.run("deploy", product_restart=1)
    assert run.code == 0, run.text
    assert run.of("m1")[-4:] == ["install", "configure_master", "start", "check"]
    run = pair.run("undrain")
    assert run.code == 0, run.text
    assert run.of("m1")[-3:] == ["record undrain", "start keepalived", "remove record"]


@pytest.mark.slow
@pytest.mark.parametrize("active", ["m1", "m2"])
def test_the_active_node_is_upgraded_after_its_peer(active: str, tmp_path: Path) -> None:
    hot = {group: {name: {"tiers_failback": "manual"} for name in hosts} for group, hosts in PAIR.items()}
    hot["backup"]["m2"] |= {"tiers_backup_of": "m1"}
    fleet = Fleet.make(tmp_path / "hot", hot, product={"active": "one"}, tiers_failover="vrrp", tiers_clients=[])
    assert fleet.run("deploy").code == 0
    fleet.set_active(active)
    fleet.change(tiers_version="2")
    run = fleet.run("deploy")
    assert run.code == 0, run.text
    assert run.hosts("start")[-1] == active


@pytest.mark.slow
def test_keepalived_goes_on_following_the_lease_while_its_node_restarts(tmp_path: Path) -> None:
    shared = {"tiers_virtual_address": "192.0.2.10", "tiers_failback": "manual"}
    hosts: dict[str, dict[str, dict[str, Any]]] = {
        "master": {"m1": dict(shared)},
        "backup": {"m2": {"tiers_backup_of": "m1", "tiers_failback": "manual"}},
        "arbiter": {"v1": {}, "v2": {}, "v3": {}},
    }
    fleet = Fleet.make(tmp_path, hosts, product={"active": "one"}, tiers_clients=[], tiers_failover="lease")
    run = fleet.run("deploy")
    assert run.code == 0, run.text
    assert [call for call in run.of("m1") if call.startswith("start ")] == [
        *["start tiers-standby", "start tiers-failover", "start keepalived", "start tiers-watchdog"],
    ]
    run = fleet.run("deploy", "--limit", "m1", product_restart=1)
    assert run.code == 0, run.text
    assert [call for call in run.of("m1") if call != "probe"] == [
        *["install", "configure_master", "record restart"],
        *["stop tiers-failover", "start", "check", "start tiers-failover", "remove record"],
    ]


@pytest.mark.slow
def test_a_node_that_stepped_down_for_its_restart_changes_over_before_its_record_is_written(tmp_path: Path) -> None:
    """Its peer ends the former way, so the node must serve by the new one at once."""
    hosts = {**PAIR, "arbiter": {"v1": {}, "v2": {}, "v3": {}}}
    fleet = Fleet.make(tmp_path, hosts, product={"active": "one"}, tiers_clients=[], tiers_failover="vrrp")
    assert fleet.run("deploy").code == 0
    fleet.change(tiers_failover="lease")
    run = fleet.run("deploy", product_restart=1)
    assert run.code == 0, run.text
    assert run.of("m1")[-8:] == [
        *["record restart", "stop keepalived", "start", "check"],
        *["reload tiers-standby", "start tiers-failover", "record deployed", "remove record"],
    ]


@pytest.mark.slow
def test_a_server_is_retired_once_nothing_else_was_deployed_with_it(pair: Fleet) -> None:
    pair.change(m2={"tiers_state": "down"})
    run = pair.run("retire", tiers_targets="m2", tiers_retire_confirm=True)
    assert run.code == 2, run.text
    assert run.of("m2") == []
    run = pair.run("deploy")
    assert run.code == 0, run.text
    run = pair.run("retire", tiers_targets="m2", tiers_retire_confirm=True)
    assert run.code == 0, run.text
    assert run.of("m2") == ["stop tiers-watchdog", "remove", "stop tiers-standby", "remove record deployed"]
