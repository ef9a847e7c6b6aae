# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every template once as AWX runs it: ansible-runner, its directories, an inventory that prints itself, survey answers.

No host can be reached, so each job shows how it ends then, after it has planned and before it touches anything.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from awx_rules import answer_problems, is_playbook

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import template
from ansible_collections.distributed.tiers.plugins.module_utils.operations.playbook import parse_operation

REPOSITORY = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent
SECRETS = {"tiers_ca_passphrase": "hush-hush-hush", "product_openldap_probe_password": "y"}
AUTHORITY = {"tiers_ca_certificate": "c", "tiers_ca_key": "k"}
# Every connection is refused at once, whatever address the inventory has.
NOBODY = {
    "ansible_ssh_common_args": "-o ProxyCommand=/bin/false",
    "ansible_ssh_retries": 0,
    "tiers_rules": {"deployment-unknown": {"severity": "warning", "why": "no job of these tests has hosts"}},
}
# Those whose end is looked at more closely below. A playbook added later is run without being named.
NAMED = ("awx", "clients", "deploy", "drill", "plan", "status", "validate", "verify")
OTHERS = sorted({path.stem for path in (REPOSITORY / "playbooks" / "meta").glob("*.yml")} - {*NAMED})
# They write one file where the playbook runs, also if no host is reached.
WRITES = ("report", "support_bundle")
# The task after which a run goes on to its hosts.
SLICED = "Assign each host its slice of the plan"
CLIENTS = ["c-central", "c-paris", "c-tokyo"]


def command(name, *arguments, cwd=None, path=None):
    return subprocess.run(
        [BINARIES / name, *arguments],
        cwd=cwd,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(path), "PATH": f"{BINARIES}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


class Site:
    """The contents of AWX after it has fetched the project: the project, its requirements, and the inventory it has
    read."""

    def __init__(self, directory):
        self.directory = directory
        self.project, self.requirements = directory / "project", directory / "requirements_collections"
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in filter(None, files.split("\0")):
            if (REPOSITORY / name).exists():
                (self.project / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, self.project / name)
        # What else is needed comes with Python's packages here, so no server is asked.
        self.installed = command(
            "ansible-galaxy",
            *("collection", "install", "--offline"),
            *("-r", "collections/requirements.yml", "-p", str(self.requirements)),
            cwd=self.project,
            path=self.requirements,
        )
        read = command(
            "ansible-inventory",
            *("-i", "inventories/demo/hosts.yml", "--list", "--export"),
            cwd=self.project,
            path=self.requirements,
        )
        self.inventory = json.loads(read.stdout)
        # AWX has the inventory elsewhere, so what lies beside it is named from the project.
        self.inventory["all"].setdefault("vars", {})["tiers_clients"] = "inventories/demo/clients.csv"

    def slice(self, number, of):
        """The inventory of one of so many jobs side by side: each takes the next host by name in turn."""
        hosts = set(sorted(self.inventory["_meta"]["hostvars"])[number - 1 :: of])
        cut = {
            name: {**group, **({"hosts": [h for h in group["hosts"] if h in hosts]} if "hosts" in group else {})}
            for name, group in self.inventory.items()
            if name != "_meta"
        }
        variables = self.inventory["_meta"]["hostvars"]
        return {**cut, "_meta": {"hostvars": {host: variables[host] for host in hosts}}}


class Job:
    """A job as AWX starts it, and what it left."""

    def __init__(self, site, where, playbook, variables, inventory=None):
        private = where / playbook
        shutil.rmtree(private, ignore_errors=True)
        (private / "env").mkdir(parents=True)
        (private / "inventory").mkdir()
        (private / "project").symlink_to(site.project)
        meta = {"awx_job_id": 7, "awx_job_template_id": 3, "awx_job_template_name": f"tiers {playbook}"}
        given = {**SECRETS, **AUTHORITY, **NOBODY, **variables, **meta}
        (private / "env" / "extravars").write_text(json.dumps(given), encoding="utf-8")
        hosts = private / "inventory" / "hosts"
        text = json.dumps(inventory or site.inventory)
        hosts.write_text(f"#! /usr/bin/env python3\nprint({text!r})\n", encoding="utf-8")
        hosts.chmod(0o700)
        done = command(
            "ansible-runner",
            *("run", str(private), "-p", f"playbooks/{playbook}.yml", "--ident", "1"),
            path=site.requirements,
        )
        self.code, self.output = done.returncode, done.stdout + done.stderr
        files = (private / "artifacts" / "1" / "job_events").glob("[0-9]*.json")
        events = [json.loads(path.read_text(encoding="utf-8")) for path in files]
        events.sort(key=lambda event: event["counter"])
        self.raw = events
        self.events = [(event["event"], event.get("event_data", {})) for event in events]
        (self.stats,) = [data for kind, data in self.events if kind == "playbook_on_stats"]
        self.artifacts = self.stats.get("artifact_data", {})

    def printed(self, task):
        """The text that AWX shows for the events of a task, its title among them."""
        return "\n".join(event["stdout"] for event in self.raw if event.get("event_data", {}).get("task") == task)

    def results(self, task):
        """The result of each host for a task."""
        return {data["host"]: data["res"] for _kind, data in self.events if data.get("task") == task and "res" in data}


def survey(playbook):
    data = yaml.safe_load((REPOSITORY / "playbooks" / "meta" / f"{playbook}.yml").read_text(encoding="utf-8"))
    return template(parse_operation(data)[0])["survey_spec"]


def answers(playbook, **given):
    """The answers of an operator who leaves as it is what is not given: texts come empty, numbers not at all."""
    spec = survey(playbook)
    left = {
        question["variable"]: question.get("default", "")
        for question in spec.get("spec", ())
        if "default" in question or question["type"] == "text"
    }
    answered = {**left, **given}
    assert list(answer_problems(spec, answered)) == []
    return answered


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("awx"))


