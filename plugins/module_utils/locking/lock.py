# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run may change a system now, by the lock that one of its servers holds. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The lock after a request, or the run that forbids it."""

    lock: Mapping[str, Any] | None = None
    # Another run holds the lock.
    refused_by: Run | None = None
    # Another run has held it since the plan of this one was begun.
    outdated_by: Run | None = None


def take(
    lock: Mapping[str, Any], run: Run, now: float, seconds: float, began: float, ended: Collection[str] = ()
) -> Answer:
    """The lock with `run` as a holder for so many seconds from `now`; a run that holds it already renews it.

    `began`: when the run began to plan. `ended`: runs that hold the lock but are known to be gone. All times are
    seconds by the clock of the server that holds the lock.
    """
    holders = [one for one in lock.get("holders", ()) if one["expires"] > now and one["id"] not in ended]
    others = [one for one in holders if one["id"] != run["id"]]
    for other in others:
        if not _shares(run, other):
            return Answer(refused_by=other)
    mine = next((one for one in holders if one["id"] == run["id"]), None)
    last = lock.get("last")
    if mine is None and last and last["id"] != run["id"] and last["ended"] > began and not _shares(run, last):
        return Answer(outdated_by=last)
    unchanged = {key: mine[key] for key in ("taken", "since", "playbook", "shared")} if mine else {"taken": now}
    return Answer({"holders": [*others, {**run, **unchanged, "expires": now + seconds}], "last": last})


def release(lock: Mapping[str, Any], name: str, now: float) -> Mapping[str, Any]:
    """The lock without the run of that id."""
    holders = lock.get("holders", [])
    mine = next((one for one in holders if one["id"] == name), None)
    if mine is None:
        return lock
    return {"holders": [one for one in holders if one is not mine], "last": {**mine, "ended": now}}


def lock_servers(
    plan: Mapping[str, Any],
    inventory: Collection[str],
    answered: Collection[str],
    asked: Collection[str],
    most: int = 3,
) -> list[str]:
    """The servers whose locks a run needs, in the order in which it must take them: the first of the plan that answer,
    masters first. Servers outside the limit were not probed, and count as if they answered.

    Two runs meet unless they see `most` servers differently. The order decides which of two goes on."""
    servers = sorted(plan["servers"].values(), key=lambda server: (server["wave"], server["name"]))
    names = [server["name"] for server in servers if server["name"] in inventory]
    first = [name for name in names if name in answered or name not in asked][:most]
    # One that surely answers, if none of the first was asked.
    return list(dict.fromkeys([*first, *[name for name in names if name in answered][:1]]))


def _shares(run: Run, other: Run) -> bool:
    """Whether both are parts of one operation that works on several parts of an inventory at the same time."""
    return bool(run.get("shared")) and run.get("shared") == other.get("shared")
