# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill_report import (
    as_markdown,
    as_text,
    build,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of
from ansible_collections.distributed.tiers.plugins.plugin_utils.sample_files import samples_in, stalls_in

NO_ANSWER = {"why": "no answer"}


class ActionModule(JudgingAction):
    """Judge the promises by what a drill measured."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "record": {"type": "dict", "required": True},
        "samples": {"type": "path", "required": True},
        "run": {"type": "str", "required": True},
        "allowed": {"type": "dict", "default": {}},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = answers_of(variables)
        lasting = {
            name: (found.get("rows") or [NO_ANSWER])[0]
            for name, found in answers.values("drill_lasting").items()
            if found and not found.get("skipped")
        }
        content = {name: found for name, found in answers.values("drill_content").items() if found}
        report = build(
            options["plan"],
            {**options["record"], **({"lasting": lasting} if lasting else {}), "content": content},
            samples_in(options["samples"]),
            options["run"],
            options["allowed"],
            answers.first("tiers_probe_operations") or OPERATIONS,
            stalls_in(options["samples"]),
        )
        disturbed = any(one.get("disturbed") for one in report["experiments"])
        texts = {"text": as_text(report), "markdown": as_markdown(report)}
        return {"ok": report["ok"], "disturbed": disturbed, **texts, "report": report}
