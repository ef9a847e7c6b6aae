# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: roll_back_check
short_description: Check whether the servers can return to their previous release
version_added: 0.1.0
description:
  - Finds the servers that run the release of the inventory, and checks whether each can return to its previous
    release. A server that runs another release was rolled back already.
  - Reads the variable C(tiers_earlier) of all servers, which the task file C(earlier) of the product sets.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
"""

EXAMPLES = r"""
- name: Check whether the servers can be rolled back
  distributed.tiers.roll_back_check:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: roll_back
"""

RETURN = r"""
todo:
  description: The servers to roll back.
  returned: always
  type: list
  elements: str
wrong:
  description: The servers without a previous release, with the reason and the remedy.
  returned: always
  type: list
  elements: str
forbidden:
  description: All reasons why the operation must not start, with remedies. Empty if it may start.
  returned: always
  type: str
text:
  description: A line for each server, to print.
  returned: always
  type: str
"""
