# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: resync_check
short_description: Whether the data of a server may be copied again now, and from which other server
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Judges, by what every server saw on itself, which other server can give one server its data, and who serves
    meanwhile.
options:
  targets:
    description: Name of the server, in a list or in a text.
    type: raw
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
- name: Stop where no other server can give the data
  ansible.builtin.assert:
    that: (answers | distributed.tiers.resync_check(tiers_plan, 'm2')).wrong | length == 0
"""

RETURN = r"""
_value:
  description: >-
    The server with the C(name) and C(address) of the one that gives it its data (C(todo)), what cannot be done
    (C(wrong)), which service would be C(lost) meanwhile, and all as C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.maintenance import resync
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping, names


def resync_check(answers: Any, plan: Any, targets: Any, min_online: int = 1) -> dict[str, Any]:
    return resync(
        mapping("resync_check", "the plan", plan),
        mapping("resync_check", "the input", answers),
        names("resync_check", "targets", targets),
        min_online,
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"resync_check": resync_check}
