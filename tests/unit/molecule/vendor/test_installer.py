# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The installer of the scenario `vendor` behaves as the scenario relies on."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def package() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_package", ROOT / "molecule/vendor/package/make.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def install(package: ModuleType, directory: Path, version: str, **answers: str) -> str:
    """Run an installer; gives the result file."""
    script = directory / "install.sh"
    script.write_bytes(package.installer(version))
    given = {"InstallPath": str(directory / "gauge"), "License": "accepted", "Bits": "64"} | answers
    (directory / "answers").write_text(
        "[Gauge]\n" + "".join(f"{key}={value}\n" for key, value in given.items()), encoding="utf-8"
    )
    command = ["sh", str(script), "-s", "-fr", str(directory / "answers"), "-fl", str(directory / "result")]
    subprocess.run(command, check=True, timeout=20)
    return (directory / "result").read_text(encoding="utf-8")


def test_the_inventory_has_the_checksums(package: ModuleType) -> None:
    path = ROOT / "inventories/vendor/group_vars/all/system.yml"
    checksums = yaml.safe_load(path.read_text(encoding="utf-8"))["gauge_checksums"]
    files = {version: f"gauge-{version}.{'sh' if version < '3' else 'tar'}" for version in checksums}
    made = {version: f"sha256:{hashlib.sha256(package.shipped(file)).hexdigest()}" for version, file in files.items()}
    assert checksums == made


def test_it_installs_silently(package: ModuleType, tmp_path: Path) -> None:
    assert "ResultCode=0\n" in install(package, tmp_path, "1.0")
    assert (tmp_path / "gauge/VERSION").read_text(encoding="utf-8") == "1.0\n"
    assert 'VERSION = "1.0"' in (tmp_path / "gauge/bin/gauged").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"InstallPath": "gauge"}, 110),
        ({"InstallPath": "/tmp/../gauge"}, 110),
        ({"License": "no"}, 120),
        ({"Bits": "32"}, 130),
    ],
)
def test_it_refuses_wrong_answers_and_ends_with_zero(
    package: ModuleType, tmp_path: Path, answer: dict[str, str], code: int
) -> None:
    assert f"ResultCode={code}\n" in install(package, tmp_path, "1.0", **answer)
    assert not (tmp_path / "gauge").exists()


def test_it_moves_away_what_it_finds(package: ModuleType, tmp_path: Path) -> None:
    install(package, tmp_path, "1.0")
    install(package, tmp_path, "2.0")
    (saved,) = (tmp_path / "gauge").glob("backup_*")
    assert (saved / "VERSION").read_text(encoding="utf-8") == "1.0\n"
    assert (tmp_path / "gauge/VERSION").read_text(encoding="utf-8") == "2.0\n"
