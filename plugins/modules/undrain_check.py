# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: undrain_check
short_description: Find the servers whose traffic must be started
version_added: 0.1.0
description:
  - Finds the servers that are drained, and those that an interrupted run left closed to clients.
  - Reads the variable C(tiers_traffic) of all servers, in which C(playbooks/tasks/traffic.yml) registered what stops
    the traffic of each. A host that could not be read, or left no result, is not changed.
  - Without O(targets) it finds all such servers.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.targets
options:
  interrupted_only:
    description: Whether only servers are found that an interrupted run left closed to clients, whatever O(targets) are.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Find all servers whose traffic is stopped
  distributed.tiers.undrain_check:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: undrain
"""

RETURN = r"""
todo:
  description: The servers whose traffic must be started.
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
