# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.metrics_settings import (
    build_metrics_settings,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction

PATHS = ("file", "record", "voter_record", "drained", "active", "lease", "cannot_write", "aside", "checked", "tls")
OPTIONS: dict[str, Any] = {
    "server": {"type": "dict", "default": {}},
    "voter": {"type": "dict", "default": {}},
    "units": {"type": "list", "elements": "str", "default": []},
    "access": {"type": "dict", "default": {}, "no_log": False},
    "position": {"type": "dict", "default": {}},
    "check": {"type": "list", "elements": "str", "default": []},
    "host": {"type": "dict", "required": True, "options": {path: {"type": "str", "required": True} for path in PATHS}},
}


class ActionModule(JudgingAction):
    """Return the settings of the program that writes the metrics of a host."""

    arguments: ClassVar[Mapping[str, Any]] = OPTIONS

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"settings": build_metrics_settings(**options)}
