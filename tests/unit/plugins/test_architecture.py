# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rooms of plugins know each other as docs/architecture.md draws it, and the planner neither reads nor writes."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
PLUGINS = REPOSITORY / "plugins"
ROOMS = PLUGINS / "module_utils"
PAGE = REPOSITORY / "docs/architecture.md"
FILES = sorted(PLUGINS.rglob("*.py"))
PACKAGE = "ansible_collections.distributed.tiers.plugins"
DRAWING = re.compile(r"^(\w[\w, ]*?)(?: +──► (.+))?$", re.MULTILINE)

# Rooms that only compute, and what would do more than that.
PURE = ("monitoring", "planner", "reporting", "services", "verification", "text")
IMPURE_MODULES = {
    *("os", "shutil", "pathlib", "tempfile", "io", "subprocess", "socket", "ssl", "urllib", "http", "logging"),
    *("threading", "concurrent", "asyncio", "random", "secrets", "time", "uuid"),
}
IMPURE_CALLS = {"open", "print", "input", "now", "today"}


def room(file: Path) -> str:
    """The directory of a plugin; below module_utils the one there."""
    parts = file.relative_to(PLUGINS).with_suffix("").parts
    return parts[1] if parts[0] == "module_utils" else parts[0]


def imported(file: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} imports relatively, which Ansible's loaders follow only in part"
            yield from (name if source(name := f"{node.module}.{alias.name}") else node.module for alias in node.names)


def source(module: str) -> Path | None:
    """The file of a module of the plugins."""
    if not module.startswith(f"{PACKAGE}."):
        return None
    place = PLUGINS.joinpath(*module.removeprefix(f"{PACKAGE}.").split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def known(file: Path) -> set[Path]:
    """Files of the plugins that a file imports."""
    return {found for module in imported(file) if (found := source(module)) and found != file}


def drawn() -> dict[str, set[str]]:
    """Room -> the rooms it knows, as the documentation has it, those above first."""
    page = PAGE.read_text(encoding="utf-8")
    (drawing,) = (
        block for block in re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "plugin_utils" in block
    )
    return {
        name: set(knows.split(", ")) if knows else set()
        for names, knows in DRAWING.findall(drawing)
        for name in names.split(", ")
    }


def test_the_drawing_is_what_the_imports_say() -> None:
    actual: dict[str, set[str]] = {}
    for file in FILES:
        actual.setdefault(room(file), set()).update({room(other) for other in known(file)} - {room(file)})
    assert drawn() == actual


def test_every_place_it_sends_to_is_there() -> None:
    places = re.findall(r"`([a-z][a-z_]*/[a-z_./]*)`", PAGE.read_text(encoding="utf-8"))
    assert len(places) > 10
    assert [name for name in places if not any((top / name).exists() for top in (REPOSITORY, ROOMS))] == []


def test_a_room_knows_only_rooms_below_it() -> None:
    order = list(drawn())
    for name, knows in drawn().items():
        assert all(order.index(other) > order.index(name) for other in knows), name


def test_rules_ask_the_planner_and_no_part_of_the_plan_asks_a_rule() -> None:
    rules = ROOMS / "planner/rules"
    themes = {file for file in rules.glob("*.py") if file.name not in ("__init__.py", "registry.py")}
    others = [file for file in FILES if rules not in file.parents]
    assert {
        file.name: sorted(other.name for other in known(file) & themes) for file in others if known(file) & themes
    } == {}


def test_no_file_needs_one_that_needs_it() -> None:
    graphlib.TopologicalSorter({file: known(file) for file in FILES}).prepare()


@pytest.mark.parametrize("file", [f for f in FILES if room(f) in PURE], ids=lambda f: str(f.relative_to(PLUGINS)))
def test_a_room_that_computes_does_nothing_else(file: Path) -> None:
    assert not {module.split(".")[0] for module in imported(file)} & IMPURE_MODULES
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute))
    }
    assert not called & IMPURE_CALLS


def test_every_filter_of_a_playbook_or_role_exists() -> None:
    sources = [
        path for room in ("playbooks", "roles", "molecule", "inventories") for path in (REPOSITORY / room).rglob("*")
    ]
    texts = [path.read_text(encoding="utf-8") for path in sources if path.suffix in (".yml", ".j2")]
    used = {name for text in texts for name in re.findall(r"\|\s*distributed\.tiers\.(\w+)", text)}
    assert "plan_edges" in used
    assert used <= {path.stem for path in (PLUGINS / "filter").glob("*.py")}
