# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_rows
short_description: Find the acknowledged writes of a drill
version_added: 0.1.0
description:
  - Reads the samples of M(distributed.tiers.tier_load), and finds the rows whose writes were acknowledged.
  - Finds the servers through which each host can search them. Reads the variables C(tiers_probe_operations) and
    C(tiers_probe_driver) of all hosts,
    in which C(playbooks/tasks/access.yml) recorded the operations of the product's probes.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  samples:
    description: The directory on the controller with one file C(CLIENT.jsonl) for each client.
    type: path
    required: true
  run:
    description: The name of the drill.
    type: str
    required: true
  before:
    description: Only rows that were acknowledged until then, in seconds since 1970.
    type: float
  standby:
    description: The nodes of pairs that are standby, see RV(distributed.tiers.drill_health#module:standby).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Find the acknowledged writes
  distributed.tiers.drill_rows:
    plan: "{{ tiers_plan }}"
    samples: /tmp/samples
    run: trial
  run_once: true
  register: rows
"""

RETURN = r"""
names:
  description: The names of the rows.
  returned: always
  type: list
  elements: str
places:
  description: For each host the servers through which its rows go, for O(distributed.tiers.tier_rows#module:servers).
  returned: always
  type: dict
"""
