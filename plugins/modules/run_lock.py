#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Lock a system for one run at a time
version_added: 0.1.0
description:
  - Acquires, renews or releases the lock of a server for this run. A run without the lock must not change the system.
  - The action plugin identifies the run. A run on the same controller, or the next job of the same template in AWX,
    acquires the lock of a dead run at once. Other runs wait until it expires, or until the operator names it.
  - Does not fail when another run holds the lock, so that the locks of other servers can be released first. See
    RV(refused).
  - The lock is a file below C(/run). A boot removes it, and also ends the tasks of a run on the host. Its age is
    measured with the monotonic clock of the server.
  - A restore that was interrupted left servers with different data. Until it has completed, only another restore gets
    the lock.
author:
  - The distributed.tiers authors (@distributed-tiers)
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: In check mode the lock is read and not acquired.
  diff_mode:
    support: none
options:
  state:
    description: V(present) acquires the lock, or renews it if this run has it. V(absent) releases it.
    type: str
    choices: [present, absent]
    default: present
  playbook:
    description: The operation, for the message to other runs.
    type: str
  seconds:
    description: The lock expires this long after it was acquired or renewed.
    type: float
    default: 3600
  takeover:
    description: The id of a run whose lock may be acquired before it expires.
    type: str
    default: ""
  run:
    description: The run that requests the lock. Set by the action plugin.
    type: dict
  planning:
    description: Seconds since the run began. Set by the action plugin.
    type: float
    default: 0
  ended:
    description: The ids of runs that are known to be gone. Set by the action plugin.
    type: list
    elements: str
    default: []
  path:
    description: Path of the file that holds the lock.
    type: path
    default: /run/tiers-run.json
  restoring:
    description: The file that a restore keeps on each server until all servers have its data.
    type: path
    default: /var/lib/tiers/restoring
"""

EXAMPLES = r"""
- name: Lock the system for this run
  distributed.tiers.run_lock:
    playbook: deploy
  delegate_to: m1
  run_once: true
  register: lock

- name: Stop if another run changes the system
  ansible.builtin.assert:
    that: lock.held
    fail_msg: "{{ lock.refused }}"
  run_once: true
"""

RETURN = r"""
held:
  description: Whether this run has the lock now.
  returned: always
  type: bool
refused:
  description: Why this run must not go on, and what to do. Empty if it has the lock.
  returned: always
  type: str
refused_by:
  description: The run that holds the lock.
  returned: when another run holds it
  type: dict
partly_restored:
  description: A restore was interrupted, and this run is another operation.
  returned: when it is so
  type: bool
outdated_by:
  description: The run that has changed the system since this one began.
  returned: when there is one
  type: dict
"""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.locking.lock import release, take


def read_lock(path: Path) -> dict[str, Any]:
    """The lock; free if nothing can be read."""
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return lock if isinstance(lock, dict) else {}


def write_lock(path: Path, lock: Any) -> None:
    """All of it or nothing. Only root reads who works here."""
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(lock, file)
    new.replace(path)


def clock_text(seconds: float = 0) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + seconds))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "playbook": {"type": "str"},
            "seconds": {"type": "float", "default": 3600},
            "takeover": {"type": "str", "default": ""},
            "run": {"type": "dict"},
            "planning": {"type": "float", "default": 0},
            "ended": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path", "default": "/run/tiers-run.json"},
            "restoring": {"type": "path", "default": "/var/lib/tiers/restoring"},
        },
        supports_check_mode=True,
    )
    params, path = module.params, Path(module.params["path"])
    now, run = time.clock_gettime(time.CLOCK_BOOTTIME), params["run"]
    # The lock is no part of what a deployment leaves behind, so nothing here counts as a change.
    result: dict[str, Any] = {"changed": False, "held": False}
    with path.with_suffix(".guard").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        lock = read_lock(path)
        if params["state"] == "absent":
            if not module.check_mode:
                write_lock(path, release(lock, run["id"], now))
            module.exit_json(**result)
        began = now - params["planning"]
        ended = {*params["ended"], params["takeover"]}
        answer = take(lock, {"since": clock_text(), **run}, now, params["seconds"], began, ended)
        held = next((one for one in (answer.lock or {}).get("holders", ()) if one["id"] == run["id"]), None)
        if held and held["playbook"] != "restore" and Path(params["restoring"]).exists():
            module.exit_json(**result, partly_restored=True)
        if answer.lock is not None and not module.check_mode:
            write_lock(path, answer.lock)
    if other := answer.refused_by:
        result["refused_by"] = {**other, "held": now - other["taken"], "left": other["expires"] - now}
    if answer.outdated_by:
        result["outdated_by"] = answer.outdated_by
    module.exit_json(**result | {"held": answer.lock is not None})


if __name__ == "__main__":
    main()
