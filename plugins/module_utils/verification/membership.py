# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the voters of a running arbiter become those of the plan, and how they are. Pure.

`seen`: what tier_voter returned on each host that votes or did, or the failed result of its task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, table
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import reason

Seen = Mapping[str, Mapping[str, Any]]
RUNBOOK = "runbook 'Arbiter without a majority'"
FILLS_UP = "runbook 'Full arbiter'"
MIB = 1 << 20
# The size of the data at which etcd takes no more writes, unless arbiter_quota_bytes gives another
QUOTA = 256 * MIB
# Of its quota, at which a voter's data are an alert. At the quota etcd takes no more writes.
FULL = 0.8


def has_answered(one: Mapping[str, Any] | None) -> bool:
    """Whether the host could be asked, whatever its etcd answered."""
    return one is not None and "has_data" in one


def plan_changes(plan: Mapping[str, Any], seen: Seen) -> dict[str, Any]:
    """The changes by which the running voters become those of the plan.

    Gives `bootstrap` (the voters of a new cluster, all at once), `token`, `joining` (one at a time, through `via`),
    `leaving` (members that the plan has no more, those that are down first) and why nothing may be done, `wrong`.
    """
    voters = {voter["name"]: voter for voter in (plan["arbiter"] or {}).get("voters", ())}
    result: dict[str, Any] = {"bootstrap": [], "token": "", "via": "", "joining": [], "leaving": [], "wrong": []}
    if not voters:
        return result
    healthy = [name for name, one in seen.items() if one.get("healthy")]
    if healthy:
        via = next((name for name in healthy if name in voters), healthy[0])
        return result | {"via": via, **_converge(voters, seen, seen[via]["voter"]["members"])}
    if any(one.get("has_data") and one.get("is_established") for one in seen.values()):
        return result | {"wrong": [f"No voter was changed: {_lost(seen)}: {RUNBOOK}."]}
    absent = [name for name in voters if not has_answered(seen.get(name))]
    if absent:
        names = enumerate_names(absent)
        text = f"The first deployment of an arbiter needs all voters in one run. Not reached, or not in it: {names}."
        return result | {"wrong": [text]}
    # A run that was interrupted has started some of them: the others belong to the same cluster.
    token = next((one["token"] for one in seen.values() if one.get("has_data") and one.get("token")), "")
    return result | {"bootstrap": list(voters), "token": token}


def _converge(voters: Mapping[str, Any], seen: Seen, members: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    by_peer = {member["peer"]: member for member in members}
    joining = []
    for name, voter in voters.items():
        one, member = seen.get(name), by_peer.get(voter["peer_url"])
        if one is None or not has_answered(one):
            continue
        if member is None:
            # What it has are the data of a member that was removed.
            joining.append({"name": name, "wipe": bool(one["has_data"]), "rebuilt": False})
        elif not one["has_data"]:
            # Added and never started, or rebuilt under its name.
            joining.append({"name": name, "wipe": False, "rebuilt": bool(member["name"])})
        elif member["learner"]:
            joining.append({"name": name, "wipe": False, "rebuilt": False})
    wanted = {voter["peer_url"] for voter in voters.values()}
    up = {one["voter"]["id"] for one in seen.values() if one.get("healthy")}
    gone = [member for member in by_peer.values() if member["peer"] not in wanted]
    leaving = [
        {"name": member["name"] or member["peer"], "peer": member["peer"], "up": member["id"] in up}
        for member in sorted(gone, key=lambda member: (member["id"] in up, member["peer"]))
    ]
    return {"joining": joining, "leaving": leaving}


def describe_changes(found: Mapping[str, Any]) -> str:
    """The changes, one line each."""
    lines = []
    if found["bootstrap"]:
        lines.append(f"The arbiter starts on {enumerate_names(found['bootstrap'])}.")
    for one in found["joining"]:
        how = "rejoins the arbiter: its data are lost" if one["rebuilt"] else "joins the arbiter"
        lines.append(f"{one['name']} {how}.")
    lines += [f"{one['name']} leaves the arbiter." for one in found["leaving"]]
    return "\n".join(lines)


def _lost(seen: Seen) -> str:
    down = "; ".join(f"{name}: {why_ill(one)}" for name, one in seen.items() if not one.get("healthy"))
    return f"the arbiter has lost its majority, no lease can be granted ({down})"


def why_ill(one: Mapping[str, Any]) -> str:
    why = str(one.get("why") or "") if has_answered(one) else reason(one)
    return why.rstrip(".")


def voter_rows(plan: Mapping[str, Any], seen: Seen, quota: int) -> list[dict[str, Any]]:
    """How each planned voter is. `healthy` is None for one that could not be asked."""
    rows = []
    for voter in (plan["arbiter"] or {}).get("voters", ()):
        one = seen.get(voter["name"], {"msg": "it was not asked"})
        state = one.get("voter", {})
        role = "down"
        if one.get("answers"):
            role = "learner" if state["learner"] else "leader" if state["id"] == state["leader"] else "follower"
            role = role if one["healthy"] or state["learner"] else "without majority"
        rows.append(
            {
                "voter": voter["name"],
                "place": f"{voter['site']}/{voter['zone']}" if voter["zone"] else voter["site"],
                "role": role,
                "version": state.get("version", ""),
                "data": f"{state['size'] / MIB:.1f} of {quota / MIB:.0f} MiB" if state else "",
                "why": why_ill(one) or ", ".join(state["alarms"]),
                "healthy": bool(one.get("healthy")) if has_answered(one) else None,
            }
        )
    return rows


def rows_and_alerts(plan: Mapping[str, Any], seen: Seen, quota: int) -> tuple[str, list[str]]:
    """The table of the voters, and what is not as planned."""
    if not plan["arbiter"]:
        return "", []
    columns = ("voter", "place", "role", "version", "data", "why")
    rows = [tuple(row[column] for column in columns) for row in voter_rows(plan, seen, quota)]
    return table(("VOTER", "SITE/ZONE", "ROLE", "ETCD", "DATA", ""), rows), list(_alerts(plan, seen, quota))


def _alerts(plan: Mapping[str, Any], seen: Seen, quota: int) -> Iterator[str]:
    names = [voter["name"] for voter in plan["arbiter"]["voters"]]
    ill = [name for name in names if not seen.get(name, {}).get("healthy")]
    if len(ill) == len(names):
        asked = {name: seen.get(name, {"msg": "it was not asked"}) for name in names}
        yield f"{_lost(asked)}: {RUNBOOK}"
    else:
        spare = (len(names) - 1) // 2 - len(ill)
        more = f"{spare} more may fail" if spare > 0 else "no more of them may fail"
        for name in ill:
            why = why_ill(seen.get(name, {"msg": "it was not asked"}))
            yield f"voter {name}: {why}. The others have a majority, and {more}."
        changes = plan_changes(plan, seen)
        unknown = [one["name"] for one in changes["leaving"]]
        if unknown:
            yield f"the arbiter has members that are not planned, run deploy: {enumerate_names(unknown)}"
        new = [one["name"] for one in changes["joining"]]
        if new:
            yield f"voters must join the arbiter, run deploy: {enumerate_names(new)}"
    for name in names:
        state = seen.get(name, {}).get("voter", {})
        if state and state["size"] > FULL * quota:
            size = f"{state['size'] / MIB:.0f} of {quota / MIB:.0f} MiB (arbiter_quota_bytes)"
            yield f"voter {name}: its data take {size}; at the limit no lease is granted: {FILLS_UP}"
        for alarm in state.get("alarms", ()):
            yield f"voter {name}: alarm {alarm}: {FILLS_UP}"
