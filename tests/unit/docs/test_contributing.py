# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of CONTRIBUTING.md work: applied to a copy of the tree, their commands print what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
# A block of code, with the sentence above that says where it goes
STEP = re.compile(
    r"^(?P<verb>Create|Append to|In) `(?P<path>[^`]+)`(?:, below `(?P<anchor>[^`]+)`)?[^\n]*:\n\n"
    r"```\w+\n(?P<code>.*?)```"
    r"|^```console\n(?P<commands>.*?)```\n\n```text\n(?P<printed>.*?)```",
    re.DOTALL | re.MULTILINE,
)
SECTIONS = re.split(r"^## ", (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
EXAMPLES = [section for section in SECTIONS if section.startswith("Add a")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository that Ansible finds as the collection. The examples build on each other."""
    place = tmp_path_factory.mktemp("copy")
    done = subprocess.run([REPOSITORY / ".ci/copy", place], check=True, capture_output=True, text=True)
    tree = Path(done.stdout.strip())
    link = tree / ".cache/collections/ansible_collections/distributed/tiers"
    link.parent.mkdir(parents=True)
    link.symlink_to(tree)
    return tree


def edit(tree: Path, verb: str, path: str, anchor: str | None, code: str) -> None:
    """Put code where the sentence says."""
    file = tree / path
    if verb == "Create":
        assert not file.exists(), f"{path} is there already"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code, encoding="utf-8")
        return
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    places = [number for number, line in enumerate(lines, 1) if anchor in line] if anchor else [len(lines)]
    assert len(places) == 1, f"{path}: {len(places)} lines have {anchor}"
    file.write_text("".join([*lines[: places[0]], code, *lines[places[0] :]]), encoding="utf-8")


def run(tree: Path, command: str) -> str:
    """The output of a command in the copy."""
    environment = {
        **os.environ,
        # Contributors work in the development environment, whichever ansible-core runs the tests.
        "PATH": f"{REPOSITORY / '.venv/bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(tree / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(tree / ".cache/collections"),
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tree,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def has_line(printed: str, line: str) -> bool:
    """Whether a line is printed; an ellipsis stands for any text."""
    pattern = re.compile(".*".join(re.escape(part.strip()) for part in line.split("…")))
    return any(pattern.fullmatch(each.strip()) for each in printed.splitlines())


@pytest.mark.parametrize("section", EXAMPLES, ids=lambda section: section.split("\n", 1)[0])
def test_the_example_works(copy: Path, section: str) -> None:
    steps = list(STEP.finditer(section))
    assert [step for step in steps if step["code"]]
    assert [step for step in steps if step["commands"]]
    for step in steps:
        if step["code"]:
            edit(copy, step["verb"], step["path"], step["anchor"], step["code"])
            continue
        printed = "".join(run(copy, command) for command in step["commands"].splitlines())
        for line in step["printed"].splitlines():
            assert has_line(printed, line), f"{line!r} is not in:\n{printed}"


def test_the_four_examples_are_there() -> None:
    titles = [section.split("\n", 1)[0] for section in EXAMPLES]
    assert titles == ["Add a rule", "Add a variable", "Add a product", "Add an operation"]
