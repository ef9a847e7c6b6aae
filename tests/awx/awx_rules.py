# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules by which AWX accepts a playbook, and the answers of a survey."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import QUESTION_TYPES

PLAY = re.compile(r"^\s*?-?\s*?(?:hosts|(ansible\.builtin\.)?include|(ansible\.builtin\.)?import_playbook):")
NOT_SEARCHED = ("roles", "tasks", "group_vars", "host_vars")


def answer_problems(spec: Mapping[str, Any], answers: Mapping[str, Any]) -> Iterator[str]:
    """Why AWX would refuse to launch with these answers; what the survey does not ask for is refused as well."""
    questions = {asked["variable"]: asked for asked in spec.get("spec", ())}
    for name, asked in questions.items():
        if name not in answers:
            if asked["required"]:
                yield f"'{name}' is missing"
        elif asked["type"] == "multiselect":
            if not isinstance(answers[name], list) or not set(answers[name]) <= set(asked["choices"]):
                yield f"'{name}' must be a list of its choices"
        elif isinstance(answers[name], bool) or not isinstance(answers[name], QUESTION_TYPES[asked["type"]]):
            yield f"'{name}' is of the wrong type"
        elif asked["type"] == "multiplechoice" and answers[name] not in asked["choices"]:
            yield f"'{name}' is none of its choices"
    yield from (f"'{name}' is not asked for" for name in answers if name not in questions)


def is_playbook(path: str, text: str) -> bool:
    """Whether AWX lists the file of a project among its playbooks, and so takes it for a template."""
    place = PurePosixPath(path)
    if place.suffix not in (".yml", ".yaml"):
        return False
    if any(part in NOT_SEARCHED or part.startswith(".") for part in place.parent.parts):
        return False
    return text.startswith("$ANSIBLE_VAULT;") or any(PLAY.match(line) for line in text.splitlines())
