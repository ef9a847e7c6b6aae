# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`upgrade` brings a release to one server, and to the others only after that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet

SERVERS: dict[str, dict[str, dict[str, Any]]] = {
    "master": {"m1": {}},
    "backup": {"m2": {"tiers_backup_of": "m1"}},
    "proxy": {"px1": {}},
    "client": {"c1": {}},
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Servers after a deployment of release 1, with release 2 in the inventory."""
    fleet = Fleet.make(tmp_path_factory.mktemp("fleet") / "first", SERVERS)
    run = fleet.run("deploy")
    assert run.code == 0, run.text
    fleet.change(tiers_version="2")
    return fleet


@pytest.fixture
def fleet(first: Fleet, tmp_path: Path) -> Fleet:
    """Servers of this test's own."""
    return first.copy(tmp_path / "fleet")


def test_the_others_follow_after_the_canary_was_watched(fleet: Fleet) -> None:
    run = fleet.run("upgrade", tiers_soak_seconds=7)
    assert run.code == 0, run.text
    assert run.hosts("record restart") == ["px1", "m2", "m1"]
    assert "1 of 3, canary px1 1 2 2 of 3 m2 1 2 3 of 3 m1 1 2" in run.words
    assert "px1 must stay as planned for 7 s" in run.words and "m2, m1 will follow" in run.words
    assert "m2: restart 1 of 2. After it: m1." in run.words and "m1: restart 2 of 2." in run.words
    done, (begin, *_rest) = run.places("px1", "remove record"), run.places("m2", "configure_master")
    watched = [place for place in run.places("px1", "probe") if done[0] < place < begin]
    assert watched, "the others were prepared before the canary was watched"
    run = fleet.run("upgrade")
    assert run.code == 0, run.text
    assert run.hosts("record restart") == [] and "done px1 2" in run.words


@pytest.mark.parametrize("fault", ["check", "answer"])
def test_no_other_server_is_touched_if_the_canary_fails(fleet: Fleet, fault: str) -> None:
    """`check`: it does not start. `answer`: it has started, and does not answer while it is watched."""
    fleet.set_faults({"px1": {fault: "fail"}})
    run = fleet.run("upgrade", tiers_restart_confirm=fault == "answer")
    assert run.code == 2, run.text
    assert run.hosts("record restart") == ["px1"]
    assert "configure_master" not in run.of("m1") + run.of("m2")
    if fault == "answer":
        assert "px1 runs release 2 and did not stay as planned." in run.words
        fleet.set_faults({})
        run = fleet.run("upgrade")
        assert run.code == 0, run.text
        assert "px1 must stay as planned" in run.words
        assert run.hosts("record restart")[-2:] == ["m2", "m1"]


@pytest.mark.slow
def test_an_upgrade_that_was_killed_is_continued(fleet: Fleet) -> None:
    fleet.set_faults({"px1": {"start": "kill"}})
    assert fleet.run("upgrade").code == -9
    fleet.set_faults({"m2": {"start": "kill"}})
    run = fleet.run("upgrade")
    assert run.code == -9 and run.hosts("record restart") == ["px1", "m2"]
    fleet.set_faults({})
    run = fleet.run("upgrade")
    assert run.code == 0, run.text
    assert "px1 must stay as planned" in run.words
    assert [host for host in run.hosts("record restart") if host != "m2"] == ["m1"]


def test_an_ill_system_is_not_upgraded(fleet: Fleet) -> None:
    fleet.set_faults({"m2": {"answer": "fail"}})
    run = fleet.run("upgrade")
    assert run.code == 2 and "No server was touched. m2: " in run.words
    assert run.hosts("record restart") == []
    fleet.set_faults({})
    run = fleet.run("upgrade", "--check")
    assert run.code == 0, run.text
    assert run.hosts("record restart") == []
