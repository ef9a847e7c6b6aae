# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover agents of a pair with a lease, on one clock, with an arbiter and kernels that are simulated."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.services.failover_settings import FOREVER
from ansible_collections.distributed.tiers.tests.unit.roles.lease_model import FILES, lease, process
from ansible_collections.distributed.tiers.tests.unit.roles.test_failover_agent import SETTINGS, agent

sys.modules["lease"] = lease
sys.path.insert(0, str(FILES))
import etcd  # noqa: E402
import gate  # noqa: E402
import holder  # noqa: E402

sys.path.remove(str(FILES))
TTL = 3.0
BEHIND_SECONDS = 30.0
RETURNS = holder.RETURN_SECONDS + 3


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


class Kernel:
    """The gate as the kernel has it: when each countdown ends, and which one lets clients in."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.exists = False
        self.ends: dict[str, float] = {}
        self.opened = ""
        self.text = ""

    def lets_clients_in(self) -> bool:
        return not self.exists or self.ends.get(self.opened, 0) > self.clock.now

    def flush(self) -> None:
        self.exists, self.ends, self.opened = False, {}, ""

    def run(self, commands: str) -> str:
        if commands.startswith("list"):
            if not self.exists:
                raise OSError("No such file or directory")
            sets = "".join(f"set {name} {{ }}\n" for name in self.ends)
            return self.text + sets + (f"@{self.opened}" if self.opened else "")
        if f"delete table inet {gate.TABLE}" in commands:
            self.exists, self.ends, self.opened, self.text = True, {}, "", commands
            return ""
        if not self.exists:
            raise OSError("No such file or directory")
        for name in re.findall(r"delete set inet \S+ (\S+)", commands):
            del self.ends[name]
        if added := re.search(r"add set inet \S+ (\S+) .* timeout (\d+)ms", commands):
            self.ends[added[1]] = self.clock.now + int(added[2]) / 1000
        if opened := re.search(r"@(\S+) accept", commands):
            self.opened = opened[1]
        return ""


class Arbiter:
    """The keys of the pair: lease, wanted switchover, and whether failover is paused. It may be silent."""

    def __init__(self) -> None:
        self.register: tuple[int, Any] = (0, None)
        self.switchover: tuple[int, Any] = (0, None)
        self.paused = self.silent = False
        self.paused_until = 0.0

    def ask(self, request: Any) -> Any:
        if self.silent or (request.only_unpaused and self.paused):
            raise etcd.Unanswered("192.0.2.1: timed out")
        if request.kind in ("pause", "resume"):
            self.paused, self.paused_until = request.kind == "pause", request.paused_until
            return lease.Answer(True, lease.View(*self.register))
        if request.kind in ("ask", "confirm"):
            succeeded = request.revision == self.switchover[0]
            if succeeded:
                self.switchover = (self.switchover[0] + 1, request.switchover)
            answer = lease.Answer(succeeded, lease.View(*self.register))
        else:
            answer, self.register = process(self.register, request)
            if request.kind == "acquire" and answer.succeeded:
                self.switchover = (0, None)
        revision, wanted = self.switchover
        view = answer.view._replace(paused=self.paused, switchover=wanted, switchover_revision=revision)
        return answer._replace(view=view)


class Pair:
    """Both nodes, m1 and its backup m2."""

    def __init__(self, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.clock, self.arbiter = root, clock, Arbiter()
        self.kernels = {name: Kernel(clock) for name in ("m1", "m2")}
        self.done: list[str] = []
        self.nodes: dict[str, Any] = {}
        self.holders: dict[str, Any] = {}
        self.down: set[str] = set()
        monkeypatch.setattr(holder, "clock", clock)
        # One clock for both: an agent that rests must not keep its peer from its next step.
        monkeypatch.setattr(holder.Alarm, "rest", lambda _alarm, seconds: clock.sleep(min(seconds, 0.05)))
        monkeypatch.setattr(agent, "uptime", clock)
        monkeypatch.setattr(etcd, "client_context", lambda *_files: None)
        monkeypatch.setattr(holder.Transition, "start", holder.Transition.run)

    def start(self, name: str, failback: str = "manual", rejoin: str = "drop", **settings: Any) -> Any:
        """The agent of a node, started as systemd does, up to its loop."""
        folder = self.root / name
        paths = {each: str(folder / each) for each in ("run", "lasting", "hooks")}
        for path in paths.values():
            Path(path).mkdir(parents=True, exist_ok=True)
        known = {
            "name": name,
            "is_primary": name == "m1",
            "failback": failback,
            "ttl": TTL,
            "allowed_lag": 0,
            "behind_seconds": BEHIND_SECONDS,
            "rejoin": rejoin,
            "port": 8443,
            "peer": "",
            "prefix": "/tiers/demo/m1",
            "endpoints": [["192.0.2.1", 2379]],
            "authority": "",
            "certificate": "",
            "key": "",
        }
        path = folder / "settings.json"
        path.write_text(json.dumps(SETTINGS | paths | {"lease": known, "log": str(folder / "log")} | settings))
        node = self.nodes[name] = agent.Node(agent.Settings.read(path))
        node.run_hook = lambda hook: bool(self.done.append(f"{name} {hook}")) or True
        node.change_units = lambda verb: None
        node.is_healthy = lambda: True
        node.start_traffic = lambda: True
        held = self.holders[name] = holder.Holder(node)
        held.gate = gate.Gate(self.kernels[name], gate.Ports(8443, ""), int(self.clock.now * 1000))
        held.store = self.arbiter
        held.health.note(passed=True)
        held.is_resumed = node.has_countdown() and held.gate.adopt()
        if not held.is_resumed:
            held.stand_by()
        return held

    def go_on(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let the agents that run go on, and return after how long a condition became true."""
        began = self.clock.now
        while self.clock.now < began + seconds and not until():
            for name in self.holders.keys() - self.down:
                self.holders[name].step(self.clock.now)
            self.clock.sleep(0.01)
            assert not all(kernel.exists and kernel.lets_clients_in() for kernel in self.kernels.values())
        return self.clock.now - began

    def serves(self, name: str) -> bool:
        return self.kernels[name].lets_clients_in() and self.nodes[name].is_active


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A pair with m1 active."""
    found = Pair(tmp_path, Clock(), monkeypatch)
    # `open_gate` finds no kernel here: each holder gets its own afterwards.
    monkeypatch.setattr(holder, "open_gate", lambda _node: None)
    found.start("m1")
    found.start("m2")
    found.go_on(5)
    assert (found.nodes["m1"].state, found.nodes["m2"].state) == ("active", "standby")
    return found


def test_node_with_the_lease_serves_and_its_peer_refuses_clients(pair: Pair) -> None:
    assert pair.serves("m1") and not pair.kernels["m2"].lets_clients_in()
    assert pair.done == ["m1 promote"]
    assert pair.nodes["m2"].is_settled and pair.nodes["m1"].is_settled


def test_standby_is_promoted_when_the_active_node_is_silent_for_the_time_of_its_lease(pair: Pair) -> None:
    pair.down.add("m1")
    assert TTL - 0.6 < pair.go_on(10, lambda: pair.serves("m2")) < TTL + 1.2
    # The agent of m1 never wrote another state. The kernel ended its traffic, and all programs can tell.
    assert pair.nodes["m1"].state == "active" and not pair.nodes["m1"].is_active


def test_node_that_the_arbiter_does_not_answer_is_demoted_before_its_lease_ends(pair: Pair) -> None:
    pair.arbiter.silent = True
    began = pair.clock.now
    pair.go_on(10, lambda: "m1 demote" in pair.done)
    assert pair.clock.now - began < TTL - 0.3
    assert not pair.kernels["m1"].lets_clients_in()
    pair.go_on(10)
    assert pair.nodes["m1"].state == "standby"
    assert not any(pair.serves(name) for name in pair.nodes)


def test_node_that_is_stopped_is_demoted_before_its_peer_is_promoted(pair: Pair) -> None:
    pair.holders["m1"].end()
    assert pair.go_on(10, lambda: pair.serves("m2")) < 1
    assert pair.done == ["m1 promote", "m1 demote", "m2 promote"]


def test_standby_takes_over_at_once_when_a_promotion_failed(pair: Pair) -> None:
    pair.holders["m1"].end()
    pair.nodes["m2"].run_hook = lambda hook: hook != "promote"
    pair.go_on(1, lambda: pair.nodes["m2"].state == "promoting")
    pair.down.add("m1")
    pair.go_on(3)
    assert pair.nodes["m2"].state == "standby" and not pair.nodes["m2"].may_retry()
    pair.start("m1")
    pair.down.remove("m1")
    assert pair.go_on(10, lambda: pair.serves("m1")) < 1


def test_node_whose_service_fails_two_checks_steps_down(pair: Pair) -> None:
    health = pair.holders["m1"].health
    health.note(passed=False)
    pair.go_on(1)
    assert pair.serves("m1")
    health.note(passed=False)
    assert pair.go_on(10, lambda: pair.serves("m2")) < TTL + 1.2


def test_gate_that_another_program_removed_is_created_again(pair: Pair) -> None:
    for kernel in pair.kernels.values():
        kernel.flush()
    pair.go_on(1.5)
    assert pair.serves("m1") and not pair.kernels["m2"].lets_clients_in()
    assert pair.done == ["m1 promote"]


def test_clients_notice_nothing_of_a_restart_of_the_agent(pair: Pair) -> None:
    pair.start("m1")
    waited = 0.0
    while waited < 2:
        waited += pair.go_on(0.05)
        assert pair.serves("m1"), waited
    assert pair.nodes["m1"].state == "active"


def test_agent_that_is_started_again_after_its_lease_ended_is_a_standby(pair: Pair) -> None:
    pair.down.add("m1")
    pair.go_on(6)
    pair.start("m1")
    pair.down.remove("m1")
    assert pair.nodes["m1"].state == "standby"
    pair.go_on(3)
    assert pair.serves("m2") and (pair.root / "m1/run/address").read_text() == "1\n"


def test_agent_that_is_started_again_while_the_countdown_ends_becomes_a_standby(pair: Pair) -> None:
    pair.down.add("m1")
    pair.go_on(2.5)
    pair.arbiter.silent = True
    pair.start("m1")
    pair.down.remove("m1")
    assert pair.nodes["m1"].state == "active"
    pair.go_on(2)
    assert pair.nodes["m1"].state == "standby" and not pair.kernels["m1"].lets_clients_in()


def test_no_failover_while_it_is_paused(pair: Pair) -> None:
    pair.arbiter.paused = True
    pair.go_on(1)
    pair.down.add("m1")
    pair.go_on(20)
    assert not any(pair.serves(name) for name in pair.nodes)
    assert json.loads(pair.nodes["m2"].lease_file.read_text())["paused"] is True


def test_primary_fails_back_by_itself_after_it_has_been_healthy_for_a_while(pair: Pair) -> None:
    pair.holders["m1"].end()
    pair.go_on(1)
    pair.start("m1", failback="auto")
    assert holder.RETURN_SECONDS <= pair.go_on(20, lambda: pair.serves("m1")) < holder.RETURN_SECONDS + 3


def test_primary_that_never_fails_back_stays_out_once_its_peer_was_promoted(pair: Pair) -> None:
    pair.start("m1", failback="never", stays_out=True)
    pair.go_on(1)
    pair.down.add("m1")
    pair.go_on(6)
    pair.start("m1", failback="never", stays_out=True)
    pair.down.remove("m1")
    pair.go_on(1)
    assert pair.nodes["m1"].relieved.exists()
    pair.holders["m2"].end()
    pair.go_on(6)
    assert not any(pair.serves(name) for name in pair.nodes)
    pair.nodes["m1"].relieved.unlink()
    assert pair.go_on(6, lambda: pair.serves("m1")) < 1


def test_boot_closes_a_gate_that_is_missing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, node = pair.kernels["m2"], pair.nodes["m2"]
    monkeypatch.setattr(holder, "open_gate", lambda _node: gate.Gate(kernel, gate.Ports(8443, ""), 1))
    kernel.flush()
    holder.close_missing_gate(node)
    assert kernel.exists and not kernel.lets_clients_in()


def test_gate_is_not_closed_where_vrrp_elected_the_node_so_far(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, node = pair.kernels["m1"], pair.nodes["m1"]
    monkeypatch.setattr(holder, "open_gate", lambda _node: gate.Gate(kernel, gate.Ports(8443, ""), 1))
    node.lease_file.unlink()
    kernel.flush()
    holder.close_missing_gate(node)
    assert not kernel.exists


def test_node_that_steps_down_while_failover_is_paused_is_replaced(pair: Pair) -> None:
    pair.arbiter.paused = True
    pair.holders["m1"].end()
    assert pair.go_on(10, lambda: pair.serves("m2")) < 1


def test_operator_pauses_and_resumes_failover(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = pair.nodes["m2"]
    monkeypatch.setattr(holder, "open_store", lambda _settings: pair.arbiter)
    for kind, *seconds in (("pause", 60), ("resume",), ("pause",)):
        assert holder.pause_failover(node, kind, *seconds) == 0
        assert pair.arbiter.paused is (kind == "pause")
        until = pair.arbiter.paused_until
        assert time.time() < until <= time.time() + 60 if seconds else until == 0
    pair.arbiter.silent = True
    assert holder.pause_failover(node, "pause") == 1
    assert "The arbiter does not answer" in capsys.readouterr().err


class Data:
    """The positions of both nodes of a pair, and whether writes of the active node reach its peer."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self.reaches_peer = pair, True
        self.positions = {"m1": 0, "m2": 0}
        for name, held in pair.holders.items():
            held.health.tells_position = lambda: True
            held.health.read_position = lambda _seconds, name=name: (("m1", self.positions[name]),)

    def write(self, count: int) -> None:
        self.positions["m1"] += count
        if self.reaches_peer:
            self.positions["m2"] = self.positions["m1"]

    def go_on(self, seconds: float, until: Callable[[], bool] = lambda: False, writes: int = 0) -> float:
        """The same as of the pair, while both agents look at their product and clients write to m1."""
        went = 0.0
        while went < seconds and not until():
            self.write(writes if self.pair.serves("m1") else 0)
            for name in self.pair.holders.keys() - self.pair.down:
                self.pair.holders[name].health.look()
            went += self.pair.go_on(0.1, until)
        return went


