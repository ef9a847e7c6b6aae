# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restart_servers
short_description: Which servers decide whether another one may be restarted now
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Gives the server itself and those that serve meanwhile, or that know who does.

options:
  _input:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  server:
    description: Name of the server.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show who is asked before m1 is restarted
  ansible.builtin.debug:
    msg: "{{ tiers_plan | distributed.tiers.restart_servers('m1') }}"
"""

RETURN = r"""
_value:
  description: Names of servers, the server itself first.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import servers_for_restart
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def restart_servers(plan: Any, server: str) -> list[str]:
    return servers_for_restart(mapping("restart_servers", "the plan", plan), str(server))


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"restart_servers": restart_servers}
