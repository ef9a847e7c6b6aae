# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import (
    restart,
    servers_for_restart,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import restart_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.answers import with_cause
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import LOSS, PLAN, JudgingAction, refusal


class ActionModule(JudgingAction):
    """Check whether others serve while a running server restarts."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "server": {"type": "str", "required": True},
        "probes": {"type": "list", "elements": "dict", "default": []},
        **LOSS,
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan, server = options["plan"], options["server"]
        if not options["probes"]:
            return {"servers": servers_for_restart(plan, server)}
        answers = {str(probe.get("item")): with_cause(probe) for probe in options["probes"]}
        found = restart(plan, answers, server, options["min_online"])
        reasons = restart_reasons(found, options["loss_confirmed"])
        return {
            "servers": servers_for_restart(plan, server),
            **found,
            "forbidden": refusal(reasons, variables, f"{server} was not touched."),
        }
