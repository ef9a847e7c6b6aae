# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.host_findings import CLOCK_ALERT
from ansible_collections.distributed.tiers.plugins.module_utils.verification.membership import (
    QUOTA,
    rows_and_alerts,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import report
from ansible_collections.distributed.tiers.plugins.plugin_utils.answers import Answers
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, seen_voters

STEPS = ("probed", "written", "found")


class ActionModule(JudgingAction):
    """Judge what all hosts saw of the plan. Runs on the controller and reads the variables of all hosts."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "clock_alert": {"type": "float", "default": CLOCK_ALERT},
        "quota": {"type": "int", "default": QUOTA},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = Answers(variables["groups"].get("tiers_hosts", ()), variables["hostvars"])
        steps = {step: answers.of(f"verify_{step}") for step in STEPS} | {"host": answers.of("tiers_host_checked")}
        steps |= {"content": answers.last("tiers_content", "tiers_content_again")}
        results = {host: {step: steps[step][host] for step in steps} for host in steps["probed"]}
        plan, offers = options["plan"], answers.first("tiers_probe_operations") or OPERATIONS
        seen = seen_voters(variables)
        voters = [one["name"] for one in (plan["arbiter"] or {}).get("voters", ())]
        healthy = sum(bool(seen.get(name, {}).get("healthy")) for name in voters)
        alerts = rows_and_alerts(plan, seen, options["quota"])[1]
        return report(plan, results, offers, options["clock_alert"], (healthy, len(voters), alerts))
