# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: service_failure
short_description: Report why a described service could not be staged, or cannot serve
version_added: 0.1.0
description:
  - Combines the result of a failed task and the log of the service in one message.
  - Secrets of the host are masked in the message. The result of a task with a secret file is not shown.
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
  server:
    description: The server that the message names.
    type: str
    required: true
  result:
    description: The result of the task that failed.
    type: dict
    required: true
  secrets:
    description: Texts to mask. Those of one or two characters stay, because any text has them.
    type: list
    elements: raw
    required: true
  task:
    description: The name of the task that failed to stage a part of the service. Either this or O(unit) must be given.
    type: str
  is_hidden:
    description: Whether the result of O(task) may contain a secret.
    type: bool
    default: false
  unit:
    description: The unit of a service that cannot serve.
    type: str
  log:
    description: The last lines of the log of O(unit).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Describe why the service cannot serve
  distributed.tiers.service_failure:
    server: m1
    result: "{{ ansible_failed_result }}"
    unit: ledger.service
    log: "{{ journal.stdout }}"
    secrets: ["{{ ledger_password }}"]
  register: failure
"""

RETURN = r"""
reason:
  description: The message.
  returned: always
  type: str
"""
