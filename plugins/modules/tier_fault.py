#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_fault
short_description: Cause a fault on a host that stays up, for a limited time
version_added: 0.1.0
description:
  - Cuts a host off, slows it, stops a program, or fills the file system of its data, as an experiment of a drill.
  - The unit C(tiers-drill.service) runs while the fault lasts. It ends after O(seconds) and undoes the fault, also if
    the controller no longer answers. C(systemctl stop tiers-drill.service) undoes it at once, and so does a boot.
  - Packets are dropped by a table of nftables of its own, C(tiers_drill), whose rules the kernel also ends after
    O(seconds). The ssh connection of the run is kept.
options:
  state:
    description:
      - V(present) causes the fault. V(absent) undoes it, and returns whether it lasted until then.
      - V(possible) changes nothing and returns which kinds of faults this host can have.
    type: str
    choices: [present, absent, possible]
    default: present
  kind:
    description:
      - V(cut) drops packets, V(loss) drops some of the incoming ones, V(delay) delays the outgoing ones.
      - V(stopped) stops the processes of O(units) with SIGSTOP. V(down) kills them, and systemd does not restart them.
      - V(full) fills the file system of O(path) with one file, if the file system holds nothing else.
    type: str
    choices: [cut, loss, delay, stopped, down, full]
    default: cut
  seconds:
    description: Seconds after which the host undoes the fault by itself.
    type: float
    default: 60
  peers:
    description: Addresses or networks that the host is cut off from. All if empty.
    type: list
    elements: str
    default: []
  direction:
    description: Whether V(cut) drops what the host receives (V(in)), what it sends (V(out)), or V(both).
    type: str
    choices: [both, in, out]
    default: both
  shared:
    description: Shared addresses that a host that is cut off must not announce with ARP.
    type: list
    elements: str
    default: []
  percent:
    description: Percentage of the incoming packets that V(loss) drops.
    type: int
    default: 20
  milliseconds:
    description: Milliseconds that V(delay) adds.
    type: int
    default: 200
  units:
    description: Units of systemd for V(stopped) and V(down). Units that do not run are left out.
    type: list
    elements: str
    default: []
  path:
    description: Directory of the data, for V(full).
    type: path
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
author:
  - The distributed.tiers authors (@distributed-tiers)
"""

EXAMPLES = r"""
- name: Cut this host off from its peer for at most a minute
  distributed.tiers.tier_fault:
    kind: cut
    peers: [192.0.2.12]

- name: Undo the fault
  distributed.tiers.tier_fault:
    state: absent
"""

RETURN = r"""
began:
  description: When the change began, in seconds since 1970 by the clock of this host.
  returned: when O(state=present) or O(state=absent)
  type: float
ended:
  description: When the change had been made.
  returned: when O(state=present) or O(state=absent)
  type: float
lasted:
  description: Whether the fault was still there when it was undone.
  returned: when O(state=absent)
  type: bool
dropped:
  description: How many packets were dropped.
  returned: when O(state=absent)
  type: int
possible:
  description: For each kind of fault an empty text, or the reason why this host cannot have it.
  returned: when O(state=possible)
  type: dict
"""

import os
import shutil
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing import faults, ssh

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LINKS = Path("/sys/class/net")
_DROPINS = Path("/run/systemd/system")
# Bytes. More would take long or endanger the host where a file system lies in its memory.
_LARGEST = 32 * 1024**3
_FILL_SECONDS = 10
_STOP_SECONDS = 2


class FaultRunner:
    """Runs the commands of faults on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        module.run_command_environ_update = {"PATH": _PATH, "LC_ALL": "C"}

    def run(self, command: list[str], data: str | None = None) -> tuple[int, str, str]:
        code, output, errors = self._module.run_command(command, data=data)
        return int(code), str(output), str(errors)

    def must_run(self, command: list[str], data: str | None = None) -> None:
        code, output, errors = self.run(command, data)
        if code:
            raise RuntimeError(f"{' '.join(command)}: {(errors or output).strip()}")

    def is_active(self, unit: str) -> bool:
        return self.run(["systemctl", "--quiet", "is-active", unit])[0] == 0

    def list_links(self) -> list[str]:
        return sorted(path.name for path in _LINKS.iterdir() if path.name != "lo" and (path / "address").exists())

    def end(self) -> None:
        """Undo what is left of a fault. The unit that undoes it has ended when this returns."""
        if self.is_active(faults.UNIT):
            self.must_run(["systemctl", "stop", faults.UNIT])

    def explain_delay(self) -> str:
        """Why packets cannot be delayed here, or nothing. A delay of nothing on the loopback device shows it."""
        if not shutil.which("tc", path=_PATH):
            return "the host has no program tc"
        code, _output, errors = self.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "0ms"])
        if code:
            return f"the kernel has no netem: {errors.strip()}"
        self.run(["tc", "qdisc", "del", "dev", "lo", "root", "netem"])
        return ""


