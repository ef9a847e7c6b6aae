# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of the hosts when this run read the deployed state. A fact cache may be out of date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten

# What playbooks/tasks/read.yml registers: for each host of the run, and for the servers outside its limit.
READ = "tiers_record_read"
READ_OUTSIDE = "tiers_record_read_outside"
# Those of them that do not answer ssh. They were not read.
SILENT_OUTSIDE = "tiers_silent_outside"
UNREACHABLE = "the host is unreachable"


class Reading:
    """The answers of the hosts of this run, and of the servers outside its limit.

    Their results are in `outside`, and in `silent` the names of those that do not answer."""

    def __init__(self, outside: Any = None, silent: Any = None) -> None:
        results = outside.get("results") if isinstance(outside, Mapping) else None
        names = silent.get("hosts") if isinstance(silent, Mapping) else None
        self.outside: dict[str, Any] = {str(name): {"unreachable": True} for name in names or ()}
        self.outside |= {str(one.get("item")): one for one in results or () if isinstance(one, Mapping)}
        # The hosts that answered, and why the others of those asked did not.
        self.answered: list[str] = []
        self.unread: dict[str, str] = {}

    def record(self, host: str, variables: Mapping[str, Any]) -> tuple[bool, Mapping[str, Any]]:
        """Whether the host answered, and its facts, the record of its deployment among them."""
        read = variables.get(READ)
        if not isinstance(read, Mapping) or read.get("skipped"):
            read = self.outside.get(host, {})
        facts = read.get("ansible_facts")
        local = facts.get("ansible_local") if isinstance(facts, Mapping) else None
        if is_ill(read):
            self.unread[host] = UNREACHABLE if read.get("unreachable") else why_failed(read)
        elif isinstance(facts, Mapping) and isinstance(local, Mapping):
            self.answered.append(host)
            return True, facts
        return False, {}


def known(_host: str, variables: Mapping[str, Any]) -> tuple[bool, Mapping[str, Any]]:
    """Whether a host's local facts were gathered, by this run or by one before, and all of its facts."""
    facts = variables.get("ansible_facts")
    if isinstance(facts, Mapping) and isinstance(facts.get("ansible_local"), Mapping):
        return True, facts
    return False, {}


def nothing(_host: str, _variables: Mapping[str, Any]) -> tuple[bool, Mapping[str, Any]]:
    """For a plan as for fresh hosts."""
    return False, {}


def local_fact(facts: Mapping[str, Any], name: str) -> Any:
    """A local fact of a host: `tiers`, the record of its deployment, or `tiers_voter`, that of a voter."""
    local = facts.get("ansible_local")
    return local.get(name) if isinstance(local, Mapping) else None


def debian_release(facts: Mapping[str, Any]) -> str | None:
    """The host's release of Debian. A task's result has it with a prefix, the host's facts without."""
    release = facts.get("distribution_major_version", facts.get("ansible_distribution_major_version"))
    return release if isinstance(release, str) else None


def is_ill(read: Any) -> bool:
    """Whether a host could not be read at the beginning of the playbook."""
    return isinstance(read, Mapping) and bool(read.get("unreachable") or read.get("failed"))


def why_unread(read: Any) -> str:
    """Why a host could not be read; empty if it was."""
    if not is_ill(read):
        return ""
    return UNREACHABLE if read.get("unreachable") else why_failed(read)


def why_failed(read: Mapping[str, Any]) -> str:
    """The last output of a program on the host, else the first line of the error of Ansible."""
    message = str(read.get("msg") or "")
    output = str(read.get("module_stderr") or message.partition(">>> Standard Error")[2])
    # ssh itself says that it has closed a terminal.
    end = [line for line in output.strip().splitlines() if not line.strip().endswith(" closed.")][-1:]
    lines = end or message.strip().splitlines()[:1]
    return shorten(lines[0].strip() if lines else "the read failed", 200)
