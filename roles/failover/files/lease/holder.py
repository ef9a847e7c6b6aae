# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do what `lease.decide` decides: ask etcd, open and close the gate, promote and demote the product.

One loop. Only a request to etcd holds it up, until the deadline of the request. Health checks and transitions run in
threads, which wake the loop when they end. systemd kills the agent if the loop stops for as long as a lease lasts
(`WatchdogSec`), and with it all commands that the agent started (`KillMode=mixed`).
"""

from __future__ import annotations

import contextlib
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import etcd
import gate
import lease

if TYPE_CHECKING:
    from failover_agent import Node

# Seconds between two looks at what wakes no loop, such as the files of the watchdog, and between two health checks.
LOOK_INTERVAL = 0.25
CHECK_INTERVAL = 1.0
# Seconds from one check to the next while the peer waits for this node to be in step.
HURRY_INTERVAL = 0.1
# Seconds that a node which steps down has to tell its last position.
LAST_SECONDS = 1
# Seconds within which a voter must answer an operator.
PAUSE_SECONDS = 3.0
# Seconds that stand for no end: such a node does not take the lease while it is behind. Its settings have the same one.
FOREVER = 1e9
# Seconds for which a primary that fails back by itself must have been healthy.
RETURN_SECONDS = 5.0


def clock() -> float:
    """Seconds since the boot, as in /proc/uptime: they go on while the host sleeps, and nobody sets them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def open_gate(node: Node) -> gate.Gate:
    settings: dict[str, Any] = node.settings.lease or {}
    ports = gate.Ports(settings["port"], settings["peer"])
    return gate.Gate(gate.Nftables(), ports, int(clock() * 1000))


def close_missing_gate(node: Node) -> None:
    """Close the gate where the kernel has none: at boot, and after nftables was restarted."""
    door = open_gate(node)
    # While this node changes from VRRP to the lease, it is active without a gate.
    if not door.exists() and (node.state != "active" or node.lease_file.exists()):
        door.close()


def open_store(settings: dict[str, Any]) -> etcd.Store:
    tls = etcd.client_context(settings["authority"], settings["certificate"], settings["key"])
    return etcd.Store([tuple(each) for each in settings["endpoints"]], settings["prefix"], tls)


def pause_failover(node: Node, kind: Literal["pause", "resume"], seconds: int = 0) -> int:
    """Pause or resume automatic failover of the pair, by whichever voter answers. The exit code.

    A pause ends by itself after `seconds`, or without them by `resume`."""
    settings: dict[str, Any] = node.settings.lease or {}
    store, failure = open_store(settings), ""
    until = time.time() + seconds if seconds else 0.0
    for _endpoint in settings["endpoints"]:
        try:
            store.ask(lease.Request(kind, paused_until=until, deadline=PAUSE_SECONDS))
        except etcd.Unanswered as reason:
            failure = str(reason)
        else:
            node.log(f"Automatic failover of the pair: {kind}")
            return 0
    print(f"The arbiter does not answer: {failure}", file=sys.stderr)
    return 1


class Alarm:
    """Ends the rest of the loop: rung by a thread, or by the handler of a signal."""

    def __init__(self) -> None:
        self.counter = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def ring(self) -> None:
        os.eventfd_write(self.counter, 1)

    def rest(self, seconds: float) -> None:
        if select.select([self.counter], [], [], seconds)[0]:
            os.eventfd_read(self.counter)


