# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order a deployment and a rollback restart running servers, as the plays themselves do it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Plan
from ansible_collections.distributed.tiers.tests.unit.playbooks.running import REPOSITORY

TIERS = ("master", "proxy", "parallel", "distributor", "backup")
CONFIGURE = """
- ansible.builtin.set_fact:
    tiers_restart_needed: "{{ tiers_server.name in restarts }}"
  when: "'tiers_running' in group_names"
- ansible.builtin.debug: {msg: "started {{ tiers_server.name }}."}
  when: "'tiers_fresh' in group_names"
"""
RESTART = """
- ansible.builtin.fail: {msg: "{{ tiers_server.name }} does not start."}
  when: tiers_server.name == broken | default('')
- ansible.builtin.debug: {msg: "restarted {{ tiers_server.name }}."}
"""
SERVING = """
- ansible.builtin.set_fact: {tiers_serving: "{{ tiers_server.name in serving | default([]) }}"}
"""


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """This collection with roles that only say what they would do."""
    home = tmp_path / "ansible_collections" / "distributed" / "tiers"
    texts = {tier: {"main": CONFIGURE, "restart": RESTART} for tier in TIERS}
    texts |= {
        "failover": {"check_active": SERVING},
        "product_openldap": {"roll_back": "", "balancing": "", "probe": ""},
    }
    for role, tasks in texts.items():
        directory = home / "roles" / role / "tasks"
        directory.mkdir(parents=True)
        for name, text in tasks.items():
            (directory / f"{name}.yml").write_text(f"---{text}", encoding="utf-8")
    for part in ("plugins", "meta", "galaxy.yml"):
        (home / part).symlink_to(REPOSITORY / part)
    (tmp_path / "tasks").symlink_to(REPOSITORY / "playbooks" / "tasks")
    return tmp_path


def run(
    collections: Path, plan: Plan, versions: dict[str, str | None], plays: list[dict[str, Any]], **given: Any
) -> list[str]:
    """What the plays start and restart, in order. `versions`: what runs, of the servers that run."""
    of_all = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "tiers_plan": plan,
        "restarts": [*versions],
        **given,
    }
    (collections / "hosts.json").write_text(
        json.dumps({"all": {"vars": of_all, "hosts": {name: {} for name in plan["servers"]}}}), encoding="utf-8"
    )
    begin = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"deployed": versions},
        "tasks": [
            {"ansible.builtin.set_fact": {"tiers_server": "{{ tiers_plan.servers[inventory_hostname] }}"}},
            {
                "ansible.builtin.set_fact": {
                    "ansible_local": {"tiers": {"version": "{{ deployed[inventory_hostname] }}"}},
                    "cacheable": True,
                },
                "when": "inventory_hostname in deployed",
            },
            {
                "ansible.builtin.group_by": {
                    "key": "tiers_wave_{{ tiers_server.wave }}",
                    "parents": ["tiers_{{ 'running' if inventory_hostname in deployed else 'fresh' }}"],
                }
            },
        ],
    }
    playbook = collections / "run.json"
    playbook.write_text(json.dumps([begin, *plays]), encoding="utf-8")
    # In check mode, nothing is locked.
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "--check", "-i", collections / "hosts.json", playbook],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_STRATEGY": "linear",
        },
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (2 if given.get("broken") else 0), done.stdout + done.stderr
    return re.findall(r"msg: ((?:re)?started \w+)\.", done.stdout)


def deploy() -> list[dict[str, Any]]:
    wave = str(REPOSITORY / "playbooks" / "parts" / "wave.yml")
    return [{"import_playbook": wave, "vars": {"tiers_wave": number}} for number in range(4)]


def roll_back() -> list[dict[str, Any]]:
    """The plays of the playbook that come after it has found who goes back."""
    plays = yaml.safe_load((REPOSITORY / "playbooks" / "roll_back.yml").read_text(encoding="utf-8"))
    find = {"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.group_by": {"key": "tiers_back"}}]}
    return [find, *(play for play in plays if play.get("hosts", "").startswith("tiers_back"))]


@pytest.fixture
def plan(judge) -> Plan:
    made = judge(
        """
        all: {vars: {tiers_version: "2"}}
        proxy: {hosts: {px2: !remove }}
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
        """
    ).plan
    assert made
    return made


RUNNING = {"m1": "1", "m2": "1", "px1": "1"}


def test_another_release_reaches_the_only_writer_last(collections, plan):
    done = run(collections, plan, RUNNING, deploy())
    assert done == ["restarted px1", "restarted m2", "restarted m1"]


def test_a_release_that_does_not_start_ends_the_run_at_the_server_that_costs_least(collections, plan):
    assert run(collections, plan, RUNNING, deploy(), broken="px1") == []
    assert run(collections, plan, RUNNING, deploy(), broken="m2") == ["restarted px1"]


def test_other_restarts_follow_the_waves(collections, plan):
    """Servers below need what changed above: a new password of the replication, for one."""
    done = run(collections, plan, dict.fromkeys(RUNNING, "2"), deploy())
    assert done == ["restarted m1", "restarted m2", "restarted px1"]


def test_a_new_server_is_started_after_the_masters_and_before_they_are_restarted(collections, plan):
    done = run(collections, plan, {"m1": "1", "m2": "1"}, deploy())
    assert done == ["started px1", "restarted m2", "restarted m1"]


def test_the_node_that_serves_is_restarted_after_its_peer(collections, plan):
    for name in ("m1", "m2"):
        plan["servers"][name] |= {"active_standby": True}
    done = run(collections, plan, RUNNING, deploy(), serving=["m2"])
    assert done == ["restarted px1", "restarted m1", "restarted m2"]


def test_a_rollback_takes_the_servers_in_the_reverse(collections, plan):
    done = run(collections, plan, dict.fromkeys(RUNNING, "2"), roll_back(), tiers_earlier={"to": "1"})
    assert done == ["restarted m1", "restarted m2", "restarted px1"]
