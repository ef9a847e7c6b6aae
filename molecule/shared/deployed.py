# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of a scenario and its test hosts, for tests of what a deployment left on them and of what stops one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import testinfra
import yaml
from testinfra.host import Host

from ansible_collections.distributed.tiers.plugins.module_utils.probing.load import record_late_ticks
from ansible_collections.distributed.tiers.plugins.module_utils.verification.promises import STALLED

ROOT = Path(__file__).parents[2]
INVENTORIES = ROOT / "inventories"


class Asked(NamedTuple):
    """One request: when it was over, and whether it was answered."""

    at: float
    answered: bool


class Requests(list[Asked]):
    """The requests of one client, and by how many seconds at most the ticks of this machine were late meanwhile."""

    stalled: float = 0.0

    def longest_gap(self) -> float:
        """The longest time in seconds from one answer to the next."""
        times = [one.at for one in self if one.answered]
        return max(later - earlier for earlier, later in pairwise(times))

    def check_gap(self, limit: float) -> None:
        """Fail if the longest gap is above a limit in seconds. While this machine stalled that is not measured."""
        gap = self.longest_gap()
        if gap >= limit and self.stalled >= STALLED:
            pytest.skip(f"not measured: a gap of {gap:.1f} s while this machine stalled for {self.stalled:.1f} s")
        assert gap < limit


@contextmanager
def ticking(requests: Requests) -> Iterator[None]:
    """Watch the ticks of this machine, ten a second, and note the longest delay in the requests."""
    stop = threading.Event()

    def note(tick: dict[str, float]) -> None:
        requests.stalled = max(requests.stalled, tick["late"])

    watch = threading.Thread(target=record_late_ticks, args=(stop, note), daemon=True)
    watch.start()
    try:
        yield
    finally:
        stop.set()
        watch.join()


class Inventory:
    """An inventory as Ansible reads it, by its name in `inventories` or by its path, with files that change it."""

    def __init__(self, inventory: str | Path, *changes: Path) -> None:
        self._directory = INVENTORIES / inventory
        sources = [self._directory, *changes]
        self._given = [argument for source in sources for argument in ("-i", str(source))]
        command = ["ansible-inventory", *self._given, "--list"]
        self._read: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        self._connected: dict[str, Host] = {}

    def hosts(self, *groups: str) -> list[str]:
        return [host for group in groups for host in self._read[group]["hosts"]]

    def variable(self, host: str, name: str) -> Any:
        return self._read["_meta"]["hostvars"][host].get(name)

    def secrets(self) -> list[str]:
        """The secrets of the inventory, which only their owners may read."""
        path = self._directory / "group_vars/all/secrets.yml"
        return list(yaml.safe_load(path.read_text(encoding="utf-8")).values())

    def exposed(self, host: str, *directories: str, to: str = "-perm -o=r") -> list[str]:
        """Files that everyone may read, or whom `to` tells, and that hold a secret."""
        wanted = " ".join(f"-e {shlex.quote(secret)}" for secret in self.secrets())
        find = f"find {' '.join(directories)} -xdev -type f {to} -exec grep -lF {wanted} {{}} +"
        return self.connect(host).run(find).stdout.split()

    def command(self, playbook: str, **extra: Any) -> list[str]:
        """The command that runs a playbook of the collection."""
        return ["ansible-playbook", *self._given, f"distributed.tiers.{playbook}", "-e", json.dumps(extra)]

    def run(self, playbook: str, *limit: str, check: bool = False, **extra: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection; what it says is in stdout."""
        command = self.command(playbook, **extra)
        if limit:
            command += ["--limit", ",".join((*limit, "localhost"))]
        if check:
            command.append("--check")
        # Molecule asks for colours, which would stand between the words of what is said.
        plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "false"}
        return subprocess.run(command, env=plain, text=True, stdout=subprocess.PIPE, check=False)

    def container(self, host: str) -> str:
        return f"{self.variable(host, 'testhosts_prefix')}-{host}"

    def reboot(self, host: str) -> None:
        """Restart the test host, and wait until it lets in who asks."""
        subprocess.run(
            ["podman", "restart", "--time", "10", self.container(host)], check=True, stdout=subprocess.DEVNULL
        )
        for _attempt in range(30):
            if self.connect(host).run("systemctl is-active multi-user.target").rc == 0:
                break
            time.sleep(1)

    def copy(self, file: Path, host: str, directory: str) -> None:
        """Put a file of this machine into a directory of the test host."""
        subprocess.run(["podman", "cp", str(file), f"{self.container(host)}:{directory}"], check=True)

    @contextmanager
    def asking(self, host: str, command: str) -> Iterator[Requests]:
        """Have a client ask again and again, for five minutes at most. The list has its answers afterwards."""
        asked = Requests()
        client, file = self.connect(host), "/run/asked"
        loop = f"for i in $(seq 1500); do {command} >/dev/null 2>&1; echo $(date +%s.%N) $?; sleep 0.2; done > {file}"
        client.check_output("systemd-run --unit=asking --collect sh -c %s", loop)
        try:
            with ticking(asked):
                yield asked
        finally:
            time.sleep(1)
            client.check_output("systemctl stop asking")
            lines = client.file(file).content_string.splitlines()
            asked += [Asked(float(at), code == "0") for at, code in (line.split() for line in lines)]

    def stays_up(self, host: str, unit: str) -> bool:
        """Whether a service runs now, and is started at every boot."""
        asked = self.connect(host).run("systemctl is-active %s && systemctl is-enabled %s", unit, unit)
        return asked.rc == 0

    def connect(self, host: str) -> Host:
        """The test host, as root."""
        if host not in self._connected:
            self._connected[host] = testinfra.get_host(f"podman://{self.container(host)}")
        return self._connected[host]
