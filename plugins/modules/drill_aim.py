# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_aim
short_description: Choose the node of a pair that fails in an experiment
version_added: 0.1.0
description:
  - Returns an experiment of M(distributed.tiers.drill_plan) with the node that serves now. An earlier experiment may
    have made the peer the active node.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  experiment:
    description: The experiment, see RV(distributed.tiers.drill_plan#module:todo).
    type: dict
    required: true
  standby:
    description: The nodes of pairs that are standby, see RV(distributed.tiers.drill_health#module:standby).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Choose the node of the pair that fails
  distributed.tiers.drill_aim:
    plan: "{{ tiers_plan }}"
    experiment: "{{ planned }}"
    standby: "{{ health.standby }}"
  run_once: true
  register: aimed
"""

RETURN = r"""
experiment:
  description: The experiment with this node, its peer and the faults of their hosts.
  returned: always
  type: dict
"""
