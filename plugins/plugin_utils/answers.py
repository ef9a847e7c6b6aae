# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of tasks in the variables of each host. A host that failed has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.plugin_utils.reading import (
    READ,
    is_ill,
    known,
    local_fact,
    why_failed,
    why_unread,
)


class Answers:
    """The registered results of all hosts, by the names of the variables."""

    def __init__(self, hosts: Iterable[str], hostvars: Any) -> None:
        raw = getattr(hostvars, "raw_get", hostvars.__getitem__)
        self._variables: dict[str, Mapping[str, Any]] = {host: raw(host) for host in hosts}

    def of(self, name: str) -> dict[str, Mapping[str, Any]]:
        """For each host the result registered as `name`; for one that was left out because it is ill, why it is."""
        return {host: self._one(variables, name) for host, variables in self._variables.items()}

    def last(self, first: str, again: str) -> dict[str, Mapping[str, Any]]:
        """For each host the second of two results, or the first where there is no second."""
        later = self.of(again)
        return {host: later[host] if "edges" in later[host] else one for host, one in self.of(first).items()}

    def recorded(self) -> dict[str, Mapping[str, Any]]:
        """For each host the record of its deployment, empty where there is none or this run could not read it. A fact
        cache may hold one of a host that is down."""
        facts = {
            host: None if is_ill(variables.get(READ)) else local_fact(known(host, variables)[1], "tiers")
            for host, variables in self._variables.items()
        }
        return {host: fact if isinstance(fact, Mapping) else {} for host, fact in facts.items()}

    def unread(self) -> dict[str, str]:
        """For each host that this run could not read, why."""
        found = {host: why_unread(variables.get(READ)) for host, variables in self._variables.items()}
        return {host: why for host, why in found.items() if why}

    def values(self, name: str, default: Any = None) -> dict[str, Any]:
        """For each host the value of a variable that a task has set."""
        return {host: variables.get(name, default) for host, variables in self._variables.items()}

    def first(self, name: str) -> Any:
        """A variable that is the same on all hosts that have it. None: no host has it."""
        return next((variables[name] for variables in self._variables.values() if name in variables), None)

    @staticmethod
    def _one(variables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        found = variables.get(name)
        if isinstance(found, Mapping) and (not found.get("skipped") or not is_ill(variables.get(READ))):
            return with_cause(found)
        read = variables.get(READ)
        return with_cause(read) if isinstance(read, Mapping) and is_ill(read) else {"msg": "it was not probed"}


def with_cause(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result of a task that failed, with what the host said: Ansible's own message names no full disk."""
    return {**result, "msg": why_failed(result)} if result.get("failed") and not result.get("unreachable") else result
