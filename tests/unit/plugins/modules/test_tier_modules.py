# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tier_probe, tier_rows and tier_load as modules: what they take, give and refuse."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks, load, rows
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Unavailable,
)
from ansible_collections.distributed.tiers.plugins.modules import tier_host, tier_load, tier_probe, tier_rows
from ansible_collections.distributed.tiers.tests.unit.plugins.modules.arguments import patch_module_args

Run = Callable[..., dict[str, Any]]
SERVER = {"name": "s", "address": "127.0.0.1", "port": 1, "protocol": "ldaps"}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(module: ModuleType, **arguments: Any) -> dict[str, Any]:
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_probe_tells_what_it_saw(run: Run, listening: int) -> None:
    result = run(tier_probe, edges=[{"name": "s", "address": "127.0.0.1", "port": listening}], _ansible_check_mode=True)
    assert result["changed"] is False
    assert result["edges"][0]["reachable"] is True


def test_probe_fails_with_everything_at_once(run: Run, listening: int) -> None:
    edges = [
        {"name": name, "address": "127.0.0.1", "port": listening, "expect": "refused"} for name in ("first", "second")
    ]
    result = run(tier_probe, edges=edges)
    assert result["failed"]
    assert "first (127.0.0.1:" in result["msg"] and "second (127.0.0.1:" in result["msg"]
    assert len(result["edges"]) == 2


