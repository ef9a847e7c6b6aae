#!/usr/bin/python3 -ISE
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promote this node of an active/standby pair, or stop its traffic: as keepalived elects, or by a lease.

    failover-agent watch FIFO    follow the elections that keepalived writes to FIFO; keepalived runs this
    failover-agent hold          hold the lease while this node can serve, see lease/holder.py; systemd runs this
    failover-agent pause [SECONDS]
                                 pause automatic failover of the pair for so long, or until `resume`; only with a lease
    failover-agent resume        end the pause
    failover-agent step-down     stop traffic and demote: before keepalived stops, and after it is gone
    failover-agent boot          stop traffic unless this node is active: at boot, and when nftables was restarted
    failover-agent check         exit code 0 if keepalived may elect this node; replaces an agent that was killed
    failover-agent is-active     exit code 0 if this node is active
    failover-agent is-settled    exit code 0 if it is certain whether this node is active

The settings are in the file beside the program that ends in .json. Times are recorded in seconds since the boot, as in
/proc/uptime: no step of the wall clock changes them, and a boot empties the directory that they are in.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

# The states of a node: docs/architecture.md#the-failover-agent
PROMOTING, ACTIVE, STEPPING_DOWN, STANDBY = "promoting", "active", "stepping-down", "standby"
# Events of keepalived that decide the state of this node. Others, such as MASTER_RX_LOWER_PRI, decide nothing.
ELECTIONS = frozenset({"MASTER", "BACKUP", "FAULT", "STOP", "DELETED"})
# Seconds within which a reload of keepalived replaces the agent, also on a host that is short of processor time.
RELOAD_SECONDS = 2.0
# Seconds between two restarts of a keepalived that does not start an agent.
RESTART_SECONDS = 10.0
# Seconds between two checks of a service for keepalived. After a failure half of it: keepalived looks every second, and
# must not count one failure twice.
PUBLISH_INTERVAL = 1.0
# Seconds between two checks of a service that is being promoted, between two looks for an agent, and between two looks
# at what no election reports.
CHECK_INTERVAL = 0.2
AGENT_INTERVAL = 0.1
LOOK_INTERVAL = 1.0
# Seconds between SIGTERM and SIGKILL for a command that takes too long.
KILL_SECONDS = 5
CHECK_KILL_SECONDS = 1
# Seconds that nft and a request to systemd may take.
REQUEST_SECONDS = 5


