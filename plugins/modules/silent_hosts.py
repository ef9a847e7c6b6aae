# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: silent_hosts
short_description: Find the hosts that do not answer ssh
version_added: 0.1.0
description:
  - Logs in to all hosts at the same time, with the options of C(ansible.builtin.ssh), and names those whose login has
    not ended within its connection timeout, 10 seconds by default.
  - A login that fails is an answer. A host with another connection plugin is not asked.
author:
  - The distributed.tiers authors (@distributed-tiers)
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is ever changed.
  diff_mode:
    support: none
options:
  hosts:
    description: The hosts.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Find the servers that do not answer
  distributed.tiers.silent_hosts:
    hosts: "{{ groups['master'] }}"
  run_once: true
  register: silent
"""

RETURN = r"""
hosts:
  description: The hosts that do not answer.
  returned: always
  type: list
  elements: str
seconds:
  description: How long each host had for its answer.
  returned: always
  type: float
"""
