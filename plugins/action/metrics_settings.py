# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.metrics_settings import (
    build_metrics_settings,
)

PATHS = ("file", "record", "voter_record", "drained", "active", "lease", "cannot_write", "aside", "tls")
OPTIONS: dict[str, Any] = {
    "server": {"type": "dict", "default": {}},
    "voter": {"type": "dict", "default": {}},
    "units": {"type": "list", "elements": "str", "default": []},
    "access": {"type": "dict", "default": {}, "no_log": False},
    "position": {"type": "dict", "default": {}},
    "host": {"type": "dict", "required": True, "options": {path: {"type": "str", "required": True} for path in PATHS}},
}


class ActionModule(ActionBase):
    """Return the settings of the program that writes the metrics of a host."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(argument_spec=OPTIONS)
        return result | {"changed": False, "settings": build_metrics_settings(**options)}
