# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_health
short_description: Check whether the system is as planned
version_added: 0.1.0
description:
  - Lists every deviation from the plan, from the probes of all servers. An active/standby pair without exactly one
    active node is a deviation.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  results:
    description:
      - Name of the variable in which M(distributed.tiers.tier_probe) was registered on all servers. A server without it
        is not as planned.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Check whether the system is healthy
  distributed.tiers.drill_health:
    plan: "{{ tiers_plan }}"
    results: probed
  run_once: true
  register: health
"""

RETURN = r"""
degraded:
  description: Deviations from the plan, a sentence each. Empty if the system is healthy.
  returned: always
  type: list
  elements: str
standby:
  description: The nodes of active/standby pairs that are standby.
  returned: always
  type: list
  elements: str
position:
  description: The newest of all positions, for each server that accepts writes.
  returned: always
  type: dict
"""
