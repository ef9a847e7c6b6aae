# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_check
short_description: Choose the server whose data are copied for a backup
version_added: 0.1.0
description:
  - Chooses a server that has all data, and names the files of the backup.
  - Reads the variable C(tiers_probed) of all servers, in which C(playbooks/tasks/look.yml) registered what each server
    reported.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.targets
options:
  rehearses:
    description: Whether a restore is rehearsed, for which the server needs a repository of backups.
    type: bool
    default: false
  time:
    description: The state that a rehearsal restores. Empty, a restore point that it sets itself.
    type: str
    default: ""
  directory:
    description: Directory of the backups on the controller, if the backup goes there. In AWX it must outlive the job.
    type: path
"""

EXAMPLES = r"""
- name: Choose the server whose data are copied
  distributed.tiers.backup_check:
    plan: "{{ tiers_plan }}"
    directory: backups
  run_once: true
  register: backup
"""

RETURN = r"""
todo:
  description: The server whose data are copied. Empty if there is none.
  returned: always
  type: list
  elements: str
name:
  description: The name of the files of the backup, without an extension.
  returned: always
  type: str
pattern:
  description: A regular expression of the files of all backups of the system.
  returned: always
  type: str
description:
  description: The system, product, server, release and time of the backup.
  returned: always
  type: dict
forbidden:
  description: All reasons why the operation must not start, with remedies. Empty if it may start.
  returned: always
  type: str
text:
  description: The table to print.
  returned: always
  type: str
"""
