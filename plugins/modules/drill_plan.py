# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_plan
short_description: Plan the experiments of a drill and the load of its client hosts
version_added: 0.1.0
description:
  - Selects one server for each wanted experiment, and gives the reason if the topology has none for it.
  - Computes the load of each client host, which reads and writes at its endpoints, and reads through the pool on kept
    and on new connections. Reads the variables C(tiers_probe_operations) and C(tiers_probe_driver) of the client hosts,
    in which C(playbooks/tasks/access.yml) recorded the operations of the product's probes, and C(drill_possible) of all
    hosts, the faults that they can have.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  standby:
    description: The nodes of pairs that are standby, see RV(distributed.tiers.drill_health#module:standby).
    type: list
    elements: str
    default: []
  rates:
    description:
      - Requests per second of each program. C(read) reads, C(connect) reads with a new connection each time, C(write)
        writes, C(pool_read) and C(pool_connect) read through the pool, and C(watch) probes the address of the pool.
      - Rates above 10 per second are divided among several workers.
    type: dict
    default: {}
  run:
    description: The name of the drill, with which the names of its rows begin.
    type: str
    required: true
  experiments:
    description:
      - Patterns of the names of the wanted experiments, such as V(*_off) or V(master_cut). See C(docs/drills.md).
    type: list
    elements: str
    default: ["*_off"]
  seconds:
    description: Seconds that each fault lasts.
    type: float
    default: 12
  minutes:
    description:
      - With more than 0 a campaign is planned. RV(todo) then has more experiments than these minutes hold, in a random
        order, each server of a kind alike.
    type: float
    default: 0
  seed:
    description: Determines the order of a campaign.
    type: int
    default: 1
  allowed:
    description: Limits that differ from the usual ones, for RV(text).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Plan the experiments
  distributed.tiers.drill_plan:
    plan: "{{ tiers_plan }}"
    run: trial
    rates: {read: 5, connect: 2, write: 3}
  run_once: true
  register: drill
"""

RETURN = r"""
todo:
  description: The experiments.
  returned: always
  type: list
  elements: dict
skipped:
  description: The experiments that this plan does not allow, with the reason.
  returned: always
  type: list
  elements: dict
load_seconds:
  description: Seconds after which the load must end by itself.
  returned: always
  type: float
text:
  description: The effect of each experiment, how it is undone and what it promises, for a terminal.
  returned: always
  type: str
streams:
  description: For each client host its load, for O(distributed.tiers.tier_load#module:streams).
  returned: always
  type: dict
"""
