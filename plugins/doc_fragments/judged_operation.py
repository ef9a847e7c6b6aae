# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and attributes of the modules that check an operation on the controller."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  plan:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
attributes:
  check_mode:
    description: Can run in C(check_mode) and report the changes without making them.
    support: full
    details: Nothing is ever changed.
  diff_mode:
    description: Reports in diff mode what changed, or what would change in C(check_mode).
    support: none
notes:
  - Runs on the controller without a connection to a host, so one task with C(run_once) is enough for all hosts.
author:
  - The distributed.tiers authors (@distributed-tiers)
"""

    TARGETS = r"""
options:
  targets:
    description: Names of servers, in a list or in a text with commas.
    type: raw
    default: []
"""

    LOSS = r"""
options:
  min_online:
    description: Members of the pool that must be in service for the pool to serve.
    type: int
    default: 1
  loss_confirmed:
    description: Whether the operator accepts that service is lost.
    type: bool
    default: false
"""
