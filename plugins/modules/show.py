# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Print a table or another text as it is
version_added: 0.1.0
description:
  - Prints a text of several lines to the terminal and the log, whatever the callback makes of results.
    M(ansible.builtin.debug) shows a table in one line of JSON, unless the callback is set to YAML.
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
    description: What to print.
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
"""
