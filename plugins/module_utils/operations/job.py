# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Differences of a job in AWX: files end with its container, and answers replace command lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import question_name
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME

# Where ansible-runner keeps the files of a job, and removes them after it.
PRIVATE = PurePosixPath("/runner")
FLEETING = ("overlay", "tmpfs", "ramfs")
OPERATIONS = (
    *("back_up", "clients", "deploy", "drain", "drill", "monitoring", "pause_failover", "plan", "report"),
    *("rehearse_restore", "replace", "restore", "resume_failover", "resync", "retire", "roll_back"),
    *("rotate_certificates", "rotate_secrets", "status", "support_bundle", "switch_over", "undrain", "upgrade"),
    *("validate", "verify"),
)

_PLAYBOOK = re.compile(r"ansible-playbook distributed\.tiers\.(\w+)(?: -i \w+)?(?: -e \w+=\S*\w)*")
_RUN = re.compile(rf"\b([Rr])un `?({'|'.join(OPERATIONS)})\b`?(?: or `?({'|'.join(OPERATIONS)})\b`?)?")
_VARIABLE = re.compile(r"-e (\w+)=([^\s,;)]*\w)")


def job_template(variables: Mapping[str, Any]) -> str:
    """The name of the job template whose job this run is; empty outside AWX. `variables`: of the run."""
    return str(variables.get("awx_job_template_name") or variables.get("tower_job_template_name") or "")


def in_awx(text: str, template: str) -> str:
    """The text with surveys and templates in place of command lines. `template`: of this job; none leaves the text."""
    if not template:
        return text
    prefix = template.rpartition(" ")[0]

    def name(operation: str) -> str:
        return f'"{prefix} {operation}"'.replace('" ', '"')

    def launch(found: re.Match[str]) -> str:
        names = " or ".join(name(operation) for operation in found.groups()[1:] if operation)
        return f"{'L' if found[1] == 'R' else 'l'}aunch the template {names}"

    text = _PLAYBOOK.sub(lambda found: f"launch the template {name(found[1])}", text)
    text = _RUN.sub(launch, text)
    return _VARIABLE.sub(lambda found: _answer(found[1], found[2]), text)


def _answer(name: str, value: str) -> str:
    variable = BY_NAME.get(name)
    if variable and variable.asked and variable.kind != "path":
        return f'answer "{question_name(name)}" in the survey with {value}'
    return f"set {name} to {value} in the variables of the template"


def outlives_job(path: str, mounts: str) -> bool:
    """Whether a directory is still there after the container of a job. `mounts`: /proc/self/mountinfo of the job."""
    place = PurePosixPath(path)
    on = max(
        (mount for mount in _mounts(mounts) if place.is_relative_to(mount[0])),
        key=lambda mount: len(mount[0].parts),
        default=(PurePosixPath("/"), ""),
    )
    own = on[0] == PRIVATE or (on[0].parent == PRIVATE and on[0].name in ("artifacts", "env", "inventory", "project"))
    return on[0] != PurePosixPath("/") and on[1] not in FLEETING and not own


def _mounts(text: str) -> Iterator[tuple[PurePosixPath, str]]:
    """The mount point and type of each file system. A space in a path is written as an escape."""
    for line in text.splitlines():
        fields, _dash, rest = line.partition(" - ")
        if len(fields.split()) > 4 and rest:
            point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields.split()[4])
            yield PurePosixPath(point), rest.split()[0]
