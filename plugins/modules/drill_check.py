# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_check
short_description: Check whether a drill may begin
version_added: 0.1.0
description:
  - A drill interrupts service, so an operator must allow it. Its load comes from client hosts.
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
  confirmed:
    description: Whether the operator allows the drill (C(tiers_drill_confirm)).
    type: bool
    default: false
  clients:
    description: The client hosts of the run.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check whether the drill may begin
  distributed.tiers.drill_check:
    confirmed: "{{ tiers_drill_confirm | default(false) }}"
    clients: "{{ groups.client }}"
  run_once: true
  register: drill
"""

RETURN = r"""
forbidden:
  description: Why the drill must not begin, and what to do about it. Empty if it may.
  returned: always
  type: str
"""
