# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: report_page
short_description: Write the report of a system as one HTML file
version_added: 0.1.0
description:
  - Writes one file on the controller that a browser shows without a network. See C(docs/report.md).
  - It marks each value that was not asked or not measured.
author:
  - The distributed.tiers authors (@distributed-tiers)
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: In check mode no file is written.
  diff_mode:
    support: none
options:
  excerpt:
    description: RV(distributed.tiers.topology_validate#module:excerpt) of M(distributed.tiers.topology_validate).
    type: dict
    required: true
  status:
    description: The result of M(distributed.tiers.status_report). Without it, no server counts as asked.
    type: dict
  drill:
    description:
      - The C(report.json) of a drill, on the controller.
      - A file that does not exist, or is about another system, is no drill.
    type: path
  dest:
    description: The file to write. Its directory is created.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Compute the plan
  distributed.tiers.topology_validate:
    excerpt: true
  run_once: true
  register: validation

- name: Write the report
  distributed.tiers.report_page:
    excerpt: "{{ validation.excerpt }}"
    drill: reports/report.json
    dest: reports/report.html
  run_once: true
"""

RETURN = r"""
dest:
  description: The full path of the file.
  returned: always
  type: str
size:
  description: Its size in bytes.
  returned: always
  type: int
has_drill:
  description: Whether it shows a drill.
  returned: always
  type: bool
"""
