# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: probe_offers
short_description: The operations that probes of a product support
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Returns which operations a product describes for probes, such as to read, write, list and remove rows.
options:
  _input:
    description: The credentials and settings of probes, from C(tiers_probe_access) of the product's role.
    type: dict
    required: true
  protocol:
    description: The protocol of the product.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read only what can be read
  ansible.builtin.debug:
    msg: Rows can be read
  when: "'read' in tiers_probe_access | distributed.tiers.probe_offers('https')"
"""

RETURN = r"""
_value:
  description: The operations offered, among V(read), V(write), V(names), V(remove) and V(status).
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import driver
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Access
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def probe_offers(access: Any, protocol: str) -> list[str]:
    try:
        return sorted(driver(str(protocol)).offers(Access.of(mapping("probe_offers", "the input", access))))
    except ValueError as error:
        raise AnsibleFilterError(f"probe_offers: {error}") from error


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"probe_offers": probe_offers}
