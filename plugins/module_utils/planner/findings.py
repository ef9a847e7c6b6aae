# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the checks of an inventory say, and how it is put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names

ERROR = "error"
WARNING = "warning"
OFF = "off"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. The rule that looks for it adds its name, severity and general remedy."""

    host: str | None
    variable: str | None
    message: str
    remedy: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a rule says. No host means the system as a whole."""

    rule: str
    severity: str
    host: str | None
    variable: str | None
    message: str
    remedy: str
    # Why the operator lowered the rule, where they did.
    why: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        return {key: value for key, value in asdict(self).items() if key != "why" or value is not None}

    def as_text(self) -> str:
        where = " ".join(part for part in (self.host, self.variable) if part)
        lines = [f"{self.severity.upper()} {self.rule}" + (f" [{where}]" if where else "")]
        lines += [f"  {self.message}", f"  Remedy: {self.remedy}"]
        if self.why:
            lines.append(f"  Lowered, because: {self.why}")
        return "\n".join(lines)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then by rule; what is the same on several hosts becomes one finding that names them."""
    hosts: dict[Finding, list[str]] = {}
    for finding in findings:
        key = Finding(
            finding.rule, finding.severity, None, finding.variable, finding.message, finding.remedy, finding.why
        )
        names = hosts.setdefault(key, [])
        if finding.host:
            names.append(finding.host)
    result = [
        Finding(f.rule, f.severity, enumerate_names(names) or None, f.variable, f.message, f.remedy, f.why)
        for f, names in hosts.items()
    ]
    return sorted(result, key=lambda f: (f.severity, f.rule, f.host or "", f.variable or "", f.message))
