# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import switch_over
from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import switch_over_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    TARGETS,
    JudgingAction,
    probed_twice,
    refusal,
    target_names,
)


class ActionModule(JudgingAction):
    """Check which pairs can switch over."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN, "targets": TARGETS}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = probed_twice(options["plan"], variables)
        found = switch_over(options["plan"], answers, target_names(options["targets"]))
        steps = found["todo"]
        return {
            **found,
            "todo": {step["name"]: {"to": step["to"], "edge": step["edge"]} for step in steps},
            "promoted": [step["to"] for step in steps],
            "forbidden": refusal(switch_over_reasons(found), variables),
        }
