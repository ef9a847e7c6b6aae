# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: switch_over_check
short_description: Check which pairs can switch over
version_added: 0.1.0
description:
  - Checks whether the active node of a pair can step down for its peer now.
  - Reads the variable C(tiers_probed) of all servers, in which C(playbooks/tasks/look.yml) registered what each server
    reported. A host that could not be read, or has no result, cannot be promoted.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.targets
"""

EXAMPLES = r"""
- name: Check whether the pair of m1 can switch over
  distributed.tiers.switch_over_check:
    plan: "{{ tiers_plan }}"
    targets: m1
  run_once: true
  register: switch_over
"""

RETURN = r"""
todo:
  description:
    - The active nodes that must step down. C(to) is the name of the peer. C(edge) is the probe with which
      M(distributed.tiers.tier_probe) checks on the peer that it is active.
  returned: always
  type: dict
promoted:
  description: The peers that must become active.
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