@dataclass(frozen=True)
class Settings:
    """The settings that the role writes. Times are in seconds."""

    run: Path  # state that a boot ends
    lasting: Path  # state that outlasts a boot
    log: Path  # socket of the system log
    hooks: Path  # executables of the product: check, promote, demote
    port: int  # must accept connections where the product has no check
    nft: str
    rules: Path  # nftables rules that stop the traffic of this node
    table: str  # the table that they load
    cold_units: tuple[str, ...]  # run only while this node is active
    stays_out: bool  # once its peer was promoted, this node is not elected again by itself
    advert_seconds: float
    check_seconds: int
    transition_seconds: int
    retry_seconds: int
    lease: dict[str, Any] | None = None  # what lease/holder.py needs; None where keepalived elects

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Settings that a later release adds are ignored: a deployment writes them before it replaces this program."""
        given = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name: given[field.name] for field in fields(cls) if field.name in given}
        paths = {name: Path(known[name]) for name in ("run", "lasting", "log", "hooks", "rules")}
        return cls(**known | paths | {"cold_units": tuple(known["cold_units"])})

    @property
    def settle_seconds(self) -> int:
        """After so long without another election the last one is final: a silent peer is replaced after 3.1 adverts."""
        return math.ceil(4 * self.advert_seconds + 2)

    @property
    def promotion_limit(self) -> int:
        """After this time a node has been started, promoted and checked, or it has failed, unless its agent hangs."""
        return 2 * self.transition_seconds + 2 * self.check_seconds + 10


# ---- Decisions


@dataclass(frozen=True)
class Observed:
    """The observations that decide whether keepalived may elect this node. Ages are in seconds, infinite for what
    never happened."""

    state: str
    state_age: float
    failure_age: float  # since its last failed promotion
    is_relieved: bool  # its peer was promoted, and this node stays out
    is_aside: bool  # it cannot write and its peer can: see the watchdog


def judge_election(seen: Observed, settings: Settings) -> Literal["yes", "no", "check", "hangs"]:
    """`yes`, `no`, `check` if the service decides, or `hangs` if a promotion takes longer than it can."""
    if seen.is_relieved or seen.is_aside or seen.failure_age < settings.retry_seconds:
        return "no"
    if seen.state == PROMOTING:
        return "yes" if seen.state_age < settings.promotion_limit else "hangs"
    # A cold backup is started when it has been elected.
    return "yes" if settings.cold_units and seen.state != ACTIVE else "check"


def is_settled(state: str, state_age: float, settings: Settings) -> bool:
    return state == ACTIVE or (state == STANDBY and state_age >= settings.settle_seconds)


class Elections:
    """The elections that keepalived writes to its FIFO, in their order."""

    def __init__(self, fifo: int) -> None:
        self.fifo = fifo
        self.closed = False
        self._waiting: deque[str] = deque()
        self._rest = b""

    def next(self, seconds: float) -> str | None:
        """The next election, or None if there is none within `seconds` or keepalived has closed the FIFO."""
        self.read(0 if self._waiting else seconds)
        return self._waiting.popleft() if self._waiting else None

    def is_superseded(self) -> bool:
        """Whether keepalived elected again since the last election that was followed, or is gone."""
        self.read(0)
        return self.closed or bool(self._waiting)

    def read(self, seconds: float) -> None:
        while not self.closed and select.select([self.fifo], [], [], seconds)[0]:
            more = os.read(self.fifo, 4096)
            self.closed = not more
            *lines, self._rest = (self._rest + more).split(b"\n")
            for line in lines:
                words = line.decode(errors="replace").split()
                if len(words) > 2 and words[2] in ELECTIONS:
                    self._waiting.append(words[2])
            seconds = 0


# ---- The node


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once, so that no reader sees a part of it and no kill leaves one."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def uptime() -> float:
    """Seconds since the boot, as the shell of `check-electable` reads them."""
    return float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])


def record_time(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # Another process has recorded the same moment.
        write_whole(path, f"{uptime():.2f}\n")


def words_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def age_of(path: Path) -> float:
    """Seconds since the time that is the last word of a file, infinite if there is none."""
    words = words_of(path)
    return uptime() - float(words[-1]) if words else math.inf


def run(*command: str) -> bool:
    """Whether a command succeeded. Its output is dropped."""
    try:
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    return done.returncode == 0


def run_within(seconds: int, kill_seconds: int, *command: str) -> bool:
    """The same, with a time limit that a program of its own keeps: it outlives an agent that is killed."""
    return run("timeout", f"--kill-after={kill_seconds}", str(seconds), *command)


def is_stopped(process: int) -> bool:
    """Whether a process was stopped, as by SIGSTOP."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in ("T", "t")
    except (FileNotFoundError, ProcessLookupError):
        return False


