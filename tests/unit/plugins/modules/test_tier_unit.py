# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit is reloaded when its files differ from what it read, whoever changed them and whenever."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.modules import tier_unit

STARTED = {"InactiveExitTimestampMonotonic": "1"}


class Systemd:
    """A unit as systemctl shows it, and what it was asked to do."""

    def __init__(self, **properties: str) -> None:
        self.properties = {
            "ActiveState": "active",
            "InvocationID": "first",
            "LoadState": "loaded",
            "NeedDaemonReload": "no",
            "UnitFileState": "enabled",
            "InactiveExitTimestampMonotonic": str(int(time.monotonic() * 1e6)),
            **properties,
        }
        self.asked: list[str] = []
        self.fails: dict[str, str] = {}

    def run_command(self, command: Sequence[str], check_rc: bool = False) -> tuple[int, str, str]:
        action = command[1]
        if action == "show":
            return 0, "".join(f"{key}={value}\n" for key, value in self.properties.items()), ""
        self.asked.append(action)
        if action in self.fails:
            return 1, "", self.fails[action]
        if action == "start":
            self.properties.update(ActiveState="active", InvocationID=f"after {self.properties['InvocationID']}")
        return 0, "", ""


class Killed(Exception):
    pass


class Module:
    check_mode = False

    def __init__(self, systemd: Systemd, files: list[str], **params: Any) -> None:
        self.params = {"name": "haproxy.service", "files": files, "state": "started", "enabled": True, **params}
        self.run_command = systemd.run_command

    def get_bin_path(self, name: str, required: bool) -> str:
        return name

    def fail_json(self, msg: str) -> None:
        raise RuntimeError(msg)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    monkeypatch.setattr(tier_unit, "STAMPS", tmp_path / "stamps")
    for name in ("haproxy.cfg", "server.crt"):
        (tmp_path / name).write_text("first")
    return [str(tmp_path / "haproxy.cfg"), str(tmp_path / "server.crt")]


def run(systemd: Systemd, files: list[str], **params: Any) -> list[str]:
    check = params.pop("check", False)
    module = Module(systemd, files, **params)
    module.check_mode = check
    result = tier_unit.run(module)  # type: ignore[arg-type]
    assert result["changed"] is bool(result["actions"])
    return list(result["actions"])


def test_a_fresh_unit_is_enabled_and_started_and_then_left_alone(files: list[str]) -> None:
    systemd = Systemd(ActiveState="inactive", UnitFileState="disabled")
    assert run(systemd, files) == ["enable", "start"]
    systemd.properties["UnitFileState"] = "enabled"
    assert run(systemd, files) == []
    assert systemd.asked == ["enable", "start"]


def test_a_unit_is_reloaded_after_a_run_that_was_killed_before_the_reload(files: list[str]) -> None:
    systemd = Systemd(ActiveState="inactive")
    run(systemd, files)
    Path(files[1]).write_text("renewed")  # and the run was killed
    assert run(systemd, files, check=True) == ["reload"]
    assert run(systemd, files) == ["reload"]
    assert run(systemd, files) == []


def test_a_reload_that_failed_is_due_again(files: list[str]) -> None:
    systemd = Systemd(ActiveState="inactive")
    run(systemd, files)
    Path(files[0]).write_text("wrong")
    systemd.fails["reload"] = "Job failed"
    with pytest.raises(RuntimeError, match=r"haproxy\.service: reload failed: Job failed"):
        run(systemd, files)
    systemd.fails.clear()
    assert run(systemd, files) == ["reload"]


def test_a_unit_that_restarted_since_has_read_what_is_older(files: list[str]) -> None:
    systemd = Systemd(ActiveState="inactive")
    run(systemd, files)
    Path(files[1]).write_text("renewed")
    time.sleep(0.05)
    systemd.properties.update(InvocationID="restarted", InactiveExitTimestampMonotonic=str(int(time.monotonic() * 1e6)))
    assert run(systemd, files) == []
    Path(files[1]).write_text("renewed again")
    assert run(systemd, files) == ["reload"]


def test_a_unit_without_a_stamp_is_reloaded_if_a_file_is_newer(files: list[str]) -> None:
    """A boot removes the stamps; earlier releases wrote none."""
    assert run(Systemd(InactiveExitTimestampMonotonic=str(int((time.monotonic() - 60) * 1e6))), files) == ["reload"]


def test_changed_unit_files_are_read_first(files: list[str]) -> None:
    systemd = Systemd(ActiveState="inactive")
    run(systemd, files)
    systemd.properties["NeedDaemonReload"] = "yes"
    assert run(systemd, files) == ["daemon-reload"]


def test_a_unit_that_was_written_just_now_is_read_before_it_is_started(files: list[str]) -> None:
    systemd = Systemd(ActiveState="inactive", LoadState="not-found")
    run(systemd, files)
    assert systemd.asked == ["daemon-reload", "start"]


def test_a_unit_is_stopped_and_stays_enabled(files: list[str]) -> None:
    systemd = Systemd()
    assert run(systemd, files, state="stopped") == ["stop"]
    systemd.properties["ActiveState"] = "inactive"
    assert run(systemd, files, state="stopped") == []


def test_the_digest_follows_names_and_contents(files: list[str]) -> None:
    first = tier_unit.digest_of(files)
    os.rename(files[1], files[1] + ".old")
    missing = tier_unit.digest_of(files)
    Path(files[1]).write_text("first")
    assert tier_unit.digest_of(list(reversed(files))) == first != missing
