# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook says what it takes, and says the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from awx_rules import is_playbook

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import survey
from ansible_collections.distributed.tiers.plugins.module_utils.operations.playbook import parse_operation
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME, TABLE

REPOSITORY = Path(__file__).parents[3]
PLAYBOOKS = REPOSITORY / "playbooks"
NAMES = sorted(path.stem for path in PLAYBOOKS.glob("*.yml"))
FILES = re.compile(r"(?:import_playbook|import_tasks|include_tasks):\s*([\w/.-]+\.yml)|'([\w/.-]+\.j2)'")


def operation(name):
    found, problems = parse_operation(yaml.safe_load((PLAYBOOKS / "meta" / f"{name}.yml").read_text(encoding="utf-8")))
    assert problems == []
    return found


def files_of(path):
    """A playbook and every file of the playbooks it takes in."""
    text = path.read_text(encoding="utf-8")
    yield text
    for match in FILES.finditer(text):
        name = match[1] or match[2]
        (found,) = {p.resolve() for p in (path.parent / name, PLAYBOOKS / "templates" / name) if p.exists()}
        yield from files_of(found)


def test_every_playbook_has_its_description_and_every_description_its_playbook():
    assert sorted(path.stem for path in (PLAYBOOKS / "meta").glob("*.yml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_description_is_one(name):
    assert operation(name)


@pytest.mark.parametrize("name", NAMES)
def test_it_lists_what_the_playbook_asks_for(name):
    text = "\n".join(files_of(PLAYBOOKS / f"{name}.yml"))
    used = {variable.name for variable in TABLE if variable.asked and re.search(rf"\b{variable.name}\b", text)}
    assert used <= set(operation(name).variables)


@pytest.mark.parametrize("name", NAMES)
def test_a_survey_asks_only_for_variables_that_the_planner_reads(name):
    """Choices and defaults of a survey are texts."""
    for question in survey(operation(name)).get("spec", ()):
        read = BY_NAME[question["variable"]].read
        for answer in [*question.get("choices", ()), *([question["default"]] if "default" in question else ())]:
            assert read is None or read(answer) is not None


JUDGING = {"status", "verify", "drain", "undrain", "switch_over", "retire", "back_up", "support_bundle"}
JUDGING |= {"pause_failover", "resume_failover", "rehearse_restore"}
READS = re.compile(r"tasks/(plan|look|access|traffic)\.yml")


@pytest.mark.parametrize("name", sorted(JUDGING | {"resync"}))
def test_a_silent_host_cannot_hold_up_a_play_that_judges_all_hosts(name):
    """Such a play takes the time limits of the connection, which operators are not asked to set."""
    for play in yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8")):
        if READS.search(str(play)):
            assert play.get("vars_files") == ["vars/reach.yml"], play["name"]


def test_every_task_that_asks_all_hosts_has_a_deadline():
    tasks = [
        task
        for path in (*(PLAYBOOKS / "tasks").glob("*.yml"), PLAYBOOKS / "status.yml", PLAYBOOKS / "verify.yml")
        for task in flat(yaml.safe_load(path.read_text(encoding="utf-8")))
    ]
    asking = [
        task
        for task in tasks
        if {"ansible.builtin.setup", *(f"distributed.tiers.tier_{what}" for what in ("host", "probe", "rows"))}
        & set(task)
    ]
    assert len(asking) == 14
    assert [task["name"] for task in asking if "timeout" not in task] == []


def imports_of(name):
    """The files of tasks that a playbook imports, in order."""
    return [part["ansible.builtin.import_tasks"] for part in parts_of(name) if part.get("ansible.builtin.import_tasks")]


@pytest.mark.parametrize(("name", "complete"), [("status", False), ("verify", True)])
def test_every_host_is_checked_and_the_content_of_all_servers_is_compared(name, complete):
    assert {"tasks/host.yml", "tasks/content.yml"} <= {*imports_of(name)}
    assert ("tiers_content_complete", complete) in variables_of(name)


@pytest.mark.parametrize("name", ["drain", "resync", "switch_over"])
def test_a_server_that_seems_to_lag_is_probed_again_before_it_is_refused(name):
    order = [part.get("ansible.builtin.import_tasks") or "" for part in parts_of(name)]
    checks = [place for place, part in enumerate(parts_of(name)) if f"distributed.tiers.{name}_check" in part]
    assert order.index("tasks/look.yml") < order.index("tasks/catch_up.yml") < checks[0]


def test_playbooks_that_issue_certificates_or_write_data_refuse_a_wrong_clock_first():
    for name, plan in (("deploy", "tasks/compute.yml"), ("rotate_certificates", "tasks/plan.yml")):
        order = imports_of(name)
        assert order.index(plan) < order.index("tasks/clocks.yml") < order.index("tasks/lock.yml")


def test_limits_of_alerts_reach_each_report():
    limits = {"max_lag", "max_behind", "clock_alert", "quota"}
    reports = [
        part["distributed.tiers.status_report"]
        for part in parts_of("status")
        if "distributed.tiers.status_report" in part
    ]
    assert len(reports) == 2 and reports[0] == reports[1]
    assert {*reports[0]} == {"plan", *limits}
    (report,) = [
        part["distributed.tiers.verify_report"]
        for part in parts_of("verify")
        if "distributed.tiers.verify_report" in part
    ]
    assert {*report} == {"plan", "clock_alert", "quota"}


def flat(tasks):
    """All tasks of plays and blocks."""
    for task in tasks:
        yield task
        for part in ("tasks", "block", "rescue", "always"):
            yield from flat(task.get(part, ()))


def test_the_playbooks_that_only_judge_go_on_with_an_ill_host():
    """The others must not: a host that cannot be read would count as a fresh one."""
    judging = {
        name
        for name in NAMES
        for play in yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8"))
        if (play.get("vars") or {}).get("tiers_tolerates_unread")
    }
    assert judging == JUDGING | {"resync"}


def test_playbooks_that_interrupt_service_need_a_confirmation():
    for name in NAMES:
        if operation(name).destructive:
            assert any(operation(name).variables.values()), f"{name} starts without a question"


def parts_of(name):
    """The plays of a playbook, and all their tasks."""
    return list(flat(yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8"))))


def variables_of(name):
    """The variables that the plays and tasks of a playbook set, as pairs of name and value."""
    return [pair for part in parts_of(name) for pair in (part.get("vars") or {}).items()]


def test_a_playbook_accepts_a_part_of_an_inventory_if_its_description_says_so():
    for name in NAMES:
        assert (("tiers_part_of_inventory", True) in variables_of(name)) is operation(name).slices, name


def test_playbooks_that_change_a_system_hold_its_lock_and_others_do_not():
    for name in NAMES:
        only_reads = name in ("awx", "plan", "report", "status", "support_bundle", "validate", "verify")
        assert (("tiers_lock_operation", name) in variables_of(name)) is not only_reads, name
        imported = [
            part.get("import_playbook") or part.get("ansible.builtin.import_tasks")
            for part in parts_of(name)
            if "when" not in part
        ]
        releases = bool({"parts/unlock.yml", "tasks/unlock.yml"} & {*imported})
        assert releases is not only_reads, name
        assert ("tiers_lock_takeover" in operation(name).variables) is not only_reads, name


def test_no_playbook_waits_for_a_terminal():
    for path in PLAYBOOKS.rglob("*.yml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for part in flat(content if isinstance(content, list) else []):
            pause = part.get("ansible.builtin.pause") or {}
            assert "vars_prompt" not in part and "prompt" not in pause, path


def test_the_readme_names_every_playbook():
    table = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"| `distributed.tiers.{name}` |" not in table] == []


def test_awx_finds_every_playbook_and_takes_nothing_else_for_one():
    found = {
        str(path.relative_to(REPOSITORY))
        for path in PLAYBOOKS.rglob("*.yml")
        if is_playbook(str(path.relative_to(REPOSITORY)), path.read_text(encoding="utf-8"))
    }
    parts = {f"playbooks/parts/{path.name}" for path in (PLAYBOOKS / "parts").glob("*.yml")}
    assert found - parts == {f"playbooks/{name}.yml" for name in NAMES}


def test_the_example_project_wraps_every_playbook_that_awx_is_to_have():
    project = REPOSITORY / "docs" / "awx" / "project"
    wrapped = {path.stem: path.read_text(encoding="utf-8") for path in project.glob("*.yml")}
    assert sorted(wrapped) == [name for name in NAMES if operation(name).template]
    for name, text in wrapped.items():
        assert is_playbook(f"{name}.yml", text)
        (play,) = yaml.safe_load(text)
        assert play["import_playbook"] == f"distributed.tiers.{name}"


def test_the_role_asks_for_no_variable_that_awx_sets():
    """AWX gives its own variables to every job, and they would win."""
    mine = yaml.safe_load((REPOSITORY / "roles" / "awx" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    awx = re.compile(
        r"awx_(job_(id|launch_type|template_(id|name))|project_(revision|scm_branch)|inventory_(id|name)|execution_node"
        r"|user_\w+|schedule_\w+|workflow_job_\w+)$"
    )
    assert [name for name in mine if awx.match(name)] == []
