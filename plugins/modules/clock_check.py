# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: clock_check
short_description: Fail if the clock of a host is wrong
version_added: 0.1.0
description:
  - Reports every host whose clock differs from the controller's by more than a limit. The duration of the request is
    subtracted.
  - Reads the variable C(tiers_clock_read) of all hosts, in which C(playbooks/tasks/clocks.yml) registered what
    M(distributed.tiers.tier_host) read there. A host that could not be read is left out.
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
  limit:
    description: Seconds that a clock may differ from the controller's (C(tiers_clock_refuse)).
    type: float
    default: 30
"""

EXAMPLES = r"""
- name: Compare the clocks with the controller's
  distributed.tiers.clock_check:
    limit: 30
  run_once: true
"""

RETURN = r"""
wrong:
  description: The clocks that are wrong, a sentence each.
  returned: always
  type: list
  elements: str
"""
