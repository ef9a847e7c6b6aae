# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_content
short_description: The probe that reads a digest of a server's content
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Returns the edge with which M(distributed.tiers.tier_probe) reads a digest of the content of a server. Empty for a
    host without content of its own.
options:
  _input:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  host:
    description: The host.
    type: str
    required: true
  whole:
    description: Whether all content is read. Otherwise a large database is only counted.
    type: bool
    default: false
extends_documentation_fragment:
  - distributed.tiers.verification.protocol
"""

EXAMPLES = r"""
- name: Read a digest of the content
  distributed.tiers.tier_probe:
    edges: "{{ tiers_plan | distributed.tiers.plan_content(inventory_hostname) }}"
    access: "{{ tiers_probe_access }}"
"""

RETURN = r"""
_value:
  description: Edges for the option O(distributed.tiers.tier_probe#module:edges).
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import content_edges
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def plan_content(plan: Any, host: str, whole: bool = False, protocol: Any = None) -> list[dict[str, Any]]:
    return content_edges(mapping("plan_content", "the plan", plan), host, bool(whole), protocol or None)


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"plan_content": plan_content}
