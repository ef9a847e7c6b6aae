# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_archive
short_description: Write an archive of states, configurations and logs of all hosts, without secrets
version_added: 0.1.0
description:
  - Reads the variable C(tiers_bundle_read) of all hosts, in which the playbook C(support_bundle) registered what
    M(distributed.tiers.tier_bundle) returned.
  - Masks the values of all variables of the inventory whose names are those of secrets, such as C(…_password),
    those that C(tiers_service) declares, private keys, and settings in files that are named as secrets.
  - The archive is readable by its owner only.
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: Writes no archive.
  diff_mode:
    support: none
options:
  plan:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  directory:
    description: The directory of the archive on the controller.
    type: path
    required: true
  secrets:
    description: More texts that must not be in the archive.
    type: list
    elements: str
    default: []
  status:
    description: The report of C(status).
    type: str
    default: ""
notes:
  - Runs on the controller without a connection to a host, so one task with C(run_once) is enough for all hosts.
author:
  - The distributed.tiers authors (@distributed-tiers)
"""

EXAMPLES = r"""
- name: Write the archive
  distributed.tiers.bundle_archive:
    plan: "{{ tiers_plan }}"
    directory: reports
  run_once: true
"""

RETURN = r"""
path:
  description: The archive.
  returned: always
  type: str
missing:
  description: The hosts from which nothing was read, with the reason.
  returned: always
  type: dict
"""