class Commands:
    """Runs the commands of the product that check it, each with a time limit.

    The agent itself keeps the limit: when it ends, systemd ends all that it started. A program `timeout` would need a
    quarter of the processor time of a check.
    """

    def __init__(self) -> None:
        self.running: set[subprocess.Popen[str]] = set()

    def run(self, command: Path, seconds: float) -> str | None:
        """The output of a command. None: it failed, or did not end in time."""
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired), self.start(command) as process:
            output, _errors = process.communicate(timeout=seconds)
            return output if process.returncode == 0 else None
        return None

    @contextlib.contextmanager
    def start(self, command: Path) -> Iterator[subprocess.Popen[str]]:
        quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([command], stdout=subprocess.PIPE, text=True, start_new_session=True, **quiet) as process:
            self.running.add(process)
            try:
                yield process
            finally:
                self.running.discard(process)
                kill(process)

    def kill_all(self) -> None:
        for process in list(self.running):
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """End a command and all that it started, unless it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class Sample(NamedTuple):
    """The position of this node, read after its peer had published the other one."""

    position: lease.Position | None = None
    aim: lease.Position | None = None


class Health:
    """Whether the product is healthy, and its position. It is believed to be ill after two failed checks in a row."""

    def __init__(self, node: Node, changed: Callable[[], None]) -> None:
        self.node, self.changed = node, changed
        self.is_healthy = False
        self.healthy_from = lease.NEVER
        self.aim: lease.Position | None = None
        self.sample = Sample()
        self.check_hook, self.position_hook = node.settings.hooks / "check", node.settings.hooks / "position"
        self.commands = Commands()
        self.failures = 0
        self.readings = self.stored = 0
        self.storing = threading.Lock()
        self.hurry = threading.Event()

    def watch(self) -> None:
        while True:
            self.hurry.clear()
            self.look()
            self.changed()
            rest = CHECK_INTERVAL if self.is_healthy and not self.failures else CHECK_INTERVAL / 2
            if self.hurry.wait(rest):
                time.sleep(HURRY_INTERVAL)

    def look(self) -> None:
        """Check the product and read its position. Without a check of its own, the product is asked once for both."""
        # A cold backup is started when it is promoted.
        is_idle = bool(self.node.settings.cold_units) and self.node.state not in ("active", "promoting")
        answers = self.take_sample(self.node.settings.check_seconds)
        self.note(is_idle or self.passes_check(answers))

    def take_sample(self, seconds: float) -> bool:
        """Read the position of this node, and keep it unless a reading that began later was kept."""
        aim = self.aim
        with self.storing:
            self.readings += 1
            reading = self.readings
        position = self.read_position(seconds)
        with self.storing:
            if position is not None and reading > self.stored:
                self.sample, self.stored = Sample(position, aim), reading
        return position is not None

    def passes_check(self, answers: bool) -> bool:
        """Whether the service passes the product's own check, or else told its position, or accepts a connection."""
        if os.access(self.check_hook, os.X_OK):
            return self.commands.run(self.check_hook, self.node.settings.check_seconds) is not None
        return answers or self.node.is_healthy()

    def note(self, passed: bool) -> None:
        self.failures = 0 if passed else self.failures + 1
        if passed and not self.is_healthy:
            self.healthy_from = clock()
        self.is_healthy = passed or (self.is_healthy and self.failures < 2)

    def tells_position(self) -> bool:
        return not self.node.settings.cold_units and os.access(self.position_hook, os.X_OK)

    def read_position(self, seconds: float) -> lease.Position | None:
        if not self.tells_position():
            return None
        text = self.commands.run(self.position_hook, seconds)
        with contextlib.suppress(ValueError):
            return None if text is None else parse_position(text)
        return None


def parse_position(text: str) -> lease.Position:
    """The positions that the hook `position` prints: a line for each writer, its name and a number."""
    return tuple(sorted((writer, int(number)) for writer, number in (line.split() for line in text.splitlines())))


class Transition(threading.Thread):
    """A promotion or a demotion. It waits for the one before."""

    def __init__(
        self, node: Node, health: Health, kind: Literal["promote", "demote"], ended: Callable[[], None]
    ) -> None:
        super().__init__(daemon=True)
        self.node, self.health, self.kind, self.ended = node, health, kind, ended
        self.status: Literal["", "runs", "succeeded", "failed"] = "runs"
        self.position: lease.Position | None = None

    def run(self) -> None:
        with self.node.transition():
            self.status = "succeeded" if self.change() else "failed"
        self.ended()

    def change(self) -> bool:
        if self.kind == "demote":
            # With the last acknowledged writes: the peer waits for them. A product that is ill may hang.
            self.position = self.health.read_position(LAST_SECONDS) if self.health.is_healthy else None
            return self.node.bring_down()
        if failure := self.node.bring_up():
            self.node.note_failure(failure)
        else:
            self.health.note(passed=True)
            # Published by the renewal that lets clients in.
            self.health.take_sample(LAST_SECONDS)
        return not failure


