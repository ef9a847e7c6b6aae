# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: drain_check
short_description: Check whether servers can be drained now
version_added: 0.1.0
description:
  - Finds the service that would be lost if servers went out of service now, and the servers that serve meanwhile.
  - Reads the variable C(tiers_probed) of all servers, in which C(playbooks/tasks/look.yml) registered what each server
    reported. A host that could not be read, or has no result, counts as down.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.targets
  - distributed.tiers.judged_operation.loss
"""

EXAMPLES = r"""
- name: Check whether px1 and p2 can be drained
  distributed.tiers.drain_check:
    plan: "{{ tiers_plan }}"
    targets: px1,p2
  run_once: true
  register: drain

- name: Fail before any server is touched
  ansible.builtin.fail:
    msg: "{{ drain.forbidden }}"
  run_once: true
  when: drain.forbidden | length > 0
"""

RETURN = r"""
todo:
  description: The servers that must still be drained.
  returned: always
  type: list
  elements: str
wrong:
  description: Servers that the operation refuses, with the reason, a sentence each.
  returned: always
  type: list
  elements: str
lost:
  description: Service that would be lost meanwhile, a sentence each.
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
