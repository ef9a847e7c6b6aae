# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX's rules, and that everything made for it keeps them."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from awx_rules import answer_problems, is_playbook

from ansible_collections.distributed.tiers.plugins.filter import (
    awx_credential_type,
    awx_template,
    awx_workflow,
)
from ansible_collections.distributed.tiers.plugins.module_utils.operations.artifacts import LARGEST_RESULT, artifacts
from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import (
    question,
    survey,
    survey_problems,
    template,
)
from ansible_collections.distributed.tiers.plugins.module_utils.operations.playbook import Operation, parse_operation
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME, TABLE, Variable

META = Path(__file__).parents[5] / "playbooks" / "meta"
FILTERS = {
    name: function
    for module in (awx_credential_type, awx_template, awx_workflow)
    for name, function in module.FilterModule().filters().items()
}
TEXT = {"type": "text", "question_name": "A name", "variable": "a", "required": False}
CHOICE = {"type": "multiplechoice", "question_name": "One of", "variable": "b", "required": True, "choices": ["x", "y"]}


def asked(*questions, **more):
    return {"name": "", "description": "", "spec": [copy.deepcopy(question) for question in questions], **more}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        asked(TEXT, CHOICE),
        asked({**TEXT, "default": ""}),
        asked({**TEXT, "min": 1, "max": None}),
        asked({**CHOICE, "default": "y"}),
        asked({**CHOICE, "choices": "x\n\ny\n", "default": "x\n"}),
        asked({**CHOICE, "type": "multiselect", "default": "x\ny"}),
        asked({**TEXT, "type": "integer", "default": 5}),
        asked({**TEXT, "type": "float", "default": 5}),
        asked({**TEXT, "type": "password", "default": "x"}),
    ],
)
def test_surveys_that_awx_accepts(spec):
    assert list(survey_problems(spec)) == []


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ([], "the survey must be a mapping"),
        ({"description": "", "spec": [TEXT]}, "'name' is missing"),
        ({"name": "", "description": None, "spec": [TEXT]}, "'description' must be a str"),
        ({"name": "", "description": "", "spec": {}}, "'spec' must be a list"),
        (asked(), "it has no questions"),
        (asked(TEXT, TEXT), "question 1: variable 'a' is asked for twice"),
        (asked("a"), "question 0: it must be a mapping"),
        (asked({**TEXT, "required": "true"}), "question 0: 'required' must be a bool"),
        (asked({**TEXT, "required": 1}), "question 0: 'required' must be a bool"),
        (asked({key: TEXT[key] for key in TEXT if key != "question_name"}), "question 0: 'question_name' is missing"),
        (asked({**TEXT, "type": "boolean"}), "question 0: 'boolean' is no type of question"),
        (asked({**TEXT, "default": 5}), "question 0: the default of a question of type text must be a str"),
        (
            asked({**TEXT, "type": "integer", "default": "5"}),
            "question 0: the default of a question of type integer must be",
        ),
        (
            asked({**TEXT, "type": "integer", "default": 5.5}),
            "question 0: the default of a question of type integer must be",
        ),
        (asked({**TEXT, "min": "1"}), "question 0: 'min' must be a whole number"),
        (asked({**TEXT, "max": 1.5}), "question 0: 'max' must be a whole number"),
        (asked({**TEXT, "default": "$encrypted$"}), "question 0: a default that begins with $encrypted$ is AWX's own"),
        (asked({**TEXT, "type": "multiplechoice"}), "question 0: its choices must be a list of texts"),
        (asked({**CHOICE, "choices": [True, False]}), "question 0: its choices must be a list of texts"),
        (asked({**CHOICE, "default": True}), "question 0: the default of a question of type multiplechoice must be"),
        (asked({**CHOICE, "default": "z"}), "question 0: its default is none of its choices"),
        (asked({**CHOICE, "default": "x\ny"}), "question 0: a multiplechoice has one default"),
        (asked({**CHOICE, "type": "multiselect", "default": ["x"]}), "question 0: the default of a question of type"),
    ],
)
def test_surveys_that_awx_would_refuse_are_refused(spec, problem):
    assert any(found.startswith(problem) for found in survey_problems(spec)), list(survey_problems(spec))


@pytest.mark.parametrize("path", sorted(META.glob("*.yml")), ids=lambda path: path.stem)
def test_awx_takes_the_survey_of_every_playbook(path):
    made = FILTERS["awx_template"](yaml.safe_load(path.read_text(encoding="utf-8")))
    assert list(survey_problems(made["survey_spec"])) == []
    assert made["survey_enabled"] is bool(made["survey_spec"])


