# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: system_hosts
short_description: The hosts of the system that a run is about
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Tells which hosts of the inventory belong to the system, so that a run connects to no other, and which of its
    servers a limit leaves out.
  - The system is that of the first host of the run, by name, that belongs to one by its own C(tiers_groups).
options:
  _input:
    description: The C(groups) of the inventory.
    type: dict
    required: true
  hostvars:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  run:
    description: The hosts of the run, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Find the hosts of the system
  ansible.builtin.set_fact:
    system: "{{ groups | distributed.tiers.system_hosts(hostvars, ansible_play_hosts_all) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The system.
  type: dict
  contains:
    hosts:
      description: A key for each host of the system.
      type: dict
    outside:
      description: The servers of the system that are not in the run.
      type: list
      elements: str
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.template import Templar

from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import systems_of


def system_hosts(groups: Any, hostvars: Any, run: Iterable[str]) -> dict[str, Any]:
    """The hosts of the first system, and its servers outside the run."""

    def template(_host: str, raw: Mapping[str, Any], name: str) -> Any:
        return Templar(loader=hostvars._loader, variables=raw).template(raw[name])

    asked = [str(host) for host in run]
    found = systems_of(asked, mapping("system_hosts", "groups", groups), hostvars, template)
    if not found:
        return {"hosts": {}, "outside": []}
    inside = set(asked)
    return {
        "hosts": dict.fromkeys(found[0].hosts, True),
        "outside": [host for host in found[0].servers() if host not in inside],
    }


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"system_hosts": system_hosts}
