# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: verify_report
short_description: What the probes of all hosts say about the plan
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Turns what the hosts saw into findings and a text.
options:
  _input:
    description:
      - For each host, what the modules returned there - C(probed) by M(distributed.tiers.tier_probe), C(written) and
        C(found) by M(distributed.tiers.tier_rows).
    type: dict
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.plan
  - distributed.tiers.verification.offers
"""

EXAMPLES = r"""
- name: Tell all findings at once
  ansible.builtin.assert:
    that: (results | distributed.tiers.verify_report(tiers_plan)).ok
"""

RETURN = r"""
_value:
  description: Whether all is well (C(ok)), the C(findings) and the C(text).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import report
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def verify_report(results: Any, plan: Any, offers: Any = OPERATIONS) -> dict[str, Any]:
    return report(mapping("verify_report", "the plan", plan), mapping("verify_report", "the input", results), offers)


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"verify_report": verify_report}
