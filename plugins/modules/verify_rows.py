# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_rows
short_description: Find the servers through which a verification writes and reads rows
version_added: 0.1.0
description:
  - Reads from the variable C(verify_probed) of all servers which nodes of pairs are standby. No row goes through
    them.
  - Reads from the variable C(verify_written) of all hosts which rows were written. A host without it has
    written none.
  - Reads the variables C(tiers_probe_operations) and C(tiers_probe_driver) of all hosts,
    in which C(playbooks/tasks/access.yml) recorded the operations of the product's probes.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
"""

EXAMPLES = r"""
- name: Find through which servers rows are written
  distributed.tiers.verify_rows:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: rows
"""

RETURN = r"""
standby:
  description: The nodes of active/standby pairs that are standby.
  returned: always
  type: list
  elements: str
places:
  description: For each host the servers through which it reads rows.
  returned: always
  type: dict
writers:
  description:
    - For each host the servers through which it writes rows, with the ports at which they take writes, for
      O(distributed.tiers.tier_rows#module:servers).
  returned: always
  type: dict
names:
  description: The rows that were written.
  returned: always
  type: list
  elements: str
"""
