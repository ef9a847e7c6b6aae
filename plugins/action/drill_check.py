# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import drill_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction, refusal


class ActionModule(JudgingAction):
    """Check whether a drill may begin."""

    arguments: ClassVar[Mapping[str, Any]] = {
        "confirmed": {"type": "bool", "default": False},
        "clients": {"type": "list", "elements": "str", "required": True},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"forbidden": refusal(drill_reasons(options["confirmed"], options["clients"]), variables)}
