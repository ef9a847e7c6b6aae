#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: replace_check
short_description: Check whether new machines can be deployed in the place of failed servers
version_added: 0.1.0
description:
  - Checks that the machine that answers as a server is a new one, that its failed machine does not serve any more, and
    that another server can provide the data.
  - Reads what M(distributed.tiers.tier_probe) returned on each host, and the deployment records of all servers.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
  - distributed.tiers.judged_operation.targets
options:
  confirmed:
    description: Whether the operator confirms that the failed machines are switched off and stay off.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check whether px1 can be replaced
  distributed.tiers.replace_check:
    plan: "{{ tiers_plan }}"
    targets: px1
    confirmed: true
  run_once: true
  register: replace
"""

RETURN = r"""
todo:
  description: The servers whose new machines must be deployed.
  returned: always
  type: list
  elements: str
wrong:
  description: Servers that the operation refuses, with the reason, a sentence each.
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
