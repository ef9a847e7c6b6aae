# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: retire_check
short_description: Check whether servers can be removed from their hosts
version_added: 0.1.0
description:
  - Checks whether another server may still depend on the servers, because it was deployed from another plan.
  - Reads the deployment records of all servers, as this run has read them. A host that could not be read has none.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.targets
options:
  confirmed:
    description: Whether the operator allows that servers are removed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check whether px2 can be retired
  distributed.tiers.retire_check:
    plan: "{{ tiers_plan }}"
    targets: px2
    confirmed: true
  run_once: true
  register: retire
"""

RETURN = r"""
todo:
  description: The servers that must be removed.
  returned: always
  type: list
  elements: str
wrong:
  description: Servers that the operation refuses, with the reason, a sentence each.
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
