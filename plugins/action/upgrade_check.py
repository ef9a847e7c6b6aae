# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import upgrade_reasons
from ansible_collections.distributed.tiers.plugins.module_utils.verification.upgrade import check_upgrade
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of, refusal


class ActionModule(JudgingAction):
    """Check which servers get another release, and whether the first of them may restart."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN, "loss_confirmed": {"type": "bool", "default": False}}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = answers_of(variables)
        found = check_upgrade(options["plan"], answers.of("tiers_probed"), answers.recorded())
        return {**found, "forbidden": refusal(upgrade_reasons(found, options["loss_confirmed"]), variables)}