def test_standby_that_is_behind_is_promoted_after_the_time_for_a_better_node(pair: Pair) -> None:
    data = Data(pair)
    data.go_on(2, writes=3)
    data.reaches_peer = False
    data.go_on(2, writes=3)
    pair.down.add("m1")
    went = data.go_on(60, lambda: pair.serves("m2"))
    assert TTL + BEHIND_SECONDS - 1 < went < TTL + BEHIND_SECONDS + 1.5


def test_standby_that_lacks_writes_of_synchronous_replication_is_not_promoted(pair: Pair) -> None:
    for held in pair.holders.values():
        held.policy = dataclasses.replace(held.policy, behind_seconds=holder.FOREVER)
    data = Data(pair)
    data.reaches_peer = False
    data.go_on(2, writes=3)
    pair.down.add("m1")
    assert data.go_on(60, lambda: pair.serves("m2")) >= 60
    assert json.loads(pair.nodes["m2"].lease_file.read_text())["lacks_writes"]
    data.positions["m2"] = data.positions["m1"]
    assert data.go_on(5, lambda: pair.serves("m2")) < 2
    assert not json.loads(pair.nodes["m2"].lease_file.read_text())["lacks_writes"]


def test_agent_reads_no_end_as_its_settings_write_it() -> None:
    assert holder.FOREVER == FOREVER