class Node:
    """This node of the pair: its state, its traffic and its product."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state_file = settings.run / "state"
        self.unsettled = settings.run / "unsettled"
        self.failed = settings.run / "failed"
        self.served = settings.lasting / "acting"
        self.relieved = settings.lasting / "relieved"
        # With a lease: until when the kernel lets clients in, and what the agent knows of the lease
        self.serves_until = settings.run / "serves-until"
        self.lease_file = settings.run / "lease.json"
        # The epoch of a lease with which this node was promoted, until it has been demoted in the time of the lease
        self.undemoted = settings.lasting / "undemoted"
        settings.run.mkdir(parents=True, exist_ok=True)

    def log(self, text: str) -> None:
        """Send a line to the system log, or drop it if the log does not take it at once: no transition waits for it."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.setblocking(False)
            journal.sendto(f"<13>tiers-failover: {text}".encode(), str(self.settings.log))

    # -- State

    @property
    def state(self) -> str:
        return next(iter(words_of(self.state_file)), "")

    @property
    def is_active(self) -> bool:
        """Whether this node is active. With a lease, only until the kernel ends its traffic."""
        return self.state == ACTIVE and (not self.serves_until.exists() or self.has_countdown())

    def has_countdown(self) -> bool:
        """Whether the kernel still counts down a lease by which it lets clients in."""
        return age_of(self.serves_until) < 0

    @property
    def is_settled(self) -> bool:
        if self.lease_file.exists():
            return self.is_active or (self.state == STANDBY and self.peer_serves())
        return is_settled(self.state, age_of(self.state_file), self.settings)

    def undemoted_epoch(self) -> list[str]:
        return words_of(self.undemoted)

    def peer_serves(self) -> bool:
        """Whether the agent read within the time of a lease that its peer holds it."""
        found = json.loads(self.lease_file.read_text(encoding="utf-8"))
        return uptime() - found["read"] < found["ttl"] and found["holder"] not in ("", found["name"])

    def enter(self, state: str) -> None:
        # `status` reports for how long nothing has been settled.
        if self.is_settled or age_of(self.unsettled) == math.inf:
            record_time(self.unsettled)
        write_whole(self.state_file, f"{state} {uptime():.2f}\n")
        self.log(state)

    def adopt_former_state(self) -> None:
        """Go on from the state that the agent before 0.1.0 left. That agent runs until keepalived is reloaded."""
        former = self.settings.run / "turn"
        if former.exists():
            words = {"taking": PROMOTING, "serving": ACTIVE, "leaving": STEPPING_DOWN, "standby": STANDBY}
            with self.transition(), contextlib.suppress(FileNotFoundError):
                since = uptime() - max(0.0, time.time() - former.stat().st_mtime)
                state = words.get(former.read_text(encoding="utf-8").strip())
                if state:
                    write_whole(self.state_file, f"{state} {since:.2f}\n")
                former.unlink()

    @contextlib.contextmanager
    def transition(self) -> Iterator[None]:
        """One transition at a time, whichever process makes it."""
        with (self.settings.run / "transition.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # -- Traffic

    def stop_traffic(self) -> None:
        if not self.run_nft("--file", str(self.settings.rules)):
            self.log(f"{self.settings.rules} cannot be loaded: clients may still connect")

    def start_traffic(self) -> bool:
        table = ("table", "inet", self.settings.table)
        return not self.run_nft("list", *table) or self.run_nft("delete", *table)

    def run_nft(self, *arguments: str) -> bool:
        return run_within(REQUEST_SECONDS, CHECK_KILL_SECONDS, self.settings.nft, *arguments)

    # -- Product

    def run_hook(self, name: str) -> bool:
        hook = self.settings.hooks / name
        return not os.access(hook, os.X_OK) or run_within(self.settings.transition_seconds, KILL_SECONDS, str(hook))

    def is_healthy(self) -> bool:
        """Whether the service passes the product's own check, or else accepts a connection."""
        hook = self.settings.hooks / "check"
        if os.access(hook, os.X_OK):
            return run_within(self.settings.check_seconds, CHECK_KILL_SECONDS, str(hook))
        try:
            socket.create_connection(("127.0.0.1", self.settings.port), timeout=self.settings.check_seconds).close()
        except OSError:
            return False
        return True

    def becomes_healthy(self, end: float) -> bool:
        """Whether the service is healthy before `end`, in the time of `time.monotonic`. It is checked at least once."""
        while not self.is_healthy():
            if time.monotonic() >= end:
                return False
            time.sleep(CHECK_INTERVAL)
        return True

    # -- Transitions

    def bring_up(self) -> str:
        """Start and promote the product and wait until it is healthy. Why it is not, or nothing."""
        end = time.monotonic() + self.settings.transition_seconds
        self.change_units("start")
        if not self.run_hook("promote"):
            return "cannot be promoted"
        return "" if self.becomes_healthy(end) else "does not answer"

    def bring_down(self) -> bool:
        """Demote the product, and stop the units of a cold backup. Whether it was demoted."""
        is_demoted = self.run_hook("demote")
        if not is_demoted:
            self.log("This node cannot be demoted. It refuses clients, but its product may go on as the active one")
        self.change_units("stop")
        return is_demoted

    def promote(self, elections: Elections) -> None:
        with self.transition():
            self.enter(PROMOTING)
            if failure := self.bring_up():
                self.fail(failure)
            # Otherwise the next election decides.
            elif not elections.is_superseded():
                if self.start_traffic():
                    self.enter(ACTIVE)
                    self.note_service()
                else:
                    self.fail("cannot start traffic")

    def resume(self) -> None:
        """Go on as the agent that ran before. A check that found none may have stopped the traffic of this node."""
        if self.state == ACTIVE:
            self.start_traffic()
            self.note_service()

    def note_service(self) -> None:
        """A node that was never active is not relieved by its peer: see `stay_out_if_relieved`."""
        if self.settings.stays_out:
            self.served.touch()

    def change_units(self, verb: Literal["start", "stop"]) -> None:
        units = self.settings.cold_units
        if units and not run_within(self.settings.transition_seconds, KILL_SECONDS, "systemctl", verb, *units):
            self.log(f"{' '.join(units)} does not {verb}")

    def fail(self, reason: str) -> None:
        """The peer may be elected now, and this node again after `retry_seconds`."""
        self.note_failure(reason)
        self.stop_traffic()
        self.enter(STANDBY)

    def note_failure(self, reason: str) -> None:
        self.log(f"This node {reason}: it stays standby")
        record_time(self.failed)

    def may_retry(self) -> bool:
        return age_of(self.failed) >= self.settings.retry_seconds

    def step_down(self) -> None:
        with self.transition():
            try:
                # The peer may be promoted from now on: this node must not call itself active any longer.
                self.enter(STEPPING_DOWN)
            finally:
                self.stop_traffic()
            self.bring_down()
            self.enter(STANDBY)

    # -- Election

    def is_electable(self) -> bool:
        seen = Observed(
            state=self.state,
            state_age=age_of(self.state_file),
            failure_age=age_of(self.failed),
            is_relieved=self.relieved.exists(),
            is_aside=(self.settings.run / "aside").exists(),
        )
        verdict = judge_election(seen, self.settings)
        if verdict == "hangs":
            seconds = self.settings.retry_seconds
            self.log(f"This node has been promoting for {seen.state_age:.0f} s: it is not electable for {seconds} s")
            record_time(self.failed)
        return self.is_healthy() if verdict == "check" else verdict == "yes"

    def stay_out_if_relieved(self, election: str) -> None:
        """A node that was active and hears of no other active node would have been elected by now."""
        settled = age_of(self.state_file) >= self.settings.settle_seconds
        if self.settings.stays_out and election == "BACKUP" and self.served.exists() and settled:
            self.log("The peer is active: this node stays out until an operator lets it take part again")
            self.served.replace(self.relieved)


# ---- The running agent


class Agent:
    """Follows the elections, and writes whether this node is electable: a check of keepalived need not start Python."""

    def __init__(self, node: Node) -> None:
        self.node = node
        run = node.settings.run
        self.lock, self.pid_file = run / "watch.lock", run / "agent.pid"
        self.electable, self.restarted = run / "electable", run / "restarted"

    def watch(self, fifo: Path) -> None:
        with self.alone():
            threading.Thread(target=self.publish, daemon=True).start()
            write_whole(self.pid_file, f"{os.getpid()}\n")
            self.follow(Elections(os.open(fifo, os.O_RDONLY)))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """As the only agent of this host."""
        self.kill_stopped()
        with self.lock.open("a") as lock:
            # An agent that a reload replaces may be ending.
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.fchmod(lock.fileno(), 0o644)
            threading.excepthook = end_with
            yield

    def hold(self) -> None:
        from holder import Holder  # beside this program, and only where there is a lease

        with self.alone():
            write_whole(self.pid_file, f"{os.getpid()}\n")
            Holder(self.node).follow()

    def follow(self, elections: Elections) -> None:
        node, last = self.node, ""
        if not elections.is_superseded():
            node.resume()
        while True:
            # A reload of keepalived starts this again, maybe in the middle of a promotion, and repeats no election.
            election = elections.next(0 if node.state == PROMOTING else LOOK_INTERVAL)
            if election == "MASTER":
                node.promote(elections)
            elif election or elections.closed:
                node.step_down()
            elif node.state == PROMOTING:
                node.promote(elections)  # No election is left that would end it.
            if elections.closed and not election:
                return
            last = election or last
            node.stay_out_if_relieved(last)

    # -- Checks of keepalived

    def publish(self) -> None:
        while True:
            electable = self.node.is_electable()
            write_whole(self.electable, f"{0 if electable else 1} {uptime():.2f}\n")
            time.sleep(PUBLISH_INTERVAL if electable else PUBLISH_INTERVAL / 2)

    def is_locked(self) -> bool:
        """Whether a process holds the lock of the agent."""
        with self.lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def is_running(self) -> bool:
        """Whether an agent runs, or begins within the time of a reload of keepalived."""
        end = time.monotonic() + RELOAD_SECONDS
        while not self.is_locked():
            if time.monotonic() >= end:
                return False
            time.sleep(AGENT_INTERVAL)
        return True

    def check(self) -> bool:
        """Whether keepalived may elect this node. Without an agent no election would be followed."""
        if self.is_running():
            # One that is only slow is not replaced.
            return self.replace() if self.kill_stopped() else self.node.is_electable()
        with self.lock.open("a") as lock, contextlib.suppress(BlockingIOError):
            # An agent that begins now waits for this lock, and then starts the traffic of an active node again.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return self.replace()
        return self.node.is_electable()

    def replace(self) -> bool:
        """Stop the traffic of this node, and have keepalived start another agent."""
        self.node.log("The failover agent does not run: this node refuses clients")
        self.node.stop_traffic()
        if age_of(self.restarted) >= RESTART_SECONDS:
            record_time(self.restarted)
            run_within(REQUEST_SECONDS, CHECK_KILL_SECONDS, "systemctl", "--no-block", "restart", "keepalived.service")
        return False

    def kill_stopped(self) -> bool:
        """Kill an agent that was stopped: it holds its locks, and would go on with an election of long ago."""
        # The file names the process that holds the lock. Without a holder, its number may be another program's by now.
        process = next(map(int, words_of(self.pid_file)), 0)
        stopped = self.is_locked() and is_stopped(process)
        if stopped:
            self.node.log(f"The failover agent (process {process}) was stopped: it is killed")
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return stopped


def end_with(thrown: threading.ExceptHookArgs) -> None:
    """A thread that ends takes the agent with it: the next check has it started again."""
    threading.__excepthook__(thrown)
    os._exit(1)


def main(command: str, *rest: str) -> int:
    # /etc/tiers/active reads the state for any user. keepalived starts this with a umask of its own.
    os.umask(0o022)
    program = Path(__file__)
    node = Node(Settings.read(program.with_suffix(".json")))
    sys.path.insert(0, str(program.parent / "lease"))
    node.adopt_former_state()
    agent = Agent(node)
    if command == "watch":
        agent.watch(Path(rest[0]))
    elif command == "hold":
        agent.hold()
    elif command in ("pause", "resume") and node.settings.lease:
        from holder import pause_failover

        return pause_failover(node, command, *map(int, rest))
    elif command == "step-down":
        if node.state != STANDBY:
            agent.kill_stopped()
            node.step_down()
    elif command == "boot":
        if node.settings.lease:
            from holder import close_missing_gate

            close_missing_gate(node)
        elif node.state != ACTIVE:
            node.stop_traffic()
    elif command in ("check", "is-active", "is-settled"):
        answers: dict[str, Callable[[], bool]] = {
            "check": agent.check,
            "is-active": lambda: node.is_active,
            "is-settled": lambda: node.is_settled,
        }
        return 0 if answers[command]() else 1
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ["help"]))
