# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lints the files that changed, and runs the unit tests that touch them.

Changed is what differs from BASE: the branch `main`, or, on `main` itself, the last commit. A test touches a file if it
names its module, or its path, or if it stands where the tests of that file belong.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNITS = ROOT / "tests/unit"


def read_git(*arguments: str) -> list[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def changed_files() -> list[str]:
    """The paths that differ from the base and still exist, new ones included."""
    base = os.environ.get("BASE") or ("HEAD" if read_git("branch", "--show-current") == ["main"] else "main")
    tracked = read_git("diff", "--name-only", "--diff-filter=d", *read_git("merge-base", base, "HEAD"))
    return sorted({*tracked, *read_git("ls-files", "--others", "--exclude-standard")})


def names_of(path: str) -> re.Pattern[str]:
    """How a test refers to a file: by its path, by its module, or as something imported from its package."""
    without_suffix = path.rsplit(".", 1)[0]
    package, _dot, stem = without_suffix.replace("/", ".").rpartition(".")
    forms = [re.escape(path)]
    if path.startswith("plugins/"):
        forms += [rf"{re.escape(package)}\.{stem}\b", rf"{re.escape(package)} import [^\n]*\b{stem}\b"]
    elif path.startswith("roles/"):
        forms += [rf"\b{re.escape(Path(path).name)}\b"]
    return re.compile("|".join(forms))


def touching_tests(paths: list[str]) -> list[str]:
    """The unit tests to run for the changed files."""
    tests = {path: path.read_text(encoding="utf-8") for path in UNITS.rglob("test_*.py")}
    found = {ROOT / path for path in paths if path.startswith("tests/unit/") and Path(path).name.startswith("test_")}
    for path in paths:
        names = names_of(path)
        found |= {test for test, text in tests.items() if names.search(text)}
        found |= {test for test in tests if test == UNITS / Path(path).parent / f"test_{Path(path).stem}.py"}
    if any(path.startswith("plugins/") for path in paths):
        found.add(UNITS / "plugins/test_architecture.py")
    if any(path.startswith(("playbooks/", "roles/")) and path.endswith(".yml") for path in paths):
        found.add(UNITS / "playbooks/test_rolling_plays.py")
    return sorted(str(test.relative_to(ROOT)) for test in found)


def main() -> int:
    paths = changed_files()
    if not paths:
        print("Nothing changed.")
        return 0
    python = [path for path in paths if path.endswith(".py")]
    yaml = [path for path in paths if path.endswith((".yml", ".yaml"))]
    ansible = [path for path in yaml if path.startswith(("roles/", "playbooks/"))]
    tests = touching_tests(paths)
    steps = [
        (python, ["ruff", "check", *python]),
        (python, ["ruff", "format", "--check", *python]),
        (
            any(path.startswith("plugins/") for path in python),
            ["mypy", "-p", "ansible_collections.distributed.tiers.plugins"],
        ),
        (yaml, ["yamllint", "--strict", *yaml]),
        (any(path.startswith("changelogs/") for path in yaml), ["antsibull-changelog", "lint"]),
        (paths, [sys.executable, ".ci/fragments.py"]),
        (ansible, ["ansible-lint", "-q", *ansible]),
        (tests, ["pytest", "-q", "--no-header", "-m", "not slow", *tests]),
    ]
    failed = []
    for due, command in steps:
        if due and subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(command[0])
    result = f"failed: {', '.join(failed)}" if failed else "passed"
    print(f"{len(paths)} changed files, {len(tests)} test files: {result}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
