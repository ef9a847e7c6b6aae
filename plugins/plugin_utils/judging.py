# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that all actions share which judge the answers of the hosts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.operations.job import in_awx, job_template
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import BadValueError, comma_separated
from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import with_second_look
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import ROWS, places, without
from ansible_collections.distributed.tiers.plugins.plugin_utils.answers import Answers

UNTOUCHED = "No server was touched."
PLAN = {"plan": {"type": "dict", "required": True}}
# The option with the servers that the operator named
TARGETS = {"type": "raw", "default": []}
# The options by which the loss of service is judged
LOSS = {"min_online": {"type": "int", "default": 1}, "loss_confirmed": {"type": "bool", "default": False}}


class JudgingAction(ActionBase):
    """An action that only computes. Runs on the controller, connects to no host and changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    # The options of the action
    arguments: ClassVar[Mapping[str, Any]] = {}

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _checked, options = self.validate_argument_spec(argument_spec=self.arguments)
        return result | {"changed": False, **self.judge(options, variables)}

    @abstractmethod
    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """The result of the action. `options`: its validated options; `variables`: those of the task."""


def answers_of(variables: Mapping[str, Any], group: str = "tiers_servers") -> Answers:
    """The results in the variables of the hosts of a group. The playbooks group the hosts of the run by the plan."""
    return Answers(variables["groups"].get(group, ()), variables["hostvars"])


def probed_twice(plan: Mapping[str, Any], variables: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The answer of each server to its probe, or to the second probe if it has caught up since."""
    answers = answers_of(variables)
    return with_second_look(plan, answers.of("tiers_probed"), answers.of("tiers_probed_again"))


def seen_voters(variables: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The description that each voter, and each former voter, returned; also of those outside the limit."""
    seen: dict[str, Mapping[str, Any]] = {}
    for group in ("tiers_voters", "tiers_former_voters"):
        answers = answers_of(variables, group)
        outside = (answers.first("tiers_voters_probed_outside") or {}).get("results", ())
        seen |= {one["item"]["name"]: one for one in outside if isinstance(one.get("item"), Mapping)}
        seen |= answers.of("tiers_voter_probed")
    return seen


def row_places(
    plan: Mapping[str, Any], answers: Answers, standby: Iterable[str], writes: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """For each host the servers through which it reads rows, or writes them, for tier_rows: none for a product that
    offers no rows."""
    offers, protocols = answers.values("tiers_probe_operations", ()), answers.values("tiers_probe_driver")
    return {
        host: [] if without(offered, *ROWS) else places(plan, host, protocols[host] or None, standby, writes)
        for host, offered in offers.items()
    }


def target_names(value: Any) -> tuple[str, ...]:
    """The servers that the operator named, in a list or in a text with commas. None: the operator named none."""
    try:
        return comma_separated(value)
    except BadValueError as error:
        raise AnsibleActionFail(f"tiers_targets {error}") from error


def refusal(reasons: Iterable[str], variables: Mapping[str, Any], untouched: str = UNTOUCHED) -> str:
    """One message with all reasons why an operation must not begin; empty if there is none."""
    text = " ".join(reasons)
    return in_awx(f"{untouched} {text}", job_template(variables)) if text else ""
