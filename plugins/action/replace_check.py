# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import replace
from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import replace_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    TARGETS,
    JudgingAction,
    answers_of,
    refusal,
    target_names,
)


class ActionModule(JudgingAction):
    """Check whether new machines can be deployed in the place of failed servers."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "targets": TARGETS,
        "confirmed": {"type": "bool", "default": False},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        # No host is in a group of the plan yet: the deployment that follows groups only the hosts that it touches.
        answers = answers_of(variables, "all")
        found = replace(
            options["plan"],
            answers.of("tiers_probed"),
            answers.recorded(),
            answers.unread(),
            answers.of("tiers_old_machine_probed"),
            target_names(options["targets"]),
        )
        return {**found, "forbidden": refusal(replace_reasons(found, options["confirmed"]), variables)}
