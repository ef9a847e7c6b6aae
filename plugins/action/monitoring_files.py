# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.alerts import RUNBOOKS, build_rules
from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.dashboard import build_dashboard
from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.scrape import (
    CA_FILE,
    RULES_FILE,
    build_config,
    build_targets,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten
from ansible_collections.distributed.tiers.plugins.plugin_utils.files import replace_file, why_not
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction

WRITTEN = "# Written by the playbook monitoring of distributed.tiers.\n"


class ActionModule(JudgingAction):
    """Write what Prometheus and Grafana need to watch a system, on the controller."""

    arguments: ClassVar[Mapping[str, Any]] = {
        "plan": {"type": "dict", "required": True},
        "dest": {"type": "path", "required": True},
        "ca": {"type": "str", "required": True},
        "alertmanagers": {"type": "list", "elements": "str", "default": ["127.0.0.1:9093"]},
        "runbooks": {"type": "str", "default": RUNBOOKS},
        "disk_percent": {"type": "float", "default": 90.0},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        directory = Path(options["dest"]).absolute()
        changed = []
        try:
            for name, text in make_files(options).items():
                target = directory / name
                if target.is_file() and target.read_text(encoding="utf-8") == text:
                    continue
                changed.append(str(target))
                if not self._task.check_mode:
                    directory.mkdir(parents=True, exist_ok=True)
                    replace_file(target, text.encode("utf-8"))
        except OSError as error:
            raise AnsibleActionFail(
                f"dest: {shorten(options['dest'], 200)} cannot be written: {why_not(error)}."
            ) from None
        return {"changed": bool(changed), "dest": str(directory), "files": changed}


def make_files(options: Mapping[str, Any]) -> dict[str, str]:
    """{name: content} of all files."""
    plan = options["plan"]
    rules = build_rules(plan, options["runbooks"] or RUNBOOKS, options["disk_percent"])
    return {
        "prometheus.yml": as_yaml(build_config(plan, options["alertmanagers"])),
        RULES_FILE: as_yaml(rules),
        "dashboard.json": as_json(build_dashboard(plan)),
        CA_FILE: f"{options['ca'].strip()}\n",
        **{f"{job}.json": as_json(targets) for job, targets in build_targets(plan).items()},
    }


def as_yaml(data: Any) -> str:
    return WRITTEN + yaml.safe_dump(json.loads(json.dumps(data)), sort_keys=False, width=120)


def as_json(data: Any) -> str:
    return json.dumps(data, indent=2) + "\n"
