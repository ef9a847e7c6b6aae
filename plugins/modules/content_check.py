# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: content_check
short_description: Check whether the digests of the servers can be compared
version_added: 0.1.0
description:
  - Digests must be read again where they differ, and where servers are at different positions, which cannot be
    compared.
  - Reads the variable C(tiers_content) of all hosts, in which C(playbooks/tasks/content.yml) registered the digests.
    A host that could not be read, or left no result, is left out.
extends_documentation_fragment:
  - distributed.tiers.judged_operation
"""

EXAMPLES = r"""
- name: Compare the digests
  distributed.tiers.content_check:
    plan: "{{ tiers_plan }}"
  run_once: true
  register: content
"""

RETURN = r"""
settled:
  description: Whether all servers with a digest are at one position and have the same content.
  returned: always
  type: bool
"""
