# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run is named, and what another run on the same controller can know of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.locking import run as runs
from ansible_collections.distributed.tiers.plugins.module_utils.locking.run import (
    age,
    describe_process,
    describe_run,
    has_ended,
    refusal,
)

AWX = {"AWX_HOST": "https://awx.example"}


def job(number: int, template: int = 9, playbook: str = "deploy", **variables: Any) -> dict[str, Any]:
    """A job of AWX, whose container nobody else can look into."""
    given = {
        "awx_job_id": number,
        "awx_job_template_id": template,
        "awx_job_template_name": f"tiers {playbook}",
        "awx_user_name": "ann",
        **variables,
    }
    found = describe_run(playbook, os.getpid(), given, AWX)
    return {**found, "process": {**found["process"], "host": f"container-{number}"}}


@pytest.fixture
def sleeper() -> Any:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_run_keeps_its_id_and_another_process_has_another(sleeper: Any) -> None:
    mine = describe_run("deploy", os.getpid(), {}, {})
    assert mine["id"] == describe_run("", os.getpid(), {}, {})["id"]
    assert mine["id"] != describe_run("deploy", sleeper.pid, {}, {})["id"]
    assert mine["controller"] == mine["process"]["host"]


def test_killed_run_of_this_controller_is_known_to_have_ended(sleeper: Any) -> None:
    mine, other = describe_run("deploy", os.getpid(), {}, {}), describe_run("drain", sleeper.pid, {}, {})
    assert not has_ended(other, mine)
    sleeper.kill()
    time.sleep(0.2)
    # Dead, though its parent has not asked for it yet.
    assert has_ended(other, mine)
    sleeper.wait()
    assert has_ended(other, mine)


def test_process_with_the_number_of_a_dead_one_is_another() -> None:
    mine = describe_run("deploy", os.getpid(), {}, {})
    assert has_ended({**mine, "process": {**mine["process"], "started": "1"}}, mine)


@pytest.mark.parametrize("key", ["host", "boot", "namespace"])
def test_a_run_of_another_controller_never_counts_as_ended(key: str) -> None:
    mine = describe_run("deploy", os.getpid(), {}, {})
    other = {**mine, "process": {**mine["process"], "started": "1", key: "another"}}
    assert not has_ended(other, mine)


def test_earlier_job_of_the_same_template_has_ended() -> None:
    assert has_ended(job(1), job(2))
    assert not has_ended(job(1, template=8), job(2))
    assert not has_ended({**job(1), "awx": {**job(1)["awx"], "url": "https://other.example"}}, job(2))
    assert not has_ended(describe_run("deploy", 1, {}, {}), job(2))


def test_slice_is_not_taken_for_an_earlier_job() -> None:
    slices = [job(number, playbook="clients", awx_workflow_job_id=7) for number in (1, 2)]
    assert slices[0]["shared"] == slices[1]["shared"] == "clients of workflow job 7"
    assert not has_ended(*slices)
    assert job(3, playbook="deploy", awx_workflow_job_id=7)["shared"] == ""


def test_age_is_that_of_the_process(sleeper: Any) -> None:
    time.sleep(0.5)
    assert 0.3 < age(sleeper.pid) < 30
    assert age(2**22 + 1) == 0


def test_refusal_names_the_holder_and_what_to_do() -> None:
    other = {**job(4711), "id": "3f2a9c1b", "since": "2026-11-29 18:05:50 UTC", "held": 721.0, "left": 90.0}
    assert refusal("m1", {"refused_by": other}) == (
        "m1: deploy of ann on AWX job 4711 (tiers deploy) holds the lock since 2026-11-29 18:05:50 UTC (12 min ago). "
        "Wait until it ends; its lock expires in 90 s. "
        "If that run is dead, take its lock over: -e tiers_lock_takeover=3f2a9c1b."
    )
    assert "Run it again." in refusal("m1", {"outdated_by": other})
    assert "Run restore again" in refusal("m1", {"partly_restored": True})
    assert refusal("m1", {"held": True}) == ""


def test_controller_without_proc_asks_ps(monkeypatch: pytest.MonkeyPatch, sleeper: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(runs, "PROC", tmp_path)
    monkeypatch.setattr(runs, "_ps", lambda column, pid: {"lstart": f"Mon {pid}", "etime": "1-02:03:04"}[column])
    assert describe_process(12)["started"] == "Mon 12"
    assert age(12) == 93784
