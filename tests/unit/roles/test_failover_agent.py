# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover agent: its decisions, and the program itself with commands that only write down that they were run."""

from __future__ import annotations

import fcntl
import importlib.util
import itertools
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROLES = Path(__file__).parents[3] / "roles"
FILES = ROLES / "failover/files"
PROGRAM = FILES / "failover_agent.py"
CHECK_ELECTABLE = FILES / "check_electable.sh"
ACTIVE = ROLES / "host/files/active.sh"
STOP_TRAFFIC = "nft --file {etc}/standby.nft"
START_TRAFFIC = "nft delete table inet tiers_standby"
STATES = ("", "promoting", "active", "stepping-down", "standby")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("failover_agent", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["failover_agent"] = module
    spec.loader.exec_module(module)
    return module


agent = load()
SETTINGS: dict[str, Any] = {
    "run": "/run/tiers",
    "lasting": "/var/lib/tiers",
    "log": "/dev/log",
    "hooks": "/etc/tiers/failover.d",
    "port": 1,
    "nft": "nft",
    "rules": "/etc/tiers/standby.nft",
    "table": "tiers_standby",
    "cold_units": [],
    "stays_out": False,
    "advert_seconds": 0.6,
    "check_seconds": 10,
    "transition_seconds": 30,
    "retry_seconds": 60,
}


def read_settings(tmp_path: Path, **more: Any) -> Any:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(SETTINGS | more))
    return agent.Settings.read(path)


# ---- Decisions


