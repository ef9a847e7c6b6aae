# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a plan that a workflow of AWX passes to its next jobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

# Beyond this many bytes AWX cuts the result of a task; what is larger does not travel well.
LARGEST_RESULT = 700_000


def artifacts(
    plan: Mapping[str, Any], difference: Mapping[str, Any], findings: Iterable[Any], unread: Iterable[str] = ()
) -> dict[str, Any]:
    """The extra variables of the jobs after a plan, which are also shown to the approver.

    A plan that is too large to travel is left out: then the next jobs compute it again, and compare the digest.
    """
    summary = {
        "new": difference["new"],
        "changed": [*difference["changed"]],
        "retired": [*difference["retired"]],
        "clients": [_way(way) for way in difference["clients"]],
        # Servers whose deployment record could not be read
        "unread": [*unread],
        "findings": [f"{finding['severity']} {finding['rule']}: {finding['message']}" for finding in findings],
    }
    return {"tiers_plan_digest": plan["digest"], "tiers_plan_summary": summary} | (
        {"tiers_plan_data": plan} if _fits(plan) else {}
    )


def _way(way: Mapping[str, Any]) -> str:
    """How many clients go from where to where."""
    if way["from"] is None:
        return f"{way['clients']} new to {way['to']}"
    if way["to"] is None:
        return f"{way['clients']} removed from {way['from']}"
    return f"{way['clients']} from {way['from']} to {way['to']}"


def _fits(plan: Mapping[str, Any]) -> bool:
    left = LARGEST_RESULT
    # Of a plan that is much too large not all is looked at.
    for part in (*plan["clients"].values(), *plan["servers"].values()):
        left -= len(_text(part))
        if left < 0:
            return False
    return len(_text(plan)) <= LARGEST_RESULT


def _text(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))
