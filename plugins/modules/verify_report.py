# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_report
short_description: Compare the results of the probes with the plan
version_added: 0.1.0
description:
  - Creates findings and a text from the results of all hosts.
  - Reads the results that the tasks of the playbook C(distributed.tiers.verify) registered on all hosts. A host
    that could not be asked, or left no result, becomes a finding with the reason.
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
- name: Judge what all hosts saw
  distributed.tiers.verify_report:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: verification
"""

RETURN = r"""
ok:
  description: Whether there is no finding.
  returned: always
  type: bool
findings:
  description: Differences from the plan, each with RV(findings[].host), RV(findings[].what) and RV(findings[].why).
  returned: always
  type: list
  elements: dict
  contains:
    host: {description: The host that reported the difference., type: str}
    what: {description: The attempt., type: str}
    why: {description: The difference., type: str}
summary:
  description: The number of RV(findings) and the first of them, for the message of a failed run.
  returned: always
  type: str
text:
  description: The whole report as text.
  returned: always
  type: str
"""
