# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: restart_order
short_description: Sort the servers of a play in the order in which they restart
version_added: 0.1.0
description:
  - Sorts the hosts of the play as C(upgrade_order) of their product says. Within a tier, those come first whose failure
    costs least.
  - In an active/standby pair, the standby comes before the active node. The variable C(tiers_serving) of the hosts says
    which node is active.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  back:
    description: Whether the servers return to their previous release. The order is then reversed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Compute the order of the restarts
  distributed.tiers.restart_order:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: restarts
"""

RETURN = r"""
order:
  description: The servers of the play, in the order of their restarts.
  returned: always
  type: list
  elements: str
"""
