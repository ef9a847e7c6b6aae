# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test hosts compile a source from an archive once, and never take what was another source."""

from __future__ import annotations

import importlib.util
import zipfile
import zipimport
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[4] / "molecule/shared/image/root/usr/lib/python3/dist-packages/testhost_compiled.py"


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # Put back afterwards what the module replaces
    monkeypatch.setattr(zipimport, "_compile_source", zipimport._compile_source)
    spec = importlib.util.spec_from_file_location("testhost_compiled", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "kept").mkdir()
    monkeypatch.setattr(module, "PLACE", str(tmp_path / "kept"))
    return module


def answer(archive: Path, source: str) -> int:
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("asked.py", source)
    module = importlib.util.module_from_spec(zipimport.zipimporter(str(archive)).find_spec("asked"))
    module.__spec__.loader.exec_module(module)
    return module.ANSWER


def test_the_same_source_is_compiled_once(compiled, tmp_path, monkeypatch):
    assert answer(tmp_path / "first.zip", "ANSWER = 1\n") == 1
    with monkeypatch.context() as broken:
        broken.setattr(compiled, "compile_source", None)
        assert answer(tmp_path / "second.zip", "ANSWER = 1\n") == 1
    assert answer(tmp_path / "third.zip", "ANSWER = 2\n") == 2


def test_a_user_without_write_permission_compiles_without_saving(compiled, tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "PLACE", str(tmp_path / "nowhere"))
    assert answer(tmp_path / "first.zip", "ANSWER = 1\n") == 1
