# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.operations.job import in_awx, job_template


class ActionModule(ActionBase):
    """Return a text in the form that the callback prints line by line."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(argument_spec={"text": {"type": "str", "required": True}})
        text = in_awx(options["text"], job_template(task_vars or {}))
        # YAML prints a text of several lines as it is. JSON would print it in one line.
        lines = [line.rstrip() for line in text.strip("\n").splitlines()]
        return result | {
            "changed": False,
            "msg": "\n".join(lines) if prints_lines() else lines,
            "_ansible_verbose_always": True,
        }


def prints_lines() -> bool:
    """Whether the callback prints a text of several lines as several lines."""
    callback = C.config.get_config_value("DEFAULT_STDOUT_CALLBACK")
    if callback.rpartition(".")[2] in ("debug", "yaml"):
        return True
    try:
        return bool(C.config.get_config_value("result_format", plugin_type="callback", plugin_name=callback) == "yaml")
    except AnsibleError:  # a callback without this option, such as that of ansible-runner
        return False
