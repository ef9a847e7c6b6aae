# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a running service are unpacked when its server is out of service, and not while it is configured.

The tasks run on this machine with modules that answer without doing anything.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
TASKS = REPOSITORY / "roles/product_service/tasks"
# ansible-playbook whose modules only write down what they were asked. Apt lacks every package that it is asked for.
PLAYED = """
import sys
from ansible.plugins.action import ActionBase

def answer(self, module_name=None, module_args=None, **_more):
    name, given = (module_name or self._task.action).rpartition(".")[2], module_args or self._task.args
    asked = given.get("name") or given.get("_raw_params") or given.get("argv") or ""
    words = asked if isinstance(asked, str) else " ".join(asked)
    with open("asked", "a") as file:
        file.write(f"{name}{' --check' if self._task.check_mode else ''} {words}".strip() + "\\n")
    if words.startswith("systemctl is-active"):
        return {"changed": True, "rc": 0, "stdout": "STATE"}
    return {"changed": True}

ActionBase._execute_module = answer
from ansible.cli.playbook import PlaybookCLI
PlaybookCLI.cli_executor(sys.argv)
"""


def ask(path: Path, state: str, cold: bool = False) -> tuple[list[str], str]:
    """The calls of the tasks on a host whose unit is in this state, and the packages left for the start."""
    given = yaml.safe_load((REPOSITORY / "roles/product_service/vars/main.yml").read_text(encoding="utf-8"))
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "__product_service_unit": "gauge.service",
            "__product_service_cold": cold,
            "__product_service_wanted_packages": ["gauge=2.0"],
            "__product_service_packages_to": ["gauge=2.0"],
            "__product_service_packages_later": given["__product_service_packages_later"],
        },
        "tasks": [
            {"ansible.builtin.import_tasks": str(TASKS / "install_package.yml")},
            {"ansible.builtin.debug": {"msg": "due({{ __product_service_packages_due | default([]) | join }})"}},
        ],
    }
    (path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    (path / "played.py").write_text(PLAYED.replace("STATE", state), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "played.py", "-i", "localhost,", "-c", "local", "play.yml"],
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        cwd=path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    due = done.stdout.partition("due(")[2].partition(")")[0]
    return (path / "asked").read_text(encoding="utf-8").splitlines(), due


@pytest.mark.parametrize("state", ["active", "reloading"])
def test_packages_of_a_running_service_are_only_downloaded(tmp_path: Path, state: str) -> None:
    asked, due = ask(tmp_path, state)
    assert "apt --check gauge=2.0" in asked
    assert [line for line in asked if "--download-only" in line and line.endswith("install gauge=2.0")]
    assert "apt gauge=2.0" not in asked
    assert due == "gauge=2.0"


@pytest.mark.parametrize(("state", "cold"), [("inactive", False), ("failed", False), ("active", True)])
def test_packages_are_installed_at_once_where_no_start_comes_or_nothing_runs(
    tmp_path: Path, state: str, cold: bool
) -> None:
    asked, due = ask(tmp_path, state, cold)
    assert "apt gauge=2.0" in asked
    assert due == ""


def test_the_start_installs_them_before_it_compares_and_within_its_way_back() -> None:
    (block,) = [task for task in yaml.safe_load((TASKS / "start.yml").read_text(encoding="utf-8")) if "rescue" in task]
    first, second = block["block"][:2]
    assert first["ansible.builtin.include_tasks"] == "packages_install.yml"
    assert first["vars"] == {"__product_service_packages_to": "{{ __product_service_packages_due }}"}
    assert second["ansible.builtin.include_tasks"] == "compare.yml"


def test_packages_change_in_no_other_place() -> None:
    """Only `start` and its way back install packages over those that run."""
    users = [path.name for path in sorted(TASKS.glob("*.yml")) if "packages_install.yml" in path.read_text("utf-8")]
    assert users == ["install_package.yml", "put_back.yml", "start.yml"]
