# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No two types, modules or entry points of the collection share a name (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PLUGINS = REPOSITORY / "plugins"
SOURCES = [path for path in sorted(PLUGINS.rglob("*.py")) if path.name != "__init__.py"]
PROGRAMS = sorted(REPOSITORY.glob("roles/*/files/*.py"))
# Each file here is a plugin, and its name is what playbooks call.
KINDS = ("action", "modules", "filter", "lookup")

# Ansible finds a plugin by the name of its class.
ALLOWED_TYPES = {"ActionModule", "FilterModule", "LookupModule", "ModuleDocFragment"}
ALLOWED_MODULES = {
    "inventory": "rules/inventory.py judges what plugin_utils/inventory.py reads",
    "topology": "the filter plans the topology that planner/topology.py reads",
    "upstreams": "rules/upstreams.py judges what planner/upstreams.py computes",
}
ALLOWED_ENTRY_POINTS = {
    "awx": "the playbook applies the role",
}


def shared_names(named: Iterable[tuple[str, Path]]) -> dict[str, list[str]]:
    """The names that more than one file gives."""
    places: dict[str, set[str]] = defaultdict(set)
    for name, path in named:
        places[name].add(str(path.relative_to(REPOSITORY)))
    return {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}


def is_type_name(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def types(path: Path) -> Iterator[tuple[str, Path]]:
    """Classes and aliases of types at the top of a file; a leading underscore makes no other name."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.ClassDef):
            yield node.name.strip("_"), path
        elif isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and is_type_name(name := target.id.strip("_")):
                yield name, path


def is_plugin(path: Path) -> bool:
    return path.parent.parent == PLUGINS and path.parent.name in KINDS


def opens(plugin: Path, module: Path) -> bool:
    """Whether a plugin is the way into a module of its name: it imports it. An action runs its own module."""
    if is_plugin(module):
        return {plugin.parent.name, module.parent.name} == {"action", "modules"}
    name = ".".join(module.relative_to(PLUGINS).with_suffix("").parts)
    return f".plugins.{name} import" in plugin.read_text(encoding="utf-8")


def test_no_two_types_share_a_name() -> None:
    found = shared_names(named for path in SOURCES for named in types(path))
    assert {name: paths for name, paths in found.items() if name not in ALLOWED_TYPES} == {}


def test_no_two_modules_share_a_name() -> None:
    found = shared_names((path.stem, path) for path in [*SOURCES, *PROGRAMS])
    unexplained = {}
    for name, paths in found.items():
        plugins = [path for path in map(REPOSITORY.joinpath, paths) if is_plugin(path)]
        others = [path for path in map(REPOSITORY.joinpath, paths) if not is_plugin(path)]
        of_plugins = all(opens(plugins[0], path) for path in [*plugins[1:], *others]) if plugins else not others[1:]
        if not of_plugins and name not in ALLOWED_MODULES:
            unexplained[name] = paths
    assert unexplained == {}


def test_no_two_entry_points_share_a_name() -> None:
    roles = [(path.parents[1].name, path) for path in REPOSITORY.glob("roles/*/tasks/main.yml")]
    playbooks = [(path.stem, path) for path in REPOSITORY.glob("playbooks/*.yml")]
    plugins = [(path.stem, path) for path in SOURCES if is_plugin(path) and path.parent.name != "action"]
    found = shared_names([*roles, *playbooks, *plugins])
    assert {name: paths for name, paths in found.items() if name not in ALLOWED_ENTRY_POINTS} == {}


def test_every_exception_is_needed() -> None:
    """A name that no longer has two owners leaves the lists above."""
    owners = shared_names((path.stem, path) for path in [*SOURCES, *PROGRAMS])
    assert set(ALLOWED_MODULES) <= set(owners)
    assert set(ALLOWED_TYPES) <= set(shared_names(named for path in SOURCES for named in types(path)))
