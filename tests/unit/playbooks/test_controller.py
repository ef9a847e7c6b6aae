# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations on the controller need nothing of the hosts, and nothing of other systems."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from ansible_collections.distributed.tiers.tests.unit.playbooks.running import (
    REPOSITORY,
    ansible_playbook,
    parts,
    shown,
)

SETTINGS = {
    "tiers_product": "openldap",
    "tiers_time_service": "chrony",
    "tiers_ca_passphrase": "of-a-vault",
    "tiers_failover": "vrrp",  # two hosts have no voters
    "product_openldap_probe_password": "x",
}
PAIR = {
    "master": {"hosts": {"m1": {"tiers_address": "192.0.2.11"}}},
    "backup": {"hosts": {"m2": {"tiers_address": "192.0.2.12", "tiers_backup_of": "m1", "tiers_zone": "b"}}},
}
# Nobody has the password of this.
VAULTED = "!vault |\n" + "".join(f"      {line}\n" for line in ["$ANSIBLE_VAULT;1.1;AES256", *["6162" * 20] * 4])
# Ansible's own settings, with no file that lies beside an inventory left out
DEFAULTS = f"[defaults]\ncollections_path = {REPOSITORY / '.cache' / 'collections'}\n"
NO_SUDO = {"ansible_become": True, "ansible_become_exe": "/nonexistent/sudo"}


