# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action in a real run, under the callbacks that people use, with Ansible's own settings otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[4]
LINES = ['System "demo", 2 servers', "", "  SERVER  TIER    NOTE", f"  m1      master  {'as planned, ' * 10}and: so on"]
PLAYBOOK = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Show the table",
                "distributed.tiers.show": {"text": "\n" + "  \n".join(LINES) + "\n\n"},
                "run_once": True,
            }
        ],
    }
]


def shown(place: Path, **settings: str) -> str:
    (place / "ansible.cfg").touch()
    (place / "play.yml").write_text(json.dumps(PLAYBOOK), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "m1,m2,", "play.yml"],
        cwd=place,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache" / "collections"),
            **settings,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    "settings",
    [
        {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
        {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false"},
        {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.debug"},
    ],
    ids=lambda settings: ",".join(settings.values()),
)
def test_a_table_is_printed_as_it_is_below_the_title_of_its_task(tmp_path: Path, settings: dict[str, str]) -> None:
    output = shown(tmp_path, **settings)
    before, title, after = output.partition("TASK [Show the table]")
    assert title
    assert "SERVER" not in before
    lines = after.splitlines()
    first = next(number for number, line in enumerate(lines) if "System" in line)
    indent = lines[first].index("System")
    assert [line[indent:] for line in lines[first : first + len(LINES)]] == LINES


def test_the_json_of_the_default_callback_has_a_line_for_each_line(tmp_path: Path) -> None:
    output = shown(tmp_path)
    assert "TASK [Show the table]" in output.partition("SERVER")[0]
    shown_lines = [line.strip().rstrip(",") for line in output.splitlines()]
    first = shown_lines.index(json.dumps(LINES[0]))
    assert shown_lines[first : first + len(LINES)] == [json.dumps(line) for line in LINES]


def test_the_json_callback_prints_json_and_nothing_else(tmp_path: Path) -> None:
    (play,) = json.loads(shown(tmp_path, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json"))["plays"]
    (task,) = play["tasks"]
    assert task["task"]["name"] == "Show the table"
    assert task["hosts"]["m1"]["msg"] == LINES
