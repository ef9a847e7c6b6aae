# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do what `lease.decide` decides: ask etcd, open and close the gate, run the hooks of the product.

One loop in one thread. Only a request to etcd waits, and by its deadline; hooks and health checks run beside it, each with a time
limit. systemd restarts the program if the loop stops (`WatchdogSec`).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import etcd
import gate
import lease

# Seconds between two looks at what runs beside the loop, between two checks, and from a failed transition to the next attempt.
LOOK_INTERVAL = 0.05
CHECK_INTERVAL = 1.0


def clock() -> float:
    """Seconds that go on while the host sleeps, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def log(text: str) -> None:
    print(text, flush=True)


class Command:
    """A program that runs beside the loop and is killed, with what it started, at its time limit."""

    def __init__(self, argv: Sequence[str], seconds: float) -> None:
        self.end = clock() + seconds
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def status(self) -> Literal["runs", "succeeded", "failed"]:
        code = self.process.poll()
        if code is None and clock() < self.end:
            return "runs"
        if code is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return "succeeded" if code == 0 else "failed"

    def output(self) -> str:
        assert self.process.stdout
        return self.process.stdout.read()


@dataclass
class Checks:
    """Whether the product is healthy, and its position: asked again and again, believed when two answers in a row agree."""

    hooks: Path
    seconds: float
    healthy: bool = False
    position: int | None = None
    failures: int = 0
    due: float = lease.NEVER
    running: dict[str, Command] = field(default_factory=dict)

    def look(self, now: float) -> None:
        for name, command in list(self.running.items()):
            status = command.status()
            if status == "runs":
                continue
            del self.running[name]
            if name == "position":
                text = command.output().strip()
                self.position = int(text) if status == "succeeded" and text.isdecimal() else None
            elif status == "succeeded":
                self.healthy, self.failures = True, 0
            else:
                self.failures += 1
                self.healthy = self.healthy and self.failures < 2
        if now >= self.due and not self.running:
            self.due = now + CHECK_INTERVAL
            for name in ("check", "position"):
                if os.access(self.hooks / name, os.X_OK):
                    self.running[name] = Command([str(self.hooks / name)], self.seconds)


class Agent:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.hooks = Path(settings["hooks"])
        self.policy = lease.Policy(
            settings["name"],
            settings["primary"],
            settings["failback"],
            settings["allowed_lag"],
            lease.Timing.of(settings["ttl"]),
        )
        tls = etcd.client_context(settings["authority"], settings["certificate"], settings["key"])
        self.store = etcd.Store([tuple(endpoint) for endpoint in settings["endpoints"]], settings["prefix"], tls)
        ports = gate.Ports(settings["port"], settings["peer"])
        self.gate = gate.Gate(gate.Nftables(), ports, int(clock() * 1000))
        self.checks = Checks(self.hooks, settings["check_seconds"])
        self.state = lease.State()
        self.hook: Command | None = None
        self.hook_status: Literal["", "runs", "succeeded", "failed"] = ""
        self.failed_at = self.healthy_from = lease.NEVER
        self.stopping = False
        self.state_file = Path(settings["run"]) / "state"
        self.served_file = Path(settings["lasting"]) / "epoch"

    def follow(self) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        self.gate.close()
        self.write(self.state.phase)
        while not (self.stopping and self.state.phase == "standby"):
            now = clock()
            self.checks.look(now)
            before = self.state.phase
            self.state, action = lease.decide(self.policy, self.state, now, self.condition(now))
            self.act(action)
            if self.state.phase != before:
                self.write(self.state.phase)
            notify("WATCHDOG=1")

    def stop(self, *_args: object) -> None:
        self.stopping = True

    def condition(self, now: float) -> lease.Condition:
        if self.hook:
            status = self.hook.status()
            if status == "failed" and self.hook_status == "runs":
                self.failed_at = now
            self.hook_status = status
        # A cold backup, or a node that is promoted, is checked when it serves.
        return lease.Condition(
            healthy=self.checks.healthy,
            position=self.checks.position,
            tells_position=os.access(self.hooks / "position", os.X_OK),
            eligible=not self.stopping and now >= self.failed_at + self.settings["retry_seconds"],
            returns=self.checks.healthy,
            hook=self.hook_status,
        )

    def act(self, action: lease.Action) -> None:
        if action.kind == "wait":
            time.sleep(min(max(action.until - clock(), 0), LOOK_INTERVAL))
        elif action.kind == "request":
            self.ask(action.request)
        elif action.kind == "close":
            self.gate.close()
        elif action.kind == "count":
            self.gate.count(action.countdown, self.policy.timing.gate_seconds)
        elif action.kind == "open":
            self.gate.open(action.countdown)
        else:
            self.hook, self.hook_status = (
                Command([str(self.hooks / action.kind)], self.settings["transition_seconds"]),
                "runs",
            )

    def ask(self, request: lease.Request | None) -> None:
        assert request
        try:
            answer: lease.Answer | None = self.store.ask(request)
        except etcd.Unanswered as reason:
            log(f"{request.kind}: {reason}")
            answer = None
        self.state = lease.receive(self.policy, self.state, clock(), answer)

    def write(self, phase: str) -> None:
        new = self.state_file.with_suffix(".new")
        new.write_text(f"{phase}\n", encoding="utf-8")
        new.replace(self.state_file)
        log(phase)


def notify(text: str) -> None:
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(text.encode(), path.replace("@", "\0", 1) if path.startswith("@") else path)


if __name__ == "__main__":
    Agent(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))).follow()
