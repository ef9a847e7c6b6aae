# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the settings as they were deployed, which `status` compares later."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks
from ansible_collections.distributed.tiers.plugins.modules import tier_files


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/haproxy.cfg").write_text("global", encoding="utf-8")
    monkeypatch.setattr(host_checks, "SETTINGS", (f"{tmp_path}/etc/*",))
    monkeypatch.setattr(host_checks, "DEPLOYED_FILES", tmp_path / "lib/deployed.json")
    return tmp_path


def record(*paths: Path, only: list[Path] | None = None, check_mode: bool = False) -> dict[str, Any]:
    """The result of the module."""
    chosen = None if only is None else [*map(str, only)]
    module = SimpleNamespace(params={"paths": [*map(str, paths)], "only": chosen}, check_mode=check_mode)
    return tier_files.run(module)  # type: ignore[arg-type]


def test_settings_are_recorded_for_root_alone_and_once(root: Path) -> None:
    more = root / "ldap.conf"
    more.write_text("URI", encoding="utf-8")
    assert record(more) == {"changed": True, "count": 2}
    written = root / "lib/deployed.json"
    assert [*json.loads(written.read_text(encoding="utf-8"))] == [str(root / "etc/haproxy.cfg"), str(more)]
    assert written.stat().st_mode & 0o777 == 0o600
    assert not record(more)["changed"]
    (root / "etc/haproxy.cfg").write_text("other", encoding="utf-8")
    assert record(more)["changed"]


def test_check_mode_predicts_the_record_and_writes_none(root: Path) -> None:
    assert record(check_mode=True)["changed"]
    assert not (root / "lib").exists()


def test_recording_some_files_leaves_the_record_of_all_others(root: Path) -> None:
    mine, other = root / "metrics.json", root / "etc/haproxy.cfg"
    mine.write_text("1", encoding="utf-8")
    assert record(only=[mine]) == {"changed": False, "count": 0}, "only a deployment begins a record"
    record()
    written = root / "lib/deployed.json"
    before = json.loads(written.read_text(encoding="utf-8"))[str(other)]
    other.write_text("changed by hand", encoding="utf-8")
    assert record(only=[mine]) == {"changed": True, "count": 2}
    assert json.loads(written.read_text(encoding="utf-8"))[str(other)] == before
    assert not record(only=[mine])["changed"]
    mine.unlink()
    record(only=[mine])
    assert [*json.loads(written.read_text(encoding="utf-8"))] == [str(other)]
