#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_election
short_description: Have a node of a pair step down, or rejoin the leader election
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - A node of a pair serves only while the unit that decides runs on it. With a lease that is the failover agent,
    C(tiers-failover.service), otherwise keepalived. The module reads on the node which of them is deployed.
  - P(distributed.tiers.failover#role) deploys these units.
options:
  state:
    description:
      - V(left) stops the unit that decides. The node stops its traffic first, then its peer is promoted.
      - V(joined) starts the unit, and removes the marks that keep the node from being elected.
      - V(settled) and V(active) change nothing, and wait only. With V(settled) it must be certain whether this node is
        active, with V(active) it must be active. A node that was not deployed to its end need not become active.
    type: str
    choices: [joined, left, settled, active]
    required: true
  wait:
    description: Whether a node that joins waits until it is certain whether it is active.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait for the end of an election.
    type: int
    default: 60
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Step down for the peer of the pair
  distributed.tiers.tier_election:
    state: left

- name: Wait until the peer is active
  distributed.tiers.tier_election:
    state: active
  delegate_to: m2
"""

RETURN = r"""
unit:
  description: The unit that decides whether this node serves.
  returned: always
  type: str
  sample: keepalived.service
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing.pair import unsettled

AGENT = Path("/etc/tiers/failover-agent")
LEASE_UNIT = Path("/etc/systemd/system/tiers-failover.service")
RECORD = Path("/etc/ansible/facts.d/tiers.fact")
# Files by which the agent keeps a node out of the elections
MARKS = (Path("/var/lib/tiers/acting"), Path("/var/lib/tiers/relieved"))
INTERVAL = 1.0  # seconds between two questions to the agent


def deciding_unit() -> str:
    """The unit without which this node does not serve. The unit of the agent exists only where it holds a lease."""
    return LEASE_UNIT.name if LEASE_UNIT.exists() else "keepalived.service"


def change(module: AnsibleModule, unit: str, joins: bool) -> bool:
    """Start or stop the unit; the result is whether that changed anything."""
    systemctl = module.get_bin_path("systemctl", required=True)
    state = module.run_command([systemctl, "show", "--property=ActiveState", "--value", unit])[1].strip()
    marks = [mark for mark in MARKS if joins and mark.exists()]
    is_due = state != "active" if joins else state not in ("inactive", "failed")
    if not module.check_mode:
        for mark in marks:
            mark.unlink()
        verb = "start" if joins else "stop"
        code, _output, errors = module.run_command([systemctl, verb, unit]) if is_due else (0, "", "")
        if code != 0:
            module.fail_json(msg=f"{unit}: {verb} failed: {errors.strip()}")
    return bool(marks) or is_due


def wait(module: AnsibleModule, question: str) -> bool:
    """Whether the agent answers the question with yes in time."""
    end = time.monotonic() + module.params["wait_timeout"]
    while module.run_command([str(AGENT), question])[0] != 0:
        if time.monotonic() >= end:
            return False
        time.sleep(INTERVAL)
    return True


def run(module: AnsibleModule) -> dict[str, Any]:
    state, seconds = module.params["state"], module.params["wait_timeout"]
    unit = deciding_unit()
    changed = state in ("joined", "left") and change(module, unit, joins=state == "joined")
    if not module.check_mode:
        # A node without an agent is not active alone, and one without a record serves no client yet.
        if state == "active" and AGENT.exists() and RECORD.exists() and not wait(module, "is-active"):
            module.fail_json(msg=f"This node is not active after {seconds} s. See `journalctl -t tiers-failover`.")
        waits = state == "settled" or (state == "joined" and module.params["wait"])
        if waits and not wait(module, "is-settled"):
            module.fail_json(msg=f"After {seconds} s this node is neither active nor standby: {unsettled()}.")
    return {"changed": changed, "unit": unit}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["joined", "left", "settled", "active"], "required": True},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    module.exit_json(**run(module))


if __name__ == "__main__":
    main()
