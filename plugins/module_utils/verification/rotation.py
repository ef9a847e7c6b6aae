# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rotation of the certificates is, by what the hosts have, and why it must not go on. Pure.

A CA is replaced in three rounds: all hosts trust both CAs, all hosts get certificates of the next one, all hosts trust
only that. A repeated round changes nothing where it is done, so the next run continues one that was killed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import is_deployed_from
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted, enumerate_names, table

TRUST, ISSUE, DROP = "trust", "issue", "drop"
CURRENT, NEXT, ANOTHER = "current", "next", "another"
ROUNDS = {
    TRUST: "Every host trusts the current CA and the next one.",
    ISSUE: "Every host gets a new key and a certificate.",
    DROP: "Every host trusts the new CA alone.",
}


@dataclass(frozen=True)
class HostCertificates:
    """The certificate and trusted CAs under /etc/tiers/tls of a host. Each CA is CURRENT, NEXT or ANOTHER."""

    begins: datetime
    ends: datetime
    issuer: str
    trusts: tuple[str, ...]


@dataclass(frozen=True)
class Authorities:
    """The CAs of the system on the controller."""

    begins: datetime | None  # of the current one; None: there is none
    has_next: bool
    given: bool  # as variables, not in a directory


def needed_hosts(plan: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """The hosts that need certificates. `known`: the hosts of the inventory."""
    servers = [name for name, server in plan["servers"].items() if server["state"] != "down"]
    return [*dict.fromkeys([*servers, *(name for name in (*plan["clients"], *plan["voters"]) if name in known)])]


def rounds_of(ca: Authorities, replaces: bool, now: datetime, hours: float) -> list[str]:
    """The rounds of a run. A CA or a certificate that is younger than `hours` counts as rotated."""
    if ca.has_next:
        return [TRUST, ISSUE] if ca.given else [TRUST, ISSUE, DROP]
    if not replaces:
        return [ISSUE]
    is_young = ca.begins is not None and ca.begins > now - timedelta(hours=hours)
    return [DROP] if is_young else [TRUST, ISSUE, DROP]


def list_refusals(
    plan: Mapping[str, Any],
    needed: Iterable[str],
    taking_part: Collection[str],
    unread: Mapping[str, str],
    recorded: Mapping[str, Mapping[str, Any]],
    all_must: bool,
) -> list[str]:
    """Why the rotation must not start. `taking_part`: the hosts of the run; `unread`: those of them that could not be
    read, with the reason; `all_must`: whether the rotation needs all hosts."""
    wrong = []
    outside = [host for host in needed if host not in taking_part]
    if outside and all_must:
        wrong.append(
            f"The CA is replaced, and {enumerate_names(outside)} would not take part: left out by --limit, or their "
            "state cannot be read. A host that does not trust the next CA refuses all hosts with certificates of it. "
            "Run this without --limit."
        )
    for host in (host for host in needed if host in taking_part):
        if host in unread:
            wrong.append(
                f"{host} cannot be read: {unread[host].rstrip('.')}. Start it, or set tiers_state: down for it."
            )
        elif host not in plan["servers"]:
            continue
        elif not recorded.get(host):
            wrong.append(f"{host} has never been deployed. Run deploy first.")
        elif not is_deployed_from(plan, host, recorded[host]):
            wrong.append(
                f"{host} is deployed from another plan, and a rotation changes only certificates. Run deploy first."
            )
    return wrong


def describe(states: Mapping[str, HostCertificates], rounds: list[str], number_of_hosts: int, ca: Authorities) -> str:
    """The table of the hosts and the rounds of the run."""
    rows = [
        (host, f"{one.begins:%Y-%m-%d %H:%M}", f"{one.ends:%Y-%m-%d}", one.issuer, " and ".join(one.trusts) or "none")
        for host, one in states.items()
    ]
    steps = [
        f"Round {place} of {len(rounds)}, on {counted(number_of_hosts, 'host')}: {ROUNDS[one]}"
        for place, one in enumerate(rounds, 1)
    ]
    if ca.has_next:
        steps.insert(0, "A rotation of the CA was interrupted. This run completes it.")
    elif rounds == [DROP] and ca.begins:
        steps.insert(
            0, f"The CA was created at {ca.begins:%Y-%m-%d %H:%M} UTC and counts as rotated (tiers_rotate_hours)."
        )
    heads = ("HOST", "CERTIFICATE SINCE", "UNTIL", "ISSUED BY", "TRUSTS")
    return "\n\n".join([*([table(heads, rows)] if rows else []), "\n".join(steps)])
