# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings of the rules, and how problems are combined into them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_first, enumerate_names

ERROR = "error"
WARNING = "warning"
OFF = "off"
# Of a million clients without a proxy a finding names the first, and says how many there are.
MOST_HOSTS = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. The rule that looks for it adds its name, severity and general remedy.

    It is about one host, or about several `hosts`. With both, `host` is the text that a person reads.
    """

    host: str | None
    variable: str | None
    message: str
    remedy: str = ""
    rule: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a rule says. No host means the system as a whole; `host` is for a person, `hosts` for a program."""

    rule: str
    severity: str
    host: str | None
    variable: str | None
    message: str
    remedy: str
    # Why the operator lowered the rule, where they did.
    why: str | None = None
    # Sorted, the first MOST_HOSTS of `count`.
    hosts: tuple[str, ...] = ()
    count: int = 0

    def as_dict(self) -> dict[str, Any]:
        fields = {
            "rule": self.rule,
            "severity": self.severity,
            "host": self.host,
            "hosts": list(self.hosts),
            "count": self.count,
            "variable": self.variable,
            "message": self.message,
            "remedy": self.remedy,
        }
        return fields if self.why is None else {**fields, "why": self.why}

    def as_text(self) -> str:
        where = " ".join(part for part in (self.host, self.variable) if part)
        lines = [f"{self.severity.upper()} {self.rule}" + (f" [{where}]" if where else "")]
        lines += [f"  {self.message}", f"  Remedy: {self.remedy}"]
        if self.why:
            lines.append(f"  Lowered, because: {self.why}")
        return "\n".join(lines)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then by rule; what is the same on several hosts becomes one finding that names them."""
    about: dict[tuple[str, str, str | None, str, str, str | None], tuple[list[str], list[str]]] = {}
    for f in findings:
        texts, names = about.setdefault((f.rule, f.severity, f.variable, f.message, f.remedy, f.why), ([], []))
        if f.hosts:
            names += f.hosts
            texts += (f.host,) if f.host else f.hosts
        elif f.host:
            names.append(f.host)
            texts.append(f.host)
    result = []
    for (rule, severity, variable, message, remedy, why), (texts, names) in about.items():
        first, count = first_names(names)
        host = enumerate_first(first, count) if texts == names else enumerate_names(texts)
        result.append(Finding(rule, severity, host or None, variable, message, remedy, why, first, count))
    return sorted(result, key=lambda f: (f.severity, f.rule, f.host or "", f.variable or "", f.message))


def first_names(names: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """The first names in order, each once, and how many there are in all."""
    unique = set(names)
    # Sorting a million for the sake of a thousand takes several times as long.
    first = heapq.nsmallest(MOST_HOSTS, unique) if len(unique) > MOST_HOSTS else sorted(unique)
    return tuple(first), len(unique)
