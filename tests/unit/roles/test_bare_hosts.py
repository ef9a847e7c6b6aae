# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment copes with what hosts lack and with what they have already."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.modules import apt

from ansible_collections.distributed.tiers.tests.unit.playbooks.running import REPOSITORY, ansible_playbook
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

ROLES = REPOSITORY / "roles"
# What apt says in check mode where it would install python3-apt first
UNASKED = "must be installed to use check mode"


def tasks(found: Any, conditions: tuple[str, ...] = ()) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Each task of a file, with the conditions of its blocks."""
    for task in found or []:
        when = task.get("when", [])
        held = (*conditions, *(when if isinstance(when, list) else [when]))
        yield task, held
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part), held)


def test_check_mode_passes_on_a_host_without_the_python_of_apt(tmp_path: Path) -> None:
    """Apt fails there. A deployment that fails for another reason must not pass."""
    assert UNASKED in Path(apt.__file__).read_text(encoding="utf-8")
    installing = [
        (f"{path.relative_to(ROLES)}: {task['name']}", task)
        for path in sorted(ROLES.glob("*/tasks/*.yml"))
        for task, conditions in tasks(yaml.safe_load(path.read_text()))
        if "ansible.builtin.apt" in task and "not ansible_check_mode" not in conditions
    ]
    assert len(installing) > 3
    played = [
        {
            "name": name,
            "ansible.builtin.fail": {"msg": "{{ message }}"},
            "ignore_errors": True,
            **{key: task[key] for key in ("register", "failed_when", "changed_when") if key in task},
        }
        for name, task in installing
    ]
    results = [
        {
            "ansible.builtin.debug": {
                "msg": f"{name}: {{{{ {task['register']} is failed }}}} {{{{ {task['register']} is changed }}}}."
            }
        }
        for name, task in installing
    ]
    steps = [step for pair in zip(played, results, strict=True) for step in pair]
    for message, result in ((f"python3-apt {UNASKED}", "False True"), ("no such package", "True False")):
        plays = [{**play("m1", *steps), "vars": {"message": message}}]
        shown = " ".join(run_plays(tmp_path, plays, {"master": ["m1"]}).split())
        assert [name for name, _task in installing if f"{name}: {result}." not in shown] == []


def test_a_directory_of_others_is_not_replaced(tmp_path: Path) -> None:
    """slapd of another owner has its suffix in slapd.d or slapd.conf."""
    lines = {"m1": "olcSuffix: dc=other,dc=example", "m2": 'suffix "dc=other"', "px1": "database mdb"}
    for host, line in lines.items():
        (tmp_path / host).mkdir()
        (tmp_path / host / "slapd.conf").write_text(f"dn: x\n{line}\n")
    steps = (ROLES / "product_openldap/tasks/install.yml").read_text().replace("/etc/ldap/", "./")
    check, refusal, *_rest = yaml.safe_load(steps)
    check["ansible.builtin.command"]["chdir"] = f"{tmp_path}/{{{{ inventory_hostname }}}}"
    known = {"tiers_server": {"name": "{{ inventory_hostname }}"}}
    replaced = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} gets slapd"}}
    shown = run_plays(tmp_path, [{**play("all", check, refusal, replaced), "vars": known}], {"master": [*lines]})
    assert "m1: slapd on this host serves dc=other,dc=example (" in shown
    assert "m2: slapd on this host serves dc=other (" in shown
    assert re.findall(r"(\w+) gets slapd", shown) == ["px1"]


def test_the_group_of_a_service_may_read_a_release_that_a_strict_umask_made(tmp_path: Path) -> None:
    (mark, *_rest) = yaml.safe_load((ROLES / "product_service/tasks/release_mark.yml").read_text())
    script = re.sub(
        r"{{ (\w+) \| quote }}",
        lambda found: str(tmp_path) if found[1].endswith("release") else str(os.getgid()),
        mark["ansible.builtin.shell"]["cmd"],
    )
    (tmp_path / "bin").mkdir(mode=0o700)
    for name, mode in (("program", 0o700), ("settings", 0o600)):
        (tmp_path / "bin" / name).touch(mode=mode)
    subprocess.run(["/bin/sh", "-c", script], check=True)
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "bin", *sorted((tmp_path / "bin").iterdir()))] == [
        "0o750",
        "0o750",
        "0o640",
    ]


@pytest.mark.parametrize(
    ("mark", "done_by"),
    [
        (None, "Mark the release as complete"),
        ({"made_from": "x", "group": "ledger"}, None),
        ({"made_from": "x", "group": "other"}, "Grant the service read access to an installed release"),
        ({"made_from": "x"}, "Grant the service read access to an installed release"),
    ],
    ids=["new", "readable", "group of another", "earlier version"],
)
def test_a_release_that_its_service_could_not_read_is_repaired(
    mark: dict[str, str] | None, done_by: str | None
) -> None:
    known = {
        "__product_service_marked": {"rc": int(mark is None), "stdout": json.dumps(mark)},
        "__product_service_group": "ledger",
        "ansible_check_mode": False,
    }
    marking = [
        task["name"]
        for task, conditions in tasks(yaml.safe_load((ROLES / "product_service/tasks/release.yml").read_text()))
        if task.get("ansible.builtin.include_tasks") == "release_mark.yml"
        and all(template(f"{{{{ {condition} }}}}", known) for condition in conditions)
    ]
    assert marking == ([done_by] if done_by else [])


def run_plays(tmp_path: Path, plays: list[dict[str, Any]], groups: dict[str, list[str]]) -> str:
    """The output of Ansible for some plays on hosts that are all this machine."""
    children = {name: {"hosts": {host: {} for host in hosts}} for name, hosts in groups.items()}
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"vars": variables, "children": children}}))
    (tmp_path / "plays.yml").write_text(yaml.safe_dump(plays))
    done = ansible_playbook("-i", tmp_path / "hosts.yml", tmp_path / "plays.yml")
    return done.stdout + done.stderr


def play(hosts: str, *what: dict[str, Any]) -> dict[str, Any]:
    return {"hosts": hosts, "gather_facts": False, "tasks": list(what)}


@pytest.mark.parametrize("running", ["m2", "px1"])
def test_a_deployment_ends_at_a_master_that_could_not_be_prepared(tmp_path: Path, running: str) -> None:
    """Without a backup that runs, the other servers would be started with nobody to follow."""
    deploy = yaml.safe_load((REPOSITORY / "playbooks/parts/deployment.yml").read_text())
    name = "Fail before the first server is started without a master"
    (stops,) = (found for found in deploy if found["name"] == name)
    fails = play(
        "tiers_hosts",
        {"ansible.builtin.fail": {"msg": "no room for packages"}, "when": "inventory_hostname == 'm1'"},
    )
    follows = play("tiers_hosts", {"ansible.builtin.debug": {"msg": "servers are started"}})
    groups = {
        "tiers_hosts": ["m1", "m2", "px1"],
        "tiers_wave_0": ["m1"],
        "tiers_wave_1": ["m2"],
        "tiers_running": [running],
    }
    shown = run_plays(tmp_path, [fails, stops, follows], groups)
    assert ("No server was started. The master m1 could not be prepared" in shown) is (running == "px1")
    assert ("servers are started" in shown) is (running == "m2")


@pytest.mark.parametrize("open_port", [True, False])
def test_a_failed_health_check_names_the_upstream_that_is_not_reached(tmp_path: Path, open_port: bool) -> None:
    variables = yaml.safe_load((ROLES / "server/vars/main.yml").read_text())
    (rescue,) = (
        task["rescue"] for task in yaml.safe_load((ROLES / "server/tasks/start.yml").read_text()) if "rescue" in task
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not open_port:
            listener.close()
        server = {
            "name": "px1",
            "serves_as": "proxy",
            "pair": None,
            "upstreams": [{"name": "m1", "address": "127.0.0.1", "port": port, "tls_name": "m1.x"}],
        }
        gate = play(
            "px1",
            {
                "vars": {
                    "__server_needed": variables["__server_needed"],
                    "tiers_server": server,
                },
                "block": [{"name": "Stop here", "ansible.builtin.fail": {"msg": "LDAP: Invalid credentials"}}],
                "rescue": rescue,
            },
        )
        shown = " ".join(run_plays(tmp_path, [gate], {"proxy": ["px1"]}).split())
    last = shown.rpartition("fatal: ")[2]
    cause = f"px1 does not reach m1 (127.0.0.1, TCP port {port})"
    assert (cause in last) is not open_port, shown
    assert ("Invalid credentials" in last) is open_port


@pytest.mark.parametrize("broken", ["m1", "px1"])
def test_a_deployment_ends_at_a_master_that_cannot_be_read(tmp_path: Path, broken: str) -> None:
    """For example without Python. Ansible goes on with the other hosts of a play."""
    inventory = {
        "all": {
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "tiers_product": "openldap",
                "tiers_time_service": "chrony",
                "tiers_ca_passphrase": "x",
                "product_openldap_probe_password": "x",
            },
            "children": {
                "master": {"hosts": {"m1": {"tiers_address": "192.0.2.11"}}},
                "proxy": {"hosts": {"px1": {"tiers_address": "192.0.2.21"}}},
            },
        }
    }
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump(inventory))
    python = f"{{{{ '/missing' if inventory_hostname == '{broken}' else '{sys.executable}' }}}}"
    done = ansible_playbook(
        *("-i", path, "distributed.tiers.deploy", "--check"),
        *("-e", f"{{ansible_become: false, host_ca_dir: {tmp_path / 'ca'}}}"),
        *("-e", "{tiers_clock_refuse: 0}"),  # so that the run ends before a role
        *("-e", json.dumps({"ansible_python_interpreter": python})),
    )
    assert done.returncode == 2, done.stdout
    assert ("The master m1 answers, but its state cannot be read" in done.stdout) is (broken == "m1"), done.stdout
