# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that backs PostgreSQL up checks the archiving, prefers a standby, and finds what is wrong."""

from __future__ import annotations

import importlib.util
import json
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROLE = Path(__file__).parents[3] / "roles/product_postgresql"
BACKUP = {
    "label": "20261130-202402F",
    "type": "full",
    "error": False,
    "timestamp": {"start": 1_000, "stop": 1_008},
    "info": {"size": 38_482_739, "repository": {"delta": 4_823_449}},
    "archive": {"start": "000000010000000000000005", "stop": "000000010000000000000006"},
}
INFO: dict[str, Any] = {"backup": [BACKUP], "status": {"code": 0, "lock": {"backup": {"held": False}}}}
SETTINGS = {"stanza": "shop", "account": "pgbackrest", "path": "/", "max_hours": 26, "full_percent": 90}
NO_STANDBY = "ERROR: [056]: unable to find standby cluster - cannot proceed"


@pytest.fixture(name="program")
def load_program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("postgresql_backup", ROLE / "files/postgresql_backup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calls(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, tuple[int, str]]:
    """The answers of pgBackRest to its commands, by their last words: exit code and messages."""
    answers: dict[str, tuple[int, str]] = {}

    def pgbackrest(_settings: Any, *words: str, seconds: float | None = None) -> tuple[int, str, str]:
        code, messages = answers.get(words[-1], (0, ""))
        with (tmp_path / "calls").open("a", encoding="utf-8") as file:
            file.write(" ".join(words) + "\n")
        return code, json.dumps([INFO]) if words[0] == "info" else "", messages

    monkeypatch.setattr(program, "pgbackrest", pgbackrest)
    return answers


def run(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> int:
    (tmp_path / "backup.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\n", encoding="utf-8")
    systemctl.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "argv", [f"{tmp_path}/backup", *words])
    return int(program.main())


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text(encoding="utf-8").splitlines()


def test_a_backup_is_made_from_the_standby_after_the_archiving_was_checked(
    program: ModuleType,
    calls: dict[str, tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(program, monkeypatch, tmp_path, "full") == 0
    assert asked(tmp_path) == ["check", "backup --type=full --backup-standby", "info --output=json"]
    made = json.loads(capsys.readouterr().out)
    assert (made["source"], made["database_mb"], made["repository_mb"]) == ("the standby", 36.7, 4.6)
    assert made["wal"] == ["000000010000000000000005", "000000010000000000000006"]


def test_the_leader_is_copied_if_no_standby_is_up(
    program: ModuleType,
    calls: dict[str, tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls["--backup-standby"] = (56, NO_STANDBY)
    assert run(program, monkeypatch, tmp_path, "diff") == 0
    assert asked(tmp_path)[1:3] == ["backup --type=diff --backup-standby", "backup --type=diff --no-backup-standby"]
    assert "no standby is up" in json.loads(capsys.readouterr().out)["source"]


@pytest.mark.parametrize(
    ("last_word", "answer", "why", "made"),
    [
        (
            "check",
            (
                82,
                "P00  INFO: begin\nP00  ERROR: [082]: WAL was not archived\n  HINT: check\nP00  INFO: end",
            ),
            "Archiving does not work, so no backup was made: [082]: WAL was not archived HINT: check\n",
            1,
        ),
        ("--backup-standby", (28, "ERROR: [028]: damaged"), "The backup failed: [028]: damaged\n", 2),
        # Another reason not to reach a database is no reason to burden the leader.
        ("--backup-standby", (56, "ERROR: [056]: unable to find primary"), "unable to find primary\n", 2),
    ],
)
def test_a_backup_that_fails_says_why_in_one_line(
    program: ModuleType,
    calls: dict[str, tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    last_word: str,
    answer: tuple[int, str],
    why: str,
    made: int,
) -> None:
    calls[last_word] = answer
    assert run(program, monkeypatch, tmp_path, "full") == 1
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.endswith(why)
    assert found.err.count("\n") == 1
    assert len(asked(tmp_path)) == made


def test_findings_are_about_age_and_absence(program: ModuleType) -> None:
    def found(info: dict[str, Any], hours: float, **settings: Any) -> list[str]:
        return list(program.judge(info, {**SETTINGS, **settings}, 1_008 + hours * 3600))

    assert found(INFO, 26) == []
    assert "the newest backup is 27 hours old" in found(INFO, 27)[0]
    assert found(INFO, 1000, max_hours=0) == []
    nothing = {"backup": [], "status": {"lock": {"backup": {"held": False}}}}
    assert found(nothing, 0) == ["no backup of the data exists. Run back_up"]
    assert found({}, 0, max_hours=0) == ["no backup of the data exists. Run back_up"]
    running = {"backup": [], "status": {"lock": {"backup": {"held": True}}}}
    assert "the first one is being made" in found(running, 0)[0]
    damaged = {"backup": [BACKUP | {"error": True}], "status": INFO["status"]}
    assert "wrong checksum" in found(damaged, 0)[0]


def test_a_repository_that_cannot_be_read_is_no_healthy_one(
    program: ModuleType,
    calls: dict[str, tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls["--output=json"] = (41, "ERROR: [041]: permission denied")
    assert run(program, monkeypatch, tmp_path, "findings") == 1
    assert "cannot be read: [041]: permission denied" in capsys.readouterr().err


def test_a_repository_that_is_almost_full_is_a_finding(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        f_bavail, f_blocks = 9, 100

    monkeypatch.setattr(program.os, "statvfs", lambda _path: Disk)
    # The root file system, at which status looks itself
    assert list(program.judge_room("/", 90)) == []
    assert "/proc is 91 % full" in next(iter(program.judge_room("/proc", 90)))
    assert list(program.judge_room("/proc", 92)) == []
