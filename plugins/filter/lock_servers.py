# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lock_servers
short_description: The servers whose locks a run needs before it may change the system
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Gives up to three servers of the plan for M(distributed.tiers.run_lock), in the order in which every run takes them.
    So of two runs that begin together one goes on.
options:
  inventory:
    description: All hosts of the inventory, which may be a part of the planned one.
    type: list
    elements: str
    required: true
  answered:
    description: The hosts that have answered in this run.
    type: list
    elements: str
    required: true
  asked:
    description: The hosts that were asked. Others may answer.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Lock the system for this run
  distributed.tiers.run_lock:
    playbook: deploy
  loop: "{{ tiers_plan | distributed.tiers.lock_servers(groups['all'], answered, ansible_play_hosts_all) }}"
  delegate_to: "{{ item }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Names of servers.
  type: list
  elements: str
"""

from collections.abc import Iterable
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.locking.lock import lock_servers as chosen
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def lock_servers(plan: Any, inventory: Iterable[str], answered: Iterable[str], asked: Iterable[str]) -> list[str]:
    return chosen(mapping("lock_servers", "the plan", plan), {*inventory}, {*answered}, {*asked})


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"lock_servers": lock_servers}
