# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_not_whole
short_description: What is not as planned, by what the servers saw on themselves
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Turns what every server saw on itself into a list of what is wrong. A pair of which one node is to serve at a time,
    and not just one does, is among it.
extends_documentation_fragment:
  - distributed.tiers.verification.answers
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Go on only where all is as planned
  ansible.builtin.assert:
    that: answers | distributed.tiers.plan_not_whole(tiers_plan) | length == 0
"""

RETURN = r"""
_value:
  description: What is wrong, a sentence each.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import not_whole
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def plan_not_whole(answers: Any, plan: Any) -> list[str]:
    return not_whole(mapping("plan_not_whole", "the plan", plan), mapping("plan_not_whole", "the input", answers))


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"plan_not_whole": plan_not_whole}
