# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make quick` runs the tests that touch a changed file, the closest first, and keeps to its time: .ci/quick.py."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CI = Path(__file__).parents[2] / ".ci"
PLANNER = "plugins/module_utils/planner"


@pytest.fixture(scope="module")
def quick() -> Any:
    spec = importlib.util.spec_from_file_location("quick", CI / "quick.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("changed", "first", "others"),
    [
        (f"{PLANNER}/handed.py", f"{PLANNER}/test_handed.py", ["test_language.py"]),
        # No test imports wiring.py: the tests of the plan do, which is made of it.
        (f"{PLANNER}/wiring.py", "", [f"{PLANNER}/test_plan.py"]),
        ("plugins/action/drain_check.py", "plugins/action/test_judging.py", ["plugins/test_architecture.py"]),
        # A helper of the tests names the template.
        ("roles/balancer/templates/haproxy.cfg.j2", "", ["roles/test_haproxy.py", "roles/test_includes.py"]),
        ("roles/failover/files/lease/lease.py", "", ["roles/test_lease.py"]),
        ("docs/concepts.md", "", ["docs/test_pages.py", "test_language.py"]),
        ("tests/unit/roles/test_names.py", "roles/test_names.py", []),
    ],
)
def test_tests_that_touch_a_file_are_chosen(quick: Any, changed: str, first: str, others: list[str]) -> None:
    chosen = [path.removeprefix("tests/unit/") for path in quick.touching_tests([changed])]
    assert not first or chosen[0] == first
    assert set(others) <= {*chosen}
    assert all((CI.parent / "tests/unit" / path).exists() for path in chosen)


def test_main_yml_of_a_role_chooses_no_test_of_other_roles(quick: Any) -> None:
    assert "tests/unit/roles/test_certificate_rotation.py" not in quick.touching_tests(
        ["roles/balancer/tasks/main.yml"]
    )


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of the tests in a folder, as `make quick` runs tests."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "budget", *options, folder],
        env=os.environ | {"PYTHONPATH": str(CI)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("seconds", "first", "second", "code", "words"),
    [
        (1, "time.sleep(1.2)", "assert False", 0, "Not run within 1 s: [12] of 2 tests"),
        (60, "pass", "pass", 0, "2 passed"),
        (60, "pass", "assert False", 1, "1 failed, 1 passed"),
        (1, "pass", "time.sleep(300)", 0, "Not run within 1 s: [12] of 2 tests"),
    ],
    ids=["begins too late", "passes", "fails", "lasts too long"],
)
def test_the_time_of_the_tests_is_limited(
    tmp_path: Path, seconds: int, first: str, second: str, code: int, words: str
) -> None:
    text = f"import time\ndef test_first():\n    {first}\ndef test_second():\n    {second}\n"
    (tmp_path / "test_two.py").write_text(text, encoding="utf-8")
    done = run_pytest(tmp_path, f"--seconds={seconds}")
    assert done.returncode == code, done.stdout
    assert re.search(words, done.stdout)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["b.md"], "2 passed, 1 deselected"),
        # The tests themselves changed.
        (["test_pages.py"], "3 passed"),
        ([], "3 passed"),
    ],
    ids=["a page", "the tests", "nothing is said"],
)
def test_a_test_of_one_file_runs_only_if_the_file_changed(tmp_path: Path, changed: list[str], words: str) -> None:
    pages = f"[pathlib.Path({str(tmp_path)!r}) / name for name in ('a.md', 'b.md')]"
    (tmp_path / "test_pages.py").write_text(
        "import pathlib, pytest\n"
        f"@pytest.mark.of_file\n@pytest.mark.parametrize('page', {pages}, ids=str)\ndef test_page(page): pass\n"
        "def test_all_pages(): pass\n",
        encoding="utf-8",
    )
    done = run_pytest(tmp_path, *(f"--changed={name}" for name in changed))
    assert words in done.stdout, done.stdout
