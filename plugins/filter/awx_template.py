# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_template
short_description: The AWX job template of a playbook
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Computes the settings of a job template with its survey, for the module C(awx.awx.job_template), from the
    description of a playbook of this collection.
  - A survey of AWX has no type for flags, so it asks for V(true) or V(false), and the job gets these words.
options:
  _input:
    description: The description of the playbook in C(playbooks/meta).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Make the job template
  awx.awx.job_template:
    name: deploy
    project: tiers
    playbook: playbooks/deploy.yml
    survey_enabled: "{{ template.survey_enabled }}"
    survey_spec: "{{ template.survey_spec }}"
    ask_limit_on_launch: "{{ template.ask_limit_on_launch }}"
  vars:
    template: "{{ lookup('ansible.builtin.file', 'meta/deploy.yml') | from_yaml | distributed.tiers.awx_template }}"
"""

RETURN = r"""
_value:
  description:
    - C(description), C(forks), C(timeout), C(survey_enabled), C(survey_spec), and for each prompt whether AWX shows
      it, such as C(ask_limit_on_launch).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import survey_problems, template
from ansible_collections.distributed.tiers.plugins.module_utils.operations.playbook import parse_operation


def awx_template(data: Any) -> dict[str, Any]:
    operation, problems = parse_operation(data)
    if operation is None:
        raise AnsibleFilterError(f"awx_template: {'; '.join(problems)}")
    made = template(operation)
    # AWX would keep the template without its survey.
    if refused := "; ".join(survey_problems(made["survey_spec"])):
        raise AnsibleFilterError(f"awx_template: AWX would refuse the survey: {refused}")
    return made


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"awx_template": awx_template}
