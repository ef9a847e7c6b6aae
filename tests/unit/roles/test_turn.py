# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows on a host from the elections of its pair: the program itself, with commands that only take notes."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

TEMPLATES = Path(__file__).parents[3] / "roles/failover/templates"


class Half:
    """One half of a pair in a directory of its own."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root, self.settings = root, settings
        self.run, self.lasting, self.etc = root / "run", root / "lasting", root / "etc"
        self.hooks, self.notes = self.etc / "turn.d", root / "notes"
        for directory in (self.run, self.lasting, self.hooks, root / "bin"):
            directory.mkdir(parents=True)
        for name in ("nft", "systemctl", "logger"):
            self.write(root / "bin" / name, f'echo "{name} $*" >>{self.notes}')
        self.write(self.etc / "answers", "true")
        self.program = self.etc / "turn"
        self.program.write_text(self.rendered())
        self.program.chmod(0o755)
        self.watcher: subprocess.Popen[bytes] | None = None
        self.elections = self.run / "elections"
        self.writer: int | None = None

    def rendered(self) -> str:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=jinja2.StrictUndefined
        )
        settings = {
            "ansible_managed": "managed",
            "failover_check_timeout": 3,
            "failover_promotion_seconds": 2,
            "failover_retry_seconds": 60,
            "tiers_probe_units": ["served.service"],
            "__failover_os": {"nft": "nft"},
            "__failover_run": self.run,
            "__failover_lasting": self.lasting,
            "__failover_etc": self.etc,
            "__failover_hooks": self.hooks,
            "__failover_cold": False,
            "__failover_never_again": False,
            "__failover_settle_seconds": 1,
            "__failover_taking_limit": 20,
        } | self.settings
        return environment.get_template("turn.j2").render(settings)

    def write(self, path: Path, script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def hook(self, name: str, script: str = "true") -> None:
        self.write(self.hooks / name, f"echo hook {name} >>{self.notes}; {script}")

    def turn(self, *arguments: str) -> int:
        environment = os.environ | {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        return subprocess.run([self.program, *arguments], env=environment, check=False, timeout=20).returncode

    def watch(self) -> None:
        if not self.elections.exists():
            os.mkfifo(self.elections)
        # As keepalived does, which neither waits for a reader nor minds when one goes.
        self.writer = self.writer if self.writer is not None else os.open(self.elections, os.O_RDWR)
        environment = os.environ | {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        self.watcher = subprocess.Popen([self.program, "watch", self.elections], env=environment)
        until(self.watched)

    def watched(self) -> bool:
        with (self.run / "watch.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def elect(self, *events: str) -> None:
        assert self.writer is not None
        os.write(self.writer, "".join(f'INSTANCE "tiers" {event} 110\n' for event in events).encode())

    def leave_alone(self) -> None:
        if self.writer is not None:
            os.close(self.writer)
            self.writer = None

    @property
    def state(self) -> str:
        path = self.run / "turn"
        return path.read_text().strip() if path.exists() else ""

    def noted(self) -> list[str]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line for line in lines if not line.startswith("logger")]


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Half]]:
    halves: list[Half] = []

    def made(**settings: Any) -> Half:
        halves.append(Half(tmp_path, **settings))
        return halves[-1]

    yield made
    for half in halves:
        half.leave_alone()
        if half.watcher:
            half.watcher.kill()
            half.watcher.wait()


REFUSE = "nft --file {etc}/standby.nft"


def test_who_is_elected_is_promoted_before_anybody_gets_in(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("promote")
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    assert half.noted() == ["hook promote", "nft list table inet tiers_standby", "nft delete table inet tiers_standby"]
    assert half.turn("serving") == 0
    assert half.turn("settled") == 0


def test_who_is_replaced_lets_nobody_in_before_it_is_demoted(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("demote")
    half.watch()
    half.elect("BACKUP")
    until(lambda: half.state == "standby")
    assert half.noted() == [REFUSE.format(etc=half.etc), "hook demote"]
    assert half.turn("serving") == 1


def test_the_last_election_decides(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("promote", "sleep 0.5")
    half.watch()
    half.elect("MASTER", "BACKUP")
    until(lambda: half.state == "standby")
    assert "nft delete table inet tiers_standby" not in half.noted()


@pytest.mark.parametrize("event", ["MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP_PRIORITY"])
def test_elected_node_serves_although_keepalived_reports_another_event_meanwhile(
    make: Callable[..., Half], event: str
) -> None:
    half = make()
    half.hook("promote", "sleep 0.5")
    half.watch()
    half.elect("MASTER", event)
    until(lambda: half.state == "serving")
    assert half.noted().count("hook promote") == 1


def test_election_after_other_events_decides(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("promote", "sleep 0.5")
    half.watch()
    half.elect("MASTER", "MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP", "BACKUP_PRIORITY")
    until(lambda: half.state == "standby")
    assert "nft delete table inet tiers_standby" not in half.noted()


def test_node_elected_twice_serves(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("promote", "sleep 0.5")
    half.watch()
    half.elect("MASTER", "MASTER")
    until(lambda: half.state == "serving")


def test_promotion_that_ignores_its_end_is_killed(make: Callable[..., Half]) -> None:
    half = make(failover_promotion_seconds=1)
    half.hook("promote", "trap '' TERM; while true; do sleep 0.1; done")
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "standby")
    assert half.turn("check") == 1


def test_node_whose_promotion_takes_too_long_is_not_electable(make: Callable[..., Half]) -> None:
    half = make()
    half.watch()
    with (half.run / "turn.lock").open("w") as promotion:
        # Held as by a promotion that hangs: nothing else touches the state meanwhile.
        fcntl.flock(promotion, fcntl.LOCK_EX)
        (half.run / "turn").write_text("taking\n")
        assert half.turn("check") == 0
        long_ago = time.time() - 21
        os.utime(half.run / "turn", (long_ago, long_ago))
        assert half.turn("check") == 1
    assert (half.run / "failed").exists()
    assert re.search(r"logger --tag tiers-turn -- Taking over for 2\d s", half.notes.read_text())


def test_promotion_left_undecided_is_taken_again(make: Callable[..., Half]) -> None:
    half = make()
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    (half.run / "turn").write_text("taking\n")
    until(lambda: half.state == "serving")


def test_who_cannot_be_promoted_leaves_it_to_the_other(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("promote", "exit 1")
    half.watch()
    assert half.turn("check") == 0
    half.elect("MASTER")
    until(lambda: half.state == "standby")
    assert half.turn("check") == 1
    assert "nft delete table inet tiers_standby" not in half.noted()


def test_who_does_not_answer_in_time_leaves_it_to_the_other(make: Callable[..., Half]) -> None:
    half = make(failover_promotion_seconds=1)
    half.hook("check", "exit 1")
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "standby")
    assert REFUSE.format(etc=half.etc) in half.noted()


def test_a_cold_half_runs_only_while_it_serves(make: Callable[..., Half]) -> None:
    half = make(__failover_cold=True)
    half.hook("check", f"grep -q 'systemctl start' {half.notes}")
    half.watch()
    assert half.turn("check") == 0
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    half.elect("BACKUP")
    until(lambda: half.state == "standby")
    assert [note for note in half.noted() if "systemctl" in note] == [
        "systemctl start served.service",
        "systemctl stop served.service",
    ]


def test_a_reload_of_keepalived_changes_nothing(make: Callable[..., Half]) -> None:
    half = make()
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    before = half.noted()
    assert half.watcher
    half.watcher.terminate()
    half.watcher.wait()
    half.watch()
    assert half.state == "serving"
    assert half.turn("check") == 0
    assert half.noted() == before


def test_a_turn_that_a_reload_broke_off_is_taken_again(make: Callable[..., Half]) -> None:
    half = make()
    (half.run / "turn").write_text("taking\n")
    half.watch()
    until(lambda: half.state == "serving")


def test_nobody_serves_on_when_keepalived_is_gone(make: Callable[..., Half]) -> None:
    half = make()
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    half.leave_alone()
    until(lambda: half.state == "standby")


def test_nobody_is_elected_whom_nobody_would_tell(make: Callable[..., Half]) -> None:
    half = make()
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    assert half.watcher
    half.watcher.kill()
    half.watcher.wait()
    assert half.turn("check") == 1
    assert half.noted()[-1] == REFUSE.format(etc=half.etc)


def test_leaving_twice_demotes_once(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("demote")
    half.turn("leave")
    half.turn("leave")
    assert half.noted().count("hook demote") == 1


def test_a_half_that_boots_lets_nobody_in(make: Callable[..., Half]) -> None:
    half = make()
    half.turn("boot")
    assert half.noted() == [REFUSE.format(etc=half.etc)]
    (half.run / "turn").write_text("serving\n")
    half.turn("boot")
    assert len(half.noted()) == 1


def test_a_primary_that_serves_already_is_told_never_to_fail_back(make: Callable[..., Half]) -> None:
    half = make(__failover_never_again=True)
    (half.run / "turn").write_text("serving\n")
    half.watch()
    until((half.lasting / "acting").exists)
    half.elect("BACKUP")
    until((half.lasting / "relieved").exists)


def test_a_primary_that_never_fails_back_stays_out_once_it_is_relieved(make: Callable[..., Half]) -> None:
    half = make(__failover_never_again=True)
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    # Its service failed for a while: nobody has relieved it yet.
    half.elect("FAULT")
    until(lambda: half.state == "standby")
    time.sleep(2.5)
    assert half.turn("check") == 0
    half.elect("BACKUP")
    until((half.lasting / "relieved").exists)
    assert half.turn("check") == 1


def test_relieved_primary_stays_out_whatever_else_keepalived_reports(make: Callable[..., Half]) -> None:
    half = make(__failover_never_again=True)
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    half.elect("BACKUP", "BACKUP_PRIORITY")
    until((half.lasting / "relieved").exists)


def test_without_an_election_a_standby_is_settled_after_a_while(make: Callable[..., Half]) -> None:
    half = make()
    assert half.turn("settled") == 1
    half.turn("leave")
    until(lambda: half.turn("settled") == 0)


ACTIVE = Path(__file__).parents[3] / "roles/host/files/active.sh"


def asked(half: Half, one_serves: str = "true") -> tuple[str, int]:
    """What the program says that tells other programs whether this node is active, and its exit code."""
    program = half.etc / "active"
    program.write_bytes(ACTIVE.read_bytes())
    program.chmod(0o755)
    (half.etc / "active.conf").write_text(f"one_serves={one_serves}\nrun={half.run}\n")
    told = subprocess.run([program], capture_output=True, text=True, check=False, timeout=20)
    return told.stdout.strip(), told.returncode


def test_a_node_is_active_from_when_it_lets_clients_in_until_it_steps_down(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("promote", f"while [ -e {half.root}/wait ]; do sleep 0.05; done")
    half.hook("demote", f"while [ -e {half.root}/wait ]; do sleep 0.05; done")
    waits = half.root / "wait"
    waits.touch()
    half.watch()
    assert asked(half) == ("standby", 1)
    half.elect("MASTER")
    until(lambda: half.state == "taking")
    assert asked(half) == ("promoting", 1)
    waits.unlink()
    until(lambda: half.state == "serving")
    assert asked(half) == ("active", 0)
    waits.touch()
    half.elect("BACKUP")
    # The peer may be active while this one is still being demoted.
    until(lambda: "hook demote" in half.noted())
    assert asked(half) == ("standby", 1)
    waits.unlink()
    until(lambda: half.state == "standby")
    assert asked(half) == ("standby", 1)


def test_a_node_is_not_active_after_a_boot_or_without_its_failover_agent(make: Callable[..., Half]) -> None:
    half = make()
    assert asked(half) == ("standby", 1)
    half.watch()
    half.elect("MASTER")
    until(lambda: half.state == "serving")
    assert half.watcher
    half.watcher.kill()
    half.watcher.wait()
    until(lambda: not half.watched())
    assert asked(half) == ("standby", 1)


def test_a_server_of_which_both_nodes_serve_or_that_has_no_peer_is_active(make: Callable[..., Half]) -> None:
    assert asked(make(), one_serves="false") == ("active", 0)


def test_a_node_that_cannot_tell_says_so(make: Callable[..., Half]) -> None:
    half = make()
    (half.run / "turn").mkdir()
    assert asked(half) == ("unknown", 2)


def test_the_agent_records_for_how_long_nothing_has_been_settled(make: Callable[..., Half]) -> None:
    half = make()
    half.hook("check", "false")
    unsettled = half.run / "unsettled"
    half.turn("boot")
    half.watch()
    half.elect("BACKUP")
    until(lambda: half.turn("settled") == 0)
    half.elect("MASTER")
    until(lambda: half.state == "taking")
    began = unsettled.stat().st_mtime
    assert time.time() - began < 5
    # A promotion that fails again and again is one and the same trouble.
    for _attempt in range(2):
        until(lambda: half.state == "standby")
        half.elect("MASTER")
        until(lambda: half.state == "taking")
        assert unsettled.stat().st_mtime == began


def test_any_user_may_read_the_state(make: Callable[..., Half]) -> None:
    half = make()
    umask = os.umask(0o077)
    try:
        half.watch()  # the test makes the lock first, with this umask
        half.elect("MASTER")
        until(lambda: half.state == "serving")
    finally:
        os.umask(umask)
    assert [(half.run / name).stat().st_mode & 0o777 for name in ("turn", "unsettled")] == [0o644, 0o644]
    assert (half.run / "watch.lock").stat().st_mode & 0o444 == 0o444
