# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan in a run: read the inventory, judge it, plan."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.locking.lock import lock_servers
from ansible_collections.distributed.tiers.plugins.module_utils.operations.artifacts import artifacts
from ansible_collections.distributed.tiers.plugins.module_utils.operations.job import in_awx, job_template
from ansible_collections.distributed.tiers.plugins.module_utils.planner.difference import difference
from ansible_collections.distributed.tiers.plugins.module_utils.planner.handed import approved
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome, make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.preview import preview, preview_asked
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import (
    changes,
    finding_texts,
    lowered,
    report,
    rows_asked,
    unread,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import judge_part
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.excerpt import make_excerpt
from ansible_collections.distributed.tiers.plugins.plugin_utils.files import check_has_end, replace_file, why_not
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import (
    filled_in,
    home,
    in_run,
    read_inventory,
    systems_of,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.reading import (
    READ_OUTSIDE,
    SILENT_OUTSIDE,
    Reading,
    known,
    nothing,
)

FINDINGS_SCHEMA = 1
DEPLOYED = ("known", "read", "none")


def approved_outcome(topology: Topology, outcome: Outcome, digest: str) -> Outcome:
    """The outcome, or a finding in its place if another plan was approved."""
    problems = tuple(approved(outcome.plan or {}, digest))
    return Outcome(tuple(judge_part(replace(topology, problems=problems))), None) if problems else outcome


class ActionModule(ActionBase):
    """Check the inventory and compute the plan. Runs on the controller and connects to no host."""

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
                "plan": {"type": "dict"},
                "digest": {"type": "str"},
                "part": {"type": "bool", "default": False},
                "judges": {"type": "bool", "default": False},
                "deployed": {"type": "str", "choices": [*DEPLOYED], "default": "known"},
                "brief": {"type": "bool", "default": False},
                "artifacts": {"type": "bool", "default": False},
                "excerpt": {"type": "bool", "default": False},
                "write_plan": {"type": "path"},
                "write_findings": {"type": "path"},
            }
        )

        # Ansible forks a worker for each task: garbage is not looked for in all it has inherited, which would copy it.
        gc.freeze()
        templar = self._templar.copy_with_new_env()

        def template(_host: str, variables: Mapping[str, Any], name: str) -> Any:
            templar.available_variables = variables
            return templar.template(variables[name])

        groups, hostvars = task_vars["groups"], task_vars["hostvars"]
        run = [host for host in task_vars.get("ansible_play_hosts_all", ()) if host in groups.get("all", ())]
        systems = systems_of(run, groups, hostvars, template)
        reading = Reading(task_vars.get(READ_OUTSIDE), task_vars.get(SILENT_OUTSIDE))
        topology = read_inventory(
            groups,
            hostvars,
            template,
            systems[0].tiers_groups
            if systems
            else filled_in(template, task_vars["inventory_hostname"], task_vars, "tiers_groups"),
            home(systems, hostvars) or task_vars.get("inventory_dir") or ".",
            options["plan_file"],
            options["plan"],
            options["part"],
            {"known": known, "read": reading.record, "none": nothing}[options["deployed"]],
        )
        topology = in_run(topology, run, systems, reading, options["judges"])
        outcome = make_plan(topology, options["previous"])
        if outcome.plan is not None and options["digest"]:
            outcome = approved_outcome(topology, outcome, options["digest"])
        findings = [finding.as_dict() for finding in outcome.findings]
        result |= {"changed": False, "findings": findings, "unread": [*topology.unread]}
        if options["deployed"] == "read":
            result["answered"] = reading.answered
        if options["write_findings"]:
            content = {"schema": FINDINGS_SCHEMA, "findings": findings}
            result["changed"] |= self.write("write_findings", options["write_findings"], content)
        if outcome.plan is None:
            head = f"The inventory has {len(outcome.errors)} error(s); no host was touched."
            if not task_vars["groups"].get("all"):
                head = "The inventory has no hosts. Give one with -i INVENTORY."
            texts = [*finding_texts(outcome.findings, **rows_asked(topology)), lowered(topology)]
            if options["brief"]:
                del result["findings"]
            message = in_awx("\n".join([head, *texts]).rstrip(), job_template(task_vars))
            return result | {"failed": True, "msg": message}
        if options["write_plan"]:
            result["changed"] |= self.write("write_plan", options["write_plan"], outcome.plan)
        losses = [] if topology.handed_from else preview(topology, outcome.plan)
        change = difference(topology, outcome.plan)
        if options["deployed"] == "read":
            asked = {*run, *reading.unread}
            result["lock_servers"] = lock_servers(outcome.plan, {*groups["all"]}, {*reading.answered}, asked)
        result["unread_report"] = unread(topology)
        result["report"] = report(topology, outcome, losses, diff=bool(self._task.diff))
        if options["excerpt"]:
            known_losses = None if topology.handed_from else losses
            result["_ansible_verbose_override"] = True
            result["excerpt"] = make_excerpt(topology, outcome.plan, known_losses, change, findings)
        if not options["brief"]:
            result |= {
                # Too much to be shown with -v, as ansible-core finds of the facts it gathers.
                "_ansible_verbose_override": True,
                "plan": outcome.plan,
                "preview": losses,
                "loss": None if topology.handed_from else preview_asked(topology, outcome.plan),
                "difference": change,
            }
        if options["artifacts"]:
            # As ansible.builtin.set_stats gives them, which would be one more task for all hosts to pass.
            stats = {
                "data": artifacts(outcome.plan, change, findings, topology.unread),
                "per_host": False,
                "aggregate": False,
            }
            result["ansible_stats"] = stats
        if self._task.diff:
            result["diff"] = [{"prepared": changes(change)}]
        return result

    def write(self, option: str, path: str, content: Mapping[str, Any]) -> bool:
        """Write a file with JSON, all of it or nothing; returns whether that changes it."""
        # A half of a character pair, which no UTF-8 has, is written as the escape that JSON has for it.
        data = (json.dumps(content, indent=4, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        try:
            target = Path(path).resolve()
            if target.exists():
                check_has_end(target)
                if target.read_bytes() == data:
                    return False
            if not self._task.check_mode:
                replace_file(target, data)
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links that lead to themselves
            raise AnsibleActionFail(f"{option}: {shorten(path, 200)} cannot be written: {why_not(error)}.") from None
        return True
