# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Print a table or another text line by line
version_added: 0.1.0
description:
  - Returns a text of several lines in the form that the callback prints line by line, below the title of the task.
    M(ansible.builtin.debug) prints a text of several lines in one line, unless the result format is YAML.
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
  text:
    description: The text to print.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the plan
  distributed.tiers.show:
    text: "{{ tiers_validation.report }}"
  run_once: true
"""

RETURN = r"""
msg:
  description:
    - The lines of the text, without blanks at their ends.
    - One text instead where the callback prints a text of several lines as it is, as with
      C(result_format=yaml).
  returned: always
  type: list
  elements: str
"""
