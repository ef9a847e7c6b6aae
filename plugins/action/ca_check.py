# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import ca_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction, refusal
from ansible_collections.distributed.tiers.plugins.plugin_utils.lifetime import is_removed_after_job

UNCHANGED = "No host was changed."


class ActionModule(JudgingAction):
    """Fail if the CA of a system must not be created in this run."""

    arguments: ClassVar[Mapping[str, Any]] = {
        "system": {"type": "str", "required": True},
        "directory": {"type": "path", "required": True},
        "passphrase_length": {"type": "int", "required": True},
        "given": {"type": "bool", "default": False},
        "may_create": {"type": "bool", "default": True},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        directory = options["directory"]
        is_missing = not options["given"] and not (Path(directory).expanduser() / "ca.crt").exists()
        reasons = ca_reasons(
            options["system"],
            directory,
            options["passphrase_length"],
            is_lost=is_missing and is_removed_after_job(directory, variables),
            is_second=is_missing and not options["may_create"],
        )
        message = refusal(reasons, variables, UNCHANGED)
        return {"failed": True, "msg": message} if message else {}
