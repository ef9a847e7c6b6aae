# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_standing_by
short_description: The nodes of pairs that do not serve now
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Of pairs of which one node serves at a time, gives the nodes that let no client in.
extends_documentation_fragment:
  - distributed.tiers.verification.answers
"""

EXAMPLES = r"""
- name: Show who stands by
  ansible.builtin.debug:
    msg: "{{ answers | distributed.tiers.plan_standing_by }}"
"""

RETURN = r"""
_value:
  description: Names of servers.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import standing_by
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def plan_standing_by(answers: Any) -> list[str]:
    return standing_by(mapping("plan_standing_by", "the input", answers))


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"plan_standing_by": plan_standing_by}
