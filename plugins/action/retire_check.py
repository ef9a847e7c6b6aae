# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import retire
from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import retire_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    TARGETS,
    JudgingAction,
    answers_of,
    refusal,
    target_names,
)


class ActionModule(JudgingAction):
    """Check whether servers can be removed from their hosts."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "targets": TARGETS,
        "confirmed": {"type": "bool", "default": False},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        found = retire(options["plan"], answers_of(variables).recorded(), target_names(options["targets"]))
        return {**found, "forbidden": refusal(retire_reasons(found, options["confirmed"]), variables)}
