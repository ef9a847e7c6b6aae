# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a system, for the run that asks: what only the controller knows of it."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.locking.run import (
    age,
    describe_run,
    has_ended,
    refusal,
)
from ansible_collections.distributed.tiers.plugins.module_utils.operations.job import in_awx, job_template

MODULE = "distributed.tiers.run_lock"


class ActionModule(ActionBase):
    """Take or release the lock on a server, also in the place of a run that is known to be gone."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        # Ansible forks a worker for each task: the run is its parent.
        pid = os.getppid()
        run = describe_run(str(arguments.get("playbook") or ""), pid, task_vars, os.environ)
        server = str(self._task.delegate_to or task_vars["inventory_hostname"])
        ended: list[str] = []
        while True:
            given = {**arguments, "run": run, "planning": age(pid), "ended": ended}
            answer = self._execute_module(module_name=MODULE, module_args=given, task_vars=task_vars)
            other = answer.get("refused_by")
            if not other or other["id"] in ended or not has_ended(other, run):
                break
            ended.append(other["id"])
        result |= answer
        result["refused"] = in_awx(refusal(server, answer), job_template(task_vars))
        return result
