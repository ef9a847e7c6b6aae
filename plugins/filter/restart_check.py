# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: restart_check
short_description: Whether a running server may be restarted now
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Judges what it would cost now to take a server out of service for a moment, beyond what that costs while all others
    are healthy.
  - The answers are those of the servers that P(distributed.tiers.restart_servers#filter) gives.

options:
  server:
    description: Name of the server.
    type: str
    required: true
  min_online:
    description: The least members with which the pool serves.
    type: int
    default: 1
extends_documentation_fragment:
  - distributed.tiers.verification.answers
  - distributed.tiers.verification.plan
"""

EXAMPLES = r"""
- name: Stop where service would be lost
  ansible.builtin.assert:
    that: (answers | distributed.tiers.restart_check(tiers_plan, 'm1')).lost | length == 0
"""

RETURN = r"""
_value:
  description: Which service would be C(lost), and which servers are C(missing) for it and why, both as lists of texts.
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import restart
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def restart_check(answers: Any, plan: Any, server: str, min_online: int = 1) -> dict[str, Any]:
    return restart(
        mapping("restart_check", "the plan", plan),
        mapping("restart_check", "the input", answers),
        str(server),
        int(min_online),
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"restart_check": restart_check}
