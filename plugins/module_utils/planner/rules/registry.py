# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The register of rules: each one small function that yields the problems it sees, with what a reader needs to know."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import (
    OFF,
    WARNING,
    Finding,
    Problem,
    merged,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.text import did_you_mean

# What a rule looks at: the topology and, for rules about clients, how they were assigned.
Allocation = Mapping[str, Any]
Check = Callable[[Topology, Allocation], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    severity: str
    reason: str
    remedy: str
    # Inventories in YAML, laid over EXAMPLE: with the first the rule speaks, with the second it is silent.
    fires: str
    silent: str
    check: Check
    # Without it no plan can be made, so nobody can lower it.
    firm: bool
    # It looks at each host by itself, so it holds for a part of an inventory too.
    part: bool


REGISTRY: dict[str, Rule] = {}

# The inventory that all examples change.
EXAMPLE = """\
all:
  vars:
    tiers_product: openldap
    tiers_active: both
    tiers_site: berlin
    tiers_ca_passphrase: from-a-vault
    product_openldap_probe_password: from-a-vault
    tiers_time_service: chrony
    tiers_clients:
      - {name: desk-1, site: berlin}
    tiers_site_networks: {berlin: [192.0.2.128/25]}
master:
  hosts:
    m1: {ansible_host: 192.0.2.1, tiers_zone: rack-a}
proxy:
  hosts:
    px1: {ansible_host: 192.0.2.11, tiers_zone: rack-a}
    px2: {ansible_host: 192.0.2.12, tiers_zone: rack-b}
parallel:
  hosts:
    p1: {ansible_host: 192.0.2.21, tiers_zone: rack-a}
    p2: {ansible_host: 192.0.2.22, tiers_zone: rack-b}
distributor:
  hosts:
    d1: {ansible_host: 192.0.2.31, tiers_zone: rack-a}
backup:
  hosts:
    m2: {ansible_host: 192.0.2.2, tiers_zone: rack-b, tiers_backup_of: m1}
    d2: {ansible_host: 192.0.2.32, tiers_zone: rack-b, tiers_backup_of: d1}
client:
  hosts:
    c1: {ansible_host: 192.0.2.51}
"""


def rule(
    name: str,
    severity: str,
    *,
    reason: str,
    remedy: str,
    fires: str,
    silent: str,
    firm: bool = False,
    part: bool = False,
) -> Callable[[Check], Check]:
    """Register the function below as a rule."""

    def register(check: Check) -> Check:
        if name in REGISTRY:
            raise ValueError(f"two rules are called {name}")
        REGISTRY[name] = Rule(
            name,
            severity,
            reason,
            remedy,
            textwrap.dedent(fires).lstrip(),
            textwrap.dedent(silent).lstrip(),
            check,
            firm,
            part,
        )
        return check

    return register


class Guesses:
    """Guesses which known name an unknown one stands for. Only the first names are looked up: no report shows
    more of one rule, and each search goes through all known names."""

    MOST = 10

    def __init__(self, known: Iterable[str]) -> None:
        self.known = list(dict.fromkeys(known))
        self.guesses: dict[str, str] = {}

    @cached_property
    def short(self) -> dict[str, str]:
        """Names by their first part: `m1.example.com` and `m1` are most often one host."""
        return {name.partition(".")[0]: name for name in self.known}

    def with_hint(self, text: str, word: str) -> str:
        """A sentence about an unknown word, with the known word that it resembles."""
        if word not in self.guesses and len(self.guesses) < self.MOST:
            first = word.partition(".")[0]
            host = None if first.isdecimal() else self.short.get(first)
            self.guesses[word] = f"did you mean '{host}'?" if host else did_you_mean(word, self.known)
        guess = self.guesses.get(word)
        return f"{text}; {guess}" if guess else f"{text}."


def reading(name: str) -> Check:
    """The check of a rule whose problems were found while the inventory was read."""

    def check(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
        return (problem for problem in topology.problems if problem.rule == name)

    return check


def lowering_problems(topology: Topology) -> Iterator[Problem]:
    """Mistakes in `tiers_rules` itself."""
    guesses = Guesses(REGISTRY)
    for name in topology.lowered:
        known = REGISTRY.get(name)
        if known is None:
            yield Problem(None, "tiers_rules", guesses.with_hint(f"There is no rule '{name}'", name))
        elif known.firm:
            yield Problem(None, "tiers_rules", f"Rule '{name}' cannot be overridden: the plan depends on it.")


def judge(topology: Topology, allocation: Allocation) -> list[Finding]:
    """All findings of all rules, errors first."""
    return merged(_findings(topology, allocation, REGISTRY.values()))


def judge_part(topology: Topology) -> list[Finding]:
    """The findings of the rules that hold for a part of an inventory, where a plan of the whole is at hand."""
    return merged(_findings(topology, {}, (item for item in REGISTRY.values() if item.part)))


def _findings(topology: Topology, allocation: Allocation, rules: Iterable[Rule]) -> Iterator[Finding]:
    for item in rules:
        lowered = {} if item.firm else topology.lowered.get(item.name, {})
        severity, why = lowered.get("severity", item.severity), lowered.get("why")
        if severity == OFF:
            continue
        for p in item.check(topology, allocation):
            yield Finding(item.name, severity, p.host, p.variable, p.message, p.remedy or item.remedy, why, p.hosts)


def switched_off(topology: Topology) -> list[tuple[str, str]]:
    """Rules that the operator switched off, with the reason, for the report."""
    return sorted(
        (name, item["why"])
        for name, item in topology.lowered.items()
        if item["severity"] == OFF and name in REGISTRY and not REGISTRY[name].firm
    )


__all__ = [
    "EXAMPLE",
    "OFF",
    "REGISTRY",
    "WARNING",
    "Allocation",
    "Guesses",
    "Problem",
    "Rule",
    "judge",
    "judge_part",
    "reading",
    "rule",
    "switched_off",
]
