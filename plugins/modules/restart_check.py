# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: restart_check
short_description: Check whether others serve while a running server restarts
version_added: 0.1.0
description:
  - Finds the service that would be lost if a server went out of service now, beyond the cost of its restart while all
    other servers are healthy.
  - Without O(probes) it returns the servers to probe before.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.loss
options:
  server:
    description: Name of the server that must restart.
    type: str
    required: true
  probes:
    description:
      - For each of RV(servers) the result of M(distributed.tiers.tier_probe) there, with the name of the server as
        RV(ignore:item), as a task with a loop registers it. A server without a result is not probed.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Find the servers that serve while m1 restarts
  distributed.tiers.restart_check:
    plan: "{{ tiers_plan }}"
    server: m1
  register: before

- name: Probe these servers
  distributed.tiers.tier_probe:
    edges: "{{ tiers_plan | distributed.tiers.plan_edges(item, own=true) }}"
    access: "{{ tiers_probe_access }}"
  loop: "{{ before.servers }}"
  delegate_to: "{{ item }}"
  register: probed
  failed_when: false    # restart_check judges the result

- name: Check whether m1 can go out of service
  distributed.tiers.restart_check:
    plan: "{{ tiers_plan }}"
    server: m1
    probes: "{{ probed.results }}"
  register: restart

- name: Fail before m1 goes out of service
  ansible.builtin.fail:
    msg: "{{ restart.forbidden }}"
  when: restart.forbidden | length > 0
"""

RETURN = r"""
servers:
  description:
    - The servers to probe, the server itself first. The others serve meanwhile, or route to the servers that do.
  returned: always
  type: list
  elements: str
lost:
  description: Service that would be lost, a sentence each.
  returned: when O(probes) are given
  type: list
  elements: str
missing:
  description: The servers that are missing for it, each with the reason. Empty if nothing would be lost.
  returned: when O(probes) are given
  type: list
  elements: str
forbidden:
  description: The reasons why the server must not restart now, with remedies. Empty if it may.
  returned: when O(probes) are given
  type: str
"""
