# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs are killed at random points. Afterwards one `deploy` must make `verify` pass and leave no server closed.

Each seed is one kill: the operation follows from the seed in turn, its target and the point from a generator with that
seed. The point is a task and a time after it, so that it does not depend on how fast the machine is. The test hosts of
the inventory beside this file must run. `TIERS_SEEDS` (`1-20`) chooses seeds, `TIERS_INVENTORY` another inventory with
hosts of the same names. Each kill is reported in `.cache/results/interruptions.txt`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deployed import ROOT, Inventory

HERE = Path(__file__).parent
INVENTORY = Path(os.environ.get("TIERS_INVENTORY") or HERE / "inventory").absolute()
FIRST, LAST = map(int, os.environ.get("TIERS_SEEDS", "1-20").split("-"))
REPORT = ROOT / ".cache/results/interruptions.txt"
# A run of this test on a busy machine must end, too.
LIMIT = 1200
MEMBER, CLIENT, PROXY = "p2", "c1", "px1"
DRAINED = ["m1", "m2", "px1", "p1", "d1"]
# Of each playbook, how many tasks it surely begins. A deployment that restarts all servers begins more: see `state`.
TASKS = {"deploy": 200, "drain": 35, "undrain": 30, "switch_over": 22, "retire": 30}
RECORD = "/etc/ansible/facts.d/tiers_drained.fact"
# A client with a proxy, what stands in for it, and the pool
ASK = "ldapsearch -x -LLL -o nettimeout=3 -s base -b '' 1.1"

system = Inventory(INVENTORY)
without_member = Inventory(INVENTORY, HERE / "member_down.ini")


@dataclass
class State:
    """The state that lasts from one seed to the next: the setting that was deployed last, and the number of its
    tasks."""

    threads: int = 16
    tasks: int = TASKS["deploy"]

    def settings(self) -> dict[str, Any]:
        return {"product_openldap_threads": self.threads}


