# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import standing_by
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import (
    PLAN,
    JudgingAction,
    answers_of,
    row_places,
)


class ActionModule(JudgingAction):
    """Find through which servers the rows of a verification go."""

    arguments: ClassVar[Mapping[str, Any]] = {**PLAN}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        answers = answers_of(variables, "tiers_hosts")
        standby = standing_by(answers_of(variables).of("verify_probed"))
        written = [row for result in answers.of("verify_written").values() for row in result.get("rows", ())]
        return {
            "standby": standby,
            "places": row_places(options["plan"], answers, standby),
            "writers": row_places(options["plan"], answers, standby, writes=True),
            "names": [row["name"] for row in written if "write_ms" in row],
        }