@pytest.fixture(scope="module")
def planned(site, tmp_path_factory):
    """The job of the first node of a workflow."""
    return Job(site, tmp_path_factory.mktemp("plan"), "plan", answers("plan", tiers_loss="px-paris"))


def test_the_repository_installs_itself_as_a_project(site):
    assert site.installed.returncode == 0, site.installed.stderr
    assert (site.requirements / "ansible_collections" / "distributed" / "tiers" / "MANIFEST.json").exists()
    names = {str(path.relative_to(site.project)) for path in site.project.rglob("*.yml")}
    found = {name for name in names if is_playbook(name, (site.project / name).read_text(encoding="utf-8"))}
    assert {f"playbooks/{path.stem}.yml" for path in (REPOSITORY / "playbooks" / "meta").glob("*.yml")} <= found


def test_validate_answers_and_writes_what_it_found(site, tmp_path):
    where = tmp_path / "findings.json"
    given = answers("validate", tiers_loss="px-tokyo", tiers_report_rows=5)
    job = Job(site, tmp_path, "validate", {**given, "tiers_findings_file": str(where)})
    assert job.code == 0, job.output
    assert "px-tokyo" in job.output
    assert "2000 named clients" in job.output
    assert {finding["rule"] for finding in json.loads(where.read_text(encoding="utf-8"))["findings"]} == {"loss-fits"}


def test_a_table_is_printed_below_the_title_of_its_task(planned):
    _before, title, table = planned.printed("Print the plan").partition("TASK [Print the plan]")
    assert title
    assert "2000 named clients" in table
    assert [event["stdout"] for event in planned.raw if event["event"] == "warning"] == []
    assert "[WARNING]" not in planned.output


def test_plan_hands_the_plan_on(planned):
    assert planned.code == 0, planned.output
    assert set(planned.artifacts) == {"tiers_plan_data", "tiers_plan_digest", "tiers_plan_summary"}
    assert len(planned.artifacts["tiers_plan_data"]["servers"]) == 10
    rules = [finding.partition(":")[0] for finding in planned.artifacts["tiers_plan_summary"]["findings"]]
    assert rules == ["warning deployment-unknown", "warning loss-fits"]


def test_deploy_works_from_the_plan_that_was_approved(site, tmp_path, planned):
    job = Job(site, tmp_path, "deploy", {**answers("deploy"), **planned.artifacts})
    assert job.code == 4, job.output
    (made,) = job.results("Check the inventory and compute the plan").values()
    assert made["report"].startswith("System demo, as planned in an earlier job; 13 of its hosts are in this inventory")
    assert len(job.stats["dark"]) == 13


