# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: voters_check
short_description: Compare the voters of the arbiter with the plan
version_added: 0.1.0
description:
  - Finds the changes after which the running voters are those of the plan. It reads what
    M(distributed.tiers.tier_voter) returned on each host of the groups C(tiers_voters) and C(tiers_former_voters).
extends_documentation_fragment:
  - distributed.tiers.judged_operation
"""

EXAMPLES = r"""
- name: Compare the voters with the plan
  distributed.tiers.voters_check:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: voters
"""

RETURN = r"""
bootstrap:
  description: The voters of a new cluster, which start at the same time. Empty if there is a cluster.
  returned: always
  type: list
  elements: str
token:
  description: The token of a new cluster.
  returned: always
  type: str
via:
  description: The healthy voter through which members change, with C(name), C(address) and C(client_port).
  returned: always
  type: raw
joining:
  description: >-
    Voters that must join, each with C(name), C(wipe) (it has data of a former member) and C(rebuilt) (the member
    of its name has lost its data).
  returned: always
  type: list
  elements: dict
changes:
  description: V(new) for each voter in RV(bootstrap), V(join) for each in RV(joining).
  returned: always
  type: dict
leaving:
  description: Members that the plan does not have, those that are down first, each with C(name), C(peer) and C(up).
  returned: always
  type: list
  elements: dict
forbidden:
  description: Why no voter must be changed. Empty if nothing forbids it.
  returned: always
  type: str
text:
  description: The changes, for a person. Empty without changes.
  returned: always
  type: str
"""
