# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`deploy` with tiers_scope=changed touches the hosts for which something changed, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet, Run
from ansible_collections.distributed.tiers.tests.unit.playbooks.running import REPOSITORY
from ansible_collections.distributed.tiers.tests.unit.playbooks.test_operations import NAMES, PLAYBOOKS, files_of

SERVERS: dict[str, dict[str, dict[str, Any]]] = {
    "master": {"m1": {}},
    "backup": {"m2": {"tiers_backup_of": "m1"}},
    "proxy": {"px1": {}},
    "client": {"c1": {}},
}
CA = {"tiers_ca_certificate": "the certificate of the CA", "tiers_ca_key": "the key of the CA"}
# What a run leaves on a host: keys, certificates, files of a service, its data.
CHANGES_A_HOST = re.compile(
    r"name: distributed\.tiers\.host\n(?!\s*tasks_from: ca_)|tasks_from: (?:certificate|roll_back|resync|restore)\n"
    r"|name: .distributed\.tiers\.\{\{ tiers_server\.tier \}\}.\n(?!\s*tasks_from: (?:drain|undrain|restart))"
)


def tasks_of(run: Run) -> dict[str, int]:
    """For each host the number of tasks that the recap of the run counts."""
    return {host: int(number) for host, number in re.findall(r"^(\w+) +: ok=(\d+)", run.text, re.MULTILINE)}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Servers after a deployment of all of them."""
    fleet = Fleet.make(tmp_path_factory.mktemp("fleet") / "deployed", SERVERS, **CA)
    run = fleet.run("deploy")
    assert run.code == 0, run.text
    return fleet


def test_only_the_hosts_for_which_something_changed_are_touched(deployed: Fleet) -> None:
    """One fleet goes through all of it: a run takes seconds."""
    run = deployed.run("deploy", tiers_scope="changed")
    assert run.code == 0, run.text
    assert "4 hosts not touched" in run.words
    assert run.calls == [], "a host was touched, or locked"
    assert sorted(tasks_of(run).values())[:3] == [1, 1, 1], "besides the reading of the record"

    # An input of one host
    deployed.change(px1={"server_drain_seconds": 7})
    deployed.set_faults({"px1": {"check": "fail"}})
    run = deployed.run("deploy", tiers_scope="changed")
    assert run.code == 2, run.text
    assert "px1 changed: variables: server_drain_seconds" in run.words
    assert {run_for for _host, call, run_for in run.calls if "lock" not in call} == {"px1"}
    assert "lock" in [call for _host, call, _for in run.calls]

    # The same inputs again, and a deployment that did not complete
    deployed.set_faults({})
    deployed.change(px1={"server_drain_seconds": 10})
    run = deployed.run("deploy", tiers_scope="changed")
    assert run.code == 0, run.text
    assert "px1 no complete deployment is recorded" in run.words
    assert run.of("px1")[0] == "probe" and run.of("px1")[-1] == "check"
    assert run.of("m1") == run.of("m2") == run.of("c1") == []

    # A server that an interrupted operation left closed, and a host that lost its record
    deployed.set_faults({"m2": {"undrain": "kill"}})
    assert deployed.run("drain", tiers_targets="m2").code == 0
    assert deployed.run("undrain", tiers_targets="m2").code == -9
    deployed.set_faults({})
    record = deployed.home / "hosts/c1/files/etc/ansible/facts.d/tiers_inputs.fact"
    assert json.loads(record.read_text(encoding="utf-8"))["schema"] == 1
    record.unlink()
    run = deployed.run("deploy", tiers_scope="changed")
    assert run.code == 0, run.text
    assert "m2 an interrupted run left it closed to clients" in run.words
    assert "undrain" in run.of("m2") and run.of("c1") == ["client"]
    assert run.of("m1") == run.of("px1") == []


def test_a_scope_in_the_inventory_is_refused(deployed: Fleet, tmp_path: Path) -> None:
    fleet = deployed.copy(tmp_path / "fleet")
    fleet.change(tiers_scope="changed")
    run = fleet.run("deploy")
    assert run.code == 2 and "tiers_scope is set in the inventory" in run.words
    assert run.calls == []


@pytest.mark.parametrize("name", NAMES)
def test_each_playbook_that_changes_a_host_first_removes_the_record_of_its_deployment(name: str) -> None:
    """Otherwise `deploy` with tiers_scope=changed would leave out a host that an interrupted run left half-changed."""
    texts = [*files_of(PLAYBOOKS / f"{name}.yml")]
    if any(CHANGES_A_HOST.search(text) for text in texts):
        assert any("tasks/incomplete.yml" in text for text in texts), (
            "import tasks/incomplete.yml before the first change"
        )


def test_the_playbooks_that_change_hosts_are_found() -> None:
    found = {name for name in NAMES if any(CHANGES_A_HOST.search(t) for t in files_of(PLAYBOOKS / f"{name}.yml"))}
    assert {"deploy", "clients", "rotate_certificates", "roll_back", "resync", "restore"} <= found
    assert not {"status", "verify", "plan", "drain", "switch_over", "back_up"} & found


def test_each_use_of_the_whole_plan_in_a_role_is_covered_by_the_inputs() -> None:
    """A role reads its slice. Other parts of the plan that it reads are inputs of the host (host_inputs.py)."""
    known = {
        "system", "domain",  # inputs of every host
        "allocation",  # the clients of a proxy, and for the export on the controller
        "digest", "recorded_settings",  # for the deployment record alone
        "waves",  # where the controller has the CA
    }  # fmt: skip
    others = {
        "roles/client/vars/main.yml",  # for the export on the controller
        "roles/product_openldap/templates/entries.yml.j2",  # on masters
        "roles/product_openldap/vars/main.yml", "roles/product_postgresql/vars/main.yml",  # first deployments
    }  # fmt: skip
    uses = set()
    for path in [*REPOSITORY.glob("roles/*/*/*.yml"), *REPOSITORY.glob("roles/*/templates/*.j2")]:
        for part in re.findall(r"tiers_plan\.(\w+)", path.read_text(encoding="utf-8")):
            if part not in known:
                uses.add(str(path.relative_to(REPOSITORY)))
    assert uses == others
