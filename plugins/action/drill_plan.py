# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.text import with_hint
from ansible_collections.distributed.tiers.plugins.module_utils.verification.campaign import order_campaign
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill import (
    DEFAULT,
    NAMES,
    SECONDS,
    experiments,
    list_unknown,
    load_seconds,
    streams,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill_report import as_preview
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of


class ActionModule(JudgingAction):
    """Plan the experiments of a drill and the load of its client hosts."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "standby": {"type": "list", "elements": "str", "default": []},
        "rates": {"type": "dict", "default": {}},
        "run": {"type": "str", "required": True},
        "experiments": {"type": "list", "elements": "str", "default": list(DEFAULT)},
        "seconds": {"type": "float", "default": SECONDS},
        "allowed": {"type": "dict", "default": {}},
        "seed": {"type": "int", "default": 1},
        "minutes": {"type": "float", "default": 0},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan, answers = options["plan"], answers_of(variables, "tiers_hosts")
        offers, protocols = answers.values("tiers_probe_operations", ()), answers.values("tiers_probe_driver")
        if unknown := list_unknown(options["experiments"]):
            hints = " ".join(with_hint(f"No experiment is called {word}", word, NAMES) for word in unknown)
            raise AnsibleActionFail(f"tiers_drill_experiments: {hints} All names: {', '.join(NAMES)}.")
        minutes, is_campaign = options["minutes"], options["minutes"] > 0
        possible = {
            name: found["possible"]
            for name, found in answers.values("drill_possible", {}).items()
            if "possible" in found
        }
        planned = experiments(
            plan, options["standby"], options["experiments"], options["seconds"], possible, is_campaign
        )
        offered = answers.first("tiers_probe_operations") or OPERATIONS
        text = as_preview(plan, planned, options["allowed"], offered)
        if is_campaign:
            planned["todo"] = order_campaign(planned["todo"], Random(options["seed"]).choice, minutes)
        # Experiments begin as long as the minutes last.
        seconds = minutes * 60 + load_seconds(planned["todo"][:1])
        return {
            **planned,
            "load_seconds": seconds if is_campaign else load_seconds(planned["todo"]),
            "text": text,
            "streams": {
                name: streams(
                    client, options["rates"], options["run"], protocols.get(name) or None, offers.get(name, ())
                )
                for name, client in plan["clients"].items()
            },
        }
