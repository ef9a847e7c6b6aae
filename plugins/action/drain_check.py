# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import drain
from ansible_collections.distributed.tiers.plugins.module_utils.verification.reasons import drain_reasons
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    LOSS,
    PLAN,
    TARGETS,
    JudgingAction,
    probed_twice,
    refusal,
    target_names,
)


class ActionModule(JudgingAction):
    """Check whether servers can be drained now, and which servers serve meanwhile."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "targets": TARGETS,
        **LOSS,
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = probed_twice(options["plan"], variables)
        found = drain(options["plan"], answers, target_names(options["targets"]), options["min_online"])
        return {**found, "forbidden": refusal(drain_reasons(found, options["loss_confirmed"]), variables)}
