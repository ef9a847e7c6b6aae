# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_check
short_description: Check whether a backup may be restored, and whether all servers have its data
version_added: 0.1.0
description:
  - Before a restore, compares the description of the backup with the plan. Reads the variable C(tiers_probed) of all
    servers, in which C(playbooks/tasks/look.yml) registered what each server reported.
  - After it, compares the digests that C(playbooks/tasks/content.yml) registered.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
options:
  backup:
    description: The description of the backup, as JSON.
    type: str
    default: ""
  checksum:
    description: The SHA-256 of the data of the backup, in hexadecimal. Empty if there are none.
    type: str
    default: ""
  time:
    description: The state of a repository of backups that is restored, V(newest) or a time. Empty without a repository.
    type: str
    default: ""
  confirmed:
    description: The name of the system whose data the operator permits to replace.
    type: str
    default: ""
  restored:
    description: Whether the data were restored.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check whether the backup can be restored
  distributed.tiers.restore_check:
    plan: "{{ tiers_plan }}"
    backup: "{{ lookup('ansible.builtin.file', 'demo-20260101T120000Z.json') }}"
    checksum: "{{ backup.stat.checksum }}"
    confirmed: demo
  run_once: true
  register: restore
"""

RETURN = r"""
hosts:
  description: The servers whose data are replaced.
  returned: always
  type: list
  elements: str
created:
  description: When the backup was made.
  returned: always
  type: str
forbidden:
  description: All reasons why the operation must not start, or what is wrong after it. Empty if nothing is.
  returned: always
  type: str
text:
  description: The table to print.
  returned: always
  type: str
"""
