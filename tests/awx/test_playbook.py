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
from controller import TOKEN, Controller, serving

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
        }
    ],
}


def run(address, **settings):
    """The playbook's end: its code, its output and the tasks that changed something."""
    done = subprocess.run(
        [BINARIES / "ansible-playbook", "distributed.tiers.awx", "-i", "localhost,", "-e", json.dumps(settings)],
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
    output = json.loads(done.stdout[done.stdout.index("{") :])
    tasks = [task for play in output["plays"] for task in play["tasks"]]
    changed = [
        task["task"]["name"] for task in tasks if any(result.get("changed") for result in task["hosts"].values())
    ]
    return done.returncode, done.stdout, changed


@pytest.fixture(scope="module")
def twice():
    """A controller that the playbook was run against, and what its second run did."""
    playbooks = [path for path in FILES if is_playbook(path, (REPOSITORY / path).read_text(encoding="utf-8"))]
    controller = Controller(playbooks)
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
    assert changed == ["distributed.tiers.awx : Make the workflow from the check to the state after the deployment"]


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
        assert [question["variable"] for question in asked] == [*described["variables"]]
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
        "tiers chat"
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "awx_scm_url is not set"),
        ({**SETTINGS, "awx_playbooks": "elsewhere/"}, "Playbook not found for project."),
    ],
)
def test_what_is_wrong_is_told(settings, message):
    controller = Controller(["playbooks/validate.yml"])
    with serving(controller) as address:
        code, output, _changed = run(address, **settings)
    assert code == 2
    assert message in output
