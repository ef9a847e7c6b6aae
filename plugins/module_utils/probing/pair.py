# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a node of a pair is neither active nor a standby for good, as its failover agent recorded it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Unavailable
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.command import execute

# Where the agent keeps its state. The last word of a file is a time, in seconds since the boot.
RUN = Path("/run/tiers")
# Seconds that a failover may take. After them it is no longer under way, it does not succeed.
FAILOVER_SECONDS = 60.0
# Seconds for which a failed promotion is reported: longer than until the next one (failover_retry_seconds, 60).
FAILED_SECONDS = 120.0
# Seconds within which nftables must list the lease gate.
GATE_SECONDS = 3.0
# Seconds within which a reload of keepalived replaces the agent.
RELOAD_SECONDS = 0.3


def unsettled(run: Path = RUN) -> str:
    """The reason why this node is neither active nor a standby, and since when."""
    if not _agent_runs(run):
        unit = "tiers-failover" if (run / "lease.json").exists() else "keepalived"
        return f"its failover agent does not run, so it lets no client in: see `systemctl status {unit}`"
    since, state_since, failed_since = (_read_age(run / name) for name in ("unsettled", "state", "failed"))
    state = next(iter(_read_words(run / "state")), "")
    if state == "promoting":
        what = f"its promotion has taken {state_since:.0f} s so far"
    elif state == "stepping-down":
        what = f"its demotion has taken {state_since:.0f} s so far"
    elif failed_since < since:
        what = f"its promotion failed {failed_since:.0f} s ago"
    elif state:
        what = f"it went standby {state_since:.0f} s ago"
    else:
        what = "it has not been elected or refused since its start"
    if since <= FAILOVER_SECONDS:
        return f"a failover is under way, ask again: {what}"
    duration = f"for {since:.0f} s" if since < float("inf") else "since its start"
    return f"it has been neither active nor a settled standby {duration}: {what}. See `journalctl -t tiers-failover`"


def read_lease(run: Path = RUN) -> dict[str, Any] | None:
    """The lease of this node's pair as its agent last read it, its age in seconds; None where keepalived elects."""
    try:
        known = json.loads((run / "lease.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    age = max(0.0, read_uptime() - known["read"])
    return {
        "holder": known["holder"],
        "paused": known["paused"],
        "paused_until": known.get("paused_until", 0.0),
        "age": round(age, 1),
        "ttl": known["ttl"],
        "left": round(_read_left(run / "serves-until"), 1),
        "gate": read_gate(),
        "needs_resync": known.get("needs_resync", False),
        "lacks_writes": known.get("lacks_writes", False),
    }


def _read_left(path: Path) -> float:
    """Seconds for which the kernel still lets clients in; 0 where it does not."""
    words = _read_words(path)
    return max(0.0, float(words[-1]) - read_uptime()) if words else 0.0


def read_gate() -> str:
    """The lease gate as the kernel has it: open, closed, missing, or unknown."""
    try:
        code, output, errors = execute(["nft", "list", "table", "inet", "tiers_lease"], os.environ, GATE_SECONDS)
    except Unavailable:
        return "unknown"
    return judge_gate(output) if code == 0 else "missing" if "No such file" in errors else "unknown"


def judge_gate(table: str) -> str:
    """Whether the table lets clients in: the set that its rule names has an element until its countdown ends."""
    names = re.findall(r"dport @(lease_\w+) accept", table)
    sets = dict(re.findall(r"set (lease_\w+) {([^}]*(?:{[^}]*})?)", table))
    return "open" if any("elements" in sets.get(name, "") for name in names) else "closed"


def promotion_failed(run: Path = RUN) -> str:
    """The reason why a standby was not promoted just now; empty otherwise. It is not elected for a while, then fails
    again."""
    age = _read_age(run / "failed")
    return f"its promotion failed {age:.0f} s ago. See `journalctl -t tiers-failover`" if age < FAILED_SECONDS else ""


def _read_age(path: Path) -> float:
    """Seconds since the time that a file records; infinite if it records none."""
    words = _read_words(path)
    return max(0.0, read_uptime() - float(words[-1])) if words else float("inf")


def read_uptime() -> float:
    return float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def _agent_runs(run: Path) -> bool:
    """Whether a process holds the lock of the failover agent."""
    for seconds in (RELOAD_SECONDS, 0.0):
        try:
            with (run / "watch.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            pass
        except BlockingIOError:
            return True
        time.sleep(seconds)
    return False
