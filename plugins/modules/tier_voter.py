#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_voter
short_description: Read a voter of the arbiter, or change the members of the arbiter
version_added: 0.1.0
description:
  - Asks the etcd of this host for its health, its members and the size of its data, through its JSON gateway, with the
    certificate of the host.
  - Adds, promotes or removes a member. etcd refuses a change that would cost the majority.
options:
  address:
    description: The address at which the voter listens.
    type: str
    required: true
  port:
    description: The port at which the voter serves.
    type: int
    required: true
  state:
    description:
      - V(read) changes nothing, and does not fail when the voter does not answer.
      - V(learner) adds a member at O(peer) that copies the data and does not vote yet.
      - V(promoted) lets the learner at O(peer) vote.
      - V(absent) removes the member at O(peer).
    type: str
    choices: [read, learner, promoted, absent]
    default: read
  peer:
    description: The URL at which the other voters reach the member.
    type: str
    default: ""
  replace:
    description: Whether a member that has O(peer) already is removed first, because its data are lost.
    type: bool
    default: false
  tls:
    description: Directory with the key and the certificate of the host, and the certificate of the CA.
    type: path
    default: /etc/tiers/tls
  data:
    description: Directory of the voter's data.
    type: path
    default: /var/lib/tiers-arbiter/etcd
  record:
    description: The record of a voter whose cluster has been healthy once.
    type: path
    default: /etc/ansible/facts.d/tiers_voter.fact
  first_start:
    description: The file with what etcd reads when it starts without data.
    type: path
    default: /etc/tiers/arbiter/first-start.env
  timeout:
    description: Seconds within which each request must be answered.
    type: float
    default: 3
author:
  - The distributed.tiers authors (@distributed-tiers)
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Read the voter of this host
  distributed.tiers.tier_voter:
    address: 192.0.2.1
    port: 2379
  register: voter
"""

RETURN = r"""
has_data:
  description: Whether the voter has data.
  returned: always
  type: bool
is_established:
  description: Whether its cluster has been healthy once, as the record of the voter says.
  returned: always
  type: bool
token:
  description: The token of the cluster that the voter was started for first. Empty if it never was.
  returned: always
  type: str
answers:
  description: Whether it answers.
  returned: always
  type: bool
healthy:
  description: Whether it votes and reaches a majority.
  returned: always
  type: bool
why:
  description: Why it is not healthy.
  returned: always
  type: str
voter:
  description: >-
    The description of the voter - C(id), C(leader), C(learner), C(version), C(size), C(used), C(alarms) and C(members).
  returned: when it answers
  type: dict
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing.etcd import EtcdClient, EtcdError


def read_token(path: Path) -> str:
    try:
        found = re.search(r"^ETCD_INITIAL_CLUSTER_TOKEN=(\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1) if found else ""


def read(params: dict[str, Any]) -> dict[str, Any]:
    """The state of the host, and the description that the voter returns."""
    seen: dict[str, Any] = {
        "has_data": (Path(params["data"]) / "member").exists(),
        "is_established": Path(params["record"]).exists(),
        "token": read_token(Path(params["first_start"])),
        "answers": False,
        "healthy": False,
    }
    try:
        voter = connect(params).describe()
    except (EtcdError, OSError) as error:
        return {**seen, "why": f"etcd does not answer: {error}"}
    return {**seen, "answers": True, "healthy": voter.healthy, "why": voter.why, "voter": dataclasses.asdict(voter)}


def connect(params: dict[str, Any]) -> EtcdClient:
    return EtcdClient(params["address"], params["port"], params["tls"], params["timeout"])


def change(params: dict[str, Any], check_mode: bool) -> bool:
    """Whether the membership differed from the state that was asked for."""
    client, peer = connect(params), params["peer"]
    if check_mode:
        here = [member for member in client.members() if member.peer == peer]
        actions = {
            "learner": not here or params["replace"],
            "promoted": any(member.learner for member in here),
            "absent": bool(here),
        }
        return actions[params["state"]]
    if params["state"] == "learner":
        return client.add(peer, params["replace"])
    return client.promote(peer) if params["state"] == "promoted" else client.remove(peer)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "state": {"type": "str", "choices": ["read", "learner", "promoted", "absent"], "default": "read"},
            "peer": {"type": "str", "default": ""},
            "replace": {"type": "bool", "default": False},
            "tls": {"type": "path", "default": "/etc/tiers/tls"},
            "data": {"type": "path", "default": "/var/lib/tiers-arbiter/etcd"},
            "record": {"type": "path", "default": "/etc/ansible/facts.d/tiers_voter.fact"},
            "first_start": {"type": "path", "default": "/etc/tiers/arbiter/first-start.env"},
            "timeout": {"type": "float", "default": 3},
        },
        supports_check_mode=True,
    )
    changed = False
    if module.params["state"] != "read":
        try:
            changed = change(module.params, module.check_mode)
        except (EtcdError, OSError) as error:
            module.fail_json(msg=f"etcd refuses: {error}")
    module.exit_json(changed=changed, **read(module.params))


if __name__ == "__main__":
    main()
