# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The description of a playbook in playbooks/meta: its variables, and how it must be run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME, Variable
from ansible_collections.distributed.tiers.plugins.module_utils.text import did_you_mean

# What else of a run may be asked of the operator, by AWX's names: which hosts, check or run, differences, detail.
PROMPTS = ("limit", "job_type", "diff_mode", "verbosity")
KEYS = (
    "short_description",
    "downtime",
    "variables",
    "prompts",
    "destructive",
    "slices",
    "forks",
    "timeout",
    "template",
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One playbook, as anyone who offers it to an operator has to know it."""

    short_description: str
    # How long the service is away, in words; empty if nothing is.
    downtime: str
    # Variable -> whether it must be given.
    variables: Mapping[str, bool] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    # It breaks something on purpose, so nobody should be able to start it by the way.
    destructive: bool = False
    # Each part of the inventory can be worked on by itself, with a plan of the whole handed over.
    slices: bool = False
    # Suggestions, by measurement (docs/awx.md). Seconds.
    forks: int = 15
    timeout: int = 3600
    # Whether AWX is to offer it.
    template: bool = True

    def asked(self) -> Iterator[tuple[Variable, bool]]:
        """The variables it takes, and whether each must be given."""
        for name, required in self.variables.items():
            yield BY_NAME[name], required


def parse_operation(data: Any) -> tuple[Operation | None, list[str]]:
    """The operation of a file of playbooks/meta, and what is wrong with it."""
    if not isinstance(data, Mapping):
        return None, ["it must be a mapping"]
    problems = []
    for key in data:
        if key not in KEYS:
            problems.append(f"does not know the key '{key}'; {did_you_mean(str(key), KEYS)}".rstrip("; "))
    for key in ("short_description", "downtime"):
        if not isinstance(data.get(key), str) or (key == "short_description" and not data[key].strip()):
            problems.append(f"'{key}' must be a text")
    for key in ("destructive", "slices", "template"):
        if not isinstance(data.get(key, False), bool):
            problems.append(f"'{key}' must be true or false")
    for key in ("forks", "timeout"):
        if isinstance(data.get(key, 1), bool) or not isinstance(data.get(key, 1), int) or data.get(key, 1) < 1:
            problems.append(f"'{key}' must be a whole number from 1 up")
    variables, wrong = _variables(data.get("variables") or {})
    problems += wrong
    prompts = data.get("prompts") or ()
    if not isinstance(prompts, (list, tuple)) or not all(prompt in PROMPTS for prompt in prompts):
        problems.append(f"'prompts' must be a list of {', '.join(PROMPTS)}")
    if problems:
        return None, problems
    given = {key: data[key] for key in KEYS if key in data and key not in ("variables", "prompts")}
    return Operation(**given, variables=variables, prompts=tuple(map(str, prompts))), []


def _variables(data: Any) -> tuple[dict[str, bool], list[str]]:
    if not isinstance(data, Mapping):
        return {}, ["'variables' must map names to their settings"]
    asked = [variable.name for variable in BY_NAME.values() if variable.asked]
    variables, problems = {}, []
    for name, settings in data.items():
        if name not in asked:
            hint = did_you_mean(str(name), asked)
            problems.append(f"'variables' holds {name}, which is not asked of a run; {hint}".rstrip("; "))
        elif not isinstance(settings, Mapping) or [*settings] not in ([], ["required"]):
            problems.append(f"'variables' is to say {{}} or {{required: true}} of {name}")
        else:
            variables[str(name)] = settings.get("required") is True
    return variables, problems
