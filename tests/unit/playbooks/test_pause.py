# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that pause and resume automatic failover, on fake hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet

HOSTS: dict[str, dict[str, dict[str, Any]]] = {
    "master": {"m1": {}},
    "backup": {"m2": {"tiers_backup_of": "m1"}},
    "arbiter": {"m1": {}, "m2": {}, "v1": {}},
}


def make(home: Path, failover: str) -> Fleet:
    """A pair of which m2 is the active node."""
    hosts = HOSTS if failover == "lease" else {group: of for group, of in HOSTS.items() if group != "arbiter"}
    fleet = Fleet.make(home, hosts, product={"active": "one"}, tiers_clients=[], tiers_failover=failover)
    fleet.set_active("m2")
    return fleet


def test_active_node_pauses_failover_and_only_a_paused_pair_is_resumed(tmp_path: Path) -> None:
    fleet = make(tmp_path, "lease")
    assert fleet.run("pause_failover", "--check").of("m2") == ["probe"]
    run = fleet.run("pause_failover", tiers_pause_minutes=5)
    assert run.code == 0, run.text
    assert "m1 m2 on paused for 5 min" in run.words
    assert (run.of("m2"), run.of("m1")) == (["probe", "pause 300"], ["probe"])
    assert "lock" in [call for _host, call, _for in run.calls]
    assert fleet.run("pause_failover").of("m2") == ["probe", "pause 3600"], "the time does not begin again"
    assert fleet.run("resume_failover").of("m2") == ["probe", "resume"]
    run = fleet.run("resume_failover")
    assert run.code == 0, run.text
    assert run.of("m2") == ["probe"]


@pytest.mark.parametrize(
    ("failover", "active", "why"),
    [
        ("vrrp", "m1", "m1 and m2 do not serve by a lease (tiers_failover: lease), and only a lease can be"),
        ("lease", "", "Neither m1 nor m2 is active, and a pause would keep it so: see status."),
    ],
)
def test_pair_is_not_paused_where_that_cannot_help(tmp_path: Path, failover: str, active: str, why: str) -> None:
    fleet = make(tmp_path, failover)
    fleet.set_active(active)
    run = fleet.run("pause_failover", tiers_targets="m1")
    assert run.code == 2, run.text
    assert f"No server was touched. {why}" in run.words
    assert (run.of("m1"), run.of("m2")) == (["probe"], ["probe"])
    assert "unlock" in [call for _host, call, _for in run.calls]
