# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.data_backups import (
    data_servers,
    describe_restored,
    list_restore_refusals,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    JudgingAction,
    answers_of,
    refusal,
)


class ActionModule(JudgingAction):
    """Check whether a backup may be restored, or whether all servers have the restored data."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "backup": {"type": "str", "default": ""},
        "checksum": {"type": "str", "default": ""},
        "time": {"type": "str", "default": ""},
        "confirmed": {"type": "str", "default": ""},
        "restored": {"type": "bool", "default": False},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan, answers = options["plan"], answers_of(variables)
        backup = read_description(options["backup"])
        text = ""
        if options["restored"]:
            text, wrong = describe_restored(plan, answers.last("tiers_content", "tiers_content_again"))
        else:
            seen = answers.of("tiers_probed")
            unread = {host: str(one.get("msg") or "no answer") for host, one in seen.items() if "edges" not in one}
            wrong = list_restore_refusals(
                plan,
                backup,
                options["checksum"],
                options["time"],
                options["confirmed"],
                {*seen},
                unread,
                datetime.now(UTC),
            )
        untouched = "The data were restored." if options["restored"] else "No server was touched."
        return {
            "hosts": data_servers(plan),
            "created": str(backup.get("created", options["time"])),
            "text": text,
            "forbidden": refusal(wrong, variables, untouched),
        }


def read_description(text: str) -> Mapping[str, Any]:
    """The description of a backup. Empty if there is none, or if it cannot be read."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
