# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `awx` with AWX's own modules, against a controller that refuses what AWX refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from awx_rules import is_playbook
from controller import BUILT_IN, TOKEN, Controller, copy, serving

from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME

REPOSITORY = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent
TEMPLATES = sorted(path.stem for path in (REPOSITORY / "playbooks" / "meta").glob("*.yml") if path.stem != "awx")
FILES = [str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "playbooks").rglob("*.yml")]
SETTINGS = {
    "awx_scm_url": "https://git.example/tiers.git",
    "awx_inventory_path": "inventories/demo/hosts.yml",
    "awx_image": "registry.example/tiers:1",
    "awx_galaxy_url": "https://galaxy.example/",
    "awx_machine": {"username": "deploy", "ssh_key_data": "a key", "become_method": "sudo"},
    "awx_secrets": {"tiers_ca_passphrase": "hush", "product_openldap_probe_password": "hush-hush"},
    "awx_vault_password": "hush",
    "awx_notifications": [
        {
            "name": "chat",
            "notification_type": "mattermost",
            "notification_configuration": {
                "mattermost_url": "https://chat.example/x",
                "mattermost_no_verify_ssl": False,
            },
        },
        {"name": "mail", "notification_type": "email", "notification_configuration": {"host": "mail.example"}},
        {"name": "hook", "notification_type": "webhook", "notification_configuration": {"url": "https://x.example"}},
    ],
}
# Of the templates one, for what does not look at them.
SMALL = {
    **SETTINGS,
    "__awx_operations": [str(REPOSITORY / "playbooks" / "meta" / "validate.yml")],
    "__awx_steps": ["validate"],
    "__awx_schedules": [],
}


# How the tasks of the role are named in what is printed.
ROLE = "distributed.tiers.awx : "


