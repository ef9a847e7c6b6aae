# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill import aim
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction


class ActionModule(JudgingAction):
    """Choose the node of a pair that fails in an experiment."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "experiment": {"type": "dict", "required": True},
        "standby": {"type": "list", "elements": "str", "default": []},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"experiment": aim(options["experiment"], options["plan"], options["standby"])}
