# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file, function, variable and task that the walks of docs/architecture.md name exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
WALKS = re.split(r"^### ", PAGE.split("\n## Walks\n")[1], flags=re.MULTILINE)[1:]
STEPS = [
    pytest.param(path, name, id=f"{walk.split()[-1]} {number}")
    for walk in WALKS
    for number, path, name in re.findall(r"^(\d+)\. `([^`]+)`, `([^`]+)`: ", walk, re.MULTILINE)
]


def defined_in(tree: ast.AST) -> set[str]:
    """The functions, classes and variables of a module."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


@pytest.mark.parametrize(("path", "name"), STEPS)
def test_a_step_names_what_is_there(path: str, name: str) -> None:
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    if path.endswith(".py"):
        assert name in defined_in(ast.parse(text))
    elif " " in name:
        assert re.search(rf"- name: \"?{re.escape(name)}\"?$", text, re.MULTILINE)
    else:
        assert re.search(rf"\b{re.escape(name)}\b", text)


def test_there_are_three_walks_and_each_step_is_checked() -> None:
    assert len(WALKS) == 3
    assert len(STEPS) == len(re.findall(r"^\d+\. ", "".join(WALKS), re.MULTILINE)) > 25
