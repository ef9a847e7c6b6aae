# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.services.manifest import build_manifest
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction

CHECK = {
    "type": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "tls": {"type": "bool", "required": True},
    "tls_name": {"type": "str", "required": True},
    "path": {"type": "str"},
    "status": {"type": "int", "required": True},
    "body": {"type": "str"},
    "send": {"type": "str"},
    "expect": {"type": "str"},
    "command": {"type": "list", "elements": "str"},
    "secret": {"type": "bool"},
    "timeout": {"type": "float", "required": True},
}
RELEASE = {
    "version": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "link": {"type": "str", "required": True},
    "keep": {"type": "int", "required": True},
    "unit": {"type": "str", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "query": {"type": "list", "elements": "str", "required": True},
    "watched": {"type": "list", "elements": "str", "default": []},
}
OPTIONS: dict[str, Any] = {
    "release": {"type": "dict", "required": True, "options": RELEASE},
    "files": {"type": "list", "elements": "dict", "required": True},
    "group": {"type": "str", "required": True},
    "own_files": {"type": "dict", "required": True},
    "check": {"type": "dict", "required": True, "options": CHECK},
}


class ActionModule(JudgingAction):
    """Return the manifest of what is staged for a service."""

    arguments: ClassVar[Mapping[str, Any]] = OPTIONS

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"manifest": build_manifest(**options)}
