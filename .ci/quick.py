# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint the files that changed, and run the unit tests that touch them, in less than half a minute.

Changed is what differs from BASE: the branch `main`, or, on `main` itself, the last commit. A test touches a file if it
names or imports the file or a helper that does. The closest tests run first; none begins after SECONDS (budget.py).
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNITS = "tests/unit"
SECONDS = 15
COLLECTION = "ansible_collections.distributed.tiers."
# Tests that read all files of a kind
HOUSE = {
    r"plugins/.*\.py|roles/.*\.py": ["test_language.py", "test_unique_names.py", "plugins/test_architecture.py"],
    r"tests/.*\.py": ["test_language.py"],
    r"(roles|playbooks)/.*": ["test_language.py", "roles/test_includes.py"],
    r"roles/product_.*": ["roles/test_product_contract.py"],
    r"playbooks/.*": ["playbooks/test_operations.py"],
    r"(roles|playbooks)/.*\.yml": ["playbooks/test_rolling_plays.py"],
    r".*\.md": ["test_language.py", "docs/test_pages.py", "docs/test_generated.py"],
    r"docs/[^/]*\.py": ["docs/test_generated.py"],
}


def read_git(*arguments: str) -> list[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def changed_files() -> list[str]:
    """The paths that differ from the base and still exist, new ones included."""
    base = os.environ.get("BASE") or ("HEAD" if read_git("branch", "--show-current") == ["main"] else "main")
    tracked = read_git("diff", "--name-only", "--diff-filter=d", *read_git("merge-base", base, "HEAD"))
    return sorted({*tracked, *read_git("ls-files", "--others", "--exclude-standard")})


@cache
def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def python_files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py"))


@cache
def imports_of(path: str) -> frozenset[str]:
    """The paths of this repository that a Python file imports, as far as it has them."""
    found = set()
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(COLLECTION):
            module = str(node.module).removeprefix(COLLECTION).replace(".", "/")
            found |= {f"{module}.py", *(f"{module}/{name.name}.py" for name in node.names)}
    return frozenset(found)


@cache
def naming(path: str) -> re.Pattern[str]:
    """The words by which a test names a file that it does not import."""
    file = Path(path)
    words = [re.escape(path)]
    if path.startswith("roles/"):
        words.append(re.escape(path.removeprefix("roles/")))
        if file.stem not in ("main", "argument_specs", "README", "check", "remove"):
            words.append(rf"\b{re.escape(file.name)}\b")
    elif re.match(r"plugins/(action|modules|filter|lookup)/", path):
        words.append(rf"(?:\"|tiers\.){file.stem}\b")
    elif path.startswith("playbooks/"):
        words.append(rf"tiers\.{file.stem}\b|run\(\"{file.stem}\"")
    return re.compile("|".join(words))


def users_of(paths: Iterable[str], files: Collection[str]) -> set[str]:
    """Those of the files that import or name one of these paths."""
    return {
        file
        for file in files
        for path in paths
        if path != file
        and Path(path).stem in read(file)
        and (naming(path).search(read(file)) or path in imports_of(file))
    }


def tests_of(path: str) -> set[str]:
    """The unit tests that touch a file; for a module that no test names, those of the modules that import it."""
    units = python_files(UNITS)
    helpers = [file for file in units if not Path(file).name.startswith("test_")]
    tests = [file for file in units if file not in helpers]
    found, seen, subjects = set(), {path}, {path}
    mirrors = {f"{UNITS}/{folder}/test_{Path(path).stem}.py" for folder in (Path(path).parent, path.split("/")[0])}
    while subjects and not found:
        used = users_of(subjects, helpers) if subjects == {path} else set()
        found = users_of(subjects | used, tests) | (mirrors & set(tests))
        subjects = users_of(subjects, python_files("plugins")) - seen if path.startswith("plugins/") else set()
        seen |= subjects
    return found


def touching_tests(paths: Iterable[str]) -> list[str]:
    """The unit tests to run for the changed files, the closest first."""
    order: dict[str, int] = {}

    def add(test: str, distance: int) -> None:
        order[test] = min(order.get(test, distance), distance)

    for path in paths:
        if path.startswith(UNITS) and Path(path).name.startswith("test_") and path.endswith(".py"):
            add(path, 0)
        for test in tests_of(path):
            add(test, 1 if Path(test).parent == Path(UNITS) / Path(path).parent else 3)
        for pattern, tests in HOUSE.items():
            if re.fullmatch(pattern, path):
                for test in tests:
                    add(f"{UNITS}/{test}", 4 if "rolling" in test else 2)
    return sorted(order, key=lambda test: (order[test], test))


def lint(paths: list[str]) -> list[tuple[str, str]]:
    """The linters that are due and failed, with their output."""
    python = [path for path in paths if path.endswith(".py")]
    yaml = [path for path in paths if path.endswith((".yml", ".yaml"))]
    ansible = [path for path in yaml if path.startswith(("roles/", "playbooks/"))]
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
    ]
    failed = []
    for due, command in steps:
        if due:
            done = subprocess.run(
                command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            if done.returncode:
                failed.append((Path(command[-1 if command[0] == sys.executable else 0]).name, done.stdout))
    return failed


def main() -> int:
    paths = changed_files()
    if not paths:
        print("Nothing changed.")
        return 0
    tests = touching_tests(paths)
    limits = [f"--seconds={SECONDS}", *(f"--changed={path}" for path in paths)]
    pytest = ["pytest", "-q", "--no-header", "-m", "not slow", "-p", "budget", *limits, *tests]
    with ThreadPoolExecutor() as pool:
        linted = pool.submit(lint, paths)
        environment = os.environ | {"PYTHONPATH": str(ROOT / ".ci")}
        tested = subprocess.run(pytest, cwd=ROOT, check=False, env=environment).returncode if tests else 0
    for _name, output in linted.result():
        print(output)
    failed = [name for name, _output in linted.result()] + (["pytest"] if tested else [])
    result = f"failed: {', '.join(failed)}" if failed else "passed"
    print(f"{len(paths)} changed files, {len(tests)} test files: {result}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
