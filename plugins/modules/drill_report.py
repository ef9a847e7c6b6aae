# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_report
short_description: Evaluate the promises from the measurements of a drill
version_added: 0.1.0
description:
  - Computes figures and verdicts from the samples of the load and the times of the experiments.
  - Reads the variable C(drill_lasting) of all servers, in which the playbook registered its search for the
    acknowledged writes at the end of the drill, C(drill_content), the digest of the content of each server, and
    C(tiers_probe_operations).
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  record:
    description: The record of the drill that the playbook keeps.
    type: dict
    required: true
  samples:
    description: The directory on the controller with one file C(CLIENT.jsonl) for each client.
    type: path
    required: true
  run:
    description: The name of the drill.
    type: str
    required: true
  allowed:
    description: Limits that differ from the usual ones, see C(docs/drills.md).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Evaluate the drill
  distributed.tiers.drill_report:
    plan: "{{ tiers_plan }}"
    record: "{{ record }}"
    samples: /tmp/samples
    run: trial
  run_once: true
  register: drill
"""

RETURN = r"""
ok:
  description: Whether no promise was broken.
  returned: always
  type: bool
disturbed:
  description: Whether an experiment exceeded a limit while a client host stalled.
  returned: always
  type: bool
text:
  description: The report for a terminal.
  returned: always
  type: str
markdown:
  description: The report as a page.
  returned: always
  type: str
report:
  description: All figures.
  returned: always
  type: dict
"""
