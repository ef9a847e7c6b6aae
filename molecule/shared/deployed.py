# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of a scenario and its test hosts, for tests of what a deployment left on them and of what stops one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import testinfra
import yaml
from testinfra.host import Host

ROOT = Path(__file__).parents[2]
INVENTORIES = ROOT / "inventories"


class Inventory:
    """What Ansible makes of an inventory."""

    def __init__(self, name: str) -> None:
        self.name = name
        command = ["ansible-inventory", "-i", str(INVENTORIES / name), "--list"]
        self._read: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        self._connected: dict[str, Host] = {}

    def hosts(self, *groups: str) -> list[str]:
        return [host for group in groups for host in self._read[group]["hosts"]]

    def variable(self, host: str, name: str) -> Any:
        return self._read["_meta"]["hostvars"][host].get(name)

    def secrets(self) -> list[str]:
        """What must not be readable for everyone."""
        path = INVENTORIES / self.name / "group_vars/all/secrets.yml"
        return list(yaml.safe_load(path.read_text(encoding="utf-8")).values())

    def exposed(self, host: str, *directories: str) -> list[str]:
        """Files that everyone may read and that hold a secret."""
        find = f"find {' '.join(directories)} -xdev -type f -perm -o=r -exec grep -lF -- %s {{}} +"
        return [file for secret in self.secrets() for file in self.connect(host).run(find, secret).stdout.split()]

    def run(self, playbook: str, *limit: str, **extra: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection; what it says is in stdout."""
        command = ["ansible-playbook", "-i", str(INVENTORIES / self.name), f"distributed.tiers.{playbook}"]
        if limit:
            command += ["--limit", ",".join((*limit, "localhost"))]
        return subprocess.run([*command, "-e", json.dumps(extra)], text=True, stdout=subprocess.PIPE, check=False)

    def container(self, host: str) -> str:
        return f"{self.variable(host, 'testhosts_prefix')}-{host}"

    def copy(self, file: Path, host: str, directory: str) -> None:
        """Put a file of this machine into a directory of the test host."""
        subprocess.run(["podman", "cp", str(file), f"{self.container(host)}:{directory}"], check=True)

    def connect(self, host: str) -> Host:
        """The test host, as root."""
        if host not in self._connected:
            self._connected[host] = testinfra.get_host(f"podman://{self.container(host)}")
        return self._connected[host]
