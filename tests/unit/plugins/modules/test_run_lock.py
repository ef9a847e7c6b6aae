# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""run_lock as a module: what it keeps, gives and leaves alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.modules import run_lock
from ansible_collections.distributed.tiers.tests.unit.plugins.modules.arguments import patch_module_args

Lock = Callable[..., dict[str, Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock.json"


@pytest.fixture
def lock(path: Path, capsys: pytest.CaptureFixture[str]) -> Lock:
    def lock(name: str, **arguments: Any) -> dict[str, Any]:
        run = {"id": name, "playbook": "deploy", "shared": ""}
        with patch_module_args({"path": str(path), "run": run, **arguments}), pytest.raises(SystemExit):
            run_lock.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert result["changed"] is False
        return result

    return lock


def holders(path: Path) -> list[str]:
    return [one["id"] for one in json.loads(path.read_text())["holders"]]


def test_second_run_reports_how_long_the_lock_is_held(lock: Lock) -> None:
    assert lock("a", seconds=100)["held"] is True
    other = lock("b")["refused_by"]
    assert other["id"] == "a" and 0 <= other["held"] < 50 and 50 < other["left"] <= 100
    assert other["since"].endswith(" UTC")


def test_the_lock_is_aged_by_the_monotonic_clock(lock: Lock, path: Path) -> None:
    lock("a", seconds=100)
    (held,) = json.loads(path.read_text())["holders"]
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - held["taken"] < 60
    assert held["expires"] - held["taken"] == pytest.approx(100)


def test_check_mode_takes_no_lock(lock: Lock, path: Path) -> None:
    assert lock("a", _ansible_check_mode=True)["held"] is True
    assert not path.exists()


def test_lock_that_cannot_be_read_is_free(lock: Lock, path: Path) -> None:
    for text in ("{", "[]"):
        path.write_text(text)
        assert lock("a")["held"] is True


def test_run_releases_only_its_own_lock(lock: Lock, path: Path) -> None:
    lock("a")
    assert lock("b", state="absent")["held"] is False
    assert holders(path) == ["a"]
    lock("a", state="absent")
    assert holders(path) == []


def test_run_that_planned_while_another_one_ended_is_refused(lock: Lock) -> None:
    lock("a")
    lock("a", state="absent")
    assert lock("b", planning=3600)["outdated_by"]["id"] == "a"
    assert lock("b", planning=0)["held"] is True


def test_named_run_is_taken_over(lock: Lock, path: Path) -> None:
    lock("a")
    assert lock("b", takeover="c")["held"] is False
    assert lock("b", takeover="a")["held"] is True
    assert holders(path) == ["b"]


def test_only_a_restore_gets_the_lock_of_a_system_that_is_partly_restored(
    lock: Lock, path: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "restoring"
    mark.touch()
    refused = lock("a", restoring=str(mark))
    assert (refused["held"], refused["partly_restored"]) == (False, True)
    assert not path.exists()
    again = {"id": "b", "playbook": "restore", "shared": ""}
    assert lock("b", run=again, restoring=str(mark))["held"] is True
    # The renewal does not name the operation again.
    assert lock("b", run={**again, "playbook": ""}, restoring=str(mark))["held"] is True
