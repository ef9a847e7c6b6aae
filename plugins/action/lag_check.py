# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import lagging
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of


class ActionModule(JudgingAction):
    """Find the servers that seem to lag."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"late": lagging(options["plan"], answers_of(variables).of("tiers_probed"))}