ASKED = [variable for variable in TABLE if variable.asked]


@pytest.mark.parametrize("variable", [one for one in ASKED if one.kind != "path"], ids=lambda v: v.name)
def test_every_variable_of_a_run_can_be_asked_for(variable):
    spec = survey(Operation("x", "", variables={variable.name: False}))
    assert list(survey_problems(spec)) == []
    assert variable.meaning.replace("`", "") == spec["spec"][0]["question_description"]


@pytest.mark.parametrize("variable", [one for one in ASKED if one.kind == "path"], ids=lambda v: v.name)
def test_files_are_not_asked_for_as_they_would_be_lost_with_the_container_of_the_job(variable):
    assert survey(Operation("x", "", variables={variable.name: False})) == {}


@pytest.mark.parametrize("variable", [one for one in ASKED if one.kind == "number"], ids=lambda v: v.name)
def test_a_number_is_asked_as_a_whole_number_from_the_smallest_that_the_playbooks_take(variable):
    made = question(variable)
    assert made["type"] == "integer"
    variable.read(made["min"])
    with pytest.raises(ValueError, match=r"."):
        variable.read(made["min"] - 1)


@pytest.mark.parametrize("name", ["tiers_targets", "tiers_loss"])
def test_a_list_of_names_shows_what_to_type(name):
    assert "with commas between them" in (said := question(BY_NAME[name])["question_description"])
    assert re.search(r"px1,[\w:]+\.$", said)


def test_a_flag_is_asked_as_a_choice_of_words():
    assert question(BY_NAME["tiers_drill_confirm"], required=True) == {
        "variable": "tiers_drill_confirm",
        "question_name": "Drill confirm",
        "question_description": "Allows drill to break servers on purpose.",
        "type": "multiplechoice",
        "required": True,
        "choices": ["false", "true"],
        "default": "false",
    }


def test_variables_that_no_survey_can_ask_for_are_left_out():
    with pytest.raises(ValueError, match="takes a mapping"):
        question(Variable("tiers_x", "all", "mapping", "", "X"))


def test_a_playbook_that_takes_nothing_has_no_survey():
    made = template(Operation("Look", "Seconds.", prompts=("limit",), forks=3, timeout=60, slices=True))
    assert made == {
        "description": "Look. Service away: seconds.",
        "forks": 3,
        "timeout": 60,
        "survey_enabled": False,
        "survey_spec": {},
        "ask_limit_on_launch": True,
        "ask_job_type_on_launch": False,
        "ask_diff_mode_on_launch": False,
        "ask_verbosity_on_launch": False,
        "ask_job_slice_count_on_launch": True,
    }


@pytest.mark.parametrize(
    ("answers", "problems"),
    [
        ({"b": "x"}, []),
        ({"a": "z", "b": "y"}, []),
        ({}, ["'b' is missing"]),
        ({"b": "z"}, ["'b' is none of its choices"]),
        ({"b": True}, ["'b' is of the wrong type"]),
        ({"a": 5, "b": "x"}, ["'a' is of the wrong type"]),
        ({"b": "x", "c": 1}, ["'c' is not asked for"]),
    ],
)
def test_answers(answers, problems):
    assert list(answer_problems(asked(TEXT, CHOICE), answers)) == problems


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("site.yml", "- name: X\n  hosts: all\n", True),
        ("site.yaml", "- import_playbook: distributed.tiers.deploy\n", True),
        ("site.yml", "- ansible.builtin.import_playbook: distributed.tiers.deploy\n", True),
        ("site.yml", "$ANSIBLE_VAULT;1.1;AES256\n", True),
        ("site.txt", "- hosts: all\n", False),
        ("distributed.tiers.deploy", "", False),
        ("vars.yml", "tiers_name: x\n", False),
        ("vars.yml", "# hosts: all\n", False),
        ("roles/x/site.yml", "- hosts: all\n", False),
        ("a/tasks/site.yml", "- hosts: all\n", False),
        ("group_vars/all/site.yml", "hosts: all\n", False),
        (".github/site.yml", "- hosts: all\n", False),
    ],
)
def test_playbooks_are_recognized_as_awx_does(path, text, found):
    assert is_playbook(path, text) is found


