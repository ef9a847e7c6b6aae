# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.host_findings import check_clocks
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction, answers_of


class ActionModule(JudgingAction):
    """Fail if the clock of a host is wrong."""

    arguments: ClassVar[Mapping[str, Any]] = {"limit": {"type": "float", "default": 30}}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        clocks = answers_of(variables, "tiers_hosts").of("tiers_clock_read")
        wrong = [f"{host}: {why}" for host, why in check_clocks(clocks, options["limit"], "tiers_clock_refuse")]
        if not wrong:
            return {"wrong": []}
        message = f"No host was changed. {'; '.join(wrong)}. Set the clocks right, then run the playbook again"
        return {"wrong": wrong, "failed": True, "msg": message}
