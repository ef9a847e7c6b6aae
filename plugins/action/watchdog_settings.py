# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.services.watchdog_settings import build_settings

PATHS = ("drained", "tls", "rules", "flag", "note", "haproxy_socket", "nft")
OPTIONS: dict[str, Any] = {
    "server": {"type": "dict", "required": True},
    "domain": {"type": "str", "required": True},
    "check": {"type": "dict", "required": True},
    "changes": {"type": "dict", "default": {}},
    "unit": {"type": "str", "default": ""},
    "data_paths": {"type": "list", "elements": "str", "default": []},
    "can_write": {"type": "list", "elements": "str", "default": []},
    "monitor_port": {"type": "int", "required": True},
    "session_seconds": {"type": "float", "required": True},
    "aside_seconds": {"type": "float", "required": True},
    "host": {"type": "dict", "required": True, "options": {path: {"type": "str", "required": True} for path in PATHS}},
}


class ActionModule(ActionBase):
    """Return the settings of the watchdog of a server."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(argument_spec=OPTIONS)
        try:
            settings = build_settings(**options)
        except ValueError as error:
            raise AnsibleActionFail(f"The check of the watchdog: {error}") from error
        return result | {"changed": False, "settings": settings}
