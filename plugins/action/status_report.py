# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.host_findings import CLOCK_ALERT
from ansible_collections.distributed.tiers.plugins.module_utils.verification.membership import (
    QUOTA,
    rows_and_alerts,
    voter_rows,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.status import (
    MAX_BEHIND,
    MAX_LAG,
    has_reached,
    report,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.answers import Answers
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, seen_voters


class ActionModule(JudgingAction):
    """Judge what the servers showed of themselves. Runs on the controller and reads the variables of all hosts."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "max_lag": {"type": "float", "default": MAX_LAG},
        "max_behind": {"type": "int", "default": MAX_BEHIND},
        "clock_alert": {"type": "float", "default": CLOCK_ALERT},
        "quota": {"type": "int", "default": QUOTA},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan = options["plan"]
        hosts = [host for host in variables["groups"].get("tiers_servers", ()) if host in plan["servers"]]
        answers = Answers(hosts, variables["hostvars"])
        voters = seen_voters(variables)
        judge = partial(
            report,
            recorded=answers.recorded(),
            offers=answers.first("tiers_probe_operations") or OPERATIONS,
            max_lag=options["max_lag"],
            max_behind=options["max_behind"],
            hosts=Answers(variables["groups"].get("tiers_hosts", ()), variables["hostvars"]).of("tiers_host_checked"),
            clock_alert=options["clock_alert"],
            content=answers.last("tiers_content", "tiers_content_again"),
            voters=rows_and_alerts(plan, voters, options["quota"]),
        )
        seen = answers.of("tiers_probed")
        found = judge(plan, seen)
        again = answers.of("status_probed_again")
        if caught_up := {host: again[host] for host, last in found["late"].items() if has_reached(again[host], last)}:
            found = judge(plan, seen | caught_up)
        return {**found, "voters": voter_rows(plan, voters, options["quota"])}
