# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_credential_type
short_description: An AWX credential type for secret variables
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Creates the inputs and injectors of an AWX credential type that stores secrets and passes them to a job as extra
    variables of the same names.
options:
  _input:
    description: The names of the variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Make the type of the credential
  awx.awx.credential_type:
    name: tiers secrets
    kind: cloud
    inputs: "{{ type.inputs }}"
    injectors: "{{ type.injectors }}"
  vars:
    type: "{{ ['tiers_ca_passphrase'] | distributed.tiers.awx_credential_type }}"
"""

RETURN = r"""
_value:
  description: The C(inputs) and the C(injectors).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import credential_type


def awx_credential_type(names: Any) -> dict[str, Any]:
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
        raise AnsibleFilterError("awx_credential_type: the input must be a list of names of variables")
    return credential_type(names)


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"awx_credential_type": awx_credential_type}
