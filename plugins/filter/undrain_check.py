# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: undrain_check
short_description: Which drained servers are to serve again
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Of the servers that are drained, chooses those that were named, or all.
options:
  _input:
    description: Names of the servers that are drained.
    type: list
    elements: str
    required: true
  targets:
    description: Names of servers, in a list or in a text with commas; none is all that are drained.
    type: raw
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Show which servers would serve again
  ansible.builtin.debug:
    msg: "{{ (drained | distributed.tiers.undrain_check(tiers_plan, '')).text }}"
"""

RETURN = r"""
_value:
  description: The servers that are to serve again (C(todo)), what cannot be done (C(wrong)), and all as C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import undrain
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping, names


def undrain_check(drained: Any, plan: Any, targets: Any) -> dict[str, Any]:
    return undrain(
        mapping("undrain_check", "the plan", plan),
        names("undrain_check", "the input", drained),
        names("undrain_check", "targets", targets),
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"undrain_check": undrain_check}
