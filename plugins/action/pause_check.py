# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import pause_failover
from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import pause_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    TARGETS,
    JudgingAction,
    answers_of,
    refusal,
    target_names,
)


class ActionModule(JudgingAction):
    """Check whether automatic failover of pairs can be paused or resumed."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "targets": TARGETS,
        "resumes": {"type": "bool", "default": False},
        "minutes": {"type": "float", "default": 0.0},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = answers_of(variables).of("tiers_probed")
        asked = target_names(options["targets"])
        found = pause_failover(options["plan"], answers, asked, options["resumes"], options["minutes"])
        nodes = [*found["todo"].values()]
        return {**found, "nodes": nodes, "forbidden": refusal(pause_reasons(found), variables)}
