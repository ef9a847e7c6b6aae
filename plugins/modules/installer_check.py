# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: installer_check
short_description: Check whether a vendor's installer succeeded
version_added: 0.1.0
description:
  - Many installers always exit with 0 and report their result in a file. The module can search that file for a line.
  - The message contains the output of the installer, with the secrets of the host masked.
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
  run:
    description: The result of running the installer.
    type: dict
    required: true
  result_file:
    description: The result of printing its result file.
    type: dict
    required: true
  expected:
    description:
      - C(success) is the line of the result file that reports success, C(section) the section in which it stands.
      - Empty if the installer writes no such file.
    type: dict
    default: {}
  secrets:
    description: Texts to mask. Those of one or two characters stay, because any text has them.
    type: list
    elements: raw
    required: true
"""

EXAMPLES = r"""
- name: Check whether the installer succeeded
  distributed.tiers.installer_check:
    run: "{{ ran }}"
    result_file: "{{ printed }}"
    expected: {section: ResponseResult, success: Result=OK}
    secrets: ["{{ ledger_password }}"]
  register: installer
"""

RETURN = r"""
succeeded:
  description: Whether the installer succeeded.
  returned: always
  type: bool
reason:
  description: The exit code and output of the installer.
  returned: always
  type: str
"""
