# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan in a run: read the inventory, judge it, plan."""

# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.difference import difference
from ansible_collections.distributed.tiers.plugins.module_utils.plan import make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.preview import preview, preview_asked
from ansible_collections.distributed.tiers.plugins.module_utils.report import changes, report
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import filled_in, read_inventory


class ActionModule(ActionBase):
    """Check the inventory and compute the plan. Runs on the controller and connects to nobody."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            argument_spec={
                "previous": {"type": "dict"},
                "plan_file": {"type": "path"},
                "brief": {"type": "bool", "default": False},
            }
        )

        def template(_host: str, variables: Mapping[str, Any], name: str) -> Any:
            with self._templar.set_temporary_context(available_variables=variables):
                return self._templar.template(variables[name])

        topology = read_inventory(
            task_vars["groups"],
            task_vars["hostvars"],
            template,
            filled_in(template, task_vars["inventory_hostname"], task_vars, "tiers_groups"),
            task_vars.get("inventory_dir") or ".",
            options["plan_file"],
        )
        outcome = make_plan(topology, options["previous"])
        result |= {"changed": False, "findings": [finding.as_dict() for finding in outcome.findings]}
        if outcome.plan is None:
            head = f"The inventory has {len(outcome.errors)} error(s); no host was touched."
            return result | {"failed": True, "msg": "\n".join([head, *(found.as_text() for found in outcome.findings)])}
        losses = [] if topology.handed_from else preview(topology, outcome.plan)
        change = difference(topology, outcome.plan)
        result["report"] = report(topology, outcome, losses, diff=bool(self._task.diff))
        if not options["brief"]:
            result |= {
                "plan": outcome.plan,
                "preview": losses,
                "loss": None if topology.handed_from else preview_asked(topology, outcome.plan),
                "difference": change,
            }
        if self._task.diff:
            result["diff"] = [{"prepared": changes(change)}]
        return result
