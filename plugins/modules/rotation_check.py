# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_check
short_description: Check how far a rotation of the certificates is, and whether it may go on
version_added: 0.1.0
description:
  - Decides which rounds a rotation of the certificates needs, and refuses one that would interrupt service.
  - Reads the variable C(tiers_certificate_read) of all hosts, in which the playbook C(rotate_certificates) registered
    the texts of C(server.crt) and C(ca.crt).
extends_documentation_fragment:
  - distributed.tiers.judged_operation
requirements:
  - cryptography, on the controller
options:
  authorities:
    description:
      - The CAs of the system, as the entry point C(ca_read) of role C(host) sets them.
      - C(current) and C(next) are PEM texts, C(next) is empty if there is none. C(given) is true if they come from
        variables.
    type: dict
    required: true
  replaces_ca:
    description: Whether the operator wants another CA, too.
    type: bool
    default: false
  hours:
    description: A CA or a certificate that was issued within this number of hours counts as rotated.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Check how far the rotation is
  distributed.tiers.rotation_check:
    plan: "{{ tiers_plan }}"
    authorities: "{{ host_authorities }}"
    replaces_ca: true
    hours: 24
  run_once: true
  register: rotation
"""

RETURN = r"""
rounds:
  description: The rounds of the run, in their order. Each is C(trust), C(issue) or C(drop).
  returned: always
  type: list
  elements: str
hosts:
  description: The hosts of the run whose certificates are rotated.
  returned: always
  type: list
  elements: str
creates_ca:
  description: Whether the run creates the next CA.
  returned: always
  type: bool
issued_since:
  description: A certificate that was issued before this time is rotated. In seconds since 1970.
  returned: always
  type: float
forbidden:
  description: All reasons why the operation must not start, with remedies. Empty if it may start.
  returned: always
  type: str
text:
  description: The table of the hosts and the rounds, to print.
  returned: always
  type: str
"""
