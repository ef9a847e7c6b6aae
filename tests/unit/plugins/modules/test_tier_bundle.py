# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host gives its logs and settings for a support case, without secrets."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.distributed.tiers.plugins.modules import tier_bundle


def test_a_command_that_is_missing_or_hangs_is_no_error(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    assert tier_bundle.run(["/no/such/program"]).startswith("/no/such/program: ")
    monkeypatch.setattr(tier_bundle, "SECONDS", 0.1)
    assert "timed out" in tier_bundle.run(["sleep", "5"])


def test_files_are_read_by_pattern_and_a_broken_one_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").mkdir()
    found = tier_bundle.read_files([f"{tmp_path}/*.json", f"{tmp_path}/missing"])
    assert found[f"files{tmp_path}/a.json"] == "{}"
    assert "Is a directory" in found[f"files{tmp_path}/b.json"]
    assert len(found) == 2


def test_keys_and_environments_with_secrets_are_not_read() -> None:
    for path in ("/etc/tiers/tls/server.key", "/etc/tiers/service.env"):
        assert not any(Path(path).match(pattern) for pattern in tier_bundle.CONFIGURATIONS)