@pytest.mark.parametrize("stays", [True, False])
def test_probe_lasts_until_the_time_is_over_or_an_answer_differs(
    run: Run, monkeypatch: pytest.MonkeyPatch, stays: bool
) -> None:
    answers = iter([True, True, stays, True, True, True])
    edge = {"name": "s", "address": "127.0.0.1", "port": 1, "why": "closed"}
    now = iter(range(100))
    monkeypatch.setattr(tier_probe, "probe_all", lambda *_: [{**edge, "ok": next(answers)}])
    monkeypatch.setattr(tier_probe.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(tier_probe.time, "sleep", lambda _seconds: None)
    result = run(tier_probe, edges=[{"name": "s", "address": "127.0.0.1", "port": 1}], lasts=5)
    assert result.get("failed", False) is not stays
    assert len([*answers]) == (1 if stays else 3)


def test_probe_wants_an_address(run: Run) -> None:
    assert "address" in run(tier_probe, edges=[{"name": "s", "protocol": "ldaps"}])["msg"]


def test_the_password_does_not_show(run: Run, listening: int) -> None:
    edges = [{"name": "s", "address": "127.0.0.1", "port": listening}]
    assert "hidden-word" not in json.dumps(run(tier_probe, edges=edges, access={"password": "hidden-word"}))


class Store:
    """Rows behind any endpoint, in a file: each server is asked in a process of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = "s"
        self.kept = set()

    @property
    def kept(self) -> set[str]:
        return set(self.path.read_text().split())

    @kept.setter
    def kept(self, names: set[str]) -> None:
        self.path.write_text(" ".join(names))

    def connect(self, _endpoints: Sequence[Endpoint], _access: Access, _timeout: float) -> Store:
        return self

    def read(self) -> None:
        pass

    def write(self, name: str) -> None:
        self.kept = {*self.kept, name}

    def names(self, prefix: str) -> set[str]:
        return {name for name in self.kept if name.startswith(prefix)}

    def remove(self, prefix: str) -> int:
        gone = self.names(prefix)
        self.kept -= gone
        return len(gone)

    def close(self) -> None:
        pass


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = Store(tmp_path_factory.mktemp("store") / "rows")
    for module in (load, rows):
        monkeypatch.setattr(module, "driver", lambda _protocol: made)
    return made


def test_rows_come_are_found_and_go(run: Run, store: Store) -> None:
    written = run(tier_rows, state="present", prefix="v", writer="c", servers=[SERVER], readers=[SERVER])
    assert (written["changed"], store.kept) == (True, {"v-c-s"})
    found = run(tier_rows, state="found", servers=[SERVER], names=["v-c-s"])
    assert (found["changed"], found["rows"][0]["found"]) == (False, 1)
    gone = run(tier_rows, state="absent", prefix="v-", servers=[SERVER])
    assert (gone["changed"], gone["rows"][0]["removed"], store.kept) == (True, 1, set())
    assert run(tier_rows, state="absent", prefix="v-", servers=[SERVER])["changed"] is False


def test_missing_rows_fail_unless_they_are_only_counted(run: Run, store: Store) -> None:
    arguments = {"state": "found", "servers": [SERVER], "names": ["v"], "wait": 0}
    assert run(tier_rows, **arguments)["failed"]
    assert run(tier_rows, **arguments, required=False)["rows"][0]["missing"] == ["v"]


def test_check_mode_writes_and_removes_nothing(run: Run, store: Store) -> None:
    store.kept = {"v-1"}
    written = run(
        tier_rows, state="present", prefix="v", writer="c", servers=[SERVER], readers=[], _ansible_check_mode=True
    )
    assert written["changed"]
    run(tier_rows, state="absent", prefix="v-", servers=[SERVER], _ansible_check_mode=True)
    assert store.kept == {"v-1"}


def test_rows_need_a_prefix(run: Run, store: Store) -> None:
    assert "prefix" in run(tier_rows, state="absent", servers=[SERVER])["msg"]


def stream(**more: Any) -> dict[str, Any]:
    return {"name": "w", "kind": "write", "prefix": "r", "rate": 50, "servers": [SERVER], **more}


def test_load_leaves_samples_that_only_root_reads(run: Run, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "samples"
    result = run(tier_load, path=str(path), duration=0.3, streams=[stream()])
    lines = path.read_text().splitlines()
    assert len(lines) == result["streams"]["w"]["requests"] == len(store.kept) > 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_load_is_ended_by_the_same_module(run: Run, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "samples"
    run(tier_load, path=str(path), state="stopped")
    assert (tmp_path / "samples.stop").exists()
    run(tier_load, path=str(path), duration=0.3, streams=[stream()])  # begins again, whatever was left behind
    assert not (tmp_path / "samples.stop").exists()


@pytest.mark.parametrize("bad", [{"rate": 0}, {"servers": []}])
def test_load_without_a_rate_or_a_server(run: Run, store: Store, tmp_path: Path, bad: dict[str, Any]) -> None:
    result = run(tier_load, path=str(tmp_path / "samples"), streams=[stream(**bad)])
    assert result["failed"] and "every stream needs" in result["msg"]


def test_load_in_check_mode(run: Run, store: Store, tmp_path: Path) -> None:
    run(tier_load, path=str(tmp_path / "samples"), streams=[stream()], _ansible_check_mode=True)
    assert not list(tmp_path.iterdir())


HOST_CHECKS = ("firewall", "aside", "names", "programs", "boot", "faults", "files", "restore")


@pytest.mark.parametrize(
    ("asked", "look", "checks"),
    [
        ({"firewall": True}, "firewall", ["firewall", "aside"]),
        ({"names": True}, "names", ["names"]),
        ({"programs": ["slapd"]}, "program", ["programs"]),
        ({"programs": ["slapd"], "boot": ["slapd"]}, "program", ["programs", "boot"]),
        ({"faults": True}, "drill", ["faults"]),
        ({"files": True}, "files", ["files", "restore"]),
        ({}, "", []),
    ],
)
def test_host_reports_what_it_was_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], look: str, checks: list[str]
) -> None:
    for check in HOST_CHECKS:
        monkeypatch.setattr(host_checks, f"check_{check}", lambda *_, check=check: [check])
    result = run(tier_host, **asked, _ansible_check_mode=True)
    assert result["findings"] == [{"look": look, "why": check} for check in checks]
    assert not result["changed"] and not result.get("failed")


def test_host_reads_its_clock_and_what_keeps_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(words: list[str], *_: object) -> tuple[int, str, str]:
        if words[0] == "timedatectl":
            return 0, "yes\n", ""
        return 3, "".join("active\n" if word == "chronyd" else "inactive\n" for word in words[2:]), ""

    monkeypatch.setattr(host_checks, "execute", answer)
    clock = run(tier_host, clock=True)["clock"]
    assert clock["synchronized_by"] == ["chronyd", "kernel"]
    assert clock["began"] <= clock["ended"]

    def missing(*_: object) -> tuple[int, str, str]:
        raise Unavailable("systemctl cannot be run")

    monkeypatch.setattr(host_checks, "execute", missing)
    assert run(tier_host, clock=True)["clock"]["synchronized_by"] == []


def test_host_checks_certificates_and_disks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(host_checks, "check_certificates", lambda *given: asked.append(given) or ["expired"])
    service = {"alert_days": 21, "address": "10.0.0.1", "port": 636, "protocol": "ldaps"}
    result = run(tier_host, certificates=service, disks={"alert_percent": 0, "paths": ["/"]})
    assert [finding["look"] for finding in result["findings"][:2]] == ["certificate", "disk"]
    run(tier_host, certificates={**service, "protocol": "tcp", "request": "0000"})
    run(tier_host, certificates={"alert_days": 21})
    assert asked == [
        ("10.0.0.1", 636, "ldaps", 21.0, 5.0, b""),
        ("10.0.0.1", 636, "tcp", 21.0, 5.0, b"\0\0"),
        (None, None, "", 21.0, 5.0, b""),
    ]