@pytest.mark.parametrize("cold_units", [[], ["x.service"]])
def test_every_state_of_a_node_decides_whether_it_is_electable(tmp_path: Path, cold_units: list[str]) -> None:
    settings = read_settings(tmp_path, cold_units=cold_units)
    ages, failures, flags = (0, 89.9, 90, math.inf), (0, 59.9, 60, math.inf), (False, True)
    seen_all: set[str] = set()
    for state, age, failure, relieved, aside in itertools.product(STATES, ages, failures, flags, flags):
        verdict = agent.judge_election(agent.Observed(state, age, failure, relieved, aside), settings)
        if relieved or aside or failure < 60:
            expected = "no"
        elif state == "promoting":
            expected = "yes" if age < 90 else "hangs"
        elif cold_units and state != "active":
            expected = "yes"
        else:
            expected = "check"
        assert verdict == expected, (state, age, failure, relieved, aside)
        seen_all.add(verdict)
    assert seen_all == {"yes", "no", "check", "hangs"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("age", [0, 4.9, 5, math.inf])
def test_a_node_is_settled_when_it_is_active_or_has_been_standby_for_a_while(
    tmp_path: Path, state: str, age: float
) -> None:
    settled = agent.is_settled(state, age, read_settings(tmp_path))
    assert settled is (state == "active" or (state == "standby" and age >= 5))


@pytest.mark.parametrize(("advert", "seconds"), [(0.2, 3), (0.5, 4), (0.6, 5), (1.0, 6)])
def test_an_election_is_final_after_four_adverts_and_two_seconds(tmp_path: Path, advert: float, seconds: int) -> None:
    assert read_settings(tmp_path, advert_seconds=advert).settle_seconds == seconds


def test_a_promotion_may_take_as_long_as_its_steps_together(tmp_path: Path) -> None:
    assert read_settings(tmp_path).promotion_limit == 2 * 30 + 2 * 10 + 10


EVENTS = ("MASTER", "BACKUP", "FAULT", "STOP", "DELETED", "MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP_PRIORITY")


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_elections_are_read_in_their_order_and_other_events_are_dropped(size: int) -> None:
    for events in itertools.permutations(EVENTS, 3):
        reading, writing = os.pipe()
        elections, found = agent.Elections(reading), []
        text = "".join(f'INSTANCE "tiers" {event} 250\n' for event in events).encode()
        for start in range(0, len(text), size):
            end = start + size
            os.write(writing, text[start:end])
            found += [elections.next(0)]
        found += [elections.next(0) for _event in events]
        assert [election for election in found if election] == [event for event in events if event in EVENTS[:5]]
        assert not elections.is_superseded()
        os.close(writing)
        assert elections.next(0) is None and elections.closed and elections.is_superseded()
        os.close(reading)


@pytest.mark.parametrize(
    "text", [b"\n", b"x\n", b"INSTANCE MASTER\n", b"INSTANCE tiers \xff 1\n", b"INSTANCE tiers MAST"]
)
def test_a_line_that_is_no_event_is_dropped(text: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, text)
    elections = agent.Elections(reading)
    assert elections.next(0) is None and not elections.closed
    os.close(writing)
    os.close(reading)


# ---- The program


class Node:
    """One node of a pair in a directory of its own."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.run, self.lasting, self.etc = root / "run", root / "lasting", root / "etc"
        self.hooks, self.notes = self.etc / "failover.d", root / "notes"
        for directory in (self.run, self.lasting, self.hooks, root / "bin"):
            directory.mkdir(parents=True)
        for name in ("nft", "systemctl"):
            self.write(root / "bin" / name, f'echo "{name} $*" >>{self.notes}')
        self.program, self.check_electable = self.etc / "failover-agent", self.etc / "check-electable"
        text = PROGRAM.read_text(encoding="utf-8").replace("/usr/bin/python3", sys.executable, 1)
        self.program.write_text(text, encoding="utf-8")
        self.check_electable.write_bytes(CHECK_ELECTABLE.read_bytes())
        for program in (self.program, self.check_electable):
            program.chmod(0o755)
        own = {"run": self.run, "lasting": self.lasting, "hooks": self.hooks, "rules": self.etc / "standby.nft"}
        self.log_lines: list[str] = []
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind(str(root / "log"))
        threading.Thread(target=self.read_log, daemon=True).start()
        own["log"] = root / "log"
        quick = {"check_seconds": 3, "transition_seconds": 2, "advert_seconds": 0}
        found = SETTINGS | {name: str(path) for name, path in own.items()} | quick | settings
        self.program.with_suffix(".json").write_text(json.dumps(found))
        self.hook("check", note=False)
        self.watcher: subprocess.Popen[bytes] | None = None
        self.elections = self.run / "elections"
        self.writer: int | None = None

    def read_log(self) -> None:
        while line := self.log.recv(4096):
            self.log_lines.append(line.decode())

    def write(self, path: Path, script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def hook(self, name: str, script: str = "true", note: bool = True) -> None:
        self.write(self.hooks / name, f"echo hook {name} >>{self.notes}; {script}" if note else script)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}

    def ask(self, *arguments: str) -> int:
        command = [str(self.program), *arguments]
        return subprocess.run(command, env=self.environment, check=False, timeout=20).returncode

    def keepalived_checks(self, seconds: int = 13) -> int:
        command = [str(self.check_electable), str(self.run), str(seconds)]
        return subprocess.run(command, env=self.environment, check=False, timeout=20).returncode

    def watch(self) -> None:
        if not self.elections.exists():
            os.mkfifo(self.elections)
        # As keepalived does, which neither waits for a reader nor minds when one goes.
        self.writer = self.writer if self.writer is not None else os.open(self.elections, os.O_RDWR)
        self.watcher = subprocess.Popen([self.program, "watch", self.elections], env=self.environment)
        until(self.is_watched)
        until(lambda: self.watcher is not None and self.agent_pid() == self.watcher.pid)

    def agent_pid(self) -> int:
        path = self.run / "agent.pid"
        return int(path.read_text()) if path.exists() else 0

    def await_verdict(self) -> None:
        """Until the agent has judged once from now on."""
        began = agent.uptime()
        until(lambda: (self.run / "electable").exists() and self.recorded("electable") > began + 0.02)
        began = agent.uptime()
        until(lambda: self.recorded("electable") > began + 0.02)

    def is_watched(self) -> bool:
        with (self.run / "watch.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self.watcher
        self.watcher.send_signal(number)
        self.watcher.wait()

    def elect(self, *events: str) -> None:
        assert self.writer is not None
        os.write(self.writer, "".join(f'INSTANCE "tiers" {event} 110\n' for event in events).encode())

    def end_keepalived(self) -> None:
        if self.writer is not None:
            os.close(self.writer)
            self.writer = None

    def set_state(self, state: str, age: float = 0) -> None:
        (self.run / "state").write_text(f"{state} {agent.uptime() - age:.2f}\n" if state else "")

    def recorded(self, name: str) -> float:
        return float((self.run / name).read_text().split()[-1])

    @property
    def state(self) -> str:
        path = self.run / "state"
        return path.read_text().split()[0] if path.exists() and path.read_text() else ""

    def noted(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def logged(self) -> str:
        time.sleep(0.1)
        return "\n".join(self.log_lines)


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def made(**settings: Any) -> Node:
        nodes.append(Node(tmp_path, **settings))
        return nodes[-1]

    yield made
    for node in nodes:
        node.end_keepalived()
        if node.watcher and node.watcher.poll() is None:
            node.kill()


def active(node: Node) -> Node:
    node.watch()
    node.elect("MASTER")
    until(lambda: node.state == "active")
    return node


# -- Elections


def test_elected_node_is_promoted_before_clients_may_connect(make: Callable[..., Node]) -> None:
    node = make()
    node.hook("promote")
    active(node)
    assert node.noted() == ["hook promote", "nft list table inet tiers_standby", START_TRAFFIC]
    assert node.ask("is-active") == 0
    assert node.ask("is-settled") == 0


@pytest.mark.parametrize("election", ["BACKUP", "FAULT", "STOP", "DELETED"])
def test_node_that_steps_down_stops_traffic_before_it_is_demoted(make: Callable[..., Node], election: str) -> None:
    node = make()
    node.hook("demote")
    node.watch()
    node.elect(election)
    until(lambda: node.state == "standby")
    assert node.noted() == [STOP_TRAFFIC.format(etc=node.etc), "hook demote"]
    assert node.ask("is-active") == 1


def test_last_election_decides(make: Callable[..., Node]) -> None:
    node = make()
    node.hook("promote", "sleep 0.5")
    node.watch()
    node.elect("MASTER", "BACKUP")
    until(lambda: node.state == "standby")
    assert START_TRAFFIC not in node.noted()


@pytest.mark.parametrize("event", ["MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP_PRIORITY"])
def test_elected_node_becomes_active_although_keepalived_reports_another_event(
    make: Callable[..., Node], event: str
) -> None:
    node = make()
    node.hook("promote", "sleep 0.5")
    node.watch()
    node.elect("MASTER", event)
    until(lambda: node.state == "active")
    assert node.noted().count("hook promote") == 1


def test_election_after_other_events_decides(make: Callable[..., Node]) -> None:
    node = make()
    node.hook("promote", "sleep 0.5")
    node.watch()
    node.elect("MASTER", "MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP", "BACKUP_PRIORITY")
    until(lambda: node.state == "standby")
    assert START_TRAFFIC not in node.noted()


def test_node_that_is_elected_twice_becomes_active(make: Callable[..., Node]) -> None:
    node = make()
    node.hook("promote", "sleep 0.5")
    node.watch()
    node.elect("MASTER", "MASTER")
    until(lambda: node.state == "active")


def test_node_without_hooks_is_checked_by_a_connection(make: Callable[..., Node]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        node = make(port=server.getsockname()[1])
        (node.hooks / "check").unlink()
        active(node)
        assert node.ask("check") == 0
    assert node.ask("check") == 1


def test_cold_backup_runs_only_while_it_is_active(make: Callable[..., Node]) -> None:
    node = make(cold_units=["served.service"])
    node.hook("check", f"grep -q 'systemctl start' {node.notes}")
    node.watch()
    assert node.ask("check") == 0
    node.elect("MASTER")
    until(lambda: node.state == "active")
    node.elect("BACKUP")
    until(lambda: node.state == "standby")
    assert [note for note in node.noted() if "systemctl" in note] == [
        "systemctl start served.service",
        "systemctl stop served.service",
    ]


def test_agent_steps_down_when_keepalived_is_gone(make: Callable[..., Node]) -> None:
    node = active(make())
    node.end_keepalived()
    until(lambda: node.state == "standby")
    assert node.watcher and node.watcher.wait(5) == 0


def test_step_down_twice_demotes_once(make: Callable[..., Node]) -> None:
    node = make()
    node.hook("demote")
    node.ask("step-down")
    node.ask("step-down")
    assert node.noted().count("hook demote") == 1


def test_demotion_that_fails_leaves_the_node_standby_and_is_logged(make: Callable[..., Node]) -> None:
    node = make()
    node.hook("demote", "exit 1")
    node.ask("step-down")
    assert node.state == "standby"
    assert STOP_TRAFFIC.format(etc=node.etc) in node.noted()
    assert "This node cannot be demoted" in node.logged()


def test_rules_that_cannot_be_loaded_are_logged(make: Callable[..., Node]) -> None:
    node = make()
    node.write(node.root / "bin/nft", "exit 1")
    node.ask("step-down")
    assert "standby.nft cannot be loaded: clients may still connect" in node.logged()


@pytest.mark.parametrize("state", STATES)
def test_boot_stops_traffic_unless_the_node_is_active(make: Callable[..., Node], state: str) -> None:
    node = make()
    if state:
        node.set_state(state)
    assert node.ask("boot") == 0
    assert node.noted() == ([] if state == "active" else [STOP_TRAFFIC.format(etc=node.etc)])


# -- Time limits


def test_promotion_that_ignores_sigterm_is_killed(make: Callable[..., Node]) -> None:
    node = make(transition_seconds=1)
    node.hook("promote", "trap '' TERM; while true; do sleep 0.1; done")
    node.watch()
    began = time.monotonic()
    node.elect("MASTER")
    until(lambda: node.state == "standby")
    assert time.monotonic() - began > 1 + agent.KILL_SECONDS - 0.5
    assert node.ask("check") == 1


def test_demotion_that_hangs_is_ended(make: Callable[..., Node]) -> None:
    node = make(transition_seconds=1)
    node.hook("demote", "exec sleep 60")
    began = time.monotonic()
    node.ask("step-down")
    assert node.state == "standby"
    assert 1 <= time.monotonic() - began < 10


def test_check_that_hangs_is_ended_and_makes_the_node_not_electable(make: Callable[..., Node]) -> None:
    node = make(check_seconds=1)
    node.hook("check", "exec sleep 60", note=False)
    node.watch()
    began = time.monotonic()
    assert node.ask("check") == 1
    until(lambda: (node.run / "electable").exists() and node.keepalived_checks() == 1)
    assert 1 <= time.monotonic() - began < 15
    # The agent has judged, and the firewall was left alone.
    assert node.noted() == []


def test_start_of_a_cold_backup_that_hangs_is_ended(make: Callable[..., Node]) -> None:
    node = make(cold_units=["served.service"], transition_seconds=1)
    node.write(node.root / "bin/systemctl", f'echo "systemctl $*" >>{node.notes}; [ $1 = stop ] || exec sleep 60')
    node.hook("check", "exit 1")
    node.watch()
    node.elect("MASTER")
    until(lambda: node.state == "standby")
    assert "served.service does not start" in node.logged()


def test_node_that_cannot_be_promoted_leaves_it_to_its_peer(make: Callable[..., Node]) -> None:
    node = make()
    node.hook("promote", "exit 1")
    node.watch()
    assert node.ask("check") == 0
    node.elect("MASTER")
    until(lambda: node.state == "standby")
    assert node.ask("check") == 1
    assert START_TRAFFIC not in node.noted()


def test_node_that_is_not_healthy_in_time_leaves_it_to_its_peer(make: Callable[..., Node]) -> None:
    node = make(transition_seconds=1)
    node.hook("check", "exit 1")
    node.watch()
    node.elect("MASTER")
    until(lambda: node.state == "standby")
    assert STOP_TRAFFIC.format(etc=node.etc) in node.noted()
    assert "does not answer" in node.logged()


def test_node_whose_promotion_takes_too_long_is_not_electable(make: Callable[..., Node]) -> None:
    node = make()
    node.watch()
    with (node.run / "transition.lock").open("w") as promotion:
        # Held as by a promotion that hangs: nothing else touches the state meanwhile.
        fcntl.flock(promotion, fcntl.LOCK_EX)
        node.set_state("promoting")
        assert node.ask("check") == 0
        assert node.keepalived_checks() == 0
        node.set_state("promoting", age=21)
        assert node.ask("check") == 1
    assert (node.run / "failed").exists()
    assert re.search(r"^<13>tiers-failover: This node has been promoting for 2\d s", node.logged(), re.MULTILINE)


# -- An agent that is replaced, killed or stopped


def test_reload_of_keepalived_changes_nothing(make: Callable[..., Node]) -> None:
    node = active(make())
    before = node.noted()
    node.kill(signal.SIGTERM)
    node.watch()
    assert node.state == "active"
    assert node.ask("check") == 0
    until(lambda: node.noted() == [*before, "nft list table inet tiers_standby", START_TRAFFIC])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_promotion_that_a_restart_interrupted_is_repeated(make: Callable[..., Node], number: int) -> None:
    node = make()
    waits = node.root / "wait"
    node.hook("promote", f"while [ -e {waits} ]; do sleep 0.05; done")
    waits.touch()
    node.watch()
    node.elect("MASTER")
    until(lambda: "hook promote" in node.noted())
    node.kill(number)
    assert node.state == "promoting"
    assert START_TRAFFIC not in node.noted()
    waits.unlink()
    node.watch()
    until(lambda: node.state == "active")
    assert node.noted().count("hook promote") == 2


def test_election_is_followed_that_came_while_no_agent_ran(make: Callable[..., Node]) -> None:
    node = active(make())
    node.kill()
    node.elect("BACKUP")
    node.watch()
    until(lambda: node.state == "standby")


def test_promotion_that_no_election_ends_is_repeated(make: Callable[..., Node]) -> None:
    node = active(make())
    node.set_state("promoting")
    until(lambda: node.state == "active")


def test_agents_do_not_run_side_by_side(make: Callable[..., Node]) -> None:
    node = active(make())
    second = subprocess.Popen([node.program, "watch", node.elections], env=node.environment)
    time.sleep(0.5)
    node.elect("BACKUP", "MASTER")
    until(lambda: len(node.noted()) >= 5)
    until(lambda: node.state == "active")
    assert node.noted().count(STOP_TRAFFIC.format(etc=node.etc)) == 1
    second.kill()
    second.wait()


RESTART = "systemctl --no-block restart keepalived.service"


@pytest.mark.parametrize("asks", ["program", "keepalived"])
def test_keepalived_is_restarted_once_in_a_while_when_its_agent_was_killed(
    make: Callable[..., Node], asks: str
) -> None:
    node = active(make())
    node.kill()
    stopped = STOP_TRAFFIC.format(etc=node.etc)
    before = node.noted()
    for _check in range(2):
        assert (node.ask("check") if asks == "program" else node.keepalived_checks()) == 1
    assert node.noted() == [*before, stopped, RESTART, stopped]
    (node.run / "restarted").write_text(f"{agent.uptime() - agent.RESTART_SECONDS}\n")
    assert node.ask("check") == 1
    assert node.noted()[-2:] == [stopped, RESTART]


def test_process_that_has_the_number_of_the_killed_agent_is_not_taken_for_it(make: Callable[..., Node]) -> None:
    node = active(make())
    node.kill()
    (node.run / "agent.pid").write_text(f"{os.getpid()}\n")
    until(lambda: node.keepalived_checks(seconds=2) == 1)
    assert node.noted()[-2:] == [STOP_TRAFFIC.format(etc=node.etc), RESTART]


def test_agent_that_begins_late_starts_the_traffic_that_a_check_stopped(make: Callable[..., Node]) -> None:
    node = active(make())
    node.kill(signal.SIGTERM)
    assert node.ask("check") == 1
    node.watch()
    until(lambda: node.noted()[-1] == START_TRAFFIC)
    assert (node.state, node.ask("check")) == ("active", 0)


def test_agent_that_begins_after_another_election_starts_no_traffic(make: Callable[..., Node]) -> None:
    node = active(make())
    node.kill()
    before = node.noted()
    node.elect("FAULT")
    node.watch()
    until(lambda: node.state == "standby")
    assert node.noted() == [*before, STOP_TRAFFIC.format(etc=node.etc)]


def test_agent_that_begins_while_a_check_stops_traffic_starts_it_afterwards(make: Callable[..., Node]) -> None:
    node = active(make())
    node.kill(signal.SIGTERM)
    slow = f'echo "nft $*" >>{node.notes}; [ $1 != --file ] || {{ sleep 1; echo loaded >>{node.notes}; }}'
    node.write(node.root / "bin/nft", slow)
    checking = subprocess.Popen([node.program, "check"], env=node.environment)
    until(lambda: node.noted()[-1].startswith("nft --file"))
    node.watch()
    until(lambda: node.noted()[-1] == START_TRAFFIC)
    assert checking.wait(10) == 1
    assert node.noted().index("loaded") < len(node.noted()) - 1 - node.noted()[::-1].index(START_TRAFFIC)


def test_agent_that_was_stopped_is_killed_and_its_node_refuses_clients(make: Callable[..., Node]) -> None:
    node = active(make())
    assert node.watcher
    node.await_verdict()
    node.watcher.send_signal(signal.SIGSTOP)
    before = node.noted()
    assert node.keepalived_checks(seconds=2) == 0
    assert node.noted() == before
    until(lambda: node.keepalived_checks(seconds=2) == 1)
    assert node.noted() == [*before, STOP_TRAFFIC.format(etc=node.etc), RESTART]
    assert node.watcher.wait(5) == -signal.SIGKILL


def test_stopped_agent_holds_up_neither_a_demotion_nor_its_successor(make: Callable[..., Node]) -> None:
    node = make(transition_seconds=20)
    node.hook("promote", "exec sleep 15")
    node.watch()
    node.elect("MASTER")
    until(lambda: "hook promote" in node.noted())
    assert node.watcher
    node.watcher.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert node.ask("step-down") == 0
    assert (node.state, node.watcher.wait(5)) == ("standby", -signal.SIGKILL)
    node.watch()
    node.watcher.send_signal(signal.SIGSTOP)
    node.watch()
    assert time.monotonic() - began < 10


def test_step_down_stops_traffic_although_its_state_cannot_be_written(make: Callable[..., Node]) -> None:
    node = make()
    (node.run / "state.new").mkdir()
    assert node.ask("step-down") == 1
    assert node.noted() == [STOP_TRAFFIC.format(etc=node.etc)]


def test_system_log_that_takes_nothing_holds_nothing_up(make: Callable[..., Node]) -> None:
    node = make()
    node.log.close()
    (node.root / "log").unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(str(node.root / "log"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            with pytest.raises(BlockingIOError):
                for _line in range(10000):
                    filler.sendto(b"x", str(node.root / "log"))
        began = time.monotonic()
        assert node.ask("step-down") == 0
    assert (node.state, time.monotonic() - began < 10) == ("standby", True)


def test_firewall_that_hangs_is_given_up(make: Callable[..., Node]) -> None:
    node = make()
    node.write(node.root / "bin/nft", "exec sleep 60")
    began = time.monotonic()
    assert node.ask("step-down") == 0
    assert time.monotonic() - began < 20
    assert "clients may still connect" in node.logged()


def test_node_whose_traffic_cannot_be_started_leaves_it_to_its_peer(make: Callable[..., Node]) -> None:
    node = make()
    node.write(node.root / "bin/nft", '[ "$1" != delete ]')
    node.watch()
    node.elect("MASTER")
    until(lambda: node.state == "standby")
    assert "This node cannot start traffic" in node.logged()
    assert node.ask("check") == 1


@pytest.mark.parametrize("jump", [-86400, 86400])
def test_no_step_of_the_wall_clock_changes_what_a_node_may_do(make: Callable[..., Node], jump: float) -> None:
    node = make(retry_seconds=4)
    node.hook("promote", "exit 1")
    node.watch()
    node.elect("MASTER")
    until(lambda: node.state == "standby")
    # As if the clock had been set: the times of all files differ from it by a day.
    for path in node.run.iterdir():
        os.utime(path, (time.time() - jump,) * 2)
    assert node.ask("check") == 1
    until(lambda: node.ask("check") == 0, 10)
    until(lambda: node.ask("is-settled") == 0, 10)


def test_settings_of_a_later_release_are_ignored(make: Callable[..., Node]) -> None:
    node = make(of_a_later_release=1)
    assert node.ask("step-down") == 0


def test_one_transition_waits_for_another(make: Callable[..., Node]) -> None:
    node = make(transition_seconds=10)
    waits = node.root / "wait"
    waits.touch()
    node.hook("promote", f"while [ -e {waits} ]; do sleep 0.05; done")
    node.watch()
    node.elect("MASTER")
    until(lambda: "hook promote" in node.noted())
    stepping_down = subprocess.Popen([node.program, "step-down"], env=node.environment)
    time.sleep(0.7)
    assert (stepping_down.poll(), node.state) == (None, "promoting")
    waits.unlink()
    stepping_down.wait(10)
    assert node.state == "standby"
    assert node.noted()[-2:] == [START_TRAFFIC, STOP_TRAFFIC.format(etc=node.etc)]


def test_agent_that_is_only_slow_is_not_replaced(make: Callable[..., Node]) -> None:
    node = make(check_seconds=10)
    node.watch()
    node.await_verdict()
    node.hook("check", "sleep 6; exit 1", note=False)
    # When the agent has written nothing for longer than it may, the check asks the service itself.
    began = time.monotonic()
    until(lambda: node.keepalived_checks(seconds=2) == 1)
    assert time.monotonic() - began > 6
    assert node.noted() == []
    assert node.is_watched()


# -- Checks of keepalived


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("note", ["", "aside", "failed", "relieved"])
@pytest.mark.parametrize("healthy", [True, False])
def test_running_agent_answers_keepalived_as_the_program_does(
    make: Callable[..., Node], state: str, note: str, healthy: bool
) -> None:
    node = make()
    node.hook("check", "true" if healthy else "false", note=False)
    node.watch()
    with (node.run / "transition.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # The state is left as it is set here.
        node.set_state(state)
        if note:
            ((node.lasting if note == "relieved" else node.run) / note).write_text(f"{agent.uptime()}\n")
        node.await_verdict()
        expected = 0 if not note and (state == "promoting" or healthy) else 1
        assert [node.keepalived_checks(), node.ask("check")] == [expected, expected]
    assert node.noted() == []


def test_check_is_answered_during_a_promotion(make: Callable[..., Node]) -> None:
    node = make(transition_seconds=10)
    waits = node.root / "wait"
    waits.touch()
    node.hook("promote", f"while [ -e {waits} ]; do sleep 0.05; done")
    node.watch()
    node.elect("MASTER")
    until(lambda: node.state == "promoting")
    node.await_verdict()
    assert node.keepalived_checks() == 0
    assert node.state == "promoting"
    waits.unlink()


def test_any_number_of_checks_at_once_read_the_same(make: Callable[..., Node]) -> None:
    node = active(make())
    node.await_verdict()
    command = [node.check_electable, node.run, "13"]
    checks = [subprocess.Popen(command, env=node.environment) for _check in range(20)]
    assert [check.wait(20) for check in checks] == [0] * 20


def test_check_starts_no_program_while_the_agent_runs(make: Callable[..., Node]) -> None:
    node = active(make())
    node.await_verdict()
    node.write(node.program, "exit 7")
    command = [shutil.which("bash") or "bash", node.check_electable, node.run, "13"]
    done = subprocess.run(command, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_failed_check_is_soon_followed_by_another(make: Callable[..., Node]) -> None:
    node = make()
    checks = Path(f"{node.notes}.checks")
    # Every other check fails.
    node.hook("check", f"date +%s.%N >>{checks}; [ $(($(wc -l <{checks}) % 2)) = 1 ]", note=False)
    node.watch()
    until(lambda: checks.exists() and checks.read_text().count("\n") > 6)
    times = [float(line) for line in checks.read_text().split()]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert min(pauses[0::2]) >= agent.PUBLISH_INTERVAL
    assert agent.PUBLISH_INTERVAL / 2 <= min(pauses[1::2]) < agent.PUBLISH_INTERVAL


def test_check_is_answered_by_the_agent_that_replaced_another(make: Callable[..., Node]) -> None:
    node = active(make())
    node.kill(signal.SIGTERM)
    checking = subprocess.Popen([node.check_electable, node.run, "13"], env=node.environment)
    time.sleep(0.5)
    before = node.noted()
    node.watch()
    assert checking.wait(15) == 0
    assert STOP_TRAFFIC.format(etc=node.etc) not in set(node.noted()) - set(before)


# -- Failback


def test_primary_that_never_fails_back_stays_out_once_its_peer_was_promoted(make: Callable[..., Node]) -> None:
    node = active(make(stays_out=True))
    # Its service failed for a while: its peer was not promoted yet.
    node.elect("FAULT")
    until(lambda: node.state == "standby")
    time.sleep(3.5)
    assert node.ask("check") == 0
    node.elect("BACKUP")
    until((node.lasting / "relieved").exists)
    assert node.ask("check") == 1


def test_primary_that_was_active_before_the_setting_stays_out_once_it_stepped_down(make: Callable[..., Node]) -> None:
    node = make(stays_out=True)
    node.set_state("active")
    node.watch()
    until((node.lasting / "acting").exists)
    node.elect("BACKUP")
    until((node.lasting / "relieved").exists)


def test_relieved_primary_stays_out_whatever_else_keepalived_reports(make: Callable[..., Node]) -> None:
    node = active(make(stays_out=True, advert_seconds=0.5))
    node.elect("BACKUP", "BACKUP_PRIORITY")
    until(lambda: node.state == "standby")
    time.sleep(1.5)
    # keepalived may elect this node again, as long as it has not heard of its peer for a while.
    assert not (node.lasting / "relieved").exists()
    until((node.lasting / "relieved").exists)


def test_primary_that_fails_back_is_never_relieved(make: Callable[..., Node]) -> None:
    node = make()
    (node.lasting / "acting").touch()  # left from before it was told to fail back
    active(node)
    node.elect("BACKUP")
    until(lambda: node.ask("is-settled") == 0)
    time.sleep(1.5)
    assert [path.name for path in node.lasting.iterdir()] == ["acting"]


# -- The state and who reads it


def test_standby_is_settled_after_a_while_without_an_election(make: Callable[..., Node]) -> None:
    node = make()
    assert node.ask("is-settled") == 1
    node.ask("step-down")
    assert node.ask("is-settled") == 1
    until(lambda: node.ask("is-settled") == 0)


@pytest.mark.parametrize(
    ("former", "state"),
    [("taking", "promoting"), ("serving", "active"), ("leaving", "stepping-down"), ("standby", "standby"), ("", "")],
)
def test_state_of_the_former_program_is_adopted_with_its_age(
    make: Callable[..., Node], former: str, state: str
) -> None:
    node = make()
    (node.run / "turn").write_text(f"{former}\n")
    os.utime(node.run / "turn", (time.time() - 100,) * 2)
    assert node.ask("boot") == 0
    assert node.state == state
    assert not state or 100 <= agent.uptime() - node.recorded("state") < 130
    assert not (node.run / "turn").exists()
    assert node.noted() == ([] if state == "active" else [STOP_TRAFFIC.format(etc=node.etc)])


def report(node: Node, one_serves: str = "true") -> tuple[str, int]:
    """The output of the program by which other programs learn whether this node is active, and its exit code."""
    program = node.etc / "active"
    program.write_bytes(ACTIVE.read_bytes())
    program.chmod(0o755)
    (node.etc / "active.conf").write_text(f"one_serves={one_serves}\nrun={node.run}\n")
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.strip(), done.returncode


def test_node_is_active_from_when_it_lets_clients_in_until_it_steps_down(make: Callable[..., Node]) -> None:
    node = make(transition_seconds=10)
    for hook in ("promote", "demote"):
        node.hook(hook, f"while [ -e {node.root}/wait ]; do sleep 0.05; done")
    waits = node.root / "wait"
    waits.touch()
    node.watch()
    assert report(node) == ("standby", 1)
    node.elect("MASTER")
    until(lambda: node.state == "promoting")
    assert report(node) == ("promoting", 1)
    waits.unlink()
    until(lambda: node.state == "active")
    assert report(node) == ("active", 0)
    waits.touch()
    node.elect("BACKUP")
    # The peer may be active while this one is still being demoted.
    until(lambda: "hook demote" in node.noted())
    assert node.state == "stepping-down"
    assert report(node) == ("standby", 1)
    waits.unlink()
    until(lambda: node.state == "standby")
    assert report(node) == ("standby", 1)


@pytest.mark.parametrize(("former", "told"), [("serving", "active"), ("taking", "promoting"), ("leaving", "standby")])
def test_node_whose_former_program_still_runs_is_reported_by_its_state(
    make: Callable[..., Node], former: str, told: str
) -> None:
    node = make()
    node.watch()
    (node.run / "turn").write_text(f"{former}\n")
    assert report(node)[0] == told


@pytest.mark.parametrize(("seconds", "answer"), [(30, ("active", 0)), (-0.02, ("standby", 1))])
def test_node_with_a_lease_is_active_until_its_kernel_ends_the_traffic(
    make: Callable[..., Node], seconds: float, answer: tuple[str, int]
) -> None:
    node = active(make())
    (node.run / "serves-until").write_text(f"{agent.uptime() + seconds:.2f}\n")
    assert report(node) == answer
    assert node.ask("is-active") == answer[1]


def test_node_is_not_active_after_a_boot_or_without_its_failover_agent(make: Callable[..., Node]) -> None:
    node = make()
    assert report(node) == ("standby", 1)
    active(node).kill()
    until(lambda: not node.is_watched())
    assert report(node) == ("standby", 1)


def test_server_of_which_both_nodes_serve_or_that_has_no_peer_is_active(make: Callable[..., Node]) -> None:
    assert report(make(), one_serves="false") == ("active", 0)


def test_node_that_cannot_read_its_state_reports_unknown(make: Callable[..., Node]) -> None:
    node = make()
    (node.run / "state").mkdir()
    assert report(node) == ("unknown", 2)


def test_agent_records_for_how_long_nothing_has_been_settled(make: Callable[..., Node]) -> None:
    node = make(transition_seconds=1)
    node.hook("check", "false", note=False)
    node.ask("boot")
    node.watch()
    node.elect("BACKUP")
    until(lambda: node.ask("is-settled") == 0)
    node.elect("MASTER")
    until(lambda: node.state == "promoting")
    began = node.recorded("unsettled")
    assert agent.uptime() - began < 5
    # A promotion that fails again and again is one and the same trouble.
    for _attempt in range(2):
        until(lambda: node.state == "standby")
        node.elect("MASTER")
        until(lambda: node.state == "promoting")
        assert node.recorded("unsettled") == began


def test_any_user_may_read_the_state(make: Callable[..., Node]) -> None:
    node = make()
    umask = os.umask(0o077)
    try:
        active(node)  # The test makes the lock first, with this umask.
    finally:
        os.umask(umask)
    assert [(node.run / name).stat().st_mode & 0o777 for name in ("state", "unsettled", "watch.lock")] == [0o644] * 3


def test_hooks_do_not_inherit_the_locks(make: Callable[..., Node]) -> None:
    node = make()
    node.hook("promote", f"ls -l /proc/$$/fd >{node.root}/fds")
    active(node)
    assert str(node.run) not in (node.root / "fds").read_text()


@pytest.mark.parametrize("command", ["help", "serving"])
def test_unknown_command_prints_the_usage(make: Callable[..., Node], command: str) -> None:
    node = make()
    done = subprocess.run([node.program, command], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, "failover-agent watch FIFO" in done.stderr) == (2, True)
