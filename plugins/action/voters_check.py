# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.membership import (
    describe_changes,
    plan_changes,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    JudgingAction,
    refusal,
    seen_voters,
)


class ActionModule(JudgingAction):
    """Compare the voters of the arbiter with the plan."""

    arguments: ClassVar[Mapping[str, Any]] = PLAN

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan, hostvars = options["plan"], variables["hostvars"]
        found = plan_changes(plan, seen_voters(variables))
        via = found["via"]
        if via:
            at = plan["voters"].get(via) or hostvars[via]["ansible_facts"]["ansible_local"]["tiers_voter"]
            found["via"] = {"name": via, "address": at["address"], "client_port": at["client_port"]}
        # A cluster that is begun has a name of its own, so that no voter of an earlier one finds it.
        found["token"] = found["token"] or uuid.uuid4().hex
        changes = dict.fromkeys(found["bootstrap"], "new") | {one["name"]: "join" for one in found["joining"]}
        text = describe_changes(found)
        return {**found, "changes": changes, "text": text, "forbidden": refusal(found["wrong"], variables, "")}