class Holder:
    """The running agent of a node with a lease."""

    def __init__(self, node: Node) -> None:
        self.node = node
        settings: dict[str, Any] = node.settings.lease or {}
        timing = lease.Timing.of(settings["ttl"])
        self.policy = lease.Policy(
            settings["name"],
            settings["is_primary"],
            settings["failback"],
            settings["allowed_lag"],
            settings["behind_seconds"],
            timing,
        )
        self.store = open_store(settings)
        self.gate = open_gate(node)
        self.alarm = Alarm()
        self.health = Health(node, self.alarm.ring)
        self.state = lease.State()
        self.known = lease.View()
        self.transition: Transition | None = None
        self.counted_at = self.answered_at = self.looked_at = lease.NEVER
        self.problem = ""
        self.ends = False
        self.must_resync: bool = settings["rejoin"] == "resync"
        self.is_resumed = False
        self.aside = node.settings.run / "aside"
        self.systemd = Systemd()

    def follow(self) -> None:
        signal.signal(signal.SIGTERM, self.end)
        signal.signal(signal.SIGHUP, self.restart)
        # The agent before this one may have let clients in: the kernel lets them in until its countdown ends.
        self.is_resumed = self.node.has_countdown() and self.gate.adopt()
        if not self.is_resumed:
            self.stand_by()
            self.node.start_traffic()  # What stopped it while VRRP elected this node is no longer needed.
        self.systemd.notify("READY=1")
        threading.Thread(target=self.health.watch, daemon=True).start()
        while not (self.ends and self.state.phase == "standby"):
            self.step(clock())
            self.systemd.notify("WATCHDOG=1")
        self.stand_by()

    def stand_by(self) -> None:
        self.note_end(0)
        self.gate.close()
        self.enter("standby")

    def end(self, *_args: object) -> None:
        self.ends = True
        self.alarm.ring()

    def restart(self, *_args: object) -> None:
        """Go on with another program or other settings: as after a crash, while the kernel counts on."""
        self.health.commands.kill_all()
        os.execv(sys.argv[0], [sys.argv[0], "hold"])

    def step(self, now: float) -> None:
        self.keep_gate(now)
        if self.is_resumed and self.state.phase == "standby" and not self.node.has_countdown():
            self.stand_by()
        before = self.state
        self.state, action = lease.decide(self.policy, self.state, now, self.condition(now))
        try:
            self.act(action)
        except OSError as reason:
            # Another program removed the table: the next renewal opens the gate again.
            self.node.log(f"The gate is made anew: {reason}")
            self.gate.close()
            self.state = self.state._replace(counting=False, granted=False, gate_open=False, due=lease.NEVER)
        if self.state.phase != before.phase:
            self.enter(self.state.phase)
        if self.state.unclean and not before.unclean:
            self.node.log("The lease of this node ended before its product was demoted")
        elif self.state.phase == "standby" and before.phase == "stepping-down":
            self.node.undemoted.unlink(missing_ok=True)

    def keep_gate(self, now: float) -> None:
        """A standby whose gate is gone, as after `nft flush ruleset`, would let clients in."""
        if now >= self.looked_at + CHECK_INTERVAL:
            self.looked_at = now
            if not self.gate.exists():
                self.node.log("The gate is gone: it is made anew")
                self.gate.close()
                self.state = self.state._replace(counting=False, granted=False, gate_open=False, due=lease.NEVER)

    def condition(self, now: float) -> lease.Condition:
        kept_out = os.path.exists(self.node.relieved) or os.path.exists(self.aside)
        sample, last = self.health.sample, self.transition.position if self.transition else None
        return lease.Condition(
            healthy=self.health.is_healthy,
            position=last if last is not None and self.state.phase == "stepping-down" else sample.position,
            aim=sample.aim,
            tells_position=self.health.tells_position(),
            needs_resync=self.must_resync and self.peer_served(),
            eligible=not self.ends and not kept_out and self.node.may_retry(),
            returns=self.health.is_healthy and now >= self.health.healthy_from + RETURN_SECONDS,
            hook=self.transition.status if self.transition else "",
        )

    def peer_served(self) -> bool:
        """Whether this node was active and its lease ended before its product was demoted, and another lease followed.

        Then its data may have writes that its peer does not have.
        """
        record = self.known.record
        if record is None or record.holder == self.policy.name:
            return False
        return record.epoch > int(next(iter(self.node.undemoted_epoch()), record.epoch))

    def act(self, action: lease.Action) -> None:
        if action.kind == "wait":
            self.alarm.rest(min(max(action.until - clock(), 0), LOOK_INTERVAL))
        elif action.kind == "request":
            self.ask(action.request)
        elif action.kind == "close":
            self.note_end(0)
            self.gate.close()
        elif action.kind == "count":
            self.counted_at = clock()
            self.gate.count(action.countdown, self.policy.timing.gate_seconds)
        elif action.kind == "open":
            self.gate.open(action.countdown)
            self.note_end(self.counted_at + self.policy.timing.gate_seconds)
        else:
            if action.kind == "promote":
                self.replace_file(self.node.undemoted, f"{self.state.epoch}\n")
            self.transition = Transition(self.node, self.health, action.kind, self.alarm.ring)
            self.transition.start()

    def note_end(self, end: float) -> None:
        """Write until when the kernel lets clients in: the agent may be stopped before it writes again."""
        self.replace_file(self.node.serves_until, f"{end:.2f}\n")

    def ask(self, request: lease.Request | None) -> None:
        assert request
        answer: lease.Answer | None = None
        try:
            answer = self.store.ask(request)
        except etcd.Unanswered as reason:
            if not self.problem:
                self.node.log(f"The arbiter does not answer: {reason}")
            self.problem = str(reason)
        now = clock()
        self.state = lease.receive(self.policy, self.state, now, answer)
        if answer:
            if self.problem:
                self.node.log("The arbiter answers again")
            self.problem, self.answered_at = "", now
            self.publish(answer.view)
            self.stay_out_if_relieved(answer.view)

    def publish(self, view: lease.View) -> None:
        """Write what the arbiter answered, for `status` and for other programs of this host."""
        self.known = view
        record = view.record or lease.Record("", 0, self.policy.timing.ttl)
        if record.holder != self.policy.name:
            self.health.aim = record.position
            if not record.holder or (view.switchover and view.switchover.target == self.policy.name):
                self.health.hurry.set()
        node = self.condition(self.answered_at)
        behind = lease.count_behind(record.position, node)
        known = {
            "name": self.policy.name,
            "ttl": self.policy.timing.ttl,
            "holder": record.holder,
            "epoch": record.epoch,
            "position": record.position,
            "behind": -1 if behind == math.inf else int(behind),
            # It lacks acknowledged writes of the holder, and does not take the lease before it has them.
            "lacks_writes": behind > self.policy.allowed_lag and self.policy.behind_seconds >= FOREVER,
            "needs_resync": node.needs_resync,
            "paused": view.paused,
            "paused_until": view.paused_until,
            "switchover": view.switchover.target if view.switchover else "",
            "read": round(self.answered_at, 2),
        }
        self.replace_file(self.node.lease_file, f"{json.dumps(known)}\n")

    def stay_out_if_relieved(self, view: lease.View) -> None:
        """With failback never, a primary whose backup was promoted stays out until an operator lets it take part."""
        is_relieved = view.record and view.record.holder not in ("", self.policy.name)
        if self.node.settings.stays_out and is_relieved and self.node.served.exists():
            self.node.log("The peer is active: this node stays out until an operator lets it take part again")
            self.node.served.replace(self.node.relieved)

    def enter(self, phase: str) -> None:
        if phase == "promoting" and self.is_resumed:
            return  # Its clients noticed nothing of the restart of its agent.
        self.is_resumed = False
        self.replace_file(self.node.settings.run / "address", "0\n" if phase == "active" else "1\n")
        self.node.enter(phase)
        if phase == "active":
            self.node.note_service()

    @staticmethod
    def replace_file(path: Path, text: str) -> None:
        new = f"{path}.new"
        with open(new, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(new, path)


class Systemd:
    """The end of systemd to which this program, if systemd started it, sends messages."""

    def __init__(self) -> None:
        path = os.environ.get("NOTIFY_SOCKET", "")
        self.address = path.replace("@", "\0", 1) if path.startswith("@") else path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def notify(self, text: str) -> None:
        if self.address:
            self.socket.sendto(text.encode(), self.address)
