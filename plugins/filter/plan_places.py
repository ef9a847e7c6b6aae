# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_places
short_description: Where rows that a host writes and reads go through
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Gives the servers for M(distributed.tiers.tier_rows) on one host - the server on it, or the endpoints of a client
    and the pool. Nowhere for a product that offers no rows.
options:
  _input:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  host:
    description: The host.
    type: str
    required: true
  standing_by:
    description: The nodes of pairs that do not serve, see P(distributed.tiers.plan_standing_by#filter).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - distributed.tiers.verification.offers
  - distributed.tiers.verification.protocol
"""

EXAMPLES = r"""
- name: Write a row through every server of this host
  distributed.tiers.tier_rows:
    state: present
    prefix: trial
    writer: "{{ inventory_hostname }}"
    servers: "{{ tiers_plan | distributed.tiers.plan_places(inventory_hostname) }}"
    access: "{{ tiers_probe_access }}"
"""

RETURN = r"""
_value:
  description: Servers for the option O(distributed.tiers.tier_rows#module:servers).
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import ROWS, places, without
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def plan_places(
    plan: Any, host: str, protocol: Any = None, offers: Any = OPERATIONS, standing_by: Any = ()
) -> list[dict[str, Any]]:
    known = mapping("plan_places", "the plan", plan)
    return [] if without(offers, *ROWS) else places(known, host, protocol or None, standing_by)


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"plan_places": plan_places}
