# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: status_report
short_description: Compare the state of the servers with the plan
version_added: 0.1.0
description:
  - Creates a table and alerts, such as split brain, from the probes of all servers.
  - Reads the results that the tasks of the playbook C(distributed.tiers.status) registered on all hosts. A host
    that could not be read, or has no result, becomes a row and an alert with the reason.
  - Runs on the controller without a connection to a host, so one task with C(run_once) is enough for all hosts.
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
  plan:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  max_lag:
    description: Seconds that the data of a server may be behind, where the product's positions are times.
    type: float
    default: 30
  max_behind:
    description:
      - Changes that the data of a server may be behind, where the product's positions are numbers.
      - Probing all servers takes about 10 s. A system with ten writes per second makes 100 changes in that time.
    type: int
    default: 100
  clock_alert:
    description: Seconds that the clock of a host may differ from the controller's.
    type: float
    default: 1
  quota:
    description: Bytes of data at which a voter of the arbiter takes no more writes.
    type: int
    default: 268435456
"""

EXAMPLES = r"""
- name: Compare the servers with the plan
  distributed.tiers.status_report:
    plan: "{{ tiers_plan }}"
    max_lag: 60
  run_once: true
  register: status
"""

RETURN = r"""
ok:
  description: Whether there is no alert.
  returned: always
  type: bool
servers:
  description: The rows of the table, one for each server of the plan.
  returned: always
  type: list
  elements: dict
alerts:
  description: Deviations from the plan, a sentence each. It starts with the host's name if it is about one host.
  returned: always
  type: list
  elements: str
not_checked:
  description: Content that was not compared - hosts outside the limit of the run, and content that was not read.
  returned: always
  type: list
  elements: str
late:
  description: The servers that lag more than allowed, each with the positions of the masters.
  returned: always
  type: dict
content:
  description: The digest of each server that was asked for one, and whether others at its position have the same.
  returned: always
  type: list
  elements: dict
certificates:
  description: The certificates on every host that answered, with the days for which they are valid.
  returned: always
  type: list
  elements: dict
voters:
  description: The voters of the arbiter, with their roles.
  returned: always
  type: list
  elements: dict
summary:
  description: The number of RV(alerts) and the first of them, for the message of a failed run.
  returned: always
  type: str
text:
  description: Table and alerts as text.
  returned: always
  type: str
"""
