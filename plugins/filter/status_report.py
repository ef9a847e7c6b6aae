# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: status_report
short_description: What the servers are, against what they are to be
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Turns what every server saw on itself into a table and alerts, split brain among them.
options:
  recorded:
    description: For each server, the local fact that the deployment left on it; empty where there is none.
    type: dict
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.answers
  - distributed.tiers.verification.plan
  - distributed.tiers.verification.offers
"""

EXAMPLES = r"""
- name: Show the servers
  ansible.builtin.debug:
    msg: "{{ (answers | distributed.tiers.status_report(tiers_plan, facts)).text }}"
"""

RETURN = r"""
_value:
  description: Whether all is as planned (C(ok)), the rows for C(servers), the C(alerts) and the C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.status import report
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def status_report(answers: Any, plan: Any, recorded: Any, offers: Any = OPERATIONS) -> dict[str, Any]:
    return report(
        mapping("status_report", "the plan", plan),
        mapping("status_report", "the input", answers),
        mapping("status_report", "recorded", recorded),
        offers,
    )


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"status_report": status_report}