def explain_full(path: str | None) -> str:
    """Why the file system of the data must not be filled, or nothing."""
    if not path or not Path(path).is_dir():
        return "the product has no directory of data on this host"
    devices = {other: os.stat(other).st_dev for other in faults.shared_paths() if Path(other).is_dir()}
    if why := faults.explain_shared(os.stat(path).st_dev, devices):
        return why
    free = shutil.disk_usage(path).free
    return "" if free <= _LARGEST else f"{free // 1024**3} GiB are free, more than a drill fills"


def begin(host: FaultRunner, fault: dict[str, Any]) -> None:
    """Start the unit that undoes the fault, then cause it. An error on the way undoes what was done."""
    host.end()
    names = [unit if "." in unit else f"{unit}.service" for unit in fault["units"]]
    fault["units"] = [unit for unit in names if host.is_active(unit)]
    if fault["kind"] in ("stopped", "down") and not fault["units"]:
        raise RuntimeError("none of the units runs")
    start, undo = faults.list_commands(fault, host.list_links())
    holds: list[str] = []
    if fault["kind"] == "full":
        if why := explain_full(fault["path"]):
            raise RuntimeError(why)
        holds = faults.fill(fault["path"], shutil.disk_usage(fault["path"]).free, fault["seconds"])
    host.must_run(faults.run_unit(fault["seconds"], undo, f"Fault of a drill: {fault['kind']}", holds))
    try:
        if fault["kind"] == "full":
            wait_until_full(fault["path"])
        if fault["kind"] == "down":
            for unit in fault["units"]:
                directory = _DROPINS / f"{unit}.d"
                directory.mkdir(parents=True, exist_ok=True)
                (directory / "zz-tiers-drill.conf").write_text("[Service]\nRestart=no\n", encoding="utf-8")
        rules = faults.build_ruleset(
            fault["peers"],
            fault["direction"],
            fault["seconds"],
            ssh.read_connection(),
            fault["shared"],
            fault["percent"] if fault["kind"] == "loss" else 100,
        )
        for command in start:
            host.must_run(command, rules if command[0] == "nft" else None)
        if fault["kind"] == "stopped":
            wait_until_stopped(host, fault["units"])
    except (OSError, RuntimeError):
        host.end()
        raise


def wait_until_full(path: str) -> None:
    deadline = time.monotonic() + _FILL_SECONDS
    while shutil.disk_usage(path).free > 1024**2:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path} is not full after {_FILL_SECONDS} s")
        time.sleep(0.05)


def wait_until_stopped(host: FaultRunner, units: list[str], processes: Path = Path("/proc")) -> None:
    """Wait until the kernel shows the main process of each unit as stopped."""
    for unit in units:
        deadline = time.monotonic() + _STOP_SECONDS
        main_process = host.run(["systemctl", "show", "--property=MainPID", "--value", unit])[1].strip()
        status = processes / main_process / "status"
        while main_process not in ("", "0") and "State:\tT" not in status.read_text(encoding="utf-8"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{unit} is not stopped {_STOP_SECONDS} s after SIGSTOP")
            time.sleep(0.01)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent", "possible"], "default": "present"},
            "kind": {"type": "str", "choices": list(faults.KINDS), "default": "cut"},
            "seconds": {"type": "float", "default": 60},
            "peers": {"type": "list", "elements": "str", "default": []},
            "direction": {"type": "str", "choices": list(faults.DIRECTIONS), "default": "both"},
            "shared": {"type": "list", "elements": "str", "default": []},
            "percent": {"type": "int", "default": 20},
            "milliseconds": {"type": "int", "default": 200},
            "units": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    host, fault = FaultRunner(module), dict(module.params)
    if fault["state"] == "possible":
        nft = "" if shutil.which("nft", path=_PATH) else "the host has no program nft"
        possible = {"cut": nft, "loss": nft, "delay": host.explain_delay(), "full": explain_full(fault["path"])}
        module.exit_json(changed=False, possible={**dict.fromkeys(faults.KINDS, ""), **possible})
    if module.check_mode:
        module.exit_json(changed=True, began=time.time(), ended=time.time())
    began = time.time()
    if fault["state"] == "absent":
        lasted = host.is_active(faults.UNIT)
        listing = host.run(["nft", "list", "table", "inet", faults.TABLE])[1]
        host.end()
        dropped = faults.count_dropped(listing)
        module.exit_json(changed=lasted, began=began, ended=time.time(), lasted=lasted, dropped=dropped)
    try:
        begin(host, fault)
    except (OSError, RuntimeError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, began=began, ended=time.time())


if __name__ == "__main__":
    main()
