# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: clock_check
short_description: Whose clock is too far from the controller's
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Names every host whose clock is certainly further from the controller's than a limit. The time that the question
    took is taken into account.
options:
  _input:
    description: For each host, what M(distributed.tiers.tier_host) returned there.
    type: dict
    required: true
  limit:
    description: Seconds that a clock may differ.
    type: float
    required: true
  variable:
    description: The variable that sets the limit, for the report.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Fail if a clock is wrong by more than 30 seconds
  ansible.builtin.assert:
    that: clocks | distributed.tiers.clock_check(30, 'tiers_clock_refuse') | length == 0
"""

RETURN = r"""
_value:
  description: A line for each of them.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.host_findings import check_clocks
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def clock_check(hosts: Any, limit: Any, variable: str) -> list[str]:
    answers = {host: answer for host, answer in mapping("clock_check", "the input", hosts).items() if answer}
    return [f"{host}: {why}" for host, why in check_clocks(answers, float(limit), variable)]


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"clock_check": clock_check}
