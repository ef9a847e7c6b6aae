# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets_check
short_description: Check whether secrets can be rotated
version_added: 0.1.0
description:
  - Checks that the product accepts two values of each secret at a time, and that every server answers and is deployed
    from this plan.
  - Reads the variable C(tiers_probed) of all servers, in which C(playbooks/tasks/look.yml) registered what each server
    reported, and their deployment records.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  names:
    description: The names of the secrets that have a next value. Never a value.
    type: list
    elements: str
    default: []
  accepted:
    description: The names of the secrets for which the servers of the product accept a next value.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check whether the password of the probes can be rotated
  distributed.tiers.secrets_check:
    plan: "{{ tiers_plan }}"
    names: [product_openldap_probe_password]
    accepted: [product_openldap_probe_password]
  run_once: true
  register: rotation
"""

RETURN = r"""
hosts:
  description: The servers that take part.
  returned: always
  type: list
  elements: str
wrong:
  description: The reasons against the rotation, a sentence each.
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
