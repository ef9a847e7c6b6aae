# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.services.failures import judge_installer, redact

OPTIONS: dict[str, Any] = {
    "run": {"type": "dict", "required": True},
    "result_file": {"type": "dict", "required": True},
    "expected": {"type": "dict", "default": {}},
    "secrets": {"type": "list", "elements": "raw", "required": True},
}


class ActionModule(ActionBase):
    """Judge by its exit code and its result file whether an installer succeeded."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(argument_spec=OPTIONS)
        succeeded, text = judge_installer(options["run"], options["result_file"], options["expected"])
        return result | {"changed": False, "succeeded": succeeded, "reason": redact(text, options["secrets"])}
