# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: pause_check
short_description: Check whether automatic failover of pairs can be paused or resumed
version_added: 0.1.0
description:
  - Checks which pairs serve by a lease, whether a node of each is active, and whether their automatic failover is
    paused already.
  - Reads the variable C(tiers_probed) of all servers, in which C(playbooks/tasks/look.yml) registered what each server
    reported.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.targets
options:
  resumes:
    description: Whether the pause must end. Otherwise failover must be paused.
    type: bool
    default: false
  minutes:
    description: The minutes after which a pause ends by itself, for the table. V(0) has no limit.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Check whether automatic failover of all pairs can be paused
  distributed.tiers.pause_check:
    plan: "{{ tiers_plan }}"
    minutes: 60
  run_once: true
  register: pause
"""

RETURN = r"""
todo:
  description: By the primary of each pair whose failover must be paused or resumed, the node whose agent does it.
  returned: always
  type: dict
nodes:
  description: These nodes.
  returned: always
  type: list
  elements: str
wrong:
  description: Servers that the operation refuses, with the reason, a sentence each.
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