def run(playbook: str | Path, *arguments: str | Path, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    return ansible_playbook(playbook, *arguments, **({"ANSIBLE_CONFIG": str(config)} if config else {}))


def write(path: Path, groups: Any, **settings: Any) -> Path:
    path.write_text(yaml.safe_dump({"all": {"vars": {**SETTINGS, **settings}}, **groups}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "settings",
    [
        {"ansible_connection": "community.general.lxd"},
        {"ansible_connection": "sshjail"},
        {"ansible_connection": "community.aws.aws_ssm"},
        {"ansible_become": True, "ansible_become_method": "no.such.method"},
        {"ansible_host": "{{ undefined }}", "ansible_port": "{{ undefined }}", "ansible_user": "{{ undefined }}"},
        {"ansible_python_interpreter": "/nonexistent/python", "ansible_shell_type": "powershell"},
    ],
    ids=["lxd", "sshjail", "ssm", "become", "undefined", "windows"],
)
def test_validate_needs_nothing_that_only_a_connection_needs(settings: dict[str, Any], tmp_path: Path) -> None:
    done = run("distributed.tiers.validate", "-i", write(tmp_path / "hosts.yml", PAIR, **settings))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "System tiers: 1 master, 1 backup" in shown(done)


def test_validate_needs_no_vault_password(tmp_path: Path) -> None:
    inventory = write(tmp_path / "hosts.yml", PAIR)
    names = ["ansible_become_password", "ansible_ssh_pass", "ansible_user", "tiers_ca_passphrase"]
    lines = "".join(f"    {name}: {VAULTED}" for name in names)
    (tmp_path / "more.yml").write_text(f"all:\n  vars:\n    ansible_become: true\n{lines}", encoding="utf-8")
    done = run("distributed.tiers.validate", "-i", inventory, "-i", tmp_path / "more.yml")
    assert done.returncode == 0, done.stdout + done.stderr


ON_THE_CONTROLLER = parts(lambda part: part.get("delegate_to") == "localhost")


@pytest.mark.parametrize("part", [pytest.param(part, id=name) for name, part in ON_THE_CONTROLLER])
def test_tasks_on_the_controller_use_no_sudo_and_no_connection(part: dict[str, Any]) -> None:
    """Variables of the inventory go before keywords of a task, and not before its variables."""
    assert part["vars"]["ansible_become"] is False
    assert part["vars"]["ansible_connection"] == "local"
    assert part["vars"]["ansible_python_interpreter"] == "{{ ansible_playbook_python }}"


def make_ca(inventories: list[Path], system: str, master: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Have the role make the CA of a system."""
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"tiers_plan": {"system": system, "waves": [[master]]}},
        "tasks": [{"ansible.builtin.include_role": {"name": "distributed.tiers.host", "tasks_from": "ca"}}],
    }
    playbook = inventories[0].with_name("play.yml")
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    sources = [word for inventory in inventories for word in ("-i", str(inventory))]
    return run(playbook, *sources, *arguments)


def issuers(path: Path) -> dict[str, str]:
    """The CAs below a directory, with the names that they bear."""
    return {
        str(file.parent.relative_to(path)): x509.load_pem_x509_certificate(file.read_bytes()).issuer.rfc4514_string()
        for file in path.rglob("ca.crt")
    }


def test_a_system_has_one_ca_in_all_sources_of_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = write(tmp_path / "a" / "hosts.yml", PAIR, **NO_SUDO)
    rest = write(tmp_path / "b" / "hosts.yml", {"client": {"hosts": {"c1": {}}}})
    for limit in ("m1", "c1"):
        done = make_ca([first, rest], "tiers", "m1", "--limit", limit)
        assert done.returncode == 0, done.stdout + done.stderr
    assert issuers(tmp_path) == {"a/.tiers-ca/tiers": "CN=CA of tiers,O=tiers"}


def test_each_system_of_an_inventory_has_a_ca_of_its_own(tmp_path: Path) -> None:
    hosts = {"a": {"hosts": {"a1": {}}}, "b": {"hosts": {"b1": {"tiers_ca_passphrase": "of-another-vault"}}}}
    inventory = write(tmp_path / "hosts.yml", hosts)
    for system, master in (("aaa", "a1"), ("bbb", "b1")):
        done = make_ca([inventory], system, master, "--limit", master)
        assert done.returncode == 0, done.stdout + done.stderr
    names = {f".tiers-ca/{name}": f"CN=CA of {name},O={name}" for name in ("aaa", "bbb")}
    assert issuers(tmp_path) == names


def test_a_ca_of_an_earlier_release_stays_where_it_is(tmp_path: Path) -> None:
    inventory = write(tmp_path / "hosts.yml", PAIR)
    home = ["-e", f"tiers_ca_dir={tmp_path}/.tiers-ca"]
    assert make_ca([inventory], "aaa", "m1", *home).returncode == 0
    made = (tmp_path / ".tiers-ca" / "ca.crt").read_bytes()
    for system in ("aaa", "bbb"):
        done = make_ca([inventory], system, "m1")
        assert done.returncode == 0, done.stdout + done.stderr
    assert issuers(tmp_path) == {".tiers-ca": "CN=CA of aaa,O=aaa", ".tiers-ca/bbb": "CN=CA of bbb,O=bbb"}
    assert (tmp_path / ".tiers-ca" / "ca.crt").read_bytes() == made


def test_two_systems_with_one_directory_have_a_ca_each(tmp_path: Path) -> None:
    inventory = write(tmp_path / "hosts.yml", PAIR, tiers_ca_dir=f"{tmp_path}/ca")
    made = []
    for system in ("aaa", "bbb", "aaa", "bbb"):
        done = make_ca([inventory], system, "m1")
        assert done.returncode == 0, done.stdout + done.stderr
        made.append({file: file.read_bytes() for file in tmp_path.rglob("ca.crt")})
    assert issuers(tmp_path / "ca") == {".": "CN=CA of aaa,O=aaa", "bbb": "CN=CA of bbb,O=bbb"}
    assert made[1] == made[2] == made[3], "a second run made another CA"


def test_a_short_passphrase_is_refused_because_ansible_would_mask_parts_of_certificates(tmp_path: Path) -> None:
    inventory = write(tmp_path / "hosts.yml", PAIR)
    done = make_ca([inventory], "aaa", "m1", "-e", "tiers_ca_passphrase=x")
    assert done.returncode == 2, done.stdout
    assert "tiers_ca_passphrase has 1 character. It must have 8 or more" in shown(done)
    assert issuers(tmp_path) == {}


# What `setup` answers for a server: deployed, new, and switched off
DEPLOYED, NEW, OFF = {"ansible_local": {"tiers": {}}}, {"ansible_local": {}}, {}


@pytest.mark.parametrize(
    ("outside", "inside", "makes"),
    [
        (None, NEW, True),
        (None, DEPLOYED, False),
        (NEW, NEW, True),
        (DEPLOYED, NEW, False),
        (OFF, NEW, False),
    ],
)
def test_a_run_makes_a_ca_only_if_no_host_of_the_system_has_a_certificate_of_one(
    outside: Any, inside: Any, makes: bool, tmp_path: Path
) -> None:
    hosts = {"m1": outside, "px2": inside} if outside is not None else {"px2": inside}
    (given,) = [
        part["vars"]["host_ca_make"]
        for name, part in parts(lambda part: "host_ca_make" in part.get("vars", ()))
        if name.startswith("deployment.yml")
    ]
    inventory = write(tmp_path / "hosts.yml", {"ungrouped": {"hosts": {name: {} for name in hosts}}})
    system = {"tiers_system_hosts": {"hosts": [*hosts], "outside": [name for name in hosts if name != "px2"]}}
    answers = [
        {
            "ansible.builtin.set_fact": {**facts, "cacheable": True},
            "delegate_to": name,
            "delegate_facts": True,
            "vars": {"ansible_connection": "local"},
        }
        for name, facts in hosts.items()
        if facts is not OFF
    ]
    show = {"ansible.builtin.debug": {"msg": "{{ 'makes one' if host_ca_make else 'makes none' }}"}}
    play = {
        "hosts": "px2",
        "gather_facts": False,
        "vars": {"host_ca_make": given, **system},
        "tasks": [*answers, show],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = run(tmp_path / "play.yml", "-i", inventory)
    assert ("makes one" if makes else "makes none") in shown(done), done.stdout + done.stderr


def test_a_run_about_one_of_two_systems_names_the_other(tmp_path: Path) -> None:
    def system(name: str, net: str) -> dict[str, Any]:
        groups = {"master": f"{name}_core", "backup": f"{name}_standby"}
        core = {"hosts": {f"{name}-m1": {"ansible_host": f"{net}.11"}}}
        standby = {"ansible_host": f"{net}.12", "tiers_backup_of": f"{name}-m1", "tiers_zone": "b"}
        children = {f"{name}_core": core, f"{name}_standby": {"hosts": {f"{name}-m2": standby}}}
        return {"vars": {"tiers_name": name, "tiers_groups": groups}, "children": children}

    both = {"emea": system("emea", "192.0.2"), "apac": system("apac", "198.51.100")}
    # A host of no system may stand first.
    inventory = write(tmp_path / "hosts.yml", {"aaa": {"hosts": {"gateway": {}}}, **both})
    text = shown(run("distributed.tiers.validate", "-i", inventory))
    assert "WARNING other-system [emea-m1, emea-m2 tiers_groups]" in text
    assert "This run is about 'apac' only." in text
    limited = run("distributed.tiers.validate", "-i", inventory, "--limit", "emea")
    assert limited.returncode == 0
    assert "System emea: " in shown(limited)
    assert "other-system" not in limited.stdout


def test_lines_of_a_file_beside_the_inventory_are_no_hosts_to_connect_to(tmp_path: Path) -> None:
    config = tmp_path / "ansible.cfg"
    config.write_text(DEFAULTS, encoding="utf-8")
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    networks = {"berlin": ["192.0.2.128/25"]}
    proxies = {"proxy": {"hosts": {"px1": {"tiers_address": "192.0.2.21"}}}}
    settings = {"tiers_clients": "clients.csv", "tiers_site_networks": networks, **here}
    # Here an attempt to connect to a line of the file would succeed, and be seen.
    write(inventory / "hosts.yml", PAIR | proxies, **settings)
    (inventory / "clients.csv").write_text("name,site,weight\ndesk-1,berlin,1\ndesk-2,berlin,1\n", encoding="utf-8")
    done = run("distributed.tiers.plan", "-i", inventory, config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "clients.csv was read as an inventory: its lines became 3 hosts in no group." in shown(done)
    assert "ignore_extensions" in shown(done)
    read = done.stdout.partition("TASK [Read the deployed state]")[2].partition("\nTASK")[0]
    assert sorted(line for line in read.splitlines() if line.startswith("ok: ")) == [
        "ok: [m1]",
        "ok: [m2]",
        "ok: [px1]",
    ]


PLAYBOOKS = sorted(path.stem for path in (REPOSITORY / "playbooks").glob("*.yml"))


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_tag_that_no_task_has_is_refused(playbook: str, tmp_path: Path) -> None:
    inventory = write(tmp_path / "hosts.yml", PAIR)
    done = run(f"distributed.tiers.{playbook}", "-i", inventory, "--tags", "certificates")
    assert done.returncode == 2, done.stdout
    assert "No task has the tag certificates" in shown(done)
