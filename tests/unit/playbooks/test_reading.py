# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan a run, from what the servers answer in that run; servers that do not answer are named.

A host is played by a program in place of its Python. It answers every module with the local facts of that host.
"""

from __future__ import annotations

import json
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.playbooks.running import (
    REPOSITORY,
    ansible_playbook,
    parts,
    shown,
)

OFF = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
SETTINGS = {
    "tiers_product": "openldap",
    "tiers_time_service": "chrony",
    "tiers_ca_passphrase": "x",
    "product_openldap_probe_password": "x",
    "tiers_site_networks": {"default": ["192.0.2.128/25"]},
    "ansible_connection": "local",
}
CLIENTS = [f"desk-{number}" for number in range(1, 10)]
Hosts = dict[str, dict[str, dict[str, Any]]]
HOSTS: Hosts = {
    "master": {"m1": {"tiers_address": "192.0.2.11"}},
    "backup": {"m2": {"tiers_address": "192.0.2.12", "tiers_backup_of": "m1", "tiers_zone": "b"}},
    "proxy": {"px1": {"tiers_address": "192.0.2.21"}, "px2": {"tiers_address": "192.0.2.22"}},
}


def proxy(*clients: str) -> dict[str, Any]:
    """The deployment record of a proxy."""
    return {"schema": 1, "system": "tiers", "tier": "proxy", "serves_as": "proxy", "clients": list(clients)}


class Field:
    """An inventory whose hosts are programs, and playbooks that are run on it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, hosts: Hosts, off: tuple[str, ...] = (), groups: Any = None) -> None:
        """Hosts by group; those that are off refuse the connection."""
        clients = [{"name": name, "site": "default"} for name in CLIENTS]
        data: dict[str, Any] = {"all": {"vars": {**SETTINGS, "tiers_clients": clients}}}
        if groups is not None:
            data["all"]["vars"]["tiers_groups"] = groups
        for group, members in hosts.items():
            data[group] = {"hosts": {}}
            for name, variables in members.items():
                python = {"ansible_python_interpreter": str(self.path / f"{name}.sh")}
                data[group]["hosts"][name] = {**variables, **python, **(OFF if name in off else {})}
                self.play(name)
        (self.path / "hosts.yml").write_text(yaml.safe_dump(data), encoding="utf-8")

    def play(self, host: str, record: Any = None, seconds: int = 0, **more: Any) -> None:
        """Have a host answer with this deployment record, after so many seconds; every module returns `more`, too."""
        answer = {"changed": False, "ansible_facts": {"ansible_local": {"tiers": record} if record else {}}, **more}
        program = self.path / f"{host}.sh"
        lines = ["#!/bin/sh", "cat > /dev/null", f"sleep {seconds}", f"touch {self.path}/{host}.asked"]
        program.write_text("\n".join([*lines, f"echo '{json.dumps(answer)}'", ""]), encoding="utf-8")
        program.chmod(0o755)

    def was_asked(self, host: str) -> bool:
        return (self.path / f"{host}.asked").exists()

    def run(self, playbook: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inventory = ("-i", self.path / "hosts.yml")
        settings = {"ANSIBLE_SHOW_CUSTOM_STATS": "true", **environment}
        return ansible_playbook(f"distributed.tiers.{playbook}", *inventory, *arguments, **settings)


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field(tmp_path)


@pytest.mark.parametrize("limit", [["--limit", "m2"], []])
@pytest.mark.parametrize("fatal", ["true", "false"])
def test_a_server_that_is_down_is_named_and_the_plan_is_made(field: Field, limit: list[str], fatal: str) -> None:
    field.write(HOSTS, off=("px1",))
    done = field.run("plan", *limit, ANSIBLE_ANY_ERRORS_FATAL=fatal)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The deployed state could not be read on px1." in shown(done)
    assert "WARNING deployment-unread [px1] " in shown(done)
    assert " unread: - px1" in shown(done), "the summary for the next jobs does not name it"


@pytest.mark.parametrize("limit", [["--limit", "px2"], []])
def test_without_any_answer_there_is_no_plan(field: Field, limit: list[str]) -> None:
    field.write(HOSTS, off=("m1", "m2", "px1", "px2"))
    done = field.run("plan", *limit)
    assert done.returncode == 2, done.stdout
    assert "ERROR deployment-unknown [m1, m2, px1, px2] " in shown(done)


def test_a_playbook_that_shows_no_plan_names_the_unread_servers_too(field: Field) -> None:
    field.write(HOSTS, off=("px1",))
    done = field.run("drain", "--limit", "m2", "--check", "-e", "tiers_targets=nobody")
    assert "The deployed state could not be read on px1." in shown(done)
    assert "'nobody' is no server" in shown(done), "it did not go on"


@pytest.mark.parametrize("wrong", [False, True])
def test_clocks_are_compared_without_a_host_that_failed_before(field: Field, wrong: bool) -> None:
    field.write(HOSTS)
    if wrong:
        field.play("m2", clock={"began": 0, "ended": 1})
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {
            "tiers_server": "{{ {} if inventory_hostname == 'm2' else {'name': 'any'} }}",
            "tiers_client": {},
            "tiers_voter": "{{ {'name': 'm2'} if inventory_hostname == 'm2' else {} }}",
        },
        "tasks": [
            {"ansible.builtin.group_by": {"key": "tiers_hosts"}},
            {"ansible.builtin.fail": {"msg": "cannot be read"}, "when": "inventory_hostname == 'px1'"},
            {"ansible.builtin.import_tasks": str(REPOSITORY / "playbooks/tasks/clocks.yml")},
            {"ansible.builtin.debug": {"msg": "went on"}},
        ],
    }
    (field.path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = ansible_playbook(field.path / "play.yml", "-i", field.path / "hosts.yml")
    assert done.stdout.count("went on") == (0 if wrong else 3), done.stdout + done.stderr
    assert ("No host was changed. m2: its clock is " in shown(done)) is wrong


@pytest.mark.parametrize("groups", [["eu", "us"], "branches"], ids=["list", "text"])
def test_servers_outside_the_limit_are_read_whatever_their_group_is_called(field: Field, groups: Any) -> None:
    branches = {"eu": {"px1": HOSTS["proxy"]["px1"]}, "us": {"px2": HOSTS["proxy"]["px2"]}}
    if groups == "branches":
        branches = {groups: {**branches["eu"], **branches["us"]}}
    field.write({"master": HOSTS["master"], "backup": HOSTS["backup"], **branches}, groups={"proxy": groups})
    field.play("px1", proxy(*CLIENTS[:5]))
    field.play("px2", proxy(*CLIENTS[5:]))
    done = field.run("plan", "--limit", "m1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " px1 5 5 no limit " in shown(done)
    assert "(new)" not in done.stdout, "its clients count as new, so its record was not read"
    assert all(field.was_asked(host) for host in ("m1", "m2", "px1", "px2"))


class SilentPort(socketserver.BaseRequestHandler):
    """Takes connections and says nothing, as the kernel of a host does whose programs hang."""

    now = 0
    most = 0

    def handle(self) -> None:
        SilentPort.now += 1
        SilentPort.most = max(SilentPort.most, SilentPort.now)
        while self.request.recv(1000):
            pass
        SilentPort.now -= 1


def test_silent_servers_outside_the_limit_are_waited_for_at_the_same_time(field: Field) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SilentPort) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        silent = {**OFF, "ansible_port": server.server_address[1]}
        names = [f"px{number}" for number in range(1, 11)]
        proxies = {name: {**silent, "tiers_address": f"192.0.2.{50 + place}"} for place, name in enumerate(names)}
        field.write({**HOSTS, "proxy": {**proxies, "px11": {"tiers_address": "192.0.2.61"}}})
        field.play("px11", proxy(*CLIENTS))
        done = field.run("plan", "--limit", "m1", ANSIBLE_TIMEOUT="6", ANSIBLE_FORKS="2")
        server.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" unread: - {' - '.join(sorted(names))}" in shown(done)
    assert "(new)" not in done.stdout, "the record of the server that answers was not read"
    assert field.was_asked("m2")
    assert SilentPort.most == len(names)


@pytest.mark.parametrize("strategy", ["linear", "free", "host_pinned"])
def test_all_hosts_get_one_plan_whatever_the_strategy_is(field: Field, strategy: str) -> None:
    field.write(HOSTS)
    field.play("px2", proxy(*CLIENTS), seconds=3)
    done = field.run("drain", "--check", "-e", "tiers_targets=nobody", ANSIBLE_STRATEGY=strategy)
    task = done.stdout.partition("TASK [Check the inventory and compute the plan]")[2].partition("\nTASK")[0]
    assert task.count("ok: ") == 1, done.stdout


def test_deployment_records_are_not_read_from_a_fact_cache(field: Field) -> None:
    field.write(HOSTS)
    field.play("px1", proxy(*CLIENTS))
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(field.path / "cache")}
    assert "1 servers stay as they are" in shown(field.run("plan", **cache))
    assert any("desk-1" in fact.read_text(encoding="utf-8") for fact in (field.path / "cache").iterdir())
    validated = field.run("validate", **cache)
    assert validated.returncode == 0
    assert "SERVERS" not in validated.stdout, "it compared the plan with what the cache holds"
    field.write(HOSTS, off=("px1",))
    planned = shown(field.run("plan", **cache))
    assert "WARNING deployment-unread [px1] " in planned
    assert "stay as they are" not in planned, "it took the cache for the answer of a server that is down"


