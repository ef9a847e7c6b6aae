# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_report
short_description: What a drill says about the promises
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Turns the samples of the load and the times of what was done into figures and verdicts.
options:
  _input:
    description: The record of the drill that the playbook keeps.
    type: dict
    required: true
  samples:
    description: The directory on the controller with one file C(CLIENT.jsonl) for each client.
    type: path
    required: true
  run:
    description: The name of the drill.
    type: str
    required: true
  allowed:
    description: Limits that differ from the usual ones, see docs/drills.md.
    type: dict
    default: {}
extends_documentation_fragment:
  - distributed.tiers.verification.plan
  - distributed.tiers.verification.offers
"""

EXAMPLES = r"""
- name: Judge the drill
  ansible.builtin.assert:
    that: (record | distributed.tiers.drill_report(tiers_plan, '/tmp/samples', 'trial')).ok
"""

RETURN = r"""
_value:
  description: The report; RV(_value) has C(ok), C(text) for a terminal, C(markdown), and all figures in C(report).
  type: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill_report import (
    as_markdown,
    as_text,
    build,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import samples as read_all
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import stalls as read_stalls


def drill_report(
    record: Any, plan: Any, samples: Any, run: str, allowed: Any = None, offers: Any = OPERATIONS
) -> dict[str, Any]:
    report = build(
        mapping("drill_report", "the plan", plan),
        mapping("drill_report", "the input", record),
        read_all("drill_report", samples),
        str(run),
        mapping("drill_report", "allowed", allowed or {}),
        offers,
        read_stalls("drill_report", samples),
    )
    return {"ok": report["ok"], "text": as_text(report), "markdown": as_markdown(report), "report": report}


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"drill_report": drill_report}
