# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: interrupted_check
short_description: Which servers an interrupted run left closed to clients
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Finds, by what every server saw on itself, the servers whose traffic is stopped although nobody drained them.

extends_documentation_fragment:
  - distributed.tiers.verification.answers
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Show which servers are closed to clients
  ansible.builtin.debug:
    msg: "{{ (answers | distributed.tiers.interrupted_check(tiers_plan)).text }}"
"""

RETURN = r"""
_value:
  description: The servers that are closed to clients (C(todo)), and why as C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import interrupted
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def interrupted_check(answers: Any, plan: Any) -> dict[str, Any]:
    return interrupted(
        mapping("interrupted_check", "the plan", plan),
        mapping("interrupted_check", "the input", answers),
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"interrupted_check": interrupted_check}
