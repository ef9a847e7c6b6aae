# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_workflow
short_description: The nodes of an AWX workflow
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Creates a chain of nodes from steps, for the module C(awx.awx.workflow_job_template). Each node runs if the previous
    one succeeded.
options:
  _input:
    description: The steps in their order, each a playbook, or V(approval).
    type: list
    elements: str
    required: true
  name:
    description: The prefix of the names of the job templates.
    type: str
    required: true
  organization:
    description: The organization of the job templates.
    type: str
    required: true
  answers:
    description: The answers to the surveys of the steps, for steps that require some.
    type: dict
"""

EXAMPLES = r"""
- name: Make the workflow
  awx.awx.workflow_job_template:
    name: tiers change
    organization: tiers
    workflow_nodes: "{{ ['plan', 'approval', 'deploy'] | distributed.tiers.awx_workflow('tiers', 'tiers') }}"
"""

RETURN = r"""
_value:
  description: The nodes, for C(workflow_nodes).
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import workflow


def awx_workflow(
    steps: Any, name: str, organization: str, answers: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    if not isinstance(steps, (list, tuple)) or not steps or not all(isinstance(step, str) for step in steps):
        raise AnsibleFilterError("awx_workflow: the input must be a list of steps")
    return workflow(steps, name, organization, answers or {})


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"awx_workflow": awx_workflow}
