# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.page import ReportData, make_page
from ansible_collections.distributed.tiers.plugins.plugin_utils.files import check_has_end, replace_file, why_not
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction


class ActionModule(JudgingAction):
    """Write the report of a system as one HTML file on the controller."""

    arguments: ClassVar[Mapping[str, Any]] = {
        "excerpt": {"type": "dict", "required": True},
        "status": {"type": "dict"},
        "drill": {"type": "path"},
        "dest": {"type": "path", "required": True},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        excerpt = options["excerpt"]
        drill = read_drill(options["drill"], excerpt["system"]) if options["drill"] else None
        made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        page = make_page(ReportData(excerpt, options["status"], drill, made)).encode("utf-8")
        try:
            target = Path(options["dest"]).resolve()
            if not self._task.check_mode:
                target.parent.mkdir(parents=True, exist_ok=True)
                replace_file(target, page)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to themselves
            raise AnsibleActionFail(
                f"dest: {shorten(options['dest'], 200)} cannot be written: {why_not(error)}."
            ) from None
        return {"changed": True, "dest": str(target), "size": len(page), "has_drill": drill is not None}


def read_drill(path: str, system: str) -> Mapping[str, Any] | None:
    """The report of a drill of this system. None: there is none."""
    file = Path(path)
    if not file.exists():
        return None
    try:
        check_has_end(file)
        drill = json.loads(file.read_text(encoding="utf-8"))
        return drill if drill["system"] == system else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnsibleActionFail(f"drill: {shorten(path, 200)} cannot be read: {why_not(error)}.") from None
