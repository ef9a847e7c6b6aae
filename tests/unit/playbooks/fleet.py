# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers without hosts: an inventory, a product that logs its calls, and the real playbooks run on both."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.distributed.tiers.tests.unit.contract import contract
from ansible_collections.distributed.tiers.tests.unit.playbooks.running import REPOSITORY

FAKE_HOSTS = Path(__file__).with_name("fake_hosts.py")
SETTINGS = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "ansible_facts": {"os_family": "Debian"},
    "tiers_product": "example.fake.product",
    "tiers_time_service": "chrony",
    "tiers_site_networks": {"default": ["192.0.2.0/24"]},
    "tiers_clients": [{"name": f"desk-{number}", "site": "default"} for number in range(3)],
    "tiers_version": "1",
    # What every host gets is held by other tests: packages, names, certificates, firewall.
    "host_names": False,
    "host_firewall": False,
    "host_certificate": "x",
    "host_private_key": "x",
    "host_ca_certificate": "x",
    # A fake host is at once where it will ever be: nothing is worth waiting for.
    "server_restart_seconds": 0,
    "failover_wait_seconds": 1,
    "balancer_check_seconds": 1,
    "tiers_rules": {"certificate-names": {"severity": "off", "why": "The hosts are fake."}},
}
PRODUCT: dict[str, Any] = {
    "name": "product",
    "version": "1",
    "port": 7000,
    "protocol": "tcp",
    "tiers": ["master", "proxy", "parallel"],
    "redundancy": {"master": ["hot", "cold"], "proxy": ["hot"], "parallel": ["hot"]},
    "active": "both",
    "failback": ["auto", "manual", "never"],
    "stateful": True,
    "replication": "asynchronous",
    "upgrade_order": ["proxy", "parallel", "backup", "master"],
    "tls": "none",
    "notes": "A product that only logs what it is asked to do.",
}
WORDS = "'{{ tiers_server.version }}', '{{ product_restart | default(0) }}', '{{ product_reload | default(0) }}'"
# What the server uses, and what it accepts beside that
WORDS += ", '{{ product_secret | default(0) }}', '{{ (tiers_next_secrets | default({})).product_secret | default(0) }}'"
CONFIGURE = f"""
- ansible.builtin.command: {{argv: [fake-product, ENTRY, {WORDS}]}}
  register: product_written
- ansible.builtin.set_fact:
    tiers_restart_needed: "{{{{ product_written.stdout == 'restart' }}}}"
    tiers_reload_needed: "{{{{ product_written.stdout == 'reload' }}}}"
"""
OTHERS = {
    "earlier": """
- ansible.builtin.command: {argv: [fake-product, earlier]}
  register: product_earlier
- ansible.builtin.set_fact:
    tiers_earlier: "{{ product_earlier.stdout | from_json
      | combine({'wanted': tiers_server.version, 'why': 'none', 'remedy': 'None.'}) }}"
""",
    "resync_check": "\n- ansible.builtin.set_fact: {tiers_resync_why: ''}\n",
    "balancing": """
- ansible.builtin.set_fact:
    tiers_balancing:
      {mode: tcp, tls: pass, check: {type: tcp, send: hi, expect: hi},
       drain: "{{ product_drain | default('product') }}"}
""",
    "probe": """
- ansible.builtin.set_fact: {tiers_probe_access: {}, tiers_probe_units: [product], tiers_accepts_next: [product_secret]}
""",
}


def task_file(entry: str) -> str:
    """The tasks of the fake product at an entry point: they log the call."""
    if entry.startswith("configure_"):
        return CONFIGURE.replace("ENTRY", entry)
    return OTHERS.get(entry) or f"\n- ansible.builtin.command: {{argv: [fake-product, {entry}]}}\n"


