# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run that asks for the lock: who started it where, whether another one still goes on, and how to name it."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROC = Path("/proc")


def describe_run(
    playbook: str, pid: int, variables: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, Any]:
    """This run as the lock names it. `pid`: of ansible-playbook; `variables`: of the run, where AWX says what it is."""
    process = describe_process(pid)
    awx = _awx(variables, environment)
    named = json.dumps([process, awx.get("job", "")], sort_keys=True)
    workflow = _meta(variables, "workflow_job_id")
    return {
        "id": hashlib.sha256(named.encode()).hexdigest()[:8],
        "playbook": playbook,
        "user": _meta(variables, "user_name") or _user(environment),
        "controller": f"AWX job {awx['job']} ({awx['name']})" if awx else process["host"],
        "process": process,
        "awx": awx,
        # The slices of one job run at the same time, each with its part of the inventory. Only `clients` is sliced.
        "shared": f"clients of workflow job {workflow}" if playbook == "clients" and workflow else "",
    }


def describe_process(pid: int) -> dict[str, Any]:
    """The identity of a process, which a later process with the same number does not have."""
    return {
        "host": socket.gethostname(),
        "boot": _text(PROC / "sys/kernel/random/boot_id"),
        "namespace": _link(PROC / "self/ns/pid"),
        "pid": pid,
        "started": _started(pid),
    }


def has_ended(other: Mapping[str, Any], mine: Mapping[str, Any]) -> bool:
    """Whether the other run is known to be over. False if this host cannot know."""
    theirs, ours = other["process"], mine["process"]
    if all(theirs[key] == ours[key] for key in ("host", "boot", "namespace")):
        return bool(_started(theirs["pid"]) != theirs["started"])
    # AWX does not start a job before the last one of its template has ended, except for slices.
    here, there = mine["awx"], other["awx"]
    same = bool(here) and bool(there) and all(here[key] == there[key] for key in ("url", "template"))
    return same and here["job"] != there["job"] and not other["shared"]


def age(pid: int) -> float:
    """Seconds since the process was started; 0 if unknown."""
    try:
        ticks = int(_stat(pid)[19])
    except (OSError, IndexError, ValueError):
        return _elapsed(_ps("etime", pid))
    return max(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"), 0.0)


def refusal(server: str, answer: Mapping[str, Any]) -> str:
    """Why this run must not go on, and what to do, from what the lock on a server answered. Empty if it may."""
    if other := answer.get("refused_by"):
        return (
            f"{server}: {_name(other)} holds the lock since {other['since']} ({_duration(other['held'])} ago). "
            f"Wait until it ends; its lock expires in {_duration(other['left'])}. "
            f"If that run is dead, take its lock over: -e tiers_lock_takeover={other['id']}."
        )
    if other := answer.get("outdated_by"):
        return f"{server}: {_name(other)} changed the system while this run was planning. Run it again."
    if answer.get("partly_restored"):
        return (
            f"{server}: a restore was interrupted, so servers may have different data. "
            "Run restore again: it starts from the beginning."
        )
    return ""


def _name(run: Mapping[str, Any]) -> str:
    return f"{run['playbook']} of {run['user']} on {run['controller']}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _meta(variables: Mapping[str, Any], name: str) -> str:
    """A property of the job in AWX, by either of its names, from the variables of the run."""
    return str(variables.get(f"awx_{name}") or variables.get(f"tower_{name}") or "")


def _awx(variables: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    if not (job := _meta(variables, "job_id")):
        return {}
    return {
        "job": job,
        "url": environment.get("AWX_HOST") or environment.get("TOWER_HOST") or "",
        "template": _meta(variables, "job_template_id"),
        "name": _meta(variables, "job_template_name"),
    }


def _user(environment: Mapping[str, str]) -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        name = str(os.getuid())
    sudo = environment.get("SUDO_USER", "")
    return sudo if sudo and name == "root" else name


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat that follow the name of the program, which may hold spaces."""
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _started(pid: int) -> str:
    """When a process was started, as a text that is its own; empty if there is no such process, or a dead one."""
    if (PROC / "self/stat").exists():
        try:
            fields = _stat(pid)
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    return _ps("lstart", pid)


def _ps(column: str, pid: int) -> str:
    """For controllers without /proc."""
    try:
        done = subprocess.run(
            ["ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _elapsed(text: str) -> float:
    """Seconds of a time as ps shows it: [[days-]hours:]minutes:seconds."""
    days, _dash, clock = text.rpartition("-")
    seconds = 0
    try:
        for part in clock.split(":"):
            seconds = seconds * 60 + int(part)
        return float(seconds + int(days or 0) * 86400)
    except ValueError:
        return 0.0
