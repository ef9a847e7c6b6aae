# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an experiment of a drill leaves in the record."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible_collections.distributed.tiers.tests.unit.playbooks.test_runs import REPOSITORY, ansible_playbook

EXPERIMENT = {"kind": "member", "title": "a parallel member is lost: p1", "target": "p1"}
RECORD = {"__drill_times": {}, "__drill_broken": {}, "__drill_not_whole": []}
# A host that nobody asks: it is never as planned again.
HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "tiers_server": {}}
POWER = {"tiers_drill_power_off": "true", "tiers_drill_power_on": "true", "tiers_drill_seconds": 1}


def test_what_is_not_whole_again_is_noted_and_ends_the_drill(tmp_path: Path) -> None:
    inventory, playbook, record = (tmp_path / name for name in ("hosts.json", "drill.yml", "record.json"))
    inventory.write_text(json.dumps({"tiers_servers": {"hosts": {"p1": HOST}}}), encoding="utf-8")
    said = {"broken": "{{ __drill_broken }}", "switched": "{{ __drill_times.keys() | list }}"}
    play = {
        "hosts": "tiers_servers",
        "gather_facts": False,
        "vars": POWER | {"__drill_power": True, "__drill_patience": 1, "tiers_plan": {"servers": {}}},
        "tasks": [
            {"ansible.builtin.set_fact": RECORD},
            {
                "ansible.builtin.include_tasks": str(REPOSITORY / "playbooks/tasks/drill/experiment.yml"),
                "loop": [EXPERIMENT, EXPERIMENT | {"kind": "distributor"}],
                "loop_control": {"loop_var": "__drill_experiment"},
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
    noted = json.loads(record.read_text(encoding="utf-8"))
    assert noted["broken"] == {"member": "not whole again after 1 s: p1: no answer"}
    assert noted["switched"] == ["member"]