ILL = {
    # Become is a matter of the connection here: the play asks for it, and the inventory says that there is none.
    "sudo": (
        "px1",
        {"ansible_become": True, "ansible_become_exe": "/nonexistent/sudo", "ansible_become_user": "nobody"},
        "/nonexistent/sudo",
    ),
    "disk": ("m1", {}, "No space left on device"),
}


@pytest.mark.parametrize("playbook", ["status", "verify"])
@pytest.mark.parametrize(("host", "variables", "why"), ILL.values(), ids=[*ILL])
def test_the_table_has_a_host_that_cannot_be_asked(
    field: Field, playbook: str, host: str, variables: dict[str, Any], why: str
) -> None:
    hosts = {
        group: {
            name: {"ansible_become": False, **given, **(variables if name == host else {})}
            for name, given in of.items()
        }
        for group, of in HOSTS.items()
    }
    field.write(hosts)
    if not variables:
        (field.path / f"{host}.sh").write_text(
            f"#!/bin/sh\ncat > /dev/null\necho {why} >&2\nexit 1\n", encoding="utf-8"
        )
    done = field.run(playbook)
    report = shown(done).rpartition("TASK [Print the ")[2]
    assert "HostVarsVars" not in done.stdout
    assert all(f" {name} " in report for name in ("m1", "m2", "px1", "px2")), done.stdout
    assert why in report


