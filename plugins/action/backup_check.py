# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.data_backups import (
    SCHEMA,
    backup_name,
    choose_source,
    list_rehearsal_refusals,
    name_pattern,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    TARGETS,
    JudgingAction,
    answers_of,
    refusal,
    target_names,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.lifetime import is_removed_after_job

LOST = "AWX removes tiers_backup_dir after this job, with the backup. Set it to a directory that is exposed to jobs."


class ActionModule(JudgingAction):
    """Choose the server whose data are copied."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "targets": TARGETS,
        "directory": {"type": "path"},
        "rehearses": {"type": "bool", "default": False},
        "time": {"type": "str", "default": ""},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan, now = options["plan"], datetime.now(UTC)
        found = choose_source(plan, answers_of(variables).of("tiers_probed"), target_names(options["targets"]))
        source = plan["servers"].get(found["todo"][0], {}) if found["todo"] else {}
        stays_in_repository = source.get("repository") is not None
        directory = None if stays_in_repository else options["directory"]
        wrong = [*found["wrong"], *([LOST] if directory and is_removed_after_job(directory, variables) else [])]
        if options["rehearses"] and not wrong:
            wrong += list_rehearsal_refusals(plan["system"], stays_in_repository, options["time"], now)
        return {
            "todo": found["todo"],
            "text": found["text"],
            "name": backup_name(plan["system"], now),
            "pattern": name_pattern(plan["system"]),
            "description": {
                "schema": SCHEMA,
                "system": plan["system"],
                "product": source.get("product"),
                "server": source.get("name"),
                "version": source.get("version"),
                "created": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            },
            "forbidden": refusal(wrong, variables),
        }
