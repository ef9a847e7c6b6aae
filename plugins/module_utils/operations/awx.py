# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of AWX in the form of its API: surveys and credential types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.operations.playbook import PROMPTS, Operation
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import Variable

# What a default of each type of question must be. A bool is an int for Python, and so for AWX.
QUESTION_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "textarea": (str,),
    "password": (str,),
    "multiplechoice": (str,),
    "multiselect": (str,),
    "integer": (int,),
    "float": (float, int),
}
QUESTION_FIELDS: dict[str, type] = {"type": str, "question_name": str, "variable": str, "required": bool}
SURVEY_FIELDS: dict[str, type] = {"name": str, "description": str, "spec": list}
HIDDEN = "$encrypted$"
# The step of a workflow that waits for a person.
APPROVAL = "approval"

TYPES = {"flag": "multiplechoice", "choice": "multiplechoice", "number": "integer"}
WRITTEN_BY_HAND = ("mapping", "list or path")


def template(operation: Operation) -> dict[str, Any]:
    """The settings of a playbook's job template, by AWX's names."""
    asked = {f"ask_{prompt}_on_launch": prompt in operation.prompts for prompt in PROMPTS}
    questions = survey(operation)
    return {
        "description": " ".join(filter(None, (f"{operation.short_description}.", away(operation)))),
        "forks": operation.forks,
        "timeout": operation.timeout,
        "survey_enabled": bool(questions),
        "survey_spec": questions,
        # Several jobs side by side only where no host needs another.
        "ask_job_slice_count_on_launch": operation.slices,
        **asked,
    }


def away(operation: Operation) -> str:
    return f"Service away: {operation.downtime[:1].lower()}{operation.downtime[1:]}" if operation.downtime else ""


def survey(operation: Operation) -> dict[str, Any]:
    """The survey of a playbook; empty if it takes nothing, as AWX refuses a survey without questions.

    Files are not asked for: they would lie in the container of the job, which ends with it.
    """
    questions = [question(variable, required) for variable, required in operation.asked() if variable.kind != "path"]
    if not questions:
        return {}
    return {"name": "", "description": operation.short_description, "spec": questions}


def question(variable: Variable, required: bool = False) -> dict[str, Any]:
    """The question of a survey for a variable. A kind without a type in AWX is asked as text."""
    if variable.kind in WRITTEN_BY_HAND:
        raise ValueError(f"{variable.name} takes a {variable.kind}, which no survey can ask for")
    asked: dict[str, Any] = {
        "variable": variable.name,
        "question_name": question_name(variable.name),
        "question_description": variable.meaning.replace("`", ""),
        "required": required,
        "type": "password" if variable.kind == "secret" else TYPES.get(variable.kind, "text"),
    }
    # A survey has no yes and no; the playbooks read these words.
    choices = ("false", "true") if variable.kind == "flag" else variable.choices
    if asked["type"] == "multiplechoice":
        asked["choices"] = list(choices)
        if variable.default in choices:
            asked["default"] = variable.default
    elif asked["type"] == "integer":
        if variable.bounds:
            asked["min"] = int(variable.bounds.least)
        if re.fullmatch(r"[0-9]+", variable.default):
            asked["default"] = int(variable.default)
    return asked


def question_name(variable: str) -> str:
    return variable.removeprefix("tiers_").replace("_", " ").capitalize()


def credential_type(names: Iterable[str]) -> dict[str, Any]:
    """Inputs and injectors of a type of credential that gives secrets to a job as extra variables."""
    known = sorted(names)
    return {
        "inputs": {
            "fields": [{"id": name, "label": name, "type": "string", "secret": True} for name in known],
            "required": known,
        },
        "injectors": {"extra_vars": {name: "{{ " + name + " }}" for name in known}},
    }


def workflow(
    steps: Sequence[str], name: str, organization: str, answers: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The nodes of a workflow in which each step follows the success of the one before."""
    nodes = []
    for step, after in zip(steps, [*steps[1:], None]):
        node: dict[str, Any] = {"identifier": step}
        if step == APPROVAL:
            node["unified_job_template"] = {
                "name": f"{name} approve the plan",
                "description": "The output of the job before tells moves and findings; its artifacts sum them up.",
                "type": "workflow_approval",
            }
        else:
            node["unified_job_template"] = {
                "name": f"{name} {step}",
                "type": "job_template",
                "organization": {"name": organization},
            }
        if step in answers:
            node["extra_data"] = dict(answers[step])
        if after:
            node["related"] = {"success_nodes": [{"identifier": after}]}
        nodes.append(node)
    return nodes


def field_problems(given: Mapping[str, Any], wanted: Mapping[str, type]) -> Iterator[str]:
    """The fields that are missing, or of another kind."""
    for name, kind in wanted.items():
        if name not in given:
            yield f"'{name}' is missing"
        elif not isinstance(given[name], kind):
            yield f"'{name}' must be a {kind.__name__}"


def survey_problems(spec: Any) -> Iterator[str]:
    """Why AWX would refuse to store the survey. `{}` is none, and takes an old one away."""
    if not isinstance(spec, Mapping):
        yield "the survey must be a mapping"
        return
    if not spec:
        return
    yield from field_problems(spec, SURVEY_FIELDS)
    questions = spec.get("spec")
    if not isinstance(questions, list):
        return
    if not questions:
        yield "it has no questions"
    seen: set[str] = set()
    for number, asked in enumerate(questions):
        yield from (f"question {number}: {problem}" for problem in question_problems(asked))
        variable = asked.get("variable") if isinstance(asked, Mapping) else None
        if isinstance(variable, str):
            if variable in seen:
                yield f"question {number}: variable '{variable}' is asked for twice"
            seen.add(variable)


def question_problems(asked: Any) -> Iterator[str]:
    """Why AWX would refuse a question of a survey."""
    if not isinstance(asked, Mapping):
        yield "it must be a mapping"
        return
    yield from field_problems(asked, QUESTION_FIELDS)
    form = asked.get("type")
    if not isinstance(form, str):
        return
    if form not in QUESTION_TYPES:
        yield f"'{form}' is no type of question"
        return
    default = asked.get("default", "")
    if default != "" and not isinstance(default, QUESTION_TYPES[form]):
        yield f"the default of a question of type {form} must be a {QUESTION_TYPES[form][0].__name__}"
    for limit in ("min", "max"):
        if not isinstance(asked.get(limit), (int, type(None))):
            yield f"'{limit}' must be a whole number"
    if isinstance(default, str) and default.startswith(HIDDEN):
        yield f"a default that begins with {HIDDEN} is AWX's own"
    if form in ("multiplechoice", "multiselect"):
        yield from _choice_problems(asked, default)


def _choice_problems(asked: Mapping[str, Any], default: Any) -> Iterator[str]:
    choices = asked.get("choices")
    if isinstance(choices, str):
        choices = [choice for choice in choices.splitlines() if choice.strip()]
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, str) for choice in choices):
        yield "its choices must be a list of texts, or a text with one in each line"
        return
    defaults = [choice for choice in default.splitlines() if choice.strip()] if isinstance(default, str) else []
    if asked["type"] == "multiplechoice" and len(defaults) > 1:
        yield "a multiplechoice has one default"
    if not set(defaults) <= set(choices):
        yield "its default is none of its choices"