@pytest.mark.parametrize("playbook", ["status", "verify"])
def test_an_outage_of_all_servers_is_reported_server_by_server(field: Field, playbook: str) -> None:
    """No plan can be deployed then, and what is down is asked for all the same."""
    field.write(HOSTS, off=("m1", "m2", "px1", "px2"))
    done = field.run(playbook, "-e", "tiers_status_strict=true")
    assert done.returncode == 2, done.stdout
    report = shown(done).rpartition("TASK [Print the ")[2]
    assert all(f" {name} " in report for name in ("m1", "m2", "px1", "px2")), done.stdout
    assert "ERROR deployment-unknown" not in done.stdout


def plays() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted([*REPOSITORY.glob("playbooks/*.yml"), *REPOSITORY.glob("playbooks/parts/*.yml")]):
        for play in yaml.safe_load(path.read_text(encoding="utf-8")):
            if "hosts" in play:
                yield f"{path.name}: {play['name']}", play


@pytest.mark.parametrize("play", [pytest.param(play, id=name) for name, play in plays()])
def test_every_play_names_its_strategy(play: dict[str, Any]) -> None:
    """By the lookup, which keeps the operator's family of strategies. Mitogen never starts the load of a drill."""
    assert "lookup('distributed.tiers.strategy'" in play["strategy"] or play["name"] == "Drill"


GOING_ON = parts(lambda part: "ignore_unreachable" in part)


@pytest.mark.parametrize("part", [pytest.param(part, id=name) for name, part in GOING_ON])
def test_a_host_that_is_down_ends_no_run_that_goes_on_without_it(part: dict[str, Any]) -> None:
    """Ansible ends the run all the same where errors are fatal by default, and always in a task with run_once."""
    assert part.get("ignore_errors") is True or (part.get("any_errors_fatal") is False and not part.get("run_once"))
