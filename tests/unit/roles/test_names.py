# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that puts the names of the servers back into /etc/hosts."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/host/files/names.py"
BLOCK = "# BEGIN tiers of demo\n10.0.0.1 m1.tiers m1\n# END tiers of demo\n"


@pytest.fixture(name="names")
def load() -> ModuleType:
    spec = util.spec_from_file_location("names", PROGRAM)
    assert spec and spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(block: Path, hosts: Path) -> str:
    words = [sys.executable, str(PROGRAM), str(block), str(hosts)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("127.0.0.1 localhost\n", f"127.0.0.1 localhost\n{BLOCK}"),
        ("", BLOCK),
        (f"127.0.0.1 localhost\n{BLOCK}::1 localhost\n", f"127.0.0.1 localhost\n{BLOCK}::1 localhost\n"),
        (f"a\n{BLOCK.replace('10.0.0.1', '10.0.0.9')}b\n", f"a\n{BLOCK}b\n"),
        ("a\n# BEGIN tiers of demo\nb\n", f"a\nb\n{BLOCK}"),
        ("# END tiers of demo\n# BEGIN tiers of demo\n", BLOCK),
    ],
)
def test_the_block_is_put_where_it_was_or_at_the_end(names: ModuleType, before: str, after: str) -> None:
    assert names.put_back(BLOCK, before) == after
    assert names.put_back(BLOCK, after) == after


def test_a_file_that_has_the_names_is_not_written(tmp_path: Path) -> None:
    block, hosts = tmp_path / "block", tmp_path / "hosts"
    block.write_text(BLOCK)
    hosts.write_text("127.0.0.1 localhost\n")
    hosts.chmod(0o640)
    assert "they are back" in run(block, hosts)
    assert hosts.read_text().endswith(BLOCK)
    assert hosts.stat().st_mode & 0o777 == 0o640
    inode = hosts.stat().st_ino
    assert run(block, hosts) == ""
    assert hosts.stat().st_ino == inode
    assert sorted(os.listdir(tmp_path)) == ["block", "hosts"]


def test_a_file_that_is_a_mount_is_written_in_place(
    names: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "busy")

    hosts = tmp_path / "hosts"
    hosts.write_text("before")
    inode = hosts.stat().st_ino
    monkeypatch.setattr(names.os, "replace", busy)
    names.write(str(hosts), BLOCK)
    assert (hosts.read_text(), hosts.stat().st_ino) == (BLOCK, inode)
    assert os.listdir(tmp_path) == ["hosts"]