class Fleet:
    """An inventory of fake hosts and the playbooks run on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.inventory = home / "inventory" / "hosts.yml"

    @classmethod
    def make(cls, home: Path, hosts: dict[str, dict[str, dict[str, Any]]], **settings: Any) -> Fleet:
        """`hosts`: variables by host by group."""
        fleet = cls(home)
        role = home / "collections/ansible_collections/example/fake/roles/product"
        for path in (role / "tasks", role / "meta", fleet.inventory.parent):
            path.mkdir(parents=True)
        (role.parents[1] / "galaxy.yml").write_text(
            yaml.safe_dump({"namespace": "example", "name": "fake", "version": "1.0.0"}), encoding="utf-8"
        )
        (role / "meta/product.yml").write_text(
            yaml.safe_dump({**PRODUCT, **settings.pop("product", {})}), encoding="utf-8"
        )
        for entry in contract(PRODUCT["tiers"]):
            (role / f"tasks/{entry}.yml").write_text(f"---{task_file(entry)}", encoding="utf-8")
        data: dict[str, Any] = {"all": {"vars": {**SETTINGS, **settings}}}
        number = 10
        for group, members in hosts.items():
            data[group] = {"hosts": {}}
            for name, variables in members.items():
                number += 1
                zone = {"tiers_address": f"192.0.2.{number}", "tiers_zone": f"zone-{number}"}
                data[group]["hosts"][name] = {**zone, **variables}
        pairs = {
            name: [variables["tiers_backup_of"], backup]
            for backup, variables in hosts.get("backup", {}).items()
            for name in (variables["tiers_backup_of"], backup)
        }
        fleet.inventory.write_text(yaml.safe_dump(data), encoding="utf-8")
        (home / "pairs").write_text(json.dumps(pairs), encoding="utf-8")
        fleet.set_faults({})
        return fleet

    def copy(self, home: Path) -> Fleet:
        """The same servers as they are now, for a test of its own."""
        shutil.copytree(self.home, home)
        return Fleet(home)

    def set_faults(self, faults: dict[str, dict[str, str]]) -> None:
        """By host and call: `fail`, or `kill` with the whole run."""
        (self.home / "faults").write_text(json.dumps(faults), encoding="utf-8")

    def change(self, **settings: Any) -> None:
        """Change variables of the inventory, of all hosts, or of one where the name is a host's."""
        data = yaml.safe_load(self.inventory.read_text(encoding="utf-8"))
        hosts = {name: of for group, part in data.items() if group != "all" for name, of in part["hosts"].items()}
        for name, value in settings.items():
            if name in hosts:
                hosts[name] |= value
            else:
                data["all"]["vars"][name] = value
        self.inventory.write_text(yaml.safe_dump(data), encoding="utf-8")

    def add(self, group: str, name: str) -> None:
        """Add a fresh host to the inventory."""
        data = yaml.safe_load(self.inventory.read_text(encoding="utf-8"))
        data[group]["hosts"][name] = {"tiers_address": "192.0.2.99", "tiers_zone": name}
        self.inventory.write_text(yaml.safe_dump(data), encoding="utf-8")

    def renew(self, *names: str) -> None:
        """Have new machines answer as these hosts, with nothing on them."""
        for name in names:
            shutil.rmtree(self.home / "hosts" / name)

    def set_active(self, name: str) -> None:
        """Have this node of an active/standby pair be the elected one."""
        (self.home / "holders").write_text(json.dumps([name]), encoding="utf-8")

    def secrets(self) -> dict[str, list[str]]:
        """The secret that the product of each server uses, and the one that it accepts beside it."""
        states = {path.parent.name: json.loads(path.read_text()) for path in self.home.glob("hosts/*/state.json")}
        return {name: state["product"]["running"][3:] for name, state in states.items() if state["product"]}

    def run(self, playbook: str, *arguments: str, **extra: Any) -> Run:
        """Run a playbook of the collection; `extra` are its variables."""
        log = self.home / "calls"
        log.write_text("", encoding="utf-8")
        done = subprocess.run(
            [
                sys.executable,
                FAKE_HOSTS,
                self.home,
                f"distributed.tiers.{playbook}",
                "-i",
                self.inventory,
                *arguments,
                "-e",
                json.dumps(extra),
            ],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": f"{self.home / 'collections'}:{REPOSITORY / '.cache/collections'}",
                "ANSIBLE_STRATEGY": "linear",
                "ANSIBLE_FORKS": "2",
            },
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            start_new_session=True,
            check=False,
        )
        calls = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return Run(done, [(one["host"], one["call"], one["for"]) for one in calls])


class Run:
    """A run of a playbook and what it did to the hosts, in order."""

    def __init__(self, done: subprocess.CompletedProcess[str], calls: list[tuple[str, str, str]]) -> None:
        self.code, self.text = done.returncode, done.stdout + done.stderr
        self.words = " ".join(self.text.split())
        self.calls = calls

    def of(self, *hosts: str) -> list[str]:
        """The calls for these hosts, in order, without those of the lock. The guard's probes of others count as one."""
        calls = [call for _host, call, run_for in self.calls if run_for in hosts and call not in ("lock", "unlock")]
        return [call for place, call in enumerate(calls) if call != "probe" or calls[place - 1 : place] != ["probe"]]

    def hosts(self, call: str) -> list[str]:
        """The hosts on which this was done, in order."""
        return [host for host, one, _for in self.calls if one == call]

    def places(self, host: str, *calls: str) -> list[int]:
        """The positions of these calls among all calls of the run."""
        return [place for place, (on, call, _for) in enumerate(self.calls) if on == host and call in calls]
