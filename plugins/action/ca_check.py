# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.operations.job import outlives_job
from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import ca_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction, refusal

MOUNTS = Path("/proc/self/mountinfo")
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
        directory = Path(options["directory"]).expanduser().resolve()
        is_missing = not options["given"] and not (directory / "ca.crt").exists()
        reasons = ca_reasons(
            options["system"],
            options["directory"],
            options["passphrase_length"],
            is_lost=is_missing and is_job(variables) and not outlasts(directory),
            is_second=is_missing and not options["may_create"],
        )
        message = refusal(reasons, variables, UNCHANGED)
        return {"failed": True, "msg": message} if message else {}


def is_job(variables: Mapping[str, Any]) -> bool:
    """Whether this run is a job of AWX."""
    return "awx_job_id" in variables or "tower_job_id" in variables


def outlasts(directory: Path) -> bool:
    """Whether the directory remains after a job. True if the mounts cannot be read."""
    try:
        return outlives_job(str(directory), MOUNTS.read_text(encoding="utf-8"))
    except OSError:
        return True
