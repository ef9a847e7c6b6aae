# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An experiment of a drill leaves its times in the record, and is repeated when it must be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.test_runs import REPOSITORY, ansible_playbook

EXPERIMENT = {
    "name": "member_off",
    "kind": "member",
    "fault": "off",
    "title": "a parallel member fails: p1",
    "target": "p1",
    "backup": None,
    "pair": ["p1"],
    "what": "p1",
    "own": [],
    "seconds": 1,
    "lasts": 61,
    "faults": {},
    "counts_missing": False,
}
RECORD = {
    "drill_times": {},
    "drill_broken": {},
    "drill_evidence": {},
    "drill_takeover": {},
    "drill_health": {"degraded": [], "standby": []},
    "drill_aimed": {},
    "drill_campaign_end": 0,
}
HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
CLIENT = {"name": "p1", "endpoints": [], "pool": [{"name": "pool", "address": "192.0.2.1", "port": 636}]}
CLIENT |= {"write_endpoints": [], "write_pool": []}


def drill(
    directory: Path, server: dict[str, Any], experiments: list[dict[str, Any]], power_off: str = "true"
) -> dict[str, Any]:
    """Carry out experiments on this machine; what they leave in the record."""
    inventory, playbook, record = (directory / name for name in ("hosts.json", "drill.yml", "record.json"))
    inventory.write_text(json.dumps({"tiers_servers": {"hosts": {"p1": HOST | {"tiers_server": server}}}}))
    load = directory / "load.jsonl"
    load.touch()
    said: dict[str, str] = {"failed": "{{ drill_aimed | dict2items | map(attribute='value.target') | list }}"}
    said |= {"broken": "{{ drill_broken }}", "switched": "{{ drill_times.keys() | list }}"}
    play = {
        "hosts": "tiers_servers",
        "gather_facts": False,
        "vars": {
            "tiers_drill_power_off": power_off,
            "tiers_drill_power_on": "true",
            "tiers_drill_seconds": 1,
            "drill_power": True,
            "drill_patience": 1,
            "drill_clients": ["p1"],
            "drill_load": str(load),
            "drill_samples": str(directory / "samples"),
            "drill_run": "trial",
            "tiers_probe_driver": "",
            "tiers_probe_operations": ["read"],
            "tiers_probe_access": {},
            "tiers_plan": {"system": "trial", "digest": "now", "servers": {"p1": server}, "clients": {"p1": CLIENT}},
        },
        "tasks": [
            {"ansible.builtin.set_fact": RECORD},
            {
                "ansible.builtin.include_tasks": str(REPOSITORY / "playbooks/tasks/drill/experiment.yml"),
                "loop": experiments,
                "loop_control": {"loop_var": "drill_planned"},
            },
            {
                "ansible.builtin.copy": {"content": "{{ said | to_json }}", "dest": str(record)},
                "vars": {"said": said},
            },
        ],
    }
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    done = ansible_playbook("--inventory", inventory, playbook)
    assert done.returncode == 0, done.stdout + done.stderr
    noted: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return noted


def test_a_system_that_stays_degraded_is_recorded_and_ends_the_drill(tmp_path: Path) -> None:
    # A host that nobody asks: it is never as planned again.
    noted = drill(tmp_path, {}, [EXPERIMENT, EXPERIMENT | {"name": "distributor_off", "kind": "distributor"}])
    assert noted["broken"] == {"member_off": "not healthy again after 1 s: p1: no answer"}
    assert noted["switched"] == ["member_off"]
    assert noted["failed"] == ["p1"]


@pytest.mark.parametrize(("late", "times"), [(2.0, 2), (0.2, 1)])
def test_an_experiment_with_a_stalled_client_host_is_repeated_once(late: float, times: int, tmp_path: Path) -> None:
    """No client asks anything, so each time a limit is missed."""
    tick = f"""echo "{{\\"late\\": {late}, \\"due\\": $(date +%s)}}" >> {tmp_path}/load.jsonl"""
    noted = drill(tmp_path, {"name": "p1", "state": "down"}, [EXPERIMENT], power_off=tick)
    assert noted["broken"] == {}
    assert len((tmp_path / "load.jsonl").read_text(encoding="utf-8").splitlines()) == times
