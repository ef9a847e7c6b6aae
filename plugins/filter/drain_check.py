# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drain_check
short_description: Whether servers may be drained now, and who serves meanwhile
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Judges, by what every server saw on itself, what it would mean to take some of them out of service.
options:
  targets:
    description: Names of the servers, in a list or in a text with commas.
    type: raw
    required: true
  min_online:
    description: The least members with which the pool serves.
    type: int
    default: 1
extends_documentation_fragment:
  - distributed.tiers.verification.answers
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Stop where service would be lost
  ansible.builtin.assert:
    that: (answers | distributed.tiers.drain_check(tiers_plan, 'px1,p2')).lost | length == 0
"""

RETURN = r"""
_value:
  description: >-
    The servers that are still to be drained (C(todo)), what cannot be done (C(wrong)), which service would be C(lost),
    and who serves meanwhile as C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import drain
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping, names


def drain_check(answers: Any, plan: Any, targets: Any, min_online: int = 1) -> dict[str, Any]:
    return drain(
        mapping("drain_check", "the plan", plan),
        mapping("drain_check", "the input", answers),
        names("drain_check", "targets", targets),
        min_online,
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"drain_check": drain_check}
