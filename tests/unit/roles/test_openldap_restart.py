# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When slapd must restart: if it started from other files than are there now, whichever run wrote them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

ROLE = Path(__file__).parents[3] / "roles/product_openldap"
VARIABLES = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))


class Host:
    """The files that slapd starts from, a start of it, and the check of the role."""

    def __init__(self, home: Path) -> None:
        self.home, self.stamp = home, home / "stamp"
        stamped = [template(path, VARIABLES) for path in VARIABLES["__product_openldap_stamped"]]
        self.files = {path: home / path.strip("/").replace("/", "-") for path in stamped}
        for path in self.files.values():
            path.write_text("first", encoding="utf-8")
        self.systemctl("exit 0")
        self.known: dict[str, Any] = {
            "__product_openldap_stamp": str(self.stamp),
            "__product_openldap_stamped": [str(path) for path in self.files.values()],
        }

    def systemctl(self, does: str) -> None:
        program = self.home / "systemctl"
        program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        program.chmod(0o755)

    def run(self, text: str) -> int:
        environment = {"PATH": f"{self.home}:{os.environ['PATH']}"}
        command = ["sh", "-c", template(text, self.known)]
        return subprocess.run(command, check=False, env=environment, capture_output=True).returncode

    def start(self) -> None:
        """Write the stamp, as the preparation of slapd's unit does."""
        lines = (ROLE / "templates/openldap-prepare.j2").read_text(encoding="utf-8").splitlines()
        (line,) = (line for line in lines if line.startswith("sha256sum "))
        assert self.run(line) == 0

    def is_current(self) -> bool:
        tasks = yaml.safe_load((ROLE / "tasks/configure.yml").read_text(encoding="utf-8"))
        (check,) = (task for task in tasks if task.get("register") == "__product_openldap_current")
        return self.run(check["ansible.builtin.shell"]["cmd"]) == 0


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/tiers/openldap.ldif",
        "/etc/tiers/tls/server.crt",
        "/etc/tiers/tls/ca.crt",
        "/etc/systemd/system/slapd.service",
        "/usr/sbin/slapd",
    ],
)
def test_slapd_must_restart_after_a_run_that_was_killed_before_the_restart(host: Host, path: str) -> None:
    assert not host.is_current(), "it has never started"
    host.start()
    assert host.is_current()
    host.files[path].write_text("renewed", encoding="utf-8")
    assert not host.is_current()
    host.start()
    assert host.is_current()


@pytest.mark.parametrize("verb", ["is-active", "is-enabled"])
def test_slapd_must_start_if_it_does_not_run_or_would_not_at_boot(host: Host, verb: str) -> None:
    host.start()
    host.systemctl(f"[ $1 != {verb} ]")
    assert not host.is_current()
