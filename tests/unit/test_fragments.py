# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that users can see needs a changelog fragment or a reason: .ci/fragments.py."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHECK = Path(__file__).parents[2] / ".ci/fragments.py"


@pytest.fixture
def missing_fragment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commit files with a message on a branch of an empty repository, and check the branch."""
    spec = importlib.util.spec_from_file_location("fragments", CHECK)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("BASE", raising=False)

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("commit", "--allow-empty", "--message=Begin")
    git("switch", "--create", "change")

    def check(*commits: tuple[str, str]) -> str:
        for path, message in commits:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(message, encoding="utf-8")
            git("add", "--all")
            git("commit", "--message", message)
        found: str = module.missing_fragment(tmp_path)
        return found

    return check


@pytest.mark.parametrize("path", ["plugins/filter/x.py", "roles/host/tasks/main.yml", "playbooks/deploy.yml"])
def test_a_change_without_a_fragment_is_refused(missing_fragment: Any, path: str) -> None:
    assert missing_fragment((path, "roles: change something")).startswith(f"{path} changed since ")


def test_a_fragment_anywhere_in_the_range_is_enough(missing_fragment: Any) -> None:
    fragment = ("changelogs/fragments/roles-x.yml", "changelog: say it")
    assert missing_fragment(fragment, ("roles/host/tasks/main.yml", "roles: change something")) == ""


def test_a_reason_in_the_body_is_enough(missing_fragment: Any) -> None:
    message = "roles: rename a task\n\nNo changelog: users do not see task files."
    assert missing_fragment(("roles/host/tasks/main.yml", message)) == ""


def test_a_reason_must_be_given(missing_fragment: Any) -> None:
    assert missing_fragment(("roles/host/tasks/main.yml", "roles: rename a task\n\nNo changelog:"))


def test_pages_and_tests_need_no_fragment(missing_fragment: Any) -> None:
    assert missing_fragment(("docs/start.md", "docs: write"), ("tests/unit/test_x.py", "tests: add")) == ""
