# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: switch_over_check
short_description: Which nodes of pairs may hand over to which
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Judges, by what every server saw on itself, whether the node of a pair that serves may hand over to the other one.
options:
  targets:
    description: Names of servers, either node of each pair, in a list or in a text with commas.
    type: raw
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.answers
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Show who would serve
  ansible.builtin.debug:
    msg: "{{ (answers | distributed.tiers.switch_over_check(tiers_plan, 'm1')).text }}"
"""

RETURN = r"""
_value:
  description: >-
    For each pair (C(todo)) the C(name) of who serves, who is C(to) serve, and the C(edge) by which
    M(distributed.tiers.tier_probe) sees there that it does; what cannot be done (C(wrong)); and all as C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import switch_over
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping, names


def switch_over_check(answers: Any, plan: Any, targets: Any) -> dict[str, Any]:
    return switch_over(
        mapping("switch_over_check", "the plan", plan),
        mapping("switch_over_check", "the input", answers),
        names("switch_over_check", "targets", targets),
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"switch_over_check": switch_over_check}
