# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive for a support case has what helps, and no secret."""

from __future__ import annotations

import base64
import os
import tarfile
import types
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.plugins.action import judging
from ansible_collections.distributed.tiers.tests.unit.plugins.action.judging import documented, run_action

SECRETS = {
    "tiers_ca_passphrase": "passphrase-1",
    "product_openldap_probe_password": "probe-2",
    "vault_anything": {"deep": ["vaulted-3"]},
    "declared_by_service": "declared-4",
    "tiers_service": {
        "name": "ledger",
        "secrets": ["declared_by_service"],
        "secret_environment": {"LEDGER": "environment-5"},
    },
}
TEXTS = ("passphrase-1", "probe-2", "vaulted-3", "declared-4", "environment-5")
PLAN: dict[str, Any] = {"system": "my demo", "digest": "d1", "servers": {"m1": {}, "m2": {}}, "findings": []}
PARTS = {
    "logs/slapd.service.log": f"failed: {' '.join(TEXTS)}",
    "files/etc/tiers/watchdog.json": f'{{"send": "{b"probe-2".hex()}"}}',
    "files/etc/haproxy/haproxy.cfg": f"  x {base64.b64encode(b'declared-4').decode()}\n  server m1 192.0.2.11:636",
}


def bundle(directory: Path, **options: Any) -> dict[str, Any]:
    hosts: dict[str, dict[str, Any]] = {
        "m1": {**SECRETS, "tiers_bundle_read": {"parts": PARTS}},
        "m2": {**SECRETS, "tiers_bundle_read": {"unreachable": True, "msg": "timed out with probe-2"}},
    }
    given = {"plan": PLAN, "directory": str(directory), "status": "m1 master declared-4", **options}
    return run_action("bundle_archive", given, hosts)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    before = os.umask(0o022)
    try:
        found = bundle_outside_check_mode(tmp_path / "reports", monkeypatch)
    finally:
        os.umask(before)
    path = Path(found["path"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    with tarfile.open(path) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive
        }


def bundle_outside_check_mode(directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def namespace(**values: Any) -> types.SimpleNamespace:
        return types.SimpleNamespace(**{**values, **({"check_mode": False} if "check_mode" in values else {})})

    monkeypatch.setattr(judging, "SimpleNamespace", namespace)
    return bundle(directory)


def test_no_secret_of_the_inventory_is_in_the_archive(files: dict[str, str]) -> None:
    everything = "\n".join(files.values())
    for text in TEXTS:
        assert text not in everything
        assert text.encode().hex() not in everything
        assert base64.b64encode(text.encode()).decode() not in everything


def test_the_archive_has_what_the_hosts_returned_and_names_the_others(files: dict[str, str]) -> None:
    assert {"README.txt", "plan.json", "status.txt", *(f"m1/{name}" for name in PARTS)} == {*files}
    assert "server m1 192.0.2.11:636" in files["m1/files/etc/haproxy/haproxy.cfg"]
    assert "Hosts: m1\n" in files["README.txt"]
    assert "Host without an answer: m2: timed out with (masked)" in files["README.txt"]
    assert "ansible-core: " in files["README.txt"]


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    found = bundle(tmp_path / "reports")
    assert not found["changed"]
    assert not (tmp_path / "reports").exists()
    assert {*found} - {"changed"} == documented("bundle_archive")["results"]
