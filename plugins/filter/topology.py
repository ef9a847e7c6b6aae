# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: topology
short_description: Compute the plan of a tiered topology
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Checks the topology that the inventory describes and computes its plan, like M(distributed.tiers.topology_validate).
  - Fails with all findings that are errors.
  - In a play the module is the better choice, because it computes the plan once. Use the filter to inspect a plan,
    and for inventories that are computed from data.
positional: hostvars
options:
  _input:
    description: The groups with their hosts, such as the variable C(groups).
    type: dict
    required: true
  hostvars:
    description: The variables of each host, such as the variable C(hostvars).
    type: dict
    required: true
  tiers_groups:
    description: The groups of the tiers, if their names differ from the names of the tiers.
    type: dict
  basedir:
    description: The directory that relative paths of C(tiers_clients) start from.
    type: str
    default: .
seealso:
  - module: distributed.tiers.topology_validate
"""

EXAMPLES = r"""
- name: Where does the client go?
  ansible.builtin.debug:
    msg: "{{ plan.clients['c-paris'].endpoints }}"
  vars:
    plan: "{{ groups | distributed.tiers.topology(hostvars, basedir=inventory_dir) }}"
"""

RETURN = r"""
_value:
  description: The plan, RV(distributed.tiers.topology_validate#module:plan).
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.template import Templar
from ansible.vars.hostvars import HostVars

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Plan, make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import finding_texts
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shown
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import read_inventory


def topology(groups: Any, hostvars: Any, tiers_groups: Any = None, basedir: str = ".") -> Plan:
    """The plan of these groups and variables."""
    for name, value in (("groups", groups), ("hostvars", hostvars)):
        if not isinstance(value, Mapping):
            raise AnsibleFilterError(f"{name} must be a mapping, here it is a {type(value).__name__}.")
    if not isinstance(basedir, str):
        raise AnsibleFilterError("basedir must be a path.")
    if not isinstance(hostvars, HostVars):
        groups = {group: _checked(group, hosts, hostvars) for group, hosts in groups.items()}

    def template(host: str, raw: Mapping[str, Any], name: str) -> Any:
        if isinstance(hostvars, HostVars):
            return Templar(loader=hostvars._loader, variables=raw).template(raw[name])
        return raw[name]

    outcome = make_plan(read_inventory(groups, hostvars, template, tiers_groups, basedir))
    if outcome.plan is None:
        raise AnsibleFilterError("\n".join(finding_texts(outcome.errors)))
    return outcome.plan


def _checked(group: Any, hosts: Any, hostvars: Mapping[str, Any]) -> list[str]:
    """The hosts of a group that is put together from data; there is none without variables."""
    if not isinstance(group, str) or not isinstance(hosts, (list, tuple)):
        raise AnsibleFilterError(f"groups: {shown(group)} must be a list of hosts.")
    for host in hosts:
        found = hostvars.get(host) if isinstance(host, str) else None
        if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
            raise AnsibleFilterError(
                f"hostvars: there are no variables by name of {shown(host)} in group {shown(group)}."
            )
    return [str(host) for host in hosts]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        return {"topology": topology}
