# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: lag_check
short_description: Find the servers that seem to lag
version_added: 0.1.0
description:
  - Finds the servers whose data lag too far to replace another server, by the variable C(tiers_probed) of all servers.
  - A server that was probed seconds before the master may only seem to lag. C(playbooks/tasks/catch_up.yml) probes
    these servers again until they have the positions that the masters had.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
"""

EXAMPLES = r"""
- name: Find the servers that seem to lag
  distributed.tiers.lag_check:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: lag
"""

RETURN = r"""
late:
  description: The servers that seem to lag, each with the positions of the masters.
  returned: always
  type: dict
"""