def test_secrets_go_into_a_type_of_credential():
    assert FILTERS["awx_credential_type"](["b", "a"]) == {
        "inputs": {
            "fields": [
                {"id": "a", "label": "a", "type": "string", "secret": True},
                {"id": "b", "label": "b", "type": "string", "secret": True},
            ],
            "required": ["a", "b"],
        },
        "injectors": {"extra_vars": {"a": "{{ a }}", "b": "{{ b }}"}},
    }
    for wrong in (None, "a", [], [5]):
        with pytest.raises(AnsibleFilterError, match="must be a list of names"):
            FILTERS["awx_credential_type"](wrong)


def test_each_step_of_a_workflow_follows_the_success_of_the_one_before():
    nodes = FILTERS["awx_workflow"](["plan", "approval", "drill"], "x", "o", {"drill": {"tiers_drill_confirm": "true"}})
    approval = nodes.pop(1)
    assert nodes == [
        {
            "identifier": "plan",
            "unified_job_template": {"name": "x plan", "type": "job_template", "organization": {"name": "o"}},
            "related": {"success_nodes": [{"identifier": "approval"}]},
        },
        {
            "identifier": "drill",
            "unified_job_template": {"name": "x drill", "type": "job_template", "organization": {"name": "o"}},
            "extra_data": {"tiers_drill_confirm": "true"},
        },
    ]
    assert approval["unified_job_template"]["type"] == "workflow_approval"
    assert approval["related"] == {"success_nodes": [{"identifier": "drill"}]}
    with pytest.raises(AnsibleFilterError, match="must be a list of steps"):
        FILTERS["awx_workflow"]([], "x", "o")


def test_a_plan_travels_unless_it_is_too_large():
    difference = {"new": ["m1"], "changed": {"px1": {"port": [1, 2]}}, "retired": {"px2": {}}}
    difference["clients"] = [
        {"from": "px2", "to": "px1", "clients": 7},
        {"from": None, "to": "px1", "clients": 3},
        {"from": "px2", "to": None, "clients": 2},
    ]
    findings = [{"severity": "warning", "rule": "loss-fits", "message": "It does not."}]
    plan = {"digest": "d", "servers": {"m1": {"content": "x" * 1000}}, "clients": {}}
    assert artifacts(plan, difference, findings, {"px3": "the host is unreachable"}) == {
        "tiers_plan_data": plan,
        "tiers_plan_digest": "d",
        "tiers_plan_summary": {
            "new": ["m1"],
            "changed": ["px1"],
            "retired": ["px2"],
            "clients": ["7 from px2 to px1", "3 new to px1", "2 removed from px2"],
            "unread": ["px3"],
            "findings": ["warning loss-fits: It does not."],
        },
    }
    for large in ({"content": "x" * LARGEST_RESULT}, {"clients": {"c1": "x" * LARGEST_RESULT}}):
        assert [*artifacts(plan | large, difference, ())] == ["tiers_plan_digest", "tiers_plan_summary"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "it must be a mapping"),
        ({}, "'short_description' must be a text"),
        ({"short_description": "x"}, "'downtime' must be a text"),
        ({"prompt": []}, "does not know the key 'prompt'; did you mean"),
        ({"prompts": ["limits"]}, "'prompts' must be a list of limit, "),
        ({"prompts": 5}, "'prompts' must be a list of limit, "),
        ({"forks": 0}, "'forks' must be a whole number from 1 up"),
        ({"timeout": True}, "'timeout' must be a whole number from 1 up"),
        ({"slices": "yes"}, "'slices' must be true or false"),
        ({"variables": ["tiers_loss"]}, "'variables' must map names to their settings"),
        ({"variables": {"tiers_los": {}}}, "'variables' holds tiers_los, which is not asked of a run; did you mean"),
        ({"variables": {"tiers_site": {}}}, "'variables' holds tiers_site, which is not asked of a run"),
        ({"variables": {"tiers_loss": None}}, "'variables' is to say {} or {required: true} of tiers_loss"),
        ({"variables": {"tiers_loss": {"type": "x"}}}, "'variables' is to say {} or {required: true} of tiers_loss"),
    ],
)
def test_a_wrong_description_of_a_playbook_is_reported(data, problem):
    found, problems = parse_operation(data)
    assert found is None
    assert any(told.startswith(problem) for told in problems), problems
    with pytest.raises(AnsibleFilterError, match="awx_template: "):
        FILTERS["awx_template"](data)