def run(address, *options, **settings):
    """The playbook's end: its code, its output and the tasks that changed something."""
    command = [BINARIES / "ansible-playbook", "distributed.tiers.awx", "-i", "localhost,", *options]
    done = subprocess.run(
        [*command, "-e", json.dumps(settings)],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache" / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_PIPELINING": "true",  # fewer processes for each of many tasks
            "CONTROLLER_HOST": address,
            "CONTROLLER_OAUTH_TOKEN": TOKEN,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    output = json.loads(done.stdout)
    tasks = [task for play in output["plays"] for task in play["tasks"]]
    changed = [
        task["task"]["name"] for task in tasks if any(result.get("changed") for result in task["hosts"].values())
    ]
    return done.returncode, done.stdout, changed


def empty():
    """A controller that has the project's playbooks and nothing else."""
    return Controller([path for path in FILES if is_playbook(path, (REPOSITORY / path).read_text(encoding="utf-8"))])


@pytest.fixture(scope="module")
def twice():
    """A controller that the playbook was run against, and what its second run did."""
    controller = empty()
    with serving(controller) as address:
        code, output, _changed = run(address, **SETTINGS)
        assert code == 0, output
        controller.writes.clear()
        code, output, changed = run(address, **SETTINGS)
        assert code == 0, output
    return controller, changed, output


def test_the_second_run_sends_nothing_but_what_awx_cannot_compare(twice):
    controller, changed, _output = twice
    assert controller.writes == [("POST", "projects/N/update"), ("PATCH", "workflow_approval_templates/N")]
    assert changed == [f"{ROLE}Create the workflow from validation to the final status"]


def test_check_mode_reports_nothing_that_would_not_change(twice):
    controller = copy(twice[0])
    with serving(controller) as address:
        code, output, changed = run(address, "--check", **SETTINGS)
    assert code == 0, output
    assert (changed, controller.writes) == ([], [])


def test_every_playbook_has_its_template_with_its_survey(twice):
    controller = twice[0]
    assert sorted(item["name"] for item in controller.objects["job_templates"].values()) == [
        f"tiers {name}" for name in TEMPLATES
    ]
    for name in TEMPLATES:
        template = controller.named("job_templates", f"tiers {name}")
        described = yaml.safe_load((REPOSITORY / "playbooks" / "meta" / f"{name}.yml").read_text(encoding="utf-8"))
        assert template["playbook"] == f"playbooks/{name}.yml"
        assert template["ask_limit_on_launch"] is ("limit" in described["prompts"])
        asked = controller.surveys.get(template["id"], {}).get("spec", [])
        assert [question["variable"] for question in asked] == [
            variable for variable in described["variables"] if BY_NAME[variable].kind != "path"
        ]
        assert sorted(controller.linked("job_templates", f"tiers {name}", "credentials")) == [
            "tiers machine",
            "tiers secrets",
            "tiers vault",
        ]


def test_the_workflow_goes_on_only_from_success(twice):
    controller = twice[0]
    nodes = {item["identifier"]: item for item in controller.objects["workflow_job_template_nodes"].values()}
    assert [*nodes] == ["validate", "plan", "approval", "deploy", "verify", "status"]
    ways = [
        (nodes[name]["id"], controller.links.get(("workflow_job_template_nodes", nodes[name]["id"], "success_nodes")))
        for name in nodes
    ]
    assert [way for _node, way in ways] == [[node] for node, _way in ways[1:]] + [None]
    assert nodes["status"]["extra_data"] == {"tiers_status_strict": "true"}
    assert controller.linked("workflow_job_templates", "tiers change", "notification_templates_approvals") == [
        "tiers chat",
        "tiers mail",
        "tiers hook",
    ]


def test_schedules_are_there_and_off(twice):
    controller = twice[0]
    assert {item["name"]: item["enabled"] for item in controller.objects["schedules"].values()} == {
        "tiers verify": False,
        "tiers drill": False,
    }


def test_secrets_are_injected_and_nowhere_shown(twice):
    controller, _changed, output = twice
    assert controller.named("credential_types", "tiers secrets")["injectors"]["extra_vars"] == {
        "product_openldap_probe_password": "{{ product_openldap_probe_password }}",
        "tiers_ca_passphrase": "{{ tiers_ca_passphrase }}",
    }
    assert controller.named("credentials", "tiers secrets")["inputs"] == SETTINGS["awx_secrets"]
    assert "hush" not in output


def test_the_organization_may_fetch_what_the_project_requires(twice):
    controller = twice[0]
    assert controller.linked("organizations", "tiers", "galaxy_credentials") == ["tiers galaxy"]
    assert controller.named("inventory_sources", "tiers")["source_path"] == SETTINGS["awx_inventory_path"]


@pytest.fixture(scope="module")
def small():
    """A controller with one of the templates, in an organization that others use, too."""
    controller = empty()
    others = controller.add("organizations", {"name": "tiers"})["id"]
    controller.add("projects", {"name": "mail", "organization": others})
    with serving(controller) as address:
        code, output, _changed = run(address, **SMALL)
    assert code == 0, output
    return controller


def test_an_organization_that_others_use_is_kept(small):
    controller = copy(small)
    with serving(controller) as address:
        code, output, changed = run(address, "--check", **SMALL, awx_state="absent")
        assert code == 0, output
        assert f"{ROLE}Remove the project" in changed
        assert f"{ROLE}Remove the organization" not in changed
        assert controller.writes == []
        code, output, _changed = run(address, **SMALL, awx_state="absent")
        assert code == 0, output
    assert "The organization tiers is kept: projects: mail." in output
    assert [item["name"] for item in controller.objects["organizations"].values()] == ["tiers"]
    assert [item["name"] for item in controller.objects["projects"].values()] == ["mail"]


def test_another_set_of_secrets_is_refused_with_what_to_do(small):
    controller = copy(small)
    other = {**SMALL, "awx_secrets": {"tiers_ca_passphrase": "hush", "tiers_ca_key": "hush-key"}}
    with serving(controller) as address:
        code, output, _changed = run(address, **other)
        assert code == 2, output
        assert "(new: tiers_ca_key; removed: product_openldap_probe_password)" in output
        assert "run this with -e awx_update_secrets=true" in output
        assert controller.writes == []
        code, output, _changed = run(address, **other, awx_update_secrets=True)
    assert code == 0, output
    assert "hush" not in output
    assert controller.named("credentials", "tiers secrets")["inputs"] == other["awx_secrets"]
    assert [*controller.named("credential_types", "tiers secrets")["injectors"]["extra_vars"]] == [
        "tiers_ca_key",
        "tiers_ca_passphrase",
    ]
    assert "tiers secrets" in controller.linked("job_templates", "tiers validate", "credentials")


def test_all_that_was_made_is_removed_again(twice):
    controller = copy(twice[0])
    with serving(controller) as address:
        code, output, changed = run(address, **SETTINGS, awx_state="absent")
        assert code == 0, output
        assert f"{ROLE}Remove the organization" in changed
        left = {kind: [item["name"] for item in items.values()] for kind, items in controller.objects.items() if items}
        assert left == BUILT_IN
        controller.writes.clear()
        code, output, changed = run(address, **SMALL, awx_state="absent")
        assert code == 0, output
    assert (changed, controller.writes) == ([], [])


@pytest.mark.parametrize("name", ["chat", "mail", "hook"])
@pytest.mark.parametrize("event", ["success", "error", "running", "approved"])
def test_a_notification_links_to_the_job_and_carries_no_plan(twice, name, event):
    message, body = twice[0].notification(f"tiers {name}", event, {"tiers_plan_data": "the whole plan"})
    assert "the whole plan" not in message + body
    assert "https://awx.example/#/jobs/7" in body
    if name == "hook":
        assert json.loads(body)["status"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "awx_scm_url is not set"),
        ({**SETTINGS, "awx_playbooks": "elsewhere/"}, "Playbook not found for project."),
    ],
)
def test_mistakes_are_reported(settings, message):
    controller = Controller(["playbooks/validate.yml"])
    with serving(controller) as address:
        code, output, _changed = run(address, **settings)
    assert code == 2
    assert message in output
