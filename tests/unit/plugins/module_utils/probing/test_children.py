# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deadlines that hold whatever the call does."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import probe, rows
from ansible_collections.distributed.tiers.plugins.module_utils.probing.children import run_in_children
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Unavailable,
)
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.command import execute
from ansible_collections.distributed.tiers.tests.unit.plugins.module_utils.probing.servers import scripted, silent


def blocked() -> dict[str, Any]:
    """As in a C library: no handler of Python runs, and no gentle signal ends it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    time.sleep(60)
    return {}


def test_results_come_in_the_order_of_the_calls() -> None:
    def call(number: int) -> dict[str, Any]:
        time.sleep(0.1 if number == 0 else 0)
        return {"number": number}

    calls = [lambda number=number: call(number) for number in range(5)]
    assert run_in_children(calls, 10, concurrency=2) == [{"number": number} for number in range(5)]
    assert run_in_children([], 10) == []


def test_a_blocked_call_is_killed_at_its_deadline_and_the_others_answer() -> None:
    began = time.monotonic()
    assert run_in_children([blocked, lambda: {"done": True}, blocked], 2) == [None, {"done": True}, None]
    assert time.monotonic() - began < 10


def test_a_child_ends_although_its_parent_was_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def hang() -> dict[str, Any]:
        note.write_text(str(os.getpid()))
        return blocked()

    def kill_parent() -> None:
        while not note.exists() or not note.read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)

    def parent() -> dict[str, Any]:
        threading.Thread(target=kill_parent, daemon=True).start()
        run_in_children([hang], 1)
        return {}

    with pytest.raises(RuntimeError, match="without an answer"):
        run_in_children([parent], 30)
    stat, end = Path(f"/proc/{note.read_text()}/stat"), time.monotonic() + 10
    # Gone, or a zombie that its new parent has not asked for yet
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.05)


def test_a_long_answer_arrives_completely() -> None:
    assert run_in_children([lambda: {"text": "x" * 300_000}], 10) == [{"text": "x" * 300_000}]


def test_an_error_of_the_call_is_an_error_here() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run_in_children([lambda: {"never": 1 // 0}], 10)


def test_a_child_that_dies_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="without an answer"):
        run_in_children([lambda: os._exit(3)], 10)


def test_a_command_ends_with_the_child_that_started_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"

    def call() -> dict[str, Any]:
        execute([sys.executable, "-c", script], os.environ, 60)
        return {}

    assert run_in_children([call], 2) == [None]
    time.sleep(0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_server_that_never_ends_its_tls_handshake_is_no_answer_within_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel of a stopped slapd accepts the connection, and libldap waits for ever."""

    class Libldap:
        def observe(self, *_arguments: Any) -> None:
            blocked()

    monkeypatch.setattr(probe, "driver", lambda _protocol: Libldap())
    with scripted(silent) as port:
        edge = {"name": "s", "address": "127.0.0.1", "port": port, "protocol": "ldaps", "expect": "open"}
        (seen,) = probe.probe_all([edge], Access(), 5, wait=0, concurrency=4, deadline=0.3)
        standby = {**edge, "expect": "either", "refused_by": ["service"]}
        (refused,) = probe.probe_all([standby], Access(), 5, wait=0, concurrency=4, deadline=0.3)
    assert (seen["ok"], seen["reachable"], seen["why"]) == (False, False, "no answer within 0.3 s")
    assert (seen["name"], seen["port"], seen["position"]) == ("s", port, {})
    assert refused["ok"]


def test_rows_that_hang_are_reported_with_their_server() -> None:
    def work(endpoint: Endpoint) -> dict[str, Any]:
        if endpoint.name == "hangs":
            return blocked()
        return {"server": endpoint.name, "ok": True, "why": ""}

    hangs, answers = (Endpoint(name, "127.0.0.1", 1, "tcp") for name in ("hangs", "answers"))
    assert [one["why"] for one in rows.at_once(work, [hangs, answers], 2)] == ["not done within 2 s", ""]


def test_a_driver_that_ends_by_itself_reports_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        def observe(self, *_arguments: Any) -> None:
            raise Unavailable("it is starting")

    monkeypatch.setattr(probe, "driver", lambda _protocol: Driver())
    with scripted(silent) as port:
        edge = {"name": "s", "address": "127.0.0.1", "port": port, "protocol": "tcp", "expect": "open"}
        (seen,) = probe.probe_all([edge], Access(), 5, wait=0, concurrency=4)
    assert seen["why"] == "it is starting"


def test_a_reader_that_hangs_does_not_hide_the_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """verify blamed the server that was written through, and lost how long the write took."""

    class Server:
        def __init__(self, name: str) -> None:
            self.server = name

        def read(self) -> None:
            pass

        def write(self, _name: str) -> None:
            pass

        def names(self, _prefix: str) -> set[str]:
            if self.server == "hangs":
                blocked()
            return {"r"}

        def close(self) -> None:
            pass

    class Driver:
        def connect(self, endpoints: list[Endpoint], _access: Access, _timeout: float) -> Server:
            return Server(endpoints[0].name)

    monkeypatch.setattr(rows, "driver", lambda _protocol: Driver())
    good, hangs = (Endpoint(name, "127.0.0.1", 1, "tcp") for name in ("good", "hangs"))
    written = rows.write(good, "r", [good, hangs], Access(), 1, wait=1)
    assert [reader["ok"] for reader in written["readers"]] == [True, False]
    assert written["why"] == "read through hangs: not done within 2 s"
    assert written["write_ms"] >= 0
