# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_bundle
short_description: Read what helps to find the cause of a failure on this host
version_added: 0.1.0
description:
  - Reads the states of units, logs, listeners, firewall, disks, versions, deployment records and configurations.
  - The result may hold secrets. M(distributed.tiers.bundle_archive) masks them, so use C(no_log) in between.
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is ever changed.
  diff_mode:
    support: none
options:
  units:
    description: The units whose states and logs are read, besides those of the collection.
    type: list
    elements: str
    default: []
  begin:
    description: The begin of the logs, as C(journalctl) reads it.
    type: str
    default: 1 hour ago
  end:
    description: The end of the logs, as C(journalctl) reads it.
    type: str
    default: now
  lines:
    description: How many last lines of the log of each unit are read.
    type: int
    default: 5000
author:
  - The distributed.tiers authors (@distributed-tiers)
"""

EXAMPLES = r"""
- name: Read what helps to find the cause of a failure
  distributed.tiers.tier_bundle:
    units: [slapd.service]
    begin: 2 hours ago
  register: bundle
  no_log: true
"""

RETURN = r"""
parts:
  description: Texts by the name of a file.
  returned: always
  type: dict
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

UNITS = ("haproxy.service", "keepalived.service", "tiers-watchdog.service", "tiers-firewall.service", "etcd.service")
# Configurations without keys and without files that hold an environment with secrets.
CONFIGURATIONS = (
    "/etc/ansible/facts.d/tiers*.fact",
    "/etc/tiers/*.json",
    "/etc/tiers/*.conf",
    "/etc/tiers/*.nft",
    "/etc/tiers/*.ldif",
    "/etc/tiers/hosts",
    "/etc/tiers/arbiter/*.env",
    "/etc/haproxy/haproxy.cfg",
    "/etc/keepalived/keepalived.conf",
    "/etc/ldap/ldap.conf",
    "/etc/hosts",
    "/etc/os-release",
    "/etc/systemd/system/tiers-*.service",
)
COMMANDS = {
    "processes": ["ps", "-eo", "pid,ppid,user,stat,etimes,rss,comm"],
    "listeners": ["ss", "-lntup"],
    "firewall": ["nft", "list", "ruleset"],
    "addresses": ["ip", "address"],
    "disks": ["df", "-h"],
    "memory": ["cat", "/proc/meminfo", "/proc/loadavg"],
    "clock": ["timedatectl"],
    "kernel": ["uname", "-a"],
    "failed-units": ["systemctl", "--failed", "--no-pager"],
    "files": ["ls", "-lR", "/etc/tiers"],
    "packages": ["dpkg-query", "-W"],
}
LARGEST = 4 * 1024 * 1024
SECONDS = 20


def run(command: list[str]) -> str:
    """The output of a command, or why there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command)}: {error}\n"
    return done.stdout[-LARGEST:] + done.stderr[-LARGEST:]


def read_files(patterns: Iterable[str]) -> dict[str, str]:
    """The texts of files by their paths; for one that cannot be read, the reason."""
    found = {}
    for pattern in patterns:
        for path in sorted(Path("/").glob(pattern.lstrip("/"))):
            try:
                found[f"files{path}"] = path.read_text(encoding="utf-8", errors="replace")[-LARGEST:]
            except OSError as error:
                found[f"files{path}"] = f"{error}\n"
    return found


def read_units(units: Iterable[str], since: str, until: str, lines: int) -> dict[str, str]:
    """The state and the log of each unit."""
    found = {}
    for unit in dict.fromkeys(units):
        found[f"units/{unit}.status"] = run(["systemctl", "status", "--no-pager", "--lines=0", unit])
        found[f"units/{unit}.unit"] = run(["systemctl", "cat", "--no-pager", unit])
        log = ["journalctl", f"--unit={unit}", f"--since={since}", f"--until={until}", f"--lines={lines}"]
        found[f"logs/{unit}.log"] = run([*log, "--no-pager", "--output=short-iso-precise"])
    failover = ["journalctl", "--identifier=tiers-failover", f"--since={since}", f"--until={until}"]
    found["logs/tiers-failover.log"] = run([*failover, f"--lines={lines}", "--no-pager", "--output=short-iso-precise"])
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "default": []},
            "begin": {"type": "str", "default": "1 hour ago"},
            "end": {"type": "str", "default": "now"},
            "lines": {"type": "int", "default": 5000},
        },
        supports_check_mode=True,
    )
    given = module.params
    parts = {f"{name}.txt": run(command) for name, command in COMMANDS.items()}
    parts |= read_units([*UNITS, *given["units"]], given["begin"], given["end"], given["lines"])
    parts |= read_files(CONFIGURATIONS)
    module.exit_json(changed=False, parts=parts)


if __name__ == "__main__":
    main()
