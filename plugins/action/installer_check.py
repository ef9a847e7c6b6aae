# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.services.failures import judge_installer, redact
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction

OPTIONS: dict[str, Any] = {
    "run": {"type": "dict", "required": True},
    "result_file": {"type": "dict", "required": True},
    "expected": {"type": "dict", "default": {}},
    "secrets": {"type": "list", "elements": "raw", "required": True},
}


class ActionModule(JudgingAction):
    """Judge by its exit code and its result file whether an installer succeeded."""

    arguments: ClassVar[Mapping[str, Any]] = OPTIONS

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        succeeded, text = judge_installer(options["run"], options["result_file"], options["expected"])
        return {"succeeded": succeeded, "reason": redact(text, options["secrets"])}
