# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restart_order
short_description: The order in which servers are restarted for another release
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Sorts servers as C(upgrade_order) of their product says. Within a tier, those come first whose failure costs least.
  - Of an active/standby pair, the node that stands by comes before the node that serves.

options:
  _input:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  due:
    description: Names of the servers that must restart.
    type: list
    elements: str
    required: true
  serving:
    description: Names of those that serve now, of active/standby pairs.
    type: list
    elements: str
    default: []
  back:
    description: Whether the servers go back to a previous release. Then the order is reversed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show which server is restarted first
  ansible.builtin.debug:
    msg: "{{ tiers_plan | distributed.tiers.restart_order(['m1', 'm2', 'px1'], serving=['m1']) | first }}"
"""

RETURN = r"""
_value:
  description: Names of servers, the first to be restarted first.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.sequence import restart_order as in_order
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def restart_order(plan: Any, due: list[str], serving: Any = (), back: bool = False) -> list[str]:
    plan = mapping("restart_order", "the plan", plan)
    return in_order(plan, [str(name) for name in due], [str(name) for name in serving], bool(back))


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"restart_order": restart_order}
