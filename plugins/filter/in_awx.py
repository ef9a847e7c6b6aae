# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: in_awx
short_description: A remedy with surveys and templates in place of command lines
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - In a job of AWX, replaces extra variables of a command line by answers to the survey, and playbooks by job
    templates. Elsewhere it leaves the text as it is.
options:
  _input:
    description: A message for the operator.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Fail until the operator agrees
  ansible.builtin.fail:
    msg: "{{ 'Accept the loss: -e tiers_drain_confirm=true.' | distributed.tiers.in_awx }}"
"""

RETURN = r"""
_value:
  description: The message.
  type: str
"""

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from ansible_collections.distributed.tiers.plugins.module_utils.operations import job


@pass_context
def in_awx(context: Context, text: Any) -> str:
    names = ("awx_job_template_name", "tower_job_template_name")
    return job.in_awx(str(text), job.job_template({name: context.get(name) for name in names}))


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"in_awx": in_awx}
