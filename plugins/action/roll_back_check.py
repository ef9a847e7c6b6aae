# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.rollback import roll_back
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of, refusal


class ActionModule(JudgingAction):
    """Check whether the servers can go back to their previous release."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        releases = answers_of(variables).values("tiers_earlier")
        found = roll_back(options["plan"], {name: release for name, release in releases.items() if release})
        return {**found, "forbidden": refusal(found["wrong"], variables)}
