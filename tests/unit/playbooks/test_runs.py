# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible reads every playbook and validates every inventory, with no error and nothing deprecated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.running import REPOSITORY, ansible_playbook

INVENTORIES = sorted(path for path in (REPOSITORY / "inventories").iterdir())


def test_every_playbook_can_be_read() -> None:
    playbooks = sorted((REPOSITORY / "playbooks").glob("*.yml"))
    done = ansible_playbook("--syntax-check", "--inventory", REPOSITORY / "inventories" / "minimal", *playbooks)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_validate_accepts_every_inventory(inventory: Path) -> None:
    # What an example leaves to the vault, by the description of its service or by the role of its product.
    descriptions = [*inventory.rglob("*.yml"), *REPOSITORY.glob("roles/product_*/meta/product.yml")]
    described = "".join(path.read_text(encoding="utf-8") for path in descriptions)
    named = re.findall(r"\w+", " ".join(re.findall(r"^ *secrets: \[(.*)\]", described, re.MULTILINE)))
    names = ["tiers_ca_passphrase", *named]
    secrets = [f"--extra-vars={name}=secret" for name in names]
    done = ansible_playbook("distributed.tiers.validate", "--inventory", inventory, *secrets)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ *System ", done.stdout, re.MULTILINE)


def test_output_is_json_under_the_json_callback() -> None:
    inventory = REPOSITORY / "inventories" / "minimal"
    names = ["tiers_ca_passphrase", "product_openldap_probe_password"]
    secrets = [f"--extra-vars={name}=secret" for name in names]
    callback = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = ansible_playbook("distributed.tiers.validate", "--inventory", inventory, *secrets, **callback)
    assert done.returncode == 0, done.stdout + done.stderr
    tasks = [task for play in json.loads(done.stdout)["plays"] for task in play["tasks"]]
    (shown,) = [task["hosts"] for task in tasks if task["task"]["name"] == "Print the plan"]
    assert [result["msg"][0].split()[0] for result in shown.values()] == ["System"]


@pytest.mark.parametrize("playbook", ["validate", "plan"])
def test_an_inventory_without_hosts_is_refused(playbook: str, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all:\n", encoding="utf-8")
    done = ansible_playbook(f"distributed.tiers.{playbook}", "--inventory", inventory)
    assert done.returncode == 2, done.stdout
    assert "The inventory has no hosts. Give one with -i INVENTORY." in done.stdout
