# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: retire_check
short_description: Which servers may be removed from their hosts
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Judges, by what deployments recorded, whether anybody still depends on servers that are to go.
options:
  _input:
    description: For each server, the local fact that the deployment left on it; empty where there is none.
    type: dict
    required: true
  targets:
    description: Names of the servers, in a list or in a text with commas.
    type: raw
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Stop where somebody depends on a server that is to go
  ansible.builtin.assert:
    that: (records | distributed.tiers.retire_check(tiers_plan, 'px2')).wrong | length == 0
"""

RETURN = r"""
_value:
  description: The servers that must be removed (C(todo)), what cannot be done (C(wrong)), and all as C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import retire
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping, names


def retire_check(records: Any, plan: Any, targets: Any) -> dict[str, Any]:
    return retire(
        mapping("retire_check", "the plan", plan),
        mapping("retire_check", "the input", records),
        names("retire_check", "targets", targets),
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"retire_check": retire_check}
