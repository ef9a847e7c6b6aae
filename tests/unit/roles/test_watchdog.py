# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watchdog of a server: when it restarts a unit, what counts as an answer, and which sessions it ends."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.plugins.action.judging import run_action
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template
from ansible_collections.distributed.tiers.tests.unit.roles import haproxy
from ansible_collections.distributed.tiers.tests.unit.slices import complete

PROGRAM = Path(__file__).parents[3] / "roles/server/files/watchdog.py"
TIMEOUT = "no answer within 0.3 s"


@pytest.fixture(scope="module")
def watchdog() -> ModuleType:
    spec = importlib.util.spec_from_file_location("watchdog", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["watchdog"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


# ---- When a unit is restarted


def restarts(watchdog: ModuleType, *checks: tuple[str, str, bool]) -> list[bool]:
    watch = watchdog.Watch()
    return [watch.judge(*check) for check in checks]


GOOD, BAD = ("a", "", False), ("a", TIMEOUT, False)


def test_a_unit_that_answered_is_restarted_after_three_misses(watchdog: ModuleType) -> None:
    assert restarts(watchdog, GOOD, BAD, BAD, BAD) == [False, False, False, True]


def test_an_answer_resets_the_count(watchdog: ModuleType) -> None:
    assert not any(restarts(watchdog, GOOD, BAD, BAD, GOOD, BAD, BAD))


def test_a_unit_that_has_not_answered_since_its_start_is_left_alone(watchdog: ModuleType) -> None:
    assert not any(restarts(watchdog, *[BAD] * 10))
    started_again = ("b", TIMEOUT, False)
    assert not any(restarts(watchdog, GOOD, BAD, BAD, *[started_again] * 10))


def test_a_unit_that_does_not_run_is_left_alone(watchdog: ModuleType) -> None:
    stopped = ("", "", False)
    assert not any(restarts(watchdog, GOOD, BAD, BAD, stopped, BAD, BAD, BAD))


def test_a_miss_on_a_starved_host_does_not_count(watchdog: ModuleType) -> None:
    starved = ("a", TIMEOUT, True)
    assert restarts(watchdog, GOOD, *[starved] * 10, BAD, starved, BAD, BAD)[-2:] == [False, True]
    assert not any(restarts(watchdog, GOOD, *[starved] * 10, BAD, starved, BAD))


def test_a_unit_is_restarted_once_until_it_answers_again(watchdog: ModuleType) -> None:
    assert restarts(watchdog, GOOD, *[BAD] * 12).count(True) == 1


def test_late_ticks_tell_a_starved_host(watchdog: ModuleType) -> None:
    now = [100.0]
    pulse = watchdog.Pulse(clock=lambda: now[0])
    for now[0] in (100.0, 100.1, 100.2, 101.2):
        pulse.tick()
    assert not pulse.starved(100.0)
    now[0] = 104.0
    assert pulse.starved(103.9), "the next tick is overdue"
    pulse.tick()
    assert pulse.starved(103.9)
    now[0] = 104.1
    pulse.tick()
    assert not pulse.starved(104.05)


def test_a_program_that_waits_for_a_processor_is_slow_and_one_that_is_stopped_waits_for_none(
    watchdog: ModuleType,
) -> None:
    """Two programs on one processor: each waits for the other, until both are stopped."""
    one = {min(os.sched_getaffinity(0))}
    spin = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {one})\nwhile True: pass"]
    with subprocess.Popen(["sh", "-c", '"$@" & wait', "sh", *spin]) as parent, subprocess.Popen(spin) as other:
        try:
            time.sleep(1.5)
            before = watchdog.waits(parent.pid)
            time.sleep(1.5)
            busy = watchdog.waits(parent.pid)
            assert watchdog.waited(before, busy) > 0.3, "the child counts, too"
            children = [int(thread) for thread in busy if int(thread) != parent.pid]
            stopped = (*children, other.pid)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            # A process stops only when it gets the processor again.
            while {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in stopped} != {"T"}:
                time.sleep(0.05)
            before = watchdog.waits(parent.pid)
            time.sleep(1)
            assert watchdog.waited(before, watchdog.waits(parent.pid)) < 0.1
        finally:
            for pid in (*(int(thread) for thread in watchdog.waits(parent.pid)), other.pid):
                os.kill(pid, signal.SIGKILL)


def test_threads_of_a_process_that_has_ended_have_not_waited(watchdog: ModuleType) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    assert watchdog.waits(process.pid) == {}
    assert watchdog.waited({"1": 10**9}, {"1": 3 * 10**9, "2": 10**9}) == 3.0


class Ended(Exception):
    """The time of a test is over."""


class Clock:
    """The time of a loop of the watchdog, in which only what waits takes time. It ends the loop at `end`."""

    def __init__(self, end: float) -> None:
        self.now, self.end = 1000.0, 1000.0 + end

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.end:
            raise Ended


BUSY, CALM = (types.SimpleNamespace(starved=lambda _since, late=late: late) for late in (True, False))


def follow_unit(
    watchdog: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    hangs_at: float,
    pulse: Any = CALM,
    resting: Path | None = None,
) -> tuple[list[float], int]:
    """When the unit is restarted, in seconds after its program has stopped answering, and how often it was asked."""
    clock, restarted, asked = Clock(hangs_at + 60), [], []
    hangs = clock.now + hangs_at

    def ask(_check: Any, deadline: float) -> str:
        asked.append(clock.now)
        if clock.now < hangs:
            return ""
        clock.sleep(deadline)
        return TIMEOUT

    monkeypatch.setattr(watchdog, "time", clock)
    monkeypatch.setattr(watchdog, "running", lambda _unit: ("a", 1))
    monkeypatch.setattr(watchdog, "waits", lambda _pid: {})
    monkeypatch.setattr(watchdog, "wait_of", lambda _task: 0)
    monkeypatch.setattr(watchdog, "ask", ask)
    monkeypatch.setattr(watchdog, "restart", lambda _unit: restarted.append(clock.now - hangs))
    settings = {"within": 20, "resting": [str(resting)] if resting else []}
    with pytest.raises(Ended):
        watchdog.watch_unit(settings, {"unit": "slapd", "check": {}}, pulse, lambda: None)
    return restarted, len(asked)


@pytest.mark.parametrize("hangs_at", [0.1, 1.0, 2.5, 4.4, 4.6, 8.9])
def test_a_program_that_hangs_is_restarted_within_the_time_of_the_plan(
    watchdog: ModuleType, monkeypatch: pytest.MonkeyPatch, hangs_at: float
) -> None:
    (seconds,), _asked = follow_unit(watchdog, monkeypatch, hangs_at)
    assert 9 < seconds < 20


def test_nothing_is_restarted_on_a_host_that_is_short_of_processor_time(
    watchdog: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert follow_unit(watchdog, monkeypatch, 5, pulse=BUSY)[0] == []


def test_the_program_of_a_drained_server_is_left_alone(
    watchdog: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    note = tmp_path / "tiers_drained.fact"
    note.touch()
    assert follow_unit(watchdog, monkeypatch, 5, resting=note) == ([], 0)


def test_a_unit_is_killed_before_it_is_restarted(watchdog: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd would wait for a stopped process to handle SIGTERM."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(watchdog, "systemctl", lambda *words: asked.append(words))
    watchdog.restart("slapd")
    assert asked == [("kill", "--signal=KILL", "slapd"), ("restart", "--no-block", "slapd")]


# ---- What is an answer


class Server:
    """Listens on loopback; without `behave` like a stopped process, for which only the kernel accepts."""

    def __init__(self, behave: Callable[[socket.socket], None] | None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.check = {"type": "tcp", "address": "127.0.0.1", "port": self.listener.getsockname()[1], "tls": False}
        if behave:
            threading.Thread(target=self.serve, args=(behave,), daemon=True).start()

    def serve(self, behave: Callable[[socket.socket], None]) -> None:
        try:
            while True:
                with self.listener.accept()[0] as connection:
                    behave(connection)
        except OSError:
            pass


@pytest.fixture
def serve() -> Iterator[Callable[..., dict[str, Any]]]:
    servers: list[Server] = []

    def begin(behave: Callable[[socket.socket], None] | None, **check: Any) -> dict[str, Any]:
        servers.append(Server(behave))
        return servers[-1].check | check

    yield begin
    for server in servers:
        server.listener.close()


HTTP = {"type": "http", "path": "/healthz"}
PING = b"PING\r\n".hex()
GREETING = {"tls": True, "send_hex": "", "expect": "^220 "}
COMMAND = {"type": "command", "command": ["ledger", "ping"]}


def unavailable(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")


def no_bind(connection: socket.socket) -> None:
    assert connection.recv(1000)[:1] == b"\x30"
    connection.sendall(bytes.fromhex("300c02010161070a013304000400"))


def greet(connection: socket.socket) -> None:
    connection.sendall(b"220 ready\r\n")


def no_tls(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"I speak no TLS\r\n")


@pytest.mark.parametrize(
    ("behave", "check"),
    [
        (unavailable, HTTP),
        (no_bind, {"type": "ldap"}),
        (no_tls, {"tls": True}),
        (unavailable, {"send_hex": PING}),
        (greet, {"send_hex": "", "expect": "^220 "}),
        (lambda connection: connection.recv(1000), HTTP),
    ],
    ids=["http-error", "ldap-error", "refused-handshake", "tcp", "greeting", "closed"],
)
def test_any_answer_is_one(watchdog: ModuleType, serve: Any, behave: Any, check: dict[str, Any]) -> None:
    assert watchdog.ask(serve(behave, **check), 5) == ""


@pytest.mark.parametrize("check", [HTTP, {"type": "ldap"}, {"tls": True}, {"send_hex": PING}, GREETING], ids=str)
def test_a_stopped_process_gives_no_answer(watchdog: ModuleType, serve: Any, check: dict[str, Any]) -> None:
    assert watchdog.ask(serve(None, **check), 0.3) == TIMEOUT


def test_a_port_without_a_listener_does_not_answer(watchdog: ModuleType, serve: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in watchdog.ask({**HTTP, "address": "127.0.0.1", "port": port, "tls": False}, 5)


def test_a_command_is_killed_at_its_deadline(watchdog: ModuleType) -> None:
    assert watchdog.ask({"type": "command", "command": ["true"]}, 5) == ""
    # It says that something is wrong, so it answers.
    assert watchdog.ask({"type": "command", "command": ["false"]}, 5) == ""
    assert watchdog.ask({"type": "command", "command": ["sleep", "60"]}, 0.3) == "sleep did not end within 0.3 s"


# ---- Sessions with servers that are down

STAT = """\
# pxname,svname,qcur,scur,status,lastchg,
pool,FRONTEND,,9,OPEN,,
pool,p1,0,4,DOWN,3,
pool,p2,0,5,UP,100,
pool,p3,0,0,DOWN 1/2,50,
pool-p4,p4,0,2,DOWN 1/2,7,
pool-p4,p4-b,0,2,UP,700,
pool-p7,p7,0,2,DOWN,7,
pool-p7,p7-b,0,2,DOWN,7,
pool,p5,0,6,DOWN,2,
pool,p6,0,7,MAINT,200,
pool,BACKEND,0,9,DOWN,100,
"""


def test_sessions_end_with_servers_that_have_been_down_for_a_while_if_another_is_up(watchdog: ModuleType) -> None:
    assert watchdog.dead_sessions(STAT, 3) == [("pool", "p1", 4), ("pool-p4", "p4", 2)]


@pytest.mark.parametrize(("pulse", "ended"), [(CALM, ["pool/p1", "pool-p4/p4"]), (BUSY, [])], ids=["calm", "busy"])
def test_sessions_are_ended_unless_the_checks_of_haproxy_may_be_late(
    watchdog: ModuleType, monkeypatch: pytest.MonkeyPatch, pulse: Any, ended: list[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(watchdog, "time", Clock(1.5))
    monkeypatch.setattr(watchdog, "haproxy", lambda _socket, command: asked.append(command) or STAT)
    with pytest.raises(Ended):
        watchdog.watch_sessions({"socket": "/run/haproxy/admin.sock", "after": 3}, pulse, lambda: None)
    shut = "shutdown sessions server "
    assert [command.removeprefix(shut) for command in asked if command.startswith(shut)] == ended


# ---- Stepping aside


def looks(watchdog: ModuleType, *seen: tuple[float, str, bool]) -> list[bool]:
    state = watchdog.Aside(after=6)
    return [state.look(*look) for look in seen]


FULL = "0.0 % is free"


def test_a_server_that_cannot_write_steps_aside_for_a_peer_that_can(watchdog: ModuleType) -> None:
    assert looks(watchdog, (0, FULL, True), (4, FULL, True), (6, FULL, True)) == [False, False, True]


def test_a_server_stays_while_its_peer_cannot_write(watchdog: ModuleType) -> None:
    assert not any(looks(watchdog, *((seconds, FULL, False) for seconds in range(0, 60, 2))))


def test_a_short_trouble_does_not_move_clients(watchdog: ModuleType) -> None:
    assert not any(looks(watchdog, *((seconds, FULL if seconds % 6 else "", True) for seconds in range(0, 60, 2))))


def test_a_server_serves_again_when_it_can_write_for_a_while(watchdog: ModuleType) -> None:
    aside = [(0, FULL, True), (6, FULL, True)]
    back = [(8, "", True), (10, FULL, True), (12, "", True), (16, "", True), (18, "", True)]
    assert looks(watchdog, *aside, *back)[1:] == [True, True, True, True, True, False]


def test_a_server_serves_again_when_its_peer_no_longer_can(watchdog: ModuleType) -> None:
    aside = [(0, FULL, True), (6, FULL, True)]
    assert looks(watchdog, *aside, (8, FULL, False), (12, FULL, False), (14, FULL, False))[1:] == [True] * 3 + [False]


@pytest.mark.parametrize("second", range(-10, 11))
def test_two_peers_that_cannot_write_never_step_aside_both(watchdog: ModuleType, second: int) -> None:
    """One cannot write from 20 s on, the other from 20 s + `second` on; each asks the other once in two seconds."""
    states = [watchdog.Aside(after=6), watchdog.Aside(after=6)]
    begins, can_write = (20, 20 + second), [True, True]
    for now in range(80):
        me = now % 2
        blocked = FULL if now >= begins[me] else ""
        can_write[me] = not blocked and not states[me].aside
        states[me].look(now, blocked, can_write[1 - me])
        assert not (states[0].aside and states[1].aside)
    assert not any(state.aside for state in states)


def test_room_is_counted_as_df_counts_it(watchdog: ModuleType, tmp_path: Path, monkeypatch: Any) -> None:
    found = types.SimpleNamespace(f_flag=0, f_bavail=4, f_bfree=10, f_blocks=106)
    monkeypatch.setattr(watchdog.os, "statvfs", lambda _path: found)
    assert watchdog.full(tmp_path, 4, before=False) == ""
    text = f"4.0 % of the file system of {tmp_path} is free, the limit is 4 %"
    assert watchdog.full(tmp_path, 4, before=True) == text
    elsewhere = tmp_path / "not/there"
    assert watchdog.full(elsewhere, 5, before=False).startswith(f"4.0 % of the file system of {elsewhere} is free")
    found.f_bavail = 7
    assert watchdog.full(tmp_path, 4, before=True) == ""
    found.f_flag = watchdog.os.ST_RDONLY
    assert watchdog.full(tmp_path, 0, before=False) == f"{tmp_path} is read-only"


RELAY = """\
# pxname,svname,qcur,scur,status,lastchg,
upstream,m1,0,0,DOWN,3,
upstream,m2,0,0,UP,3,
upstream,BACKEND,0,0,UP,3,
"""


def test_a_relay_without_a_server_reaches_no_master(watchdog: ModuleType) -> None:
    assert watchdog.unreached(RELAY, "upstream") == ""
    assert watchdog.unreached(RELAY.replace("UP", "DOWN"), "upstream") == "it reaches no master"
    assert watchdog.unreached(RELAY.replace("UP", "DOWN"), "pool") == ""


def test_a_server_is_blocked_by_the_first_thing_that_is_wrong(
    watchdog: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = {"paths": [str(tmp_path)], "free_percent": 0, "command": [], "relay": "", "socket": ""}
    assert watchdog.blocked(settings, before=False) == ""
    assert watchdog.blocked(settings | {"command": ["false"]}, before=False) == "false ended with 1"
    assert "the limit is 101 %" in watchdog.blocked(settings | {"free_percent": 101}, before=False)
    no_haproxy = settings | {"relay": "upstream", "socket": str(tmp_path / "none")}
    assert watchdog.blocked(no_haproxy, before=False) == ""
    monkeypatch.setattr(watchdog, "haproxy", lambda _socket, _command: RELAY.replace("UP", "DOWN"))
    assert watchdog.blocked(settings | {"relay": "upstream"}, before=False) == "it reaches no master"
    assert watchdog.blocked(settings, before=False) == ""


@pytest.mark.parametrize("answer", [None, [], {}, {"can_write": False}, {"can_write": "yes"}])
def test_only_a_clear_yes_of_the_peer_counts(watchdog: ModuleType, answer: Any) -> None:
    assert watchdog.may_write({"can_write": True})
    assert not watchdog.may_write(answer)


def test_a_peer_tells_whether_it_can_write_to_those_of_the_system_only(
    watchdog: ModuleType, tmp_path: Path, free_port: int
) -> None:
    haproxy.make_certificate(tmp_path, "m2.tiers.internal")
    settings = {
        "address": "127.0.0.1",
        "port": free_port,
        "tls": str(tmp_path),
        "peer": {"address": "127.0.0.1", "tls_name": "m2.tiers.internal"},
        "rules": "",
    }
    writing = watchdog.Writing()
    threading.Thread(target=watchdog.report_to_peer, args=(settings, writing, lambda: None), daemon=True).start()
    for _attempt in range(50):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", free_port), timeout=1):
            break
        time.sleep(0.1)
    assert watchdog.ask_peer(settings) == {"can_write": False}
    writing.can_write = True
    assert watchdog.ask_peer(settings) == {"can_write": True}
    with pytest.raises(ssl.SSLError):
        watchdog.ask_peer(settings | {"peer": {"address": "127.0.0.1", "tls_name": "px1.tiers.internal"}})
    stranger = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    with (
        pytest.raises(OSError, match=r"alert|reset"),
        socket.create_connection(("127.0.0.1", free_port), timeout=5) as plain,
        stranger.wrap_socket(plain, server_hostname="m2.tiers.internal") as connection,
    ):
        assert connection.recv(100) == b""
        raise ConnectionResetError("reset")


@pytest.mark.parametrize(
    ("can_write", "drained", "answers", "takes_over"),
    [(True, False, True, True), (False, False, True, False), (True, True, True, False), (True, False, False, False)],
    ids=["healthy", "cannot write", "drained", "hangs"],
)
def test_only_a_server_that_serves_takes_over(
    watchdog: ModuleType, serve: Any, can_write: bool, drained: bool, answers: bool, takes_over: bool
) -> None:
    writing = watchdog.Writing()
    writing.can_write = can_write
    check = serve(unavailable if answers else None, **HTTP)
    settings = {"rules": "/etc/tiers/aside.nft", "nft": "true" if drained else "false", "drain_table": "tiers_drain"}
    assert writing.takes_over(settings | {"check": check}) is takes_over
    # A node that stands by need not run: the failover agent starts it.
    assert writing.takes_over(settings | {"check": check, "rules": ""}) is can_write


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def gate(watchdog: ModuleType, tmp_path: Path) -> Any:
    nft = tmp_path / "nft"
    nft.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/notes\n[ "$2" != - ] || cat >>{tmp_path}/notes\n')
    nft.chmod(0o755)
    return watchdog.Gate(
        {"nft": str(nft), "rules": "/etc/tiers/aside.nft", "table": "tiers_aside"}
        | {"flag": tmp_path / "aside", "note": tmp_path / "cannot-write"}
    )


def test_the_gate_shuts_and_opens_in_one_transaction_each(gate: Any, tmp_path: Path) -> None:
    assert not gate.is_shut()
    gate.shut()
    assert gate.is_shut()
    gate.open()
    assert not gate.is_meant_shut()
    assert (tmp_path / "notes").read_text().splitlines() == [
        "--file /etc/tiers/aside.nft",
        "list table inet tiers_aside",
        "--file -",
        "table inet tiers_aside",
        "delete table inet tiers_aside",
    ]


def test_the_note_is_there_while_there_is_something_to_tell(gate: Any, tmp_path: Path) -> None:
    gate.write("cannot write")
    assert (tmp_path / "cannot-write").read_text() == "cannot write"
    gate.write("")
    gate.write("")
    assert not (tmp_path / "cannot-write").exists()


@pytest.mark.parametrize(
    ("pulse", "drained", "aside"),
    [(CALM, False, [6, 22]), (BUSY, False, []), (CALM, True, [])],
    ids=["calm", "busy", "drained"],
)
def test_a_server_closes_its_ports_while_it_steps_aside_and_says_so(
    watchdog: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    gate: Any,
    tmp_path: Path,
    pulse: Any,
    drained: bool,
    aside: list[float],
) -> None:
    """It cannot write from 0 s to 15 s, and looks every 2 s; its peer can."""
    clock, writing, seen = Clock(30), watchdog.Writing(), {}
    began, out, note = clock.now, tmp_path / "drained", tmp_path / "cannot-write"
    if drained:
        out.touch()

    def alive() -> None:
        text = note.read_text() if note.exists() else ""
        seen[round(clock.now - began)] = (gate.is_meant_shut(), writing.can_write, text)

    monkeypatch.setattr(watchdog, "time", clock)
    monkeypatch.setattr(watchdog, "Gate", lambda _settings: gate)
    monkeypatch.setattr(watchdog, "blocked", lambda *_args: FULL if clock.now - began < 15 else "")
    monkeypatch.setattr(watchdog, "ask_peer", lambda _settings: {"can_write": True})
    settings = {"peer": {"name": "m2"}, "after": 6}
    with pytest.raises(Ended):
        watchdog.watch_writing(settings, [str(out)], writing, pulse, alive)
    shut = [second for second, (is_shut, _can, _note) in seen.items() if is_shut]
    assert ([shut[0] - 2, shut[-1]] if shut else []) == aside
    assert all(text == "" for second, (_shut, _can, text) in seen.items() if second > 16)
    assert all(
        text.startswith(f"cannot write: {FULL}; ") for second, (_shut, _can, text) in seen.items() if 2 <= second <= 14
    )
    if aside:
        assert seen[4][2].endswith("it is about to step aside for m2")
        assert seen[12][2].endswith("it has stepped aside for m2")
        # The peer asks: a server that stepped aside takes nobody over, though it can write again.
        assert [seen[second][1] for second in (4, 12, 18, 28)] == [False, False, False, True]
    if drained:
        assert not any(can for _shut, can, _note in seen.values())


@pytest.mark.parametrize(
    ("writing", "note"),
    [
        ({"paths": ["/"], "free_percent": 100}, "the limit is 100 %; it serves, and writes may fail: no peer can"),
        ({"command": ["false"]}, "cannot write: false ended with 1; it serves, and writes may fail: no peer can"),
        ({"paths": ["/"], "free_percent": 0}, ""),
        ({}, ""),
    ],
)
def test_a_master_without_a_peer_reports_that_it_cannot_write(
    tmp_path: Path, writing: dict[str, Any], note: str
) -> None:
    cannot_write = tmp_path / "cannot-write"
    cannot_write.write_text("what an earlier program found")
    with running_watchdog(tmp_path, writing):
        assert becomes(cannot_write, note), cannot_write.read_text()


def test_the_watchdog_goes_on_with_the_settings_that_a_later_run_writes(tmp_path: Path) -> None:
    """Nobody restarts it: a run that was killed after it had written them leaves nothing undone."""
    cannot_write = tmp_path / "cannot-write"
    with running_watchdog(tmp_path, {"paths": ["/"], "free_percent": 100}):
        assert becomes(cannot_write, "the limit is 100 %")
        write_settings(tmp_path, {"paths": ["/"], "free_percent": 0})
        assert becomes(cannot_write, "")


def write_settings(tmp_path: Path, writing: dict[str, Any]) -> Path:
    path, new = tmp_path / "watchdog.json", tmp_path / "watchdog.new"
    about = {"peer": {}, "paths": [], "command": [], "relay": "", "free_percent": 5, "after": 6, **writing}
    about |= {"nft": "false", "rules": "", "table": "", "flag": str(tmp_path / "aside")}
    about |= {"note": str(tmp_path / "cannot-write")}
    new.write_text(json.dumps({"within": 0, "resting": [], "units": [], "balancer": {}, "writing": about}))
    return new.replace(path)


@contextlib.contextmanager
def running_watchdog(tmp_path: Path, writing: dict[str, Any]) -> Iterator[None]:
    program = subprocess.Popen([sys.executable, str(PROGRAM), str(write_settings(tmp_path, writing))])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def becomes(path: Path, text: str) -> bool:
    """Whether a file has this text within 20 s, or is gone if that is empty."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if (text in path.read_text()) if text and path.exists() else (not text and not path.exists()):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("ldapsearch", "code"),
    [
        ("exit 0", 0),
        ("echo 'dn: olcDatabase={1}mdb,cn=config'", 1),
        ("exit 255", 0),
        ("sleep 30", 0),
    ],
    ids=["writable", "read-only", "refused", "stopped"],
)
def test_a_directory_that_is_set_read_only_cannot_write(tmp_path: Path, ldapsearch: str, code: int) -> None:
    program = tmp_path / "ldapsearch"
    asked = "-LLLQ -Y EXTERNAL -H ldapi:/// -b cn=config (olcReadOnly=TRUE) 1.1"
    program.write_text(f"#!/bin/sh\n[ \"$*\" = '{asked}' ] || exit 1\n{ldapsearch}\n")
    program.chmod(0o755)
    script = ROLES / "product_openldap/files/can_write.sh"
    done = subprocess.run(["sh", script], check=False, timeout=20, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == code


# ---- What the roles tell it


ROLES = PROGRAM.parents[2]
SERVER = {"address": "192.0.2.71", "port": 636, "serves_as": "proxy", "proxy_mode": "product", "watchdog_seconds": 20}
SERVER |= {"tls": "product", "protocol": "ldaps", "local_port": None, "pair": None}
SERVER |= {"steps_aside_for": None, "free_percent": 5}
FILES = ("defaults/main", "vars/main", "vars/balancing", "vars/probe")
OPENLDAP = tuple(f"product_openldap/{name}.yml" for name in FILES)
SERVICE = tuple(f"product_service/{name}.yml" for name in FILES)
HAPROXY = {"type": "http", "address": "127.0.0.1", "port": 8404, "path": "/healthz", "tls": False}


def variables(product: tuple[str, ...], service: dict[str, Any] | None = None, **server: Any) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for path in ("server/defaults/main.yml", "server/vars/main.yml", *product):
        known |= yaml.safe_load((ROLES / path).read_text(encoding="utf-8"))
    host = {
        "ansible_facts": {"os_family": "Debian"},
        "role_path": str(ROLES / "server"),
        "tiers_plan": {"system": "test", "domain": "tiers.internal"},
        "tiers_server": complete(SERVER | server),
        "tiers_service": {"name": "ledger", "port": 8443, "protocol": "http"} | (service or {}),
    }
    return known | host | {"password": "secret"}


def start_task(action: str) -> dict[str, Any]:
    """The task of the role that starts a server whose action is this one."""
    tasks = yaml.safe_load((ROLES / "server/tasks/start.yml").read_text(encoding="utf-8"))
    (found,) = (task for task in tasks if action in task)
    return dict(found)


def settings(product: tuple[str, ...], service: dict[str, Any] | None = None, **server: Any) -> Any:
    """The settings that the role writes: its task computes them from the variables of the roles."""
    known = variables(product, service, **server)
    arguments = start_task("distributed.tiers.watchdog_settings")["distributed.tiers.watchdog_settings"]
    options = {name: template(value, known) for name, value in arguments.items()}
    return run_action("watchdog_settings", options)["settings"]


def units(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {watched["unit"]: watched["check"] for watched in found["units"]}


def test_a_replica_of_openldap_and_its_relay_are_watched() -> None:
    found = settings(OPENLDAP)
    slapd = {
        "type": "ldap",
        "address": "192.0.2.71",
        "port": 636,
        "path": "/",
        "expect": "",
        "send_hex": "",
        "tls": True,
    }
    assert units(found) == {"slapd": slapd, "haproxy.service": HAPROXY}
    assert found["within"] == 20
    assert (found["writing"]["after"], found["writing"]["free_percent"]) == (6, 5)
    assert found["resting"] == ["/etc/ansible/facts.d/tiers_drained.fact"]
    assert found["balancer"] == {"socket": "/run/haproxy/admin.sock", "after": 5}


PAIR = {"name": "m2", "address": "192.0.2.12", "port": 636}


def test_a_pair_steps_aside_as_the_plan_says() -> None:
    master = settings(OPENLDAP, serves_as="master", proxy_mode=None, pair=PAIR, steps_aside_for="m2")["writing"]
    assert master["peer"] == {"name": "m2", "address": "192.0.2.12", "tls_name": "m2.tiers.internal"}
    assert (master["paths"], master["relay"], master["rules"]) == (["/var/lib/ldap/tiers"], "", "/etc/tiers/aside.nft")
    assert master["command"] == ["/etc/tiers/openldap-can-write"]
    proxy = settings(OPENLDAP, pair=PAIR, steps_aside_for="m2")["writing"]
    assert (proxy["paths"], proxy["relay"]) == ([], "upstream")
    assert (proxy["check"]["type"], proxy["drain_table"]) == ("ldap", "tiers_drain")
    assert settings(OPENLDAP, pair=PAIR)["writing"]["peer"] == {}
    described = {"can_write": ["ledger", "can-write"], "tls": "product"}
    assert settings(SERVICE, described, serves_as="master")["writing"]["command"] == ["ledger", "can-write"]
    assert settings(SERVICE, described)["writing"]["command"] == []
    one = settings(OPENLDAP, serves_as="master", pair=PAIR, steps_aside_for="m2", active_standby=True)["writing"]
    assert one["rules"] == ""


def test_a_master_of_openldap_has_no_haproxy() -> None:
    found = settings(OPENLDAP, serves_as="master", proxy_mode=None)
    assert list(units(found)) == ["slapd"]
    assert found["balancer"] == {}


@pytest.mark.parametrize(("sent", "secret"), [("AUTH {{ password }}", True), ("PING", False)])
def test_a_secret_that_a_check_sends_is_hidden_in_diffs(sent: str, secret: bool) -> None:
    service = {"tls": "none", "protocol": "tcp", "check": {"send": sent, "expect": "x"}}
    server = {"tls": "none", "protocol": "tcp", "port": 7000}
    known = variables(SERVICE, service, **server)
    assert template(start_task("distributed.tiers.watchdog_settings")["no_log"], known) is secret
    assert list(template("{{ tiers_probe_access }}", known)["tcp"]) == [
        "send_secret" if secret else "send_hex",
        "expect",
    ]


def test_a_distributor_watches_haproxy_alone() -> None:
    assert units(settings(OPENLDAP, serves_as="distributor", proxy_mode=None)) == {"haproxy.service": HAPROXY}


@pytest.mark.parametrize(
    ("service", "server", "expected"),
    [
        (
            {"tls": "terminated", "local_port": 8080, "check": {"type": "http", "path": "/ready"}},
            {"tls": "terminated", "protocol": "https", "port": 8443, "local_port": 8080},
            {"type": "http", "path": "/ready", "address": "127.0.0.1", "port": 8080, "tls": False},
        ),
        (
            {"tls": "product", "check": {"type": "command", "command": ["ledger", "ping"]}},
            {"protocol": "https", "port": 8443},
            {"type": "tcp", "send_hex": "", "address": "192.0.2.71", "port": 8443, "tls": True},
        ),
        (
            {"tls": "none", "protocol": "tcp", "check": {"type": "command", "command": ["ledger", "ping"]}},
            {"tls": "none", "protocol": "tcp", "port": 7000},
            {"type": "command", "command": ["ledger", "ping"]},
        ),
        (
            {"tls": "none", "protocol": "tcp", "check": {"type": "tcp"}, "probe": {"tcp": {"send": "PING\r\n"}}},
            {"tls": "none", "protocol": "tcp", "port": 7000},
            {"type": "tcp", "send_hex": PING, "address": "192.0.2.71", "port": 7000, "tls": False},
        ),
        (
            {"tls": "none", "protocol": "tcp", "check": {"send": "PING\\r\\n", "expect": "PONG"}},
            {"tls": "none", "protocol": "tcp", "port": 7000},
            {"type": "tcp", "send_hex": PING, "expect": "PONG"},
        ),
        (
            {"tls": "none", "protocol": "tcp", "check": {"expect": "^220 "}, "probe": {"tcp": {"send": "x"}}},
            {"tls": "none", "protocol": "tcp", "port": 7000},
            {"type": "tcp", "send_hex": "", "expect": "^220 "},
        ),
        (
            {"tls": "none", "protocol": "tcp", "check": COMMAND | {"send": "PING\r\n", "expect": "PONG"}},
            {"tls": "none", "protocol": "tcp", "port": 7000},
            {"type": "tcp", "send_hex": PING},
        ),
        (
            {"tls": "none", "protocol": "tcp"},
            {"tls": "none", "protocol": "tcp", "port": 7000, "watchable": False},
            None,
        ),
    ],
    ids=["terminated", "handshake", "command", "tcp", "check", "greeting", "command-and-check", "nothing to ask"],
)
def test_a_described_service_is_asked_as_it_says(
    service: dict[str, Any], server: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    check = units(settings(SERVICE, service, **server)).get("ledger.service")
    assert check == (check | expected if check and expected else expected)


@pytest.mark.parametrize(
    ("units", "after"),
    [
        (["slapd"], "haproxy.service slapd.service"),
        (["patroni.service", "x@1.socket"], "haproxy.service patroni.service x@1.socket"),
    ],
)
def test_watchdog_starts_after_the_units_of_the_product_by_their_full_names(units: list[str], after: str) -> None:
    role = PROGRAM.parents[1]
    text = (role / "templates/tiers-watchdog.service.j2").read_text(encoding="utf-8")
    known = yaml.safe_load((role / "vars/main.yml").read_text(encoding="utf-8")) | {"__server_os": {"nft": "nft"}}
    known |= {"tiers_server": {"uses_product_role": True}, "tiers_probe_units": units, "ansible_managed": "managed"}
    assert f"\nAfter={after}\n" in template(text, known)
