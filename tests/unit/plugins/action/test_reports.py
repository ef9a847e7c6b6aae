# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""status_report and verify_report in a real run, on the variables that hosts have, or lack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.plugin_utils.answers import Answers
from ansible_collections.distributed.tiers.tests.unit.plugins.action.judging import run_action
from ansible_collections.distributed.tiers.tests.unit.slices import complete

REPOSITORY = Path(__file__).parents[4]
OLD = "20260101000000.000000Z#000000#001#000000"
NEW = "20260101010000.000000Z#000000#001#000000"


def server(name: str, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = dict.fromkeys(("primary", "backup", "virtual_address", "clients", "redundancy", "failback"))
    base |= {"name": name, "tier": "proxy", "serves_as": "proxy", "address": name, "port": 1, "site": "s"}
    return complete({**base, "state": "active", "upstreams": [], "members": [], **more})


PLAN = {
    "digest": "now",
    "system": "s",
    "servers": {"m": server("m", tier="master", serves_as="master"), "x": server("x"), "y": server("y")},
    "clients": {},
    "voters": {},
    "arbiter": None,
    "edges": [],
}
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.group_by: {key: tiers_servers, parents: [tiers_hosts]}
    - ansible.builtin.set_fact:
        ansible_local: "{{ local }}"
        cacheable: true
      when: local is defined
    - distributed.tiers.ACTION:
        plan: "{{ plan }}"
      run_once: true
"""


def edge(name: str, position: str = NEW, **more: Any) -> dict[str, Any]:
    base = {"name": name, "address": name, "port": 1, "protocol": "ldaps", "reachable": True, "role": None, "ok": True}
    base |= {"refused_by": None, "why": "", "servers": {}}
    return {**base, "position": {"1": position}, "expect": "open", "latency_ms": 1, **more}


def seen(*edges: dict[str, Any]) -> dict[str, Any]:
    return {"edges": list(edges), "changed": False}


ILL = {"failed": True, "msg": "Task failed: Missing sudo password"}
LOCAL = {"tiers": {"plan_digest": "now", "clients": []}}


def judge(tmp_path: Path, action: str, hostvars: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (tmp_path / "play.yml").write_text(PLAY.replace("ACTION", action), encoding="utf-8")
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hostvars}}), encoding="utf-8")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", tmp_path / "hosts.json", "-e", json.dumps({"plan": PLAN}), tmp_path / "play.yml"),
        ],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "results",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache" / "collections"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def test_status_shows_a_host_that_left_no_result_as_down(tmp_path: Path) -> None:
    """Such a host has no such variable at all: looking it up must not end the run."""
    hosts: dict[str, dict[str, Any]] = {
        "m": {"tiers_probed": seen(edge("m")), "local": LOCAL},
        "x": {"tiers_record_read": ILL, "tiers_probed": {"skipped": True}},
        "y": {},
    }
    report = judge(tmp_path, "status_report", hosts)
    assert {row["server"]: row["observed"] for row in report["servers"]} == {"m": "up", "x": "DOWN", "y": "DOWN"}
    assert report["alerts"] == ["x: host: Missing sudo password", "y: host: it was not probed"]
    assert "! x: host: Missing sudo password" in report["text"]


def test_status_takes_the_second_look_at_a_server_that_caught_up(tmp_path: Path) -> None:
    hosts: dict[str, dict[str, Any]] = {
        "m": {"tiers_probed": seen(edge("m")), "local": LOCAL},
        "x": {"tiers_probed": seen(edge("x", OLD)), "status_probed_again": seen(edge("x", NEW)), "local": LOCAL},
        "y": {"tiers_probed": seen(edge("y", OLD)), "status_probed_again": seen(edge("y", OLD)), "local": LOCAL},
    }
    report = judge(tmp_path, "status_report", hosts)
    assert report["alerts"] == ["y: its data is 3600 s behind, more than tiers_status_max_lag (30 s)"]


@pytest.mark.parametrize(
    ("limits", "alerts"),
    [
        ({}, ["x: its data is 3600 s behind", "y: its data is 500 changes behind", "m: clock: its clock is 5.0 s"]),
        ({"max_lag": 4000, "max_behind": 600, "clock_alert": 6}, []),
    ],
    ids=["defaults", "given"],
)
def test_alerts_begin_above_the_limits_of_the_operator(limits: dict[str, Any], alerts: list[str]) -> None:
    late = {"findings": [], "clock": {"least": 4.9, "most": 5.1, "synchronized_by": ["chrony"]}}
    positions = {"m": {"1": NEW, "n": "1000"}, "x": {"1": OLD, "n": "1000"}, "y": {"1": NEW, "n": "0500"}}
    hosts: dict[str, dict[str, Any]] = {
        name: {
            "tiers_probed": seen(edge(name) | {"position": position}),
            "tiers_host_checked": late if name == "m" else {"findings": []},
            "ansible_facts": {"ansible_local": LOCAL},
        }
        for name, position in positions.items()
    }
    found = run_action("status_report", {"plan": PLAN, **limits}, hosts)["alerts"]
    assert [why.partition(", more")[0].partition(" (±")[0] for why in found] == alerts
    hosts["m"] |= {"verify_probed": seen(edge("m")), "verify_written": {"rows": []}, "verify_found": {"rows": []}}
    clock = {key: value for key, value in limits.items() if key == "clock_alert"}
    verified = run_action("verify_report", {"plan": PLAN, **clock}, hosts)["findings"]
    assert [one["host"] for one in verified if one["what"] == "clock"] == ([] if clock else ["m"])


def test_verify_finds_a_host_that_left_no_result(tmp_path: Path) -> None:
    well = {"verify_probed": seen(edge("m")), "verify_written": {"rows": []}, "verify_found": {"rows": []}}
    skipped = {f"verify_{step}": {"skipped": True} for step in ("probed", "written", "found")}
    report = judge(tmp_path, "verify_report", {"m": well, "x": {"tiers_record_read": ILL, **skipped}, "y": {}})
    assert [(f["host"], f["why"]) for f in report["findings"]] == [
        ("x", "Missing sudo password"),
        ("y", "it was not probed"),
    ]


@pytest.mark.parametrize("ill", [ILL, {"unreachable": True, "msg": "no route"}])
def test_a_skipped_task_of_a_host_that_was_well_stays_skipped(ill: dict[str, Any]) -> None:
    hostvars = {
        "well": {"tiers_record_read": {"changed": False}, "rows": {"skipped": True}},
        "ill": {"tiers_record_read": ill, "rows": {"skipped": True}},
    }
    answers = Answers(hostvars, hostvars)
    assert answers.of("rows") == {"well": {"skipped": True}, "ill": ill}
    assert answers.recorded() == {"well": {}, "ill": {}}
    assert answers.first("offers") is None


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            {"msg": "Module failed.", "module_stderr": "Traceback\nOSError: [Errno 28] No space left on device\n"},
            "No space",
        ),
        ({"msg": "Task failed.\n>>> Standard Error\nsudo: a password is required\n"}, "sudo: a password is required"),
        (
            {"msg": "No start of json char found", "module_stderr": "Shared connection to m1 closed.\r\n"},
            "No start of json",
        ),
        ({"msg": "the first line\nthe second"}, "the first line"),
        ({}, "the read failed"),
    ],
)
def test_a_failure_is_reported_with_the_output_of_the_host(failure: dict[str, Any], told: str) -> None:
    answers = Answers(["m"], {"m": {"tiers_record_read": {"failed": True, **failure}}})
    assert told in answers.of("tiers_host_checked")["m"]["msg"]
