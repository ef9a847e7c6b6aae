#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_firewall
short_description: Load the firewall of a host without the risk of a lockout
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Loads the table C(inet tiers) where the rules in O(content) differ from C(/etc/tiers/firewall.nft), or the loaded
    table from that file. It starts a timer on the host first, which restores the previous table after
    O(confirm_seconds).
  - Ansible then opens a new connection to the host. Over this connection it stops the timer and writes the rules to
    C(/etc/tiers/firewall.nft), from which they are loaded at every boot.
  - If no new connection can be opened, the host restores the previous table by itself, and the task fails. The same
    happens to a run that is interrupted in between, and the next run begins again.
options:
  content:
    description: The rules, as C(nft --file) reads them. They replace the table C(inet tiers) in one transaction.
    type: str
    required: true
  confirm_seconds:
    description: Time limit of the new connection.
    type: int
    default: 60
  loaded:
    description: Digest of the table that must be confirmed. The action plugin sets it.
    type: str
    default: ""
  keep_former:
    description:
      - Which planned edges of the loaded rules that O(content) no longer has stay permitted. Clients still use them
        until they have their new endpoints. A later call without it removes them.
      - With V(named_clients) only those of named clients stay. The next call closes them, even with V(all).
      - Planned edges are the lines between C(# planned edges) and C(# end of the planned edges).
    type: str
    choices: [none, all, named_clients]
    default: none
  connection:
    description: The ssh connection over which the table was loaded. The action plugin sets it.
    type: str
    default: ""
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
"""

EXAMPLES = r"""
- name: Load the firewall of the planned edges
  distributed.tiers.tier_firewall:
    content: "{{ lookup('ansible.builtin.template', 'firewall.nft.j2') }}"
"""

RETURN = r"""
why:
  description: Why the table had to be loaded.
  returned: changed
  type: list
  elements: str
former:
  description: The rules of former edges that stay, with O(keep_former).
  returned: success
  type: list
  elements: str
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks, ssh

# In /run: after a boot the host has the rules that were confirmed last, and no timer.
CANDIDATE = Path("/run/tiers-firewall.candidate.nft")
PREVIOUS = Path("/run/tiers-firewall.previous.nft")
UNDO = "tiers-firewall-undo"
TABLE = "table inet tiers"
EDGES = "# planned edges\n"
END_OF_EDGES = "        # end of the planned edges\n"
# In the comment of an edge from the network of a site: see `ports_for_clients` of planner/wiring.py
NAMED_CLIENTS = "named clients"
_SECONDS = 5


def way_back(listing: str | None) -> str:
    """Commands that restore a table from its listing, in one transaction; None without a table."""
    return f"{TABLE}\ndelete {TABLE}\n{listing or ''}"


def planned_edges(rules: str) -> dict[str, str]:
    """The rules of the planned edges, by what they accept: the reason in the comment may change."""
    block = rules.partition(EDGES)[2].partition(END_OF_EDGES)[0]
    lines = [line for line in block.splitlines() if not line.strip().startswith("#")]
    return {line.partition(" accept")[0].strip(): line for line in lines}


def former_rules(rules: str, deployed: str, keep: str) -> list[str]:
    """The rules of the deployed edges that are no longer planned, and stay. `keep` is the option keep_former."""
    # The last deployment left edges of named clients open until this one.
    block, end = deployed.partition(END_OF_EDGES)[:2]
    planned, present = planned_edges(rules), planned_edges(block.partition(host_checks.NAMED_EDGES)[0] + end)
    former = [line for what, line in present.items() if what not in planned]
    if keep == "named_clients":
        return [line for line in former if NAMED_CLIENTS in line]
    return former if keep == "all" else []


def add_rules(rules: str, former: list[str], keep: str) -> str:
    """The rules with those of former edges after the planned ones."""
    head = host_checks.NAMED_EDGES if keep == "named_clients" else host_checks.FORMER_EDGES
    added = [head, *(f"{rule}\n" for rule in former)] if former else []
    return rules.replace(END_OF_EDGES, "".join(added) + END_OF_EDGES)


class Firewall:
    """The table in the kernel, and the timer that restores the one before."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

    def _run(self, *command: str) -> tuple[int, str, str]:
        code, output, errors = self._module.run_command([*command])
        return code, output, errors.strip()

    def _must(self, what: str, *command: str) -> None:
        code, _output, errors = self._run(*command)
        if code != 0:
            self._module.fail_json(msg=f"{what}: {errors}")

    def is_installed(self) -> bool:
        return self._module.get_bin_path("nft", opt_dirs=["/usr/sbin", "/sbin"]) is not None

    def check(self, path: Path, what: str) -> None:
        self._must(what, "nft", "--check", "--file", str(path))

    def listing(self) -> str | None:
        """The table as it is loaded. By number: not every host has names for protocols."""
        code, output, _errors = self._run("nft", "--stateless", "--numeric", "list", *TABLE.split())
        return output if code == 0 else None

    def digest(self) -> str:
        return hashlib.sha256((self.listing() or "").encode()).hexdigest()

    def load(self, path: Path) -> None:
        self._must("The firewall cannot be loaded", "nft", "--file", str(path))

    def is_unconfirmed(self) -> bool:
        return self._run("systemctl", "is-active", "--quiet", f"{UNDO}.timer")[0] == 0

    def start_timer(self, seconds: int) -> None:
        timer = ("systemd-run", "--quiet", "--collect", f"--unit={UNDO}", f"--on-active={seconds}s")
        undo = (self._module.get_bin_path("nft", required=True, opt_dirs=["/usr/sbin", "/sbin"]), "--file")
        what = "The timer that restores the previous firewall cannot be started, so no other is loaded"
        self._must(what, *timer, "--timer-property=AccuracySec=1s", *undo, str(PREVIOUS))

    def stop_timer(self) -> None:
        """Also waits for the end of a restoration that has begun."""
        for suffix in ("timer", "service"):
            self._run("systemctl", "stop", f"{UNDO}.{suffix}")


def load(module: AnsibleModule, firewall: Firewall) -> dict[str, Any]:
    """Load the table if it is due, and leave it to be confirmed."""
    content = module.params["content"]
    deployed = host_checks.FIREWALL.read_text(encoding="utf-8") if host_checks.FIREWALL.exists() else ""
    former = former_rules(content, deployed, module.params["keep_former"])
    content = add_rules(content, former, module.params["keep_former"])
    why = host_checks.check_firewall(_SECONDS) if content == deployed else ["the planned rules are others"]
    result: dict[str, Any] = {"changed": bool(why), "why": why, "former": [rule.strip() for rule in former]}
    if not why:
        return result
    result["diff"] = {
        "before_header": str(host_checks.FIREWALL),
        "after_header": str(host_checks.FIREWALL),
        "before": deployed,
        "after": content,
    }
    candidate = Path(module.tmpdir, CANDIDATE.name) if module.check_mode else CANDIDATE
    candidate.write_text(content, encoding="utf-8")
    if not module.check_mode or firewall.is_installed():
        firewall.check(candidate, "The planned firewall is refused by nft")
    if module.check_mode:
        return result
    if firewall.is_unconfirmed():  # an interrupted run left it
        firewall.stop_timer()
        firewall.load(PREVIOUS)
    PREVIOUS.write_text(way_back(firewall.listing()), encoding="utf-8")
    firewall.check(PREVIOUS, f"The loaded {TABLE} could not be restored. Remove it (nft delete {TABLE}), then deploy")
    firewall.start_timer(module.params["confirm_seconds"])
    firewall.load(candidate)
    return {**result, "loaded": firewall.digest(), "connection": ssh.read_connection()}


def confirm(module: AnsibleModule, firewall: Firewall) -> dict[str, Any]:
    """Keep the loaded table, if this is another connection and the host has not restored the previous one."""
    connection = ssh.read_connection()
    if connection and connection == module.params["connection"]:
        return {"changed": False, "answer": "same connection", "connection": connection}
    firewall.stop_timer()
    if firewall.digest() != module.params["loaded"]:
        return {"changed": False, "answer": "restored", "connection": connection}
    host_checks.FIREWALL.parent.mkdir(mode=0o755, exist_ok=True)
    os.chmod(CANDIDATE, 0o644)
    module.atomic_move(str(CANDIDATE), str(host_checks.FIREWALL))
    PREVIOUS.unlink(missing_ok=True)
    return {"changed": True, "answer": "confirmed", "connection": connection}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "content": {"type": "str", "required": True},
            "confirm_seconds": {"type": "int", "default": 60},
            "keep_former": {"type": "str", "choices": ["none", "all", "named_clients"], "default": "none"},
            "loaded": {"type": "str", "default": ""},
            "connection": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    step = confirm if module.params["loaded"] else load
    module.exit_json(**step(module, Firewall(module)))


if __name__ == "__main__":
    main()
