# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product of docs/guides/product.md, in a collection of its own: it builds, installs, and is planned with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
OURS = REPOSITORY / ".cache/collections"
WEB = REPOSITORY / "tests/collections/ansible_collections/example/web"
INVENTORY = REPOSITORY / "tests/collections/inventory/hosts.yml"


def run(place: Path, command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name(command), *arguments],
        cwd=place,
        env={**os.environ, "ANSIBLE_CONFIG": "", "ANSIBLE_COLLECTIONS_PATH": f"{place / 'installed'}:{OURS}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the collection built from a copy and installed."""
    place = tmp_path_factory.mktemp("user")
    shutil.copytree(WEB, place / "web")
    built = run(place, "ansible-galaxy", "collection", "build", "web")
    assert built.returncode == 0, built.stderr
    archive = "example-web-1.0.0.tar.gz"
    options = ("--offline", "--no-deps", "--collections-path", "installed")
    done = run(place, "ansible-galaxy", "collection", "install", *options, archive)
    assert done.returncode == 0, done.stderr
    return place


def test_it_is_planned_with(place: Path) -> None:
    done = run(place, "ansible-playbook", "distributed.tiers.validate", "-i", INVENTORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"px1 +proxy +192\.0\.2\.11:8443", done.stdout)
    assert "warning(s)" not in done.stdout


def test_unsupported_settings_are_findings(place: Path) -> None:
    done = run(place, "ansible-playbook", "distributed.tiers.validate", "-i", INVENTORY, "-e", "tiers_redundancy=cold")
    assert done.returncode != 0
    assert "ERROR redundancy-supported [m2 tiers_redundancy]" in done.stdout + done.stderr


def test_the_guide_shows_what_is_there() -> None:
    guide = (REPOSITORY / "docs/guides/product.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    written = yaml.safe_load((WEB / "roles/files/meta/product.yml").read_text(encoding="utf-8"))
    assert yaml.safe_load(shown) == {key: value for key, value in written.items() if key != "notes"}
    tree = re.findall(r"^    ([\w/.]+\.(?:yml|j2))\b", guide, re.MULTILINE)
    assert tree
    assert [name for name in tree if not (WEB / "roles/files" / name).exists()] == []
