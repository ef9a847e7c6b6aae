# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which server a backup is made, and whether one may be restored. Pure."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, table
from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import differing, list_unread
from ansible_collections.distributed.tiers.plugins.module_utils.verification.status import (
    MAX_BEHIND,
    ServerState,
    last_changes,
    read_states,
    worst_lag,
)

SCHEMA = 1
NEWEST = "newest"
IN_STEP = 1.0  # seconds


def backup_name(system: str, now: datetime) -> str:
    """The name of the files of a backup. Names of one system sort by time."""
    return f"{system.replace(' ', '-')}-{now:%Y%m%dT%H%M%SZ}"


def name_pattern(system: str) -> str:
    """A regular expression of the files of all backups of a system, incomplete ones too."""
    return rf"^{re.escape(system.replace(' ', '-'))}-\d{{8}}T\d{{6}}Z\.(data|json|part)$"


def data_servers(plan: Mapping[str, Any]) -> list[str]:
    """The servers in service that run the product, the masters first."""
    servers = [one for one in plan["servers"].values() if one["runs_product"] and one["state"] != "down"]
    return [one["name"] for one in sorted(servers, key=lambda one: (one["wave"], one["name"]))]


def choose_source(
    plan: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]], asked: Iterable[str]
) -> dict[str, Any]:
    """The server whose data are copied: `todo`, what is `wrong`, and both as `text`. `answers`: tier_probe's per
    server; `asked`: the server that the operator named, if any."""
    seen = read_states([*plan["servers"].values()], answers, {})
    last = last_changes(plan, seen)
    masters = [one for one in plan["servers"].values() if one["serves_as"] == "master" and one["runs_product"]]
    names = [*asked]
    # A hot backup has all data, and clients are served by the other.
    ordered = sorted(masters, key=lambda one: (one["redundancy"] != "hot", one["name"]))
    if len(names) > 1:
        return {"todo": [], "wrong": ["Name one server: one has all data."], "text": ""}
    if names:
        ordered = [one for one in ordered if one["name"] == names[0]]
        if not ordered:
            return {"todo": [], "wrong": [f"{names[0]} is no master of {plan['system']}, nor its backup."], "text": ""}
    reasons = {one["name"]: _explain_unfit(one, seen[one["name"]], last) for one in ordered}
    fit = [name for name, why in reasons.items() if not why]
    if not fit:
        return {"todo": [], "wrong": [f"{name}: {why}." for name, why in reasons.items()], "text": ""}
    rows = [(name, "its data are copied" if name == fit[0] else why or "it serves") for name, why in reasons.items()]
    return {"todo": fit[:1], "wrong": [], "text": table(("SERVER", "BACKUP"), rows)}


def _explain_unfit(server: Mapping[str, Any], seen: ServerState, last: Mapping[str, str]) -> str:
    """Why the data of a server must not be copied; empty if they may."""
    if server["redundancy"] in ("cold", "warm") and not seen.serves:
        return f"it is a {server['redundancy']} backup, whose data are not those of the master"
    if not seen.reached or not seen.up:
        return seen.why.rstrip(".") or "it does not answer"
    if seen.interrupted:
        return "an interrupted run left it closed to clients"
    if server["redundancy"] == "hot" and (lag := worst_lag(seen, last)) and lag.exceeds(IN_STEP, MAX_BEHIND):
        return f"it is not in step: {lag}"
    return ""


