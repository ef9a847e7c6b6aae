# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that write the HTML report, on hosts that are fake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet
from ansible_collections.distributed.tiers.tests.unit.report_data import recorded

HOSTS = {"master": {"m1": {}}, "backup": {"m2": {"tiers_backup_of": "m1"}}, "proxy": {"px": {"tiers_capacity": 10}}}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet.make(tmp_path / "home", HOSTS)


def test_plan_writes_a_report_only_if_it_is_asked_for(fleet: Fleet, tmp_path: Path) -> None:
    run = fleet.run("plan", tiers_report_dir=str(tmp_path / "reports"))
    assert run.code == 0, run.text
    assert not (tmp_path / "reports").exists()
    file = tmp_path / "deep" / "page.html"
    run = fleet.run("plan", tiers_report_file=str(file))
    assert run.code == 0, run.text
    assert f"Report: {file}" in run.words
    page = file.read_text(encoding="utf-8")
    assert "The servers were not asked how they are" in page
    assert "No drill was found" in page


def test_report_writes_plan_state_and_the_last_drill(fleet: Fleet, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    drill = {**(recorded("demo").drill or {}), "system": "tiers"}
    (reports / "report.json").write_text(json.dumps(drill), encoding="utf-8")
    run = fleet.run("report", tiers_report_dir=str(reports), tiers_probe_timeout=2)
    assert run.code == 0, run.text
    page = (reports / "report.html").read_text(encoding="utf-8")
    assert "of 3 servers are down or silent" in page
    assert "c-tokyo: home writes" in page
    assert "This drill was of another plan" in page


def test_the_drill_of_another_system_is_not_shown(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"system": "another"}), encoding="utf-8")
    run = fleet.run("plan", tiers_report_dir=str(tmp_path), tiers_report_file=str(tmp_path / "page.html"))
    assert run.code == 0, run.text
    assert "No drill was found" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_drill_that_cannot_be_read_is_named(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("[", encoding="utf-8")
    run = fleet.run("plan", tiers_report_dir=str(tmp_path), tiers_report_file=str(tmp_path / "page.html"))
    assert run.code != 0
    assert f"drill: {tmp_path}/report.json cannot be read" in run.words
