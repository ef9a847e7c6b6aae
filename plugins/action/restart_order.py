# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.planner.sequence import restart_order
from ansible_collections.distributed.tiers.plugins.plugin_utils.answers import Answers
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction


class ActionModule(JudgingAction):
    """Sort the servers of a play in the order in which they restart."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN, "back": {"type": "bool", "default": False}}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        due = list(variables["ansible_play_hosts_all"])
        serving = [
            host for host, serves in Answers(due, variables["hostvars"]).values("tiers_serving").items() if serves
        ]
        return {"order": restart_order(options["plan"], due, serving, options["back"])}
