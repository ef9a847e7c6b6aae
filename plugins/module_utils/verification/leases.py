# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the nodes of each pair, their kernels and the voters agree on the holder of its lease. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names


class PairLease(NamedTuple):
    """The findings about the lease of one pair."""

    pair: str  # name of its primary
    holder: str  # empty if the nodes name none, or different ones
    left: float  # seconds for which the kernel of the holder still lets clients in
    problems: tuple[str, ...]


def check_leases(
    plan: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]], voters: tuple[int, int]
) -> Iterator[PairLease]:
    """Each pair of the plan that serves by a lease. `answers`: what tier_probe returned on each server about itself;
    `voters`: how many of them are healthy, and how many are planned."""
    for primary in plan["servers"].values():
        if primary.get("failover") != "lease" or primary["primary"]:
            continue
        nodes = [node for node in (primary["name"], primary["backup"]) if plan["servers"][node]["state"] != "down"]
        known = {node: read_lease(answers.get(node) or {}) for node in nodes}
        problems = [
            f"{node} does not tell what it knows of the lease" for node, lease in known.items() if lease is None
        ]
        found = {node: lease for node, lease in known.items() if lease is not None}
        holders = {lease["holder"] for lease in found.values() if lease["age"] <= lease["ttl"]}
        holder = holders.pop() if len(holders) == 1 else ""
        if not found or not holder:
            problems.append(describe_holders(found))
        problems += list_gates_that_differ(found, holder)
        healthy, planned = voters
        if 2 * healthy <= planned:
            problems.append(f"{healthy} of {planned} voters are healthy, and a majority must renew it")
        left = found[holder]["left"] if holder in found else 0.0
        if holder in found and left <= 0:
            problems.append(f"the countdown of {holder} has ended, and no client is let in")
        yield PairLease(primary["name"], holder, left, tuple(problems))


def read_lease(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The lease of its pair, as a node knows it."""
    lease = next((edge.get("lease") for edge in answer.get("edges", ()) if edge["protocol"] == "active"), None)
    return lease if isinstance(lease, Mapping) else None


def describe_holders(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Why it is not clear which node has the lease."""
    words = [
        f"{node} has had no answer of the arbiter for {lease['age']:.0f} s"
        if lease["age"] > lease["ttl"]
        else f"{node} read that {lease['holder'] or 'no node'} has it"
        for node, lease in found.items()
    ]
    return "no node has it for certain: " + (enumerate_names(words) or "no node told")


def list_gates_that_differ(found: Mapping[str, Mapping[str, Any]], holder: str) -> Iterator[str]:
    """The nodes whose kernel lets clients in without the lease, or refuses them with it."""
    for node, lease in found.items():
        gate = lease["gate"]
        if gate == "missing":
            yield f"{node} has no lease gate: clients are let in, whoever has the lease"
        elif gate == "unknown":
            yield f"the lease gate of {node} could not be read"
        elif holder and (gate == "open") != (node == holder):
            yield f"the lease gate of {node} is {gate}, and {holder} has the lease"