@pytest.fixture(scope="module")
def state() -> State:
    """All are as planned before the first kill."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    state = State()
    succeed(system, "deploy", **state.settings())
    state.threads += 1
    # Nine tenths, because a run that ends before its point is not killed.
    state.tasks = succeed(system, "deploy", **state.settings()) * 9 // 10
    succeed(system, "verify")
    return state


def succeed(inventory: Inventory, playbook: str, **extra: Any) -> int:
    """Run a playbook to its end. A lock that a killed run holds is taken over, as the refusal says. Returns how many
    tasks it began."""
    done = inventory.run(playbook, **extra)
    if done.returncode and (held := re.search(r"-e tiers_lock_takeover=(\w+)", done.stdout)):
        done = inventory.run(playbook, **extra, tiers_lock_takeover=held[1])
    assert done.returncode == 0, done.stdout[-6000:]
    return int(done.stdout.count("\nTASK ["))


def descendants(process: int) -> list[int]:
    """The processes that a process started, and those that they started, also in sessions of their own."""
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], check=True, stdout=subprocess.PIPE, text=True).stdout
    children: dict[int, list[int]] = {}
    for line in listing.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, wanted = [], [process]
    while wanted:
        found += (below := children.get(wanted.pop(), []))
        wanted += below
    return found


def kill(inventory: Inventory, playbook: str, generator: random.Random, tasks: int = 0, **extra: Any) -> str:
    """Run a playbook and kill it with all its processes after a random one of its tasks. Returns where that was.

    `tasks`: how many it begins, if more than TASKS says."""
    tasks = tasks or TASKS[playbook]
    # A part of the whole, so that a seed hits the same part whatever the number is.
    last, delay = 1 + int(generator.random() * tasks), generator.uniform(0, 2)
    command = inventory.command(playbook, **extra)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        began, count, task = time.monotonic(), 0, "the start"
        try:
            for line in run.stdout or ():
                if line.startswith("TASK ["):
                    count, task = count + 1, line.partition("[")[2].partition("]")[0]
                if count >= last or time.monotonic() - began > LIMIT:
                    time.sleep(delay)
                    break
            else:
                pytest.fail(f"{playbook} ended after {count} tasks and was not killed: its number in TASKS is too high")
        finally:
            for process in [run.pid, *descendants(run.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
    return f"{delay:.1f} s after task {count} of {tasks} ({task})"


def closed(inventory: Inventory) -> dict[str, str]:
    """The files and rules that stop the traffic of servers, or record that they do."""
    found = {}
    for server in inventory.hosts("master", "backup", "proxy", "parallel", "distributor"):
        host = inventory.connect(server)
        marks = [RECORD] if host.file(RECORD).exists else []
        marks += ["tiers_drain"] if host.run("nft list table inet tiers_drain").rc == 0 else []
        if marks:
            found[server] = " and ".join(marks)
    return found


def drained(inventory: Inventory, server: str) -> bool:
    """Whether a drain ended there: it lasts until somebody undoes it."""
    record = inventory.connect(server).file(RECORD)
    return record.exists and bool(json.loads(record.content_string)["complete"])


@contextmanager
def watching_masters() -> Iterator[list[str]]:
    """Have a proxy knock at both masters. The list holds, afterwards, the moments at which neither answered."""
    host, missed = system.connect(PROXY), []
    knocks = " || ".join(
        f"timeout 2 bash -c 'exec 3<>/dev/tcp/{system.variable(name, 'ansible_host')}/636'" for name in ("m1", "m2")
    )
    loop = f"while sleep 0.3; do {{ {knocks}; }} 2>/dev/null || date +%T; done >/run/missed"
    host.check_output("systemd-run --unit=knocking --collect bash -c %s", loop)
    try:
        yield missed
    finally:
        host.check_output("systemctl stop knocking")
        missed += host.file("/run/missed").content_string.split()


def deploy_setting(state: State, generator: random.Random) -> tuple[Inventory, str]:
    state.threads += 1
    return system, kill(system, "deploy", generator, state.tasks, **state.settings())


def deploy_member(state: State, generator: random.Random) -> tuple[Inventory, str]:
    succeed(without_member, "deploy", **state.settings())
    succeed(without_member, "retire", tiers_targets=MEMBER, tiers_retire_confirm=True, tiers_retire_data=True)
    return system, kill(system, "deploy", generator, **state.settings())


def drain(state: State, generator: random.Random) -> tuple[Inventory, str]:
    target = generator.choice(DRAINED)
    return system, f"{target}, {kill(system, 'drain', generator, tiers_targets=target)}"


def undrain(state: State, generator: random.Random) -> tuple[Inventory, str]:
    target = generator.choice(DRAINED)
    succeed(system, "drain", tiers_targets=target)
    return system, f"{target}, {kill(system, 'undrain', generator)}"


def switch_over(state: State, generator: random.Random) -> tuple[Inventory, str]:
    return system, kill(system, "switch_over", generator, tiers_targets="d1")


def retire(state: State, generator: random.Random) -> tuple[Inventory, str]:
    """The next deployment has the member back, from whatever is left of it."""
    succeed(without_member, "deploy", **state.settings())
    asked = {"tiers_targets": MEMBER, "tiers_retire_confirm": True, "tiers_retire_data": True}
    return system, kill(without_member, "retire", generator, **asked)


OPERATIONS: list[Callable[[State, random.Random], tuple[Inventory, str]]] = [
    deploy_setting,
    drain,
    undrain,
    switch_over,
    deploy_setting,
    retire,
    drain,
    undrain,
    deploy_member,
    switch_over,
]


@pytest.mark.parametrize("seed", range(FIRST, LAST + 1))
def test_one_deployment_makes_all_as_planned(state: State, seed: int) -> None:
    operation = OPERATIONS[(seed - 1) % len(OPERATIONS)]
    inventory, where = operation(state, random.Random(seed))
    left = closed(inventory)
    report = f"seed {seed}: {operation.__name__} killed {where}; closed: {left or 'nobody'}"
    try:
        with watching_masters() as missed:
            succeed(inventory, "deploy", **state.settings())
        report += f"; neither master answered at {', '.join(missed)}" if missed else "; a master answered all the time"
        kept = [server for server in left if drained(inventory, server)]
        if kept:
            # The operator's drain ended, or its end had not begun: a deployment leaves it.
            report += f"; drained until undrain: {', '.join(kept)}"
            succeed(inventory, "undrain")
        assert closed(inventory) == {}
        succeed(inventory, "verify")
        with inventory.asking(CLIENT, ASK) as asked:
            time.sleep(10)
        assert asked
        assert [one for one in asked if not one.answered] == []
        asked.check_gap(5)
        assert missed == []
        report += "; as planned"
    except AssertionError as error:
        report += f"; FAILED: {' '.join(str(error).split())[:300]}"
        raise
    finally:
        with REPORT.open("a", encoding="utf-8") as file:
            file.write(report + "\n")
