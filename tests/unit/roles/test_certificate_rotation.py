# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role host replaces a CA in rounds. After each step of a round, on some hosts or on all, hosts accept each other."""

from __future__ import annotations

import getpass
import grp
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.playbooks.running import REPOSITORY, ansible_playbook

pytestmark = pytest.mark.slow  # one run of eleven plays

HOSTS = ("a", "b")
ISSUE = {"host_ca_next_signs": True, "host_certificate_issued_since": 1}
# The name of the step, the hosts, the entry point and its variables
STEPS: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = [
    ("deployed", HOSTS, "certificate", {}),
    ("a trusts both", ("a",), "certificate", {}),
    ("b trusts both", ("b",), "certificate", {}),
    ("a has a new certificate", ("a",), "certificate", ISSUE),
    ("a deployment between the rounds", HOSTS, "certificate", {}),
    ("b has a new certificate", ("b",), "certificate", ISSUE),
    ("the round is repeated", HOSTS, "certificate", ISSUE),
    ("a trusts the new CA alone", ("a",), "certificate", {}),
    ("b trusts the new CA alone", ("b",), "certificate", {}),
]
BEFORE: dict[str, tuple[str, bool]] = {  # by step: what happens to the CA on the controller, and whether it is killed
    "a trusts both": ("ca_next", False),
    "a trusts the new CA alone": ("ca_promote", True),
}


def play(home: Path, name: str, hosts: tuple[str, ...], entry: str, variables: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "hosts": ",".join(hosts),
        "gather_facts": False,
        "tasks": [
            {
                "name": f"Run {entry}",
                "ansible.builtin.include_role": {"name": "distributed.tiers.host", "tasks_from": entry},
                "vars": variables,
            },
            {
                "name": "Keep what all hosts have now",
                "ansible.builtin.copy": {"src": f"{home}/tls/", "dest": f"{home}/{name}/"},
                "run_once": True,
            },
        ],
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for each step with the files of all hosts after it."""
    home = tmp_path_factory.mktemp("rotation")
    plays: list[dict[str, Any]] = []
    for name, hosts, entry, variables in STEPS:
        if name in BEFORE:
            what, killed = BEFORE[name]
            plays.append(play(home, what, HOSTS, what, {}))
            if killed:  # after the key moved, before the certificate
                undo = f"mv {home}/ca/ca.crt {home}/ca/ca-next.crt && cp {home}/ca/ca-previous.crt {home}/ca/ca.crt"
                plays[-1]["tasks"].append({"name": "Kill it", "ansible.builtin.shell": undo, "run_once": True})
        plays.append(play(home, name, hosts, entry, variables))
    (home / "play.yml").write_text(yaml.safe_dump(plays))
    for host in HOSTS:
        (home / "tls" / host).mkdir(parents=True)
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "tiers_ca_passphrase": "long enough",
        "tiers_ca_dir": str(home / "ca"),
        "tiers_plan": {"system": "demo", "waves": [["a"]]},
        "tiers_server": "{{ {'name': inventory_hostname, 'tls_names': {'dns': [inventory_hostname], 'ip': []}} }}",
    }
    inventory = {"all": {"vars": variables, "hosts": {host: {} for host in HOSTS}}}
    (home / "hosts.yml").write_text(yaml.safe_dump(inventory))
    extra = {
        "__host_tls": f"{home}/tls/{{{{ inventory_hostname }}}}",
        "__host_tls_owner": getpass.getuser(),
        "__host_tls_group": grp.getgrgid(os.getgid()).gr_name,
    }
    done = ansible_playbook("-i", home / "hosts.yml", home / "play.yml", "-e", json.dumps(extra), seconds=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def context(tls: Path, purpose: ssl.Purpose) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(tls / "ca.crt"))
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(tls / "server.crt", tls / "server.key")
    return made


def accepts(client: Path, server: Path) -> bool:
    """Whether two hosts finish a handshake in which each verifies the other."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        context(client, ssl.Purpose.SERVER_AUTH).wrap_bio(back, there, server_hostname=server.name),
        context(server, ssl.Purpose.CLIENT_AUTH).wrap_bio(there, back, server_side=True),
    ]
    for _turn in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return True


@pytest.mark.parametrize("step", [name for name, *_rest in STEPS])
def test_hosts_accept_each_other_after_each_step(home: Path, step: str) -> None:
    a, b = (home / step / host for host in HOSTS)
    assert accepts(a, b)
    assert accepts(b, a)


def test_a_host_refuses_a_certificate_of_the_next_ca_before_it_trusts_it(home: Path) -> None:
    """This is the reason for the rounds of a rotation."""
    assert not accepts(home / "deployed" / "a", home / "b has a new certificate" / "b")


def test_the_new_ca_replaces_the_old_one_also_after_a_killed_run(home: Path) -> None:
    new, old = ((home / "ca" / name).read_text() for name in ("ca.crt", "ca-previous.crt"))
    assert new != old
    assert not [*(home / "ca").glob("ca-next.*")]
    last = home / STEPS[-1][0]
    assert {(last / host / "ca.crt").read_text() for host in HOSTS} == {new}
    assert not accepts(last / "a", home / "deployed" / "b")


def test_a_rotation_makes_a_new_key_once(home: Path) -> None:
    keys = [(home / step / "a" / "server.key").read_text() for step, *_rest in STEPS]
    assert len({*keys}) == 2
    assert keys[2] != keys[3]
    assert not [*(home / STEPS[-1][0]).glob("*/*.next")]


def test_the_files_of_the_ca_are_private(home: Path) -> None:
    assert (home / "ca").stat().st_mode & 0o077 == 0
    assert {path.stat().st_mode & 0o777 for path in (home / "ca").glob("*.key")} == {0o600}


def test_role_host_keeps_the_owner_of_its_files() -> None:
    """The test above overrides it."""
    found = yaml.safe_load((REPOSITORY / "roles/host/vars/main.yml").read_text())
    assert (found["__host_tls_owner"], found["__host_tls_group"]) == ("root", "tiers-tls")
