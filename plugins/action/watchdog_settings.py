# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.distributed.tiers.plugins.module_utils.services.watchdog_settings import build_settings
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction

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


class ActionModule(JudgingAction):
    """Return the settings of the watchdog of a server."""

    arguments: ClassVar[Mapping[str, Any]] = OPTIONS

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            settings = build_settings(**options)
        except ValueError as error:
            raise AnsibleActionFail(f"The check of the watchdog: {error}") from error
        return {"settings": settings}
