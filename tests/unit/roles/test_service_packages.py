# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a running service are unpacked when its server is out of service, and not while it is configured.

The tasks run on this machine with modules that answer without doing anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
TASKS = REPOSITORY / "roles/product_service/tasks"
# ansible-playbook whose modules only write down what they were asked, and answer that it was changed
PLAYED = """
import json, sys
from ansible.plugins.action import ActionBase

ANSWERS = ANSWERS_AS_JSON

def answer(self, module_name=None, module_args=None, **_more):
    name, given = (module_name or self._task.action).rpartition(".")[2], module_args or self._task.args
    asked = given.get("name") or given.get("_raw_params") or given.get("argv") or given.get("url") or ""
    words = asked if isinstance(asked, str) else " ".join(asked)
    with open("asked", "a") as file:
        file.write(f"{name}{' --check' if self._task.check_mode else ''} {words}".strip() + "\\n")
    return {"changed": True, "rc": 0, "stdout": "", **ANSWERS.get(words, {})}

ActionBase._execute_module = answer
from ansible.cli.playbook import PlaybookCLI
PlaybookCLI.cli_executor(sys.argv)
"""
# The tool of the service finds a running release that must be restarted.
COMPARED = {"place": ["unit"], "running": True, "enabled": True, "restart": True, "reload": False, "gated": True}


def play(
    path: Path, tasks: list[dict[str, Any]], answers: dict[str, Any], **variables: Any
) -> tuple[int, str, list[str]]:
    """The exit code, output and calls of tasks of the role. `answers`: results of modules, by their argument."""
    given = yaml.safe_load((REPOSITORY / "roles/product_service/vars/main.yml").read_text(encoding="utf-8"))
    known = {
        "__product_service_unit": "gauge.service",
        "__product_service_unit_file": "/etc/systemd/system/gauge.service",
        "__product_service_tool": "tool",
        "__product_service_found": {},
        "__product_service_hidden": [],
        "__product_service_wanted_packages": ["gauge=2.0"],
        "__product_service_packages_later": given["__product_service_packages_later"],
        "__product_service_compared": given["__product_service_compared"],
        "tiers_server": {"name": "m1"},
    }
    written = {"hosts": "localhost", "gather_facts": False, "vars": known | variables, "tasks": tasks}
    (path / "play.yml").write_text(yaml.safe_dump([written]), encoding="utf-8")
    (path / "played.py").write_text(PLAYED.replace("ANSWERS_AS_JSON", repr(answers)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "played.py", "-i", "localhost,", "-c", "local", "play.yml"],
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        cwd=path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, (path / "asked").read_text(encoding="utf-8").splitlines()


def install(path: Path, state: str, cold: bool = False) -> tuple[list[str], str]:
    """The calls of the tasks on a host whose unit is in this state, and the packages left for the start."""
    code, output, asked = play(
        path,
        [
            {"ansible.builtin.import_tasks": str(TASKS / "install_package.yml")},
            {"ansible.builtin.debug": {"msg": "due({{ __product_service_packages_due | default([]) | join }})"}},
        ],
        {"systemctl is-active gauge.service": {"stdout": state}},
        __product_service_cold=cold,
        __product_service_packages_to=["gauge=2.0"],
    )
    assert code == 0, output
    return asked, output.partition("due(")[2].partition(")")[0]


@pytest.mark.parametrize("state", ["active", "reloading"])
def test_packages_of_a_running_service_are_only_downloaded(tmp_path: Path, state: str) -> None:
    asked, due = install(tmp_path, state)
    assert "apt --check gauge=2.0" in asked
    assert [line for line in asked if "--download-only" in line and line.endswith("install gauge=2.0")]
    assert "apt gauge=2.0" not in asked
    assert due == "gauge=2.0"


@pytest.mark.parametrize(("state", "cold"), [("inactive", False), ("failed", False), ("active", True)])
def test_packages_are_installed_at_once_where_no_start_comes_or_nothing_runs(
    tmp_path: Path, state: str, cold: bool
) -> None:
    asked, due = install(tmp_path, state, cold)
    assert "apt gauge=2.0" in asked
    assert due == ""


@pytest.mark.parametrize("is_healthy", [True, False])
def test_a_start_installs_due_packages_and_restores_the_previous_ones_if_the_service_fails(
    tmp_path: Path, is_healthy: bool
) -> None:
    code, output, asked = play(
        tmp_path,
        [{"ansible.builtin.import_tasks": str(TASKS / "start.yml")}],
        {
            "tool compare": {"stdout": json.dumps(COMPARED)},
            "tool packages": {"stdout": "gauge=1.0", "stdout_lines": ["gauge=1.0"]},
            "tool wait": {"rc": int(not is_healthy), "failed": not is_healthy, "stderr": "no answer within 60 s"},
        },
        __product_service_packages_due=["gauge=2.0"],
    )
    changes = [line.removeprefix("command ") for line in asked if not line.startswith("dpkg_selections")]
    start = [
        "tool compare",
        "apt gauge=2.0",
        "tool compare",
        "tool place next",
        "systemd_service gauge.service",
        "tool wait",
    ]
    assert changes[: len(start)] == start
    if is_healthy:
        assert (code, changes[len(start) :]) == (0, ["tool keep"]), output
    else:
        back = ["tool place good", "tool packages", "apt gauge=1.0", "systemd_service gauge.service", "tool wait"]
        assert changes[-len(back) :] == back
        assert code == 2 and "no answer within 60 s" in output, output
