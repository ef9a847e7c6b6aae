# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: undrain_check
short_description: Which servers whose traffic is stopped must serve again
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Of the servers that are drained, or that an interrupted run left closed to clients, gives those that were named,
    or all.
options:
  targets:
    description: Names of servers, in a list or in a text with commas. None means all.
    type: raw
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.answers
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Show which servers would serve again
  ansible.builtin.debug:
    msg: "{{ (answers | distributed.tiers.undrain_check(tiers_plan, '')).text }}"
"""

RETURN = r"""
_value:
  description: The servers that are to serve again (C(todo)), what cannot be done (C(wrong)), and all as C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import undrain
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping, names


def undrain_check(answers: Any, plan: Any, targets: Any) -> dict[str, Any]:
    return undrain(
        mapping("undrain_check", "the plan", plan),
        mapping("undrain_check", "the input", answers),
        names("undrain_check", "targets", targets),
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"undrain_check": undrain_check}
