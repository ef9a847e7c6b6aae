# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import acknowledged
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    JudgingAction,
    answers_of,
    row_places,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.sample_files import samples_in


class ActionModule(JudgingAction):
    """Find the acknowledged writes of a drill, and through which servers to search for them."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "samples": {"type": "path", "required": True},
        "run": {"type": "str", "required": True},
        "before": {"type": "float"},
        "standby": {"type": "list", "elements": "str", "default": []},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        requests = samples_in(options["samples"])
        return {
            "names": acknowledged(requests, options["run"], options["before"]),
            "places": row_places(options["plan"], answers_of(variables, "tiers_hosts"), options["standby"]),
        }
