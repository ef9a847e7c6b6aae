# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.services.failures import (
    describe_failed_staging,
    describe_unhealthy_service,
    redact,
)

OPTIONS: dict[str, Any] = {
    "server": {"type": "str", "required": True},
    "result": {"type": "dict", "required": True},
    "secrets": {"type": "list", "elements": "raw", "required": True},
    "task": {"type": "str"},
    "is_hidden": {"type": "bool", "default": False},
    "unit": {"type": "str"},
    "log": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """Report why a service could not be staged, or cannot serve."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            argument_spec=OPTIONS, required_one_of=[("task", "unit")], mutually_exclusive=[("task", "unit")]
        )
        failed = options["result"]
        if options["task"]:
            text = describe_failed_staging(options["task"], failed, options["is_hidden"])
        else:
            text = describe_unhealthy_service(options["unit"], failed, options["log"])
        return result | {"changed": False, "reason": f"{options['server']}: {redact(text, options['secrets'])}"}
