# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: content_settled
short_description: Whether digests of content can be judged or must be read again
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Digests are read again where they differ, and where servers are at different positions and so cannot be compared.
options:
  _input:
    description: For each server, what M(distributed.tiers.tier_probe) returned for the edges of
      P(distributed.tiers.plan_content#filter).
    type: dict
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Read the digests again
  distributed.tiers.tier_probe:
    edges: "{{ tiers_plan | distributed.tiers.plan_content(inventory_hostname) }}"
    access: "{{ tiers_probe_access }}"
  when: not (digests | distributed.tiers.content_settled(tiers_plan))
"""

RETURN = r"""
_value:
  description: Whether all servers that gave a digest are at one position and hold the same.
  type: bool
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import differing, is_compared
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def content_settled(answers: Any, plan: Any) -> bool:
    given = {name: answer for name, answer in mapping("content_settled", "the input", answers).items() if answer}
    return is_compared(given) and not differing(mapping("content_settled", "the plan", plan), given)


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"content_settled": content_settled}
