# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import interrupted, undrain
from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import undrain_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    TARGETS,
    JudgingAction,
    answers_of,
    refusal,
    target_names,
)


class ActionModule(JudgingAction):
    """Find the servers whose traffic must be started."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "targets": TARGETS,
        "interrupted_only": {"type": "bool", "default": False},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan, answers = options["plan"], answers_of(variables).of("tiers_traffic")
        if options["interrupted_only"]:
            found = {"wrong": [], **interrupted(plan, answers)}
        else:
            found = undrain(plan, answers, target_names(options["targets"]))
        return {**found, "forbidden": refusal(undrain_reasons(found), variables)}
