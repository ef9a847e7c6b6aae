#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_unit
short_description: Run a systemd unit with its current files
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Starts and enables a unit. Reloads it if it runs and its files differ from those that it read.
  - A stamp on the host, C(/run/tiers-units/NAME.json), has the digest of the files that the unit read. It is written
    after each start and reload, and is valid for this start of the unit only. So a run completes the work of an
    interrupted one.
  - A unit without a stamp, which another program started, is reloaded if its files are newer than its start.
  - Reloads systemd first if unit files changed.
options:
  name:
    description: The unit, with its suffix.
    type: str
    required: true
  files:
    description: The files that the unit reads. A missing file counts as empty.
    type: list
    elements: path
    default: []
  state:
    description: V(stopped) stops the unit. It stays enabled as O(enabled) says.
    type: str
    choices: [started, stopped]
    default: started
  enabled:
    description: Whether the unit is started at boot.
    type: bool
    default: true
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Run HAProxy with its configuration and certificate as they are now
  distributed.tiers.tier_unit:
    name: haproxy.service
    files: [/etc/haproxy/haproxy.cfg, /etc/tiers/tls/server.crt]
"""

RETURN = r"""
actions:
  description: >-
    Actions on the unit, in order - C(daemon-reload), C(enable), C(disable), C(start), C(stop) or C(reload).
  returned: always
  type: list
  elements: str
"""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

STAMPS = Path("/run/tiers-units")
PROPERTIES = (
    "ActiveState",
    "InactiveExitTimestampMonotonic",
    "InvocationID",
    "LoadState",
    "NeedDaemonReload",
    "UnitFileState",
)
RUNNING = ("active", "activating", "reloading")


def wanted_actions(
    unit: Mapping[str, str], stamp: Mapping[str, str], digest: str, is_older: bool, state: str, enabled: bool
) -> list[str]:
    """The necessary actions, in order. `unit`: its properties; `stamp`: the recorded one; `digest`: of the files now;
    `is_older`: whether the files are older than the start of the unit."""
    actions = ["daemon-reload"] if unit.get("NeedDaemonReload") == "yes" else []
    if enabled != (unit.get("UnitFileState") in ("enabled", "enabled-runtime")):
        actions.append("enable" if enabled else "disable")
    is_running = unit.get("ActiveState") in RUNNING
    if state == "stopped":
        return [*actions, "stop"] if is_running else actions
    if not is_running:
        return [*actions, "start"]
    is_of_this_start = stamp.get("invocation") == unit.get("InvocationID")
    is_current = stamp.get("digest") == digest if is_of_this_start else is_older
    return actions if is_current else [*actions, "reload"]


def digest_of(paths: list[str]) -> str:
    """A digest of the names and contents of the files."""
    found = hashlib.sha256()
    for path in sorted(paths):
        content = Path(path).read_bytes() if Path(path).exists() else b""
        found.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return found.hexdigest()


def is_older_than_start(paths: list[str], unit: Mapping[str, str]) -> bool:
    """Whether the files are older than the start of the unit."""
    age = time.monotonic() - int(unit.get("InactiveExitTimestampMonotonic") or 0) / 1e6
    began = time.time() - age
    return all(Path(path).stat().st_ctime < began for path in paths if Path(path).exists())


def read_stamp(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_stamp(path: Path, stamp: Mapping[str, str]) -> None:
    path.parent.mkdir(mode=0o755, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(stamp), encoding="utf-8")
    new.rename(path)


class Unit:
    """The unit, by systemctl."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._name: str = module.params["name"]
        self._systemctl = module.get_bin_path("systemctl", required=True)

    def properties(self) -> dict[str, str]:
        command = [self._systemctl, "show", f"--property={','.join(PROPERTIES)}", self._name]
        lines = self._module.run_command(command, check_rc=True)[1].splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def act(self, action: str) -> None:
        command = [self._systemctl, action] if action == "daemon-reload" else [self._systemctl, action, self._name]
        code, _output, errors = self._module.run_command(command)
        if code != 0:
            self._module.fail_json(msg=f"{self._name}: {action} failed: {errors.strip()}")


def run(module: AnsibleModule) -> dict[str, Any]:
    files, state = module.params["files"], module.params["state"]
    unit, path = Unit(module), STAMPS / f"{module.params['name']}.json"
    # Before the unit reads the files: what somebody writes meanwhile is seen by the next run.
    digest = digest_of(files)
    seen = unit.properties()
    stamp = read_stamp(path)
    actions = wanted_actions(seen, stamp, digest, is_older_than_start(files, seen), state, module.params["enabled"])
    if module.check_mode:
        return {"changed": bool(actions), "actions": actions}
    if "start" in actions and seen.get("LoadState") == "not-found" and "daemon-reload" not in actions:
        unit.act("daemon-reload")  # a unit that was written just now
    for action in actions:
        unit.act(action)
    now = {"digest": digest, "invocation": unit.properties().get("InvocationID", "")}
    if state == "started" and now != stamp:
        write_stamp(path, now)
    return {"changed": bool(actions), "actions": actions}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "enabled": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    module.exit_json(**run(module))


if __name__ == "__main__":
    main()
