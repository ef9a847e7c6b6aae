# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hex_bytes
short_description: The bytes of a text with escapes, in hexadecimal
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Returns the bytes that are sent for a text such as C(check.send) of a service. V(\r), V(\n), V(\t), V(\0), V(\xHH)
    and V(\\) are one byte each; everything else is UTF-8.
  - All programs that send the text get these bytes, so all of them interpret escapes in the same way.

options:
  _input:
    description: The text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what HAProxy sends
  ansible.builtin.debug:
    msg: "{{ 'PING\r\n' | distributed.tiers.hex_bytes }}"    # 50494e470d0a
"""

RETURN = r"""
_value:
  description: Two hexadecimal digits for each byte.
  type: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.planner.escapes import bytes_of


def hex_bytes(text: Any) -> str:
    try:
        return bytes_of(str(text)).hex()
    except ValueError as error:
        raise AnsibleFilterError(f"hex_bytes: {error}") from error


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"hex_bytes": hex_bytes}
