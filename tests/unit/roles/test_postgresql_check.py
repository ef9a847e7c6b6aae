# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that `status` and `verify` run on a host finds what keeps PostgreSQL from its promises."""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles/product_postgresql"
SETTINGS = {
    "url": "https://192.0.2.1:8008/patroni",
    "ca": "/nonexistent",
    "socket": "/var/run/postgresql",
    "port": 5432,
    "data": "/",
    "promises_no_loss": True,
    "permits_unlogged": False,
    "archives": True,
    "start_values": {"max_connections": 200, "wal_level": "replica"},
}
PATRONI = {"patroni": {"scope": "shop"}}
HEALTHY: dict[str, Any] = {
    "leads": True,
    "settings": {
        "synchronous_commit": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "max_slot_wal_keep_size": "4096",
        "max_wal_size": "1024",
        "max_connections": "200",
        "max_locks_per_transaction": "64",
        "max_prepared_transactions": "0",
        "max_wal_senders": "16",
        "max_worker_processes": "8",
    },
    "own_settings": [],
    "waiting": [],
    "synchronous": 1,
    "slots": [["m2", "reserved"]],
    "archiver": {"mode": "on", "is_failing": False, "last_wal": "000000010000000000000008", "waiting": 1, "seconds": 9},
    "gives_backups": True,
    "wal_bytes": 1 << 30,
    "free_bytes": 5 << 30,
    "checksum_failures": 0,
    "oldest_transaction": 190_000_000,
    "databases": ["shop"],
    "unlogged": [],
}


@pytest.fixture(name="program")
def load_program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("postgresql_check", ROLE / "files/postgresql_check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def findings(program: ModuleType, change: dict[str, Any], **settings: Any) -> list[str]:
    server = copy.deepcopy(HEALTHY)
    server["settings"].update(change.pop("settings", {}))
    return list(
        program.judge({**server, **change}, {**PATRONI, **settings.pop("patroni", {})}, {**SETTINGS, **settings})
    )


def test_a_healthy_server_has_no_finding(program: ModuleType) -> None:
    assert findings(program, {}) == []
    assert findings(program, {"leads": False, "synchronous": 0}) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"settings": {"fsync": "off"}}, "fsync is off"),
        ({"settings": {"full_page_writes": "off"}}, "full_page_writes is off"),
        ({"settings": {"synchronous_commit": "local"}}, "synchronous_commit is local"),
        (
            {"own_settings": [["shop", "", "synchronous_commit=off"], ["", "x", "synchronous_commit=on"]]},
            "account shop has synchronous_commit=off",
        ),
        ({"own_settings": [["", "", "synchronous_commit=off"]]}, "every account has synchronous_commit=off"),
        ({"synchronous": 0}, "no synchronous standby"),
        ({"unlogged": ["shop: carts"]}, "unlogged tables are empty after a failover: shop: carts"),
        ({"settings": {"max_slot_wal_keep_size": "-1"}}, "WAL for an absent server fills the disk"),
        ({"free_bytes": 3 << 30}, "may take 5120 MB, and the disk has 4096 MB"),
        ({"slots": [["m2", "unreserved"]]}, "slot m2 lacks WAL that is being removed"),
        ({"slots": [["m2", "lost"]]}, "slot m2 lacks WAL that is removed"),
        ({"checksum_failures": 2}, "2 pages of the data have a wrong checksum"),
        ({"oldest_transaction": 1_600_000_000}, "1600 million transactions old"),
        ({"waiting": ["shared_buffers"]}, "a changed setting (shared_buffers) waits for a restart"),
        ({"settings": {"max_connections": "300"}}, "max_connections is larger than planned"),
    ],
)
def test_a_broken_promise_is_a_finding(program: ModuleType, change: dict[str, Any], why: str) -> None:
    (found,) = findings(program, change)
    assert why in found


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mode": "off"}, "archive_mode is off"),
        ({"is_failing": True, "seconds": 61}, "WAL has waited for 61 s (1 files). The last archived one is 00000001"),
        # A command that hangs neither fails nor succeeds.
        ({"seconds": 121}, "archiving does not work"),
        ({"is_failing": True, "last_wal": None}, "last archived one is none"),
    ],
)
def test_wal_that_is_not_archived_is_a_finding_of_the_leader(
    program: ModuleType, change: dict[str, Any], why: str
) -> None:
    archiver = HEALTHY["archiver"] | change
    (found,) = findings(program, {"archiver": archiver})
    assert why in found
    assert findings(program, {"archiver": archiver, "leads": False}) == []
    assert findings(program, {"archiver": archiver}, archives=False) == []


def test_a_failure_before_the_last_archived_wal_is_past(program: ModuleType) -> None:
    assert findings(program, {"archiver": HEALTHY["archiver"] | {"is_failing": True, "waiting": 0}}) == []


def test_a_server_that_gives_no_backups_is_a_finding(program: ModuleType) -> None:
    for leads in (True, False):
        (found,) = findings(program, {"gives_backups": False, "leads": leads})
        assert "the repository cannot copy the data" in found


def test_the_inventory_decides_what_is_promised(program: ModuleType) -> None:
    # A master without a backup promises nothing of a failover.
    alone: dict[str, Any] = {"synchronous": 0, "settings": {"synchronous_commit": "off"}, "unlogged": ["shop: carts"]}
    assert findings(program, dict(alone), promises_no_loss=False) == []
    assert findings(program, {"unlogged": ["shop: carts"]}, permits_unlogged=True) == []


def test_a_restart_is_due_when_patroni_or_postgresql_waits_for_one(program: ModuleType) -> None:
    assert program.is_restart_due({"pending_restart": True}, HEALTHY, SETTINGS)
    assert program.is_restart_due({}, {**HEALTHY, "waiting": ["shared_buffers"]}, SETTINGS)
    assert not program.is_restart_due({}, HEALTHY, SETTINGS)
    # A restart of a standby does not reduce it, so no deployment restarts for it again and again.
    larger = {**HEALTHY, "settings": {**HEALTHY["settings"], "max_connections": "300"}}
    assert not program.is_restart_due({"pending_restart": True}, larger, SETTINGS)


def run(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> int:
    Path(f"{tmp_path}/check.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [f"{tmp_path}/check", *words])
    return int(program.main())


def test_every_database_of_the_leader_is_searched_for_unlogged_tables(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(query: str, _settings: Any, database: str = "postgres") -> Any:
        return copy.deepcopy(HEALTHY) if query == program.SERVER else ["carts"] if database == "shop" else []

    monkeypatch.setattr(program, "ask", ask)
    monkeypatch.setattr(program, "ask_patroni", lambda _settings: PATRONI)
    assert run(program, monkeypatch, tmp_path) == 0
    assert "shop: carts" in capsys.readouterr().out
    assert run(program, monkeypatch, tmp_path, "restart-due") == 1


def test_a_server_that_cannot_be_asked_is_no_healthy_one(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(program, monkeypatch, tmp_path) == 2
    assert "Patroni does not answer" in capsys.readouterr().err
    monkeypatch.setattr(program, "ask_patroni", lambda _settings: PATRONI)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(program, monkeypatch, tmp_path) == 2
    assert "PostgreSQL cannot be asked" in capsys.readouterr().err


def test_rules_compare_the_defaults_of_the_role() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    numbers = yaml.safe_load((ROLE / "meta/product.yml").read_text(encoding="utf-8"))["numbers"]
    found = {name: len(defaults[name]) if isinstance(defaults[name], list) else defaults[name] for name in numbers}
    assert found == numbers
