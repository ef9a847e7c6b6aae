# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: system_hosts
short_description: Find the hosts of the system of this run
version_added: 0.1.0
description:
  - Returns the hosts of the inventory that belong to the system, so that a run connects to no other host, and the
    servers of the system outside the limit.
  - The system is that of the first host of the run, by name, that belongs to one by its own C(tiers_groups).
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
"""

EXAMPLES = r"""
- name: Find the hosts of the system
  distributed.tiers.system_hosts:
  run_once: true
  register: system
"""

RETURN = r"""
hosts:
  description: A key for each host of the system.
  returned: always
  type: dict
outside:
  description: The servers of the system that are not in the run.
  returned: always
  type: list
  elements: str
left_out:
  description: All hosts of the system that are not in the run, clients too.
  returned: always
  type: list
  elements: str
"""