def test_position_is_published_after_a_promotion_before_clients_are_let_in(pair: Pair) -> None:
    data = Data(pair)
    data.go_on(2, writes=3)
    data.positions["m2"] = data.positions["m1"]
    pair.down.add("m1")
    node = pair.nodes["m2"]

    def promote(_hook: str) -> bool:
        data.positions["m2"] = 1000
        return True

    node.run_hook = promote
    data.go_on(10, pair.kernels["m2"].lets_clients_in)
    assert pair.kernels["m2"].lets_clients_in()
    assert pair.arbiter.register[1].position == (("m1", 1000),)


def test_reading_of_a_position_that_began_earlier_is_dropped(pair: Pair) -> None:
    health = pair.holders["m1"].health

    def read(_seconds: float) -> Any:
        health.read_position = lambda _seconds: (("m1", 2),)
        health.take_sample(1)
        return (("m1", 1),)

    health.read_position = read
    assert health.take_sample(1)
    assert health.sample.position == (("m1", 2),)


def test_node_with_the_data_is_promoted_although_its_peer_waits_longer(pair: Pair) -> None:
    data = Data(pair)
    data.reaches_peer = False
    data.go_on(2, writes=3)
    pair.down.add("m1")
    data.go_on(10)
    assert not any(pair.serves(name) for name in pair.nodes)
    assert json.loads(pair.nodes["m2"].lease_file.read_text())["behind"] > 0
    pair.down.remove("m1")
    assert data.go_on(5, lambda: pair.serves("m1")) < 5


