# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`monitoring` on fake hosts: exporters where a server is deployed, files on the controller, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet

SERVERS: dict[str, dict[str, dict[str, Any]]] = {
    "master": {"m1": {}},
    "proxy": {"px1": {}},
    "client": {"c1": {}},
    "monitor": {"watch": {}},
}
CA = {"tiers_ca_certificate": "the certificate of the CA", "tiers_ca_key": "the key of the CA"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Servers after a deployment."""
    made = Fleet.make(tmp_path_factory.mktemp("fleet") / "deployed", SERVERS, **CA)
    made.change(tiers_monitoring_dir=str(made.home / "files"))
    run = made.run("deploy")
    assert run.code == 0, run.text
    assert not run.of("watch"), "deploy connected to a host that only scrapes"
    return made


def test_exporters_are_installed_and_the_files_follow_from_the_plan(fleet: Fleet) -> None:
    files = fleet.home / "files"
    check = fleet.run("monitoring", "--check")
    assert check.code == 0, check.text
    assert not files.exists()
    run = fleet.run("monitoring")
    assert run.code == 0, run.text
    assert any("tiers-metrics" in call for call in run.of("m1"))
    assert not run.of("watch")
    assert not run.of("c1")
    hosts = json.loads((files / "tiers-node.json").read_text(encoding="utf-8"))
    assert [one["labels"]["instance"] for one in hosts] == ["m1", "px1"]
    config = yaml.safe_load((files / "prometheus.yml").read_text(encoding="utf-8"))
    assert [job["job_name"] for job in config["scrape_configs"]] == ["tiers-haproxy", "tiers-node"]
    assert (files / "ca.crt").read_text(encoding="utf-8").startswith("the certificate of the CA")
    # It continues on the same fleet: a run takes seconds.
    written = (files / "dashboard.json").stat().st_mtime_ns
    again = fleet.run("monitoring")
    assert again.code == 0, again.text
    assert "changed=0" in again.text
    assert "changed=1" not in again.text
    assert (files / "dashboard.json").stat().st_mtime_ns == written


def test_without_the_group_the_exporters_are_removed(fleet: Fleet, tmp_path: Path) -> None:
    alone = fleet.copy(tmp_path / "fleet")
    data = yaml.safe_load(alone.inventory.read_text(encoding="utf-8"))
    del data["monitor"]
    alone.inventory.write_text(yaml.safe_dump(data), encoding="utf-8")
    run = alone.run("monitoring")
    assert run.code == 0, run.text
    assert "the exporters are removed" in run.words
