# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import differing, is_compared
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of


class ActionModule(JudgingAction):
    """Check whether the digests of the servers can be judged."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        digests = answers_of(variables, "tiers_hosts").of("tiers_content")
        return {"settled": is_compared(digests) and not differing(options["plan"], digests)}
