# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.secret_rotation import check_rotation
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of, refusal

NAMES = {"type": "list", "elements": "str", "default": []}


class ActionModule(JudgingAction):
    """Check whether secrets can be rotated."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN, "names": NAMES, "accepted": NAMES}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = answers_of(variables)
        probed, recorded = answers.of("tiers_probed"), answers.recorded()
        found = check_rotation(options["plan"], probed, recorded, options["names"], options["accepted"])
        return {**found, "forbidden": refusal(found["wrong"], variables)}
