# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_acknowledged
short_description: The rows whose writing was acknowledged during a drill
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Reads the samples that M(distributed.tiers.tier_load) left.
options:
  _input:
    description: The directory on the controller with one file C(CLIENT.jsonl) for each client.
    type: path
    required: true
  run:
    description: The name of the drill.
    type: str
    required: true
  before:
    description: Only those acknowledged until then, in seconds since 1970.
    type: float
"""

EXAMPLES = r"""
- name: Count the acknowledged writes
  ansible.builtin.debug:
    msg: "{{ '/tmp/samples' | distributed.tiers.drill_acknowledged('trial') | length }}"
"""

RETURN = r"""
_value:
  description: The names of the rows.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import acknowledged
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import samples


def drill_acknowledged(directory: Any, run: str, before: float | None = None) -> list[str]:
    return acknowledged(samples("drill_acknowledged", directory), str(run), None if before is None else float(before))


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"drill_acknowledged": drill_acknowledged}
