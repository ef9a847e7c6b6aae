#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade_check
short_description: Check which servers get another release
version_added: 0.1.0
description:
  - Compares the release that each server was deployed with and the release of the inventory, and sorts the servers in
    the order of their upgrade.
  - Checks that all servers are as planned before the first one restarts.
  - Reads what M(distributed.tiers.tier_probe) returned on each server, and the deployment records.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  loss_confirmed:
    description: Whether the operator accepts that servers are not as planned.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check which servers get another release
  distributed.tiers.upgrade_check:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: upgrade
"""

RETURN = r"""
todo:
  description: The servers that get another release, in their order.
  returned: always
  type: list
  elements: str
canary:
  description: The first of them. Empty if a server runs the release already.
  returned: always
  type: str
watched:
  description: The servers that must stay as planned for some time before the others are upgraded.
  returned: always
  type: list
  elements: str
wrong:
  description: Why no server must be upgraded, a sentence each.
  returned: always
  type: list
  elements: str
ill:
  description: The servers that are not as planned, with the reason, a sentence each.
  returned: always
  type: list
  elements: str
forbidden:
  description: All reasons why the operation must not start, with remedies. Empty if it may start.
  returned: always
  type: str
text:
  description: The table to print.
  returned: always
  type: str
"""
