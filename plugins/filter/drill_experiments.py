# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_experiments
short_description: What a drill is to break to test the promises of a plan
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - One server for each promise that the topology makes; and what is skipped, with the reason.
options:
  _input:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  standing_by:
    description: The nodes of pairs that do not serve, see P(distributed.tiers.plan_standing_by#filter).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what a drill would break
  ansible.builtin.debug:
    msg: "{{ (tiers_plan | distributed.tiers.drill_experiments).todo | map(attribute='title') }}"
"""

RETURN = r"""
_value:
  description: The experiments to do (C(todo)) and those C(skipped).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill import experiments
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def drill_experiments(plan: Any, standing_by: Any = ()) -> dict[str, Any]:
    return dict(experiments(mapping("drill_experiments", "the plan", plan), standing_by))


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"drill_experiments": drill_experiments}
