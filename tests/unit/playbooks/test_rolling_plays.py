# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the playbooks act on servers, and what they do when a step fails.

The playbooks and roles are the real ones. The hosts are fake (fake_hosts.py), and the product only logs what it is
asked to do, so nothing here needs root or a container.
"""

from __future__ import annotations

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
    begin, end = zip(*((host[0], host[-1]) for host in places[2]))
    assert max(begin) < min(end), "the servers of a wave did not start together"


def test_another_release_reaches_one_server_at_a_time_and_the_only_writer_last(deployed: Fleet) -> None:
    deployed.change(tiers_version="2")
    run = deployed.run("deploy")
    assert run.code == 0, run.text
    assert run.hosts("start") == ["px1", "p1", "p2", "m2", "m1"]
    restarts = [run.places(host, "record restart", "remove record") for host in run.hosts("start")]
    assert [place for pair in restarts for place in pair] == sorted(place for pair in restarts for place in pair)
    for host in ("px1", "m2", "m1"):
        calls = run.of(host)
        assert calls[calls.index("install") :][:2] == ["install", next(call for call in calls if "configure_" in call)]
        assert calls[-len(RESTART) :] == RESTART
    assert run.of("p1")[-8:] == [{"drain": "drain p1", "undrain": "admit p1"}.get(call, call) for call in RESTART]
    assert max(run.places("p2", "configure_parallel")) < min(run.places("px1", "record restart"))


@pytest.mark.parametrize("fault", ["start", "check"])
def test_a_server_that_does_not_restart_gets_its_traffic_back_and_the_run_ends(deployed: Fleet, fault: str) -> None:
    deployed.set_faults({"p1": {fault: "fail"}})
    run = deployed.run("deploy", "--limit", "p1,p2", product_restart=1)
    assert run.code == 2, run.text
    assert "p1 was not restarted as planned" in run.words
    assert f"{fault} fails on p1" in run.words
    assert run.of("p1")[-4:] == [fault, "probe", "admit p1", "remove record"]
    assert run.hosts("start") == ["p1"], "another server was touched"


def test_a_server_that_cannot_be_drained_is_not_restarted(deployed: Fleet) -> None:
    deployed.set_faults({"d1": {"drain p1": "fail"}})
    run = deployed.run("deploy", "--limit", "p1,p2", product_restart=1)
    assert run.code == 2, run.text
    assert run.of("p1")[-2:] == ["record restart", "remove record"]
    assert run.hosts("start") == []
