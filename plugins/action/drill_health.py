# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import (
    degraded_servers,
    newest,
    standing_by,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of


class ActionModule(JudgingAction):
    """Check whether the system is as planned."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN, "results": {"type": "str", "required": True}}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = answers_of(variables).of(options["results"])
        edges = [edge for answer in answers.values() for edge in answer.get("edges", ())]
        return {
            "degraded": degraded_servers(options["plan"], answers),
            "standby": standing_by(answers),
            "position": newest(edge.get("position") or {} for edge in edges),
        }
