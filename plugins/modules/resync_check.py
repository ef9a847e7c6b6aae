# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: resync_check
short_description: Check whether the data of a server can be copied from another server
version_added: 0.1.0
description:
  - Finds the healthy server that can provide the data of one server now, and the servers that serve meanwhile.
  - Reads the variable C(tiers_probed) of all servers, in which C(playbooks/tasks/look.yml) registered what each server
    reported. A host that could not be read, or has no result, provides no data.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.targets
  - distributed.tiers.judged_operation.loss
options:
  confirmed:
    description: Whether the operator allows that the data of the server are replaced.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check whether m2 can be resynced
  distributed.tiers.resync_check:
    plan: "{{ tiers_plan }}"
    targets: m2
    confirmed: true
  run_once: true
  register: resync
"""

RETURN = r"""
todo:
  description: The server that must be resynced, with the C(name) and C(address) of the source of its data.
  returned: always
  type: dict
wrong:
  description: Servers that the operation refuses, with the reason, a sentence each.
  returned: always
  type: list
  elements: str
lost:
  description: Service that would be lost meanwhile, a sentence each.
  returned: always
  type: list
  elements: str
forbidden:
  description: All reasons why the operation must not start, with remedies. Empty if it may start.
  returned: always
  type: str
text:
  description: The table to print.
  returned: always
  type: str
"""