def test_standby_in_step_is_promoted_as_soon_as_the_lease_has_ended(pair: Pair) -> None:
    data = Data(pair)
    data.go_on(3, writes=3)
    pair.down.add("m1")
    assert data.go_on(10, lambda: pair.serves("m2")) < TTL + 1.2


def test_peer_of_a_node_that_stepped_down_waits_for_its_last_writes(pair: Pair) -> None:
    data = Data(pair)
    data.go_on(2, writes=3)
    data.reaches_peer = False
    data.go_on(0.1, writes=3)
    pair.holders["m1"].end()
    data.go_on(1)
    assert not pair.serves("m2")
    data.positions["m2"] = data.positions["m1"]
    assert data.go_on(5, lambda: pair.serves("m2")) < 0.5


def test_agent_of_a_quiet_node_rests_until_something_is_due(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step costs processor time, on each node and as long as it runs."""
    rests: list[float] = []
    monkeypatch.setattr(
        holder.Alarm, "rest", lambda _alarm, seconds: rests.append(seconds) or pair.clock.sleep(seconds)
    )
    for name, most in (("m1", 60), ("m2", 40)):
        rests.clear()
        held, end = pair.holders[name], pair.clock.now + 10
        while pair.clock.now < end:
            held.step(pair.clock.now)
        assert 10 < len(rests) <= most, name
    assert max(rests) <= holder.LOOK_INTERVAL


def test_rest_ends_when_the_alarm_rings_and_otherwise_in_time() -> None:
    alarm = holder.Alarm()
    began = time.monotonic()
    alarm.rest(0.1)
    assert time.monotonic() - began >= 0.1
    for delay in (0.0, 0.05):  # before the rest, and during it
        threading.Timer(delay, alarm.ring).start()
        time.sleep(0.02)
        alarm.rest(30)
    assert time.monotonic() - began < 20


class Rung(Exception):
    pass


def ring() -> None:
    raise Rung


@pytest.mark.parametrize("what", ["end", "health", "transition"])
def test_rest_of_the_loop_ends_when_something_happened(pair: Pair, what: str) -> None:
    held = pair.holders["m1"]
    held.alarm.ring = ring
    happens = {
        "end": held.end,
        "health": holder.Health(held.node, ring).watch,
        "transition": holder.Transition(held.node, held.health, "demote", ring).run,
    }
    with pytest.raises(Rung):
        happens[what]()


@pytest.fixture
def command(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "command"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "output"),
    [("echo 001 17", "001 17\n"), ("echo 001 17; exit 1", None), ("printf '\\377'", None), ("kill -9 $$", None)],
)
def test_command_of_the_product_has_output_only_if_it_succeeded(
    command: Callable[[str], Path], text: str, output: str | None
) -> None:
    commands = holder.Commands()
    assert commands.run(command(text), 10) == output
    assert commands.run(Path("/nonexistent"), 10) is None
    assert not commands.running


@pytest.mark.parametrize("ended_by", ["limit", "restart"])
def test_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, command: Callable[[str], Path], ended_by: str
) -> None:
    commands, fifo = holder.Commands(), tmp_path / "open"
    os.mkfifo(fifo)
    # Both the command and its child ignore SIGTERM, and have the FIFO open for writing.
    hangs = command(f"trap '' TERM; exec 3>{fifo}; sleep 60 & wait; sleep 60")
    found: list[str | None] = []
    seconds = 0.5 if ended_by == "limit" else 50
    thread = threading.Thread(target=lambda: found.append(commands.run(hangs, seconds)))
    began = time.monotonic()
    thread.start()
    with fifo.open("rb") as reading:
        while ended_by == "restart" and not found and not commands.running:
            time.sleep(0.01)
        if ended_by == "restart":
            commands.kill_all()
        assert reading.read() == b""  # All ends that could write are closed.
    thread.join(20)
    assert (found, commands.running) == ([None], set())
    assert time.monotonic() - began < 20


def test_position_of_a_node_is_a_number_for_each_writer() -> None:
    assert holder.parse_position("002 5\n001 17\n") == (("001", 17), ("002", 5))
    assert holder.parse_position("") == ()
    with pytest.raises(ValueError):
        holder.parse_position("001 soon")


def knows_needs_resync(pair: Pair, name: str) -> bool:
    return bool(json.loads(pair.nodes[name].lease_file.read_text())["needs_resync"])


def test_node_whose_lease_ended_before_its_demotion_needs_a_resync_once_its_peer_served(pair: Pair) -> None:
    pair.down.add("m1")
    pair.go_on(6)
    assert pair.serves("m2")
    pair.start("m1", failback="auto", rejoin="resync")
    pair.down.remove("m1")
    pair.go_on(RETURNS)
    # It does not fail back by itself, and leaves the lease to its peer.
    assert pair.serves("m2") and knows_needs_resync(pair, "m1")
    pair.nodes["m1"].undemoted.unlink()
    pair.go_on(RETURNS)
    assert pair.serves("m1") and not knows_needs_resync(pair, "m1")


def test_node_that_needs_a_resync_is_promoted_if_its_peer_stays_down(pair: Pair) -> None:
    pair.down.add("m1")
    pair.go_on(6)
    pair.start("m1", rejoin="resync")
    pair.down = {"m2"}
    went = pair.go_on(60, lambda: pair.serves("m1"))
    assert TTL + BEHIND_SECONDS - 1 < went < TTL + BEHIND_SECONDS + 1.5
    # Its peer lacks nothing that this node has not: it replaces its data itself.
    assert not knows_needs_resync(pair, "m1")


def test_node_that_was_demoted_in_the_time_of_its_lease_needs_no_resync(pair: Pair) -> None:
    pair.holders["m1"].end()
    pair.go_on(2)
    assert pair.serves("m2") and not pair.nodes["m1"].undemoted.exists()


def test_node_that_gets_its_own_lease_back_needs_no_resync(pair: Pair) -> None:
    pair.down.update(("m1", "m2"))
    pair.go_on(6)
    pair.start("m1", rejoin="resync")
    pair.down.remove("m1")
    assert pair.go_on(10, lambda: pair.serves("m1")) < 2
    assert not knows_needs_resync(pair, "m1")


def test_product_that_drops_the_writes_of_a_former_active_node_needs_no_resync(pair: Pair) -> None:
    pair.down.add("m1")
    pair.go_on(6)
    pair.start("m1", rejoin="drop")
    pair.down.remove("m1")
    pair.go_on(1)
    assert pair.nodes["m1"].undemoted.exists() and not knows_needs_resync(pair, "m1")
