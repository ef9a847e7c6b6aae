# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: ca_check
short_description: Fail if the CA of a system must not be created in this run
version_added: 0.1.0
description:
  - Fails if the passphrase is so short that Ansible would mask parts of certificates.
  - Fails if the CA would be created in a job of AWX, in a directory that AWX removes with the container of the job.
  - Fails if the system has another CA, because hosts with certificates of different CAs refuse each other.
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
options:
  system:
    description: Name of the system.
    type: str
    required: true
  directory:
    description: Directory of the CA on the controller. It need not exist.
    type: path
    required: true
  passphrase_length:
    description: Number of characters of the passphrase, 0 without one. The passphrase itself would mask the message.
    type: int
    required: true
  given:
    description: Whether the operator gives certificate and key of the CA, so that none is created.
    type: bool
    default: false
  may_create:
    description: Whether a missing CA may be created. False if the system has another one.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Fail if the CA must not be created in this run
  distributed.tiers.ca_check:
    system: "{{ tiers_plan.system }}"
    directory: "{{ host_ca_dir }}"
    passphrase_length: "{{ tiers_ca_passphrase | length }}"
  run_once: true
"""

RETURN = r"""
msg:
  description: Why the CA must not be created, and what to do about it.
  returned: failed
  type: str
"""