def list_restore_refusals(
    plan: Mapping[str, Any],
    backup: Mapping[str, Any],
    checksum: str,
    time: str,
    confirmed: str,
    taking_part: Collection[str],
    unread: Mapping[str, str],
    now: datetime,
) -> list[str]:
    """Why a backup must not be restored. `backup`: its description; `checksum`: of its data now; `time`: the state of a
    repository that the operator asked for; `confirmed`: the system that the operator named; `unread`: hosts that could
    not be read, with the reason; `now`: the time of the controller."""
    system = plan["system"]
    masters = [one for one in plan["servers"].values() if one["tier"] == "master"]
    if any(one["repository"] is not None for one in masters):
        if wrong := list_time_refusals(time, now, has_file=bool(backup or checksum)):
            return wrong
        state = "their newest backup" if time == NEWEST else time
    elif time:
        return [f"{system} has no repository of backups, so tiers_restore_to has no meaning. Give tiers_restore_from."]
    elif not backup or not checksum:
        return ["tiers_restore_from must be a backup: the path of its .data file, beside which its .json file is."]
    else:
        wrong, state = list_file_refusals(system, masters, backup, checksum), str(backup.get("created"))
    needed = data_servers(plan)
    if outside := [name for name in needed if name not in taking_part]:
        wrong.append(
            f"{enumerate_names(outside)} would keep the present data and send them to the others. "
            "Run this without --limit."
        )
    wrong += [f"{name} cannot be read: {unread[name].rstrip('.')}." for name in needed if name in unread]
    if not wrong and confirmed != system:
        wrong.append(
            f"This replaces all data of the system {system} on {enumerate_names(needed)} with those of "
            f"{state}, and interrupts service. Allow it: -e tiers_restore_confirm={system}."
        )
    return wrong


def list_file_refusals(
    system: str, masters: list[Mapping[str, Any]], backup: Mapping[str, Any], checksum: str
) -> list[str]:
    """Why the file of a backup must not be restored."""
    wrong = []
    if backup.get("schema") != SCHEMA:
        wrong.append("Another release of this collection wrote this backup, in a form that is not known here.")
    if backup.get("system") != system:
        wrong.append(f"This is a backup of the system {backup.get('system')}, not of {system}.")
    if any(backup.get("product") != one["product"] for one in masters):
        wrong.append(f"This is a backup of the product {backup.get('product')}, not of {masters[0]['product']}.")
    if backup.get("sha256") != checksum:
        wrong.append(f"The backup is damaged: its checksum was {backup.get('sha256')} and is {checksum}.")
    return wrong


def list_time_refusals(time: str, now: datetime, has_file: bool) -> list[str]:
    """Why a state of a repository cannot be restored: `newest`, or a time with a time zone that has passed."""
    if has_file:
        return ["The backups are in a repository: give tiers_restore_to, and not tiers_restore_from."]
    if time == NEWEST:
        return []
    with contextlib.suppress(ValueError):
        target = datetime.fromisoformat(time)
        if target.tzinfo is not None and target > now:
            # No archived WAL reaches it: the recovery would fail after the service was stopped.
            return [
                f"tiers_restore_to is in the future: {time}. The clock of the controller shows "
                f"{now.isoformat(' ', 'seconds')}. Give an earlier time, or {NEWEST}."
            ]
        if target.tzinfo is not None:
            return []
    return [f"tiers_restore_to must be {NEWEST}, or a time with a time zone such as 2026-01-01 12:00:00+00."]


def list_rehearsal_refusals(system: str, has_repository: bool, time: str, now: datetime) -> list[str]:
    """Why a restore cannot be rehearsed. Without a time, the rehearsal takes a restore point of its own."""
    if not has_repository:
        return [f"{system} has no repository of backups. Set tiers_backup_repository, and deploy."]
    return list_time_refusals(time, now, has_file=False) if time else []


def describe_restored(plan: Mapping[str, Any], content: Mapping[str, Mapping[str, Any]]) -> tuple[str, list[str]]:
    """The table of the digests of all servers, and which differ. `content`: tier_probe's digests per server."""
    rows = [
        (name, edge.get("digest") or "none")
        for name in data_servers(plan)
        for edge in (content.get(name) or {}).get("edges", ())
    ]
    wrong = [f"{name}: {why}." for name, why in differing(plan, content)]
    # A server that was not asked at all is as bad as one that failed.
    unread = dict(list_unread(content))
    unread |= {
        name: "no answer" for name in data_servers(plan) if name not in unread and "edges" not in content.get(name, {})
    }
    wrong += [f"{name}: its content cannot be read: {why.rstrip('.')}." for name, why in unread.items()]
    return (table(("SERVER", "DIGEST"), rows) if rows else ""), wrong