@pytest.mark.parametrize("less", [{"tiers_ca_certificate": "", "tiers_ca_key": ""}, {"tiers_ca_key": ""}])
def test_a_first_deployment_refuses_a_ca_that_would_be_lost_with_the_job(site, tmp_path, planned, less):
    job = Job(site, tmp_path, "deploy", {**answers("deploy"), **planned.artifacts, **less})
    assert job.code == 2, job.output
    (refused,) = job.results("Fail if the CA must not be created in this run").values()
    assert refused["msg"].startswith("No host was changed. The CA of demo would be created in ")
    assert "set tiers_ca_certificate and tiers_ca_key in awx_secrets" in refused["msg"]
    assert job.results("Lock the system for this run") == {}


def test_a_remedy_names_the_survey(site, tmp_path, planned):
    job = Job(site, tmp_path, "drill", {**answers("drill", tiers_drill_confirm="false"), **planned.artifacts})
    assert 'Allow it: answer "Drill confirm" in the survey with true.' in " ".join(job.output.split())


def test_deploy_refuses_another_plan_than_the_approved(site, tmp_path, planned):
    """As after a plan that was too large to travel."""
    digest = {"tiers_plan_digest": planned.artifacts["tiers_plan_digest"]}
    job = Job(site, tmp_path, "deploy", {**answers("deploy"), **digest, "tiers_domain": "other.example"})
    assert job.code == 2, job.output
    assert "Another plan was approved: " in job.output
    assert job.results(SLICED) == {}


def test_verify_tells_who_did_not_answer(site, tmp_path, planned):
    job = Job(site, tmp_path, "verify", {**answers("verify"), **planned.artifacts})
    assert job.code == 2, job.output
    assert "finding(s), see the table above" in job.output


def test_status_takes_the_word_true_for_true(site, tmp_path, planned):
    job = Job(site, tmp_path, "status", {**answers("status", tiers_status_strict="true"), **planned.artifacts})
    assert job.code == 2, job.output
    assert "alert(s), see the table above" in job.output


def test_drill_refuses_a_degraded_system(site, tmp_path, planned):
    given = answers("drill", tiers_drill_confirm="true", tiers_drill_seconds=5)
    job = Job(site, tmp_path, "drill", {**given, **planned.artifacts, "tiers_report_dir": str(tmp_path / "reports")})
    assert job.code == 2, job.output
    assert "The system is not as planned, so a drill would prove nothing" in job.output
    assert not any("Switch off" in data.get("task", "") for _kind, data in job.events)


@pytest.mark.parametrize("playbook", OTHERS)
def test_every_other_template_takes_the_plan_and_touches_nothing_it_cannot_reach(site, tmp_path, planned, playbook):
    job = Job(site, tmp_path, playbook, {**answers(playbook), **planned.artifacts})
    assert job.code in (0, 2, 4), job.output
    (made,) = job.results("Check the inventory and compute the plan").values()
    assert made["report"].startswith("System demo, as planned in an earlier job; ")
    assert sum(job.stats["changed"].values()) == (playbook in WRITES)


@pytest.mark.parametrize("number", [1, 2])
def test_a_slice_of_the_clients_works_from_the_plan_of_the_whole(site, tmp_path, planned, number):
    part = site.slice(number, 2)
    job = Job(site, tmp_path, "clients", {**answers("clients"), **planned.artifacts}, part)
    assert job.code == 4, job.output
    mine = [host for host in CLIENTS if host in part["_meta"]["hostvars"]]
    given = {host: result["ansible_facts"]["tiers_client"] for host, result in job.results(SLICED).items()}
    assert {host: given[host] for host in mine} == {
        host: planned.artifacts["tiers_plan_data"]["clients"][host] for host in mine
    }
    # The first of the work on them, and on nobody else.
    assert sorted(job.results("Remove the record of the complete deployment")) == mine


@pytest.mark.parametrize("playbook", ["validate", "deploy"])
@pytest.mark.parametrize("handed", [False, True])
def test_a_slice_is_refused_where_hosts_need_each_other(site, tmp_path, planned, playbook, handed):
    given = {**answers(playbook), **(planned.artifacts if handed else {})}
    job = Job(site, tmp_path, playbook, given, site.slice(1, 2))
    assert job.code == 2, job.output
    assert ("ERROR handed-plan" if handed else "ERROR expected-hosts") in job.output
    assert job.results(SLICED) == {}
