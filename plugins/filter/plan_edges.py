# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_edges
short_description: The edges that a host must probe
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Returns the edges that M(distributed.tiers.tier_probe) must probe on one host - the server on it, every planned edge
    from it, and every server that must refuse it.
options:
  _input:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  host:
    description: The host.
    type: str
    required: true
  own:
    description: Only the server on the host itself, as health checks and C(status) probe it.
    type: bool
    default: false
  at_least:
    description:
      - How far the server's own data must be, as one or more servers reported their
        RV(distributed.tiers.tier_probe#module:edges[].position).
    type: list
    elements: dict
    default: []
  content:
    description:
      - Only the edge that reads a digest of the content of the server on the host. Empty for a host without content.
      - V(quick) may only count what is there. V(whole) reads everything.
    type: str
    choices: [quick, whole]
  replaced:
    description:
      - Only the edges by which the host checks that the failed machines of these servers do not serve.
      - They lead to the names of the servers. A host knows them with their addresses as deployed.
      - The servers are a list, or a text with commas.
    type: raw
    version_added: 0.1.0
  monitor:
    description: The port of HAProxy's monitor on the hosts.
    type: int
    default: 8404
extends_documentation_fragment:
  - distributed.tiers.verification.protocol
"""

EXAMPLES = r"""
- name: Probe the plan from every end
  distributed.tiers.tier_probe:
    edges: "{{ tiers_plan | distributed.tiers.plan_edges(inventory_hostname) }}"
    access: "{{ tiers_probe_access }}"
"""

RETURN = r"""
_value:
  description: Edges for the option O(distributed.tiers.tier_probe#module:edges).
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import MONITOR_PORT
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import BadValueError, comma_separated
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import (
    content_edges,
    host_edges,
    newest,
    old_machine_edges,
    own_edges,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def plan_edges(
    plan: Any,
    host: str,
    own: bool = False,
    at_least: Any = None,
    monitor: int = MONITOR_PORT,
    protocol: Any = None,
    content: str = "",
    replaced: Any = None,
) -> list[dict[str, Any]]:
    known: Mapping[str, Any] = mapping("plan_edges", "the plan", plan)
    if replaced is not None:
        try:
            return old_machine_edges(known, host, comma_separated(replaced))
        except BadValueError as error:
            raise AnsibleFilterError(f"plan_edges: replaced {error}") from error
    if content:
        return content_edges(known, host, content, protocol or None)
    if own:
        positions = [mapping("plan_edges", "at_least", position) for position in at_least or []]
        return own_edges(known, host, newest(positions), int(monitor), protocol or None)
    return host_edges(known, host, int(monitor), protocol or None)


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"plan_edges": plan_edges}
