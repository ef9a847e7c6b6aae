# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill import experiments, streams
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of


class ActionModule(JudgingAction):
    """Plan the experiments of a drill and the load of its client hosts."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "standby": {"type": "list", "elements": "str", "default": []},
        "rates": {"type": "dict", "default": {}},
        "run": {"type": "str", "required": True},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan, answers = options["plan"], answers_of(variables, "tiers_hosts")
        offers, protocols = answers.values("tiers_probe_operations", ()), answers.values("tiers_probe_driver")
        return {
            **experiments(plan, options["standby"]),
            "streams": {
                name: streams(
                    client, options["rates"], options["run"], protocols.get(name) or None, offers.get(name, ())
                )
                for name, client in plan["clients"].items()
            },
        }
