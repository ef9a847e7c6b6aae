# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles include each other as docs/architecture.md draws it, and few files make up the restart of one server."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import MADE_IN_RUNS
from ansible_collections.distributed.tiers.tests.unit.slices import complete

REPOSITORY = Path(__file__).parents[3]
PAGE = REPOSITORY / "docs/architecture.md"
ROLES = sorted(path.parent.name for path in REPOSITORY.glob("roles/*/tasks"))
TIERS = ("master", "proxy", "parallel", "distributor", "backup")
# How names of roles that a template gives are filled in; a new template needs a line here.
TEMPLATED = {
    "distributed.tiers.{{ tiers_server.tier }}": TIERS,
    "distributed.tiers.{{ tiers_server.serves_as }}": TIERS[:-1],
    "{{ tiers_server.product_role }}": ("product",),
    "{{ tiers_client.product_role }}": ("product",),
    "{{ (tiers_server or tiers_client).product_role }}": ("product",),
}
INCLUDES = ("include_tasks", "import_tasks", "include_role", "import_role")
MOST_FILES = 7


class Include(NamedTuple):
    """The include of one task: a role and the name of its task file, which a template may give."""

    role: str
    file: str
    conditions: tuple[str, ...]


def tasks_of(found: Any, conditions: tuple[str, ...] = ()) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Each task below a play or task file, with the conditions of its blocks."""
    for part in found or []:
        when = part.get("when", [])
        held = (*conditions, *map(str, when if isinstance(when, list) else [when]))
        yield part, held
        for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from tasks_of(part.get(key), held)


def owner(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).parts
    return "playbooks" if parts[0] == "playbooks" else "product" if parts[1].startswith("product_") else parts[1]


def includes(path: Path) -> Iterator[Include]:
    """The includes of a playbook or task file."""
    for task, conditions in tasks_of(yaml.safe_load(path.read_text(encoding="utf-8"))):
        for key in INCLUDES:
            given = task.get(f"ansible.builtin.{key}")
            if given is None:
                continue
            if key.endswith("_tasks"):
                name = given if isinstance(given, str) else given["file"]
                yield Include(owner(path), str(name), conditions)
                continue
            roles = TEMPLATED.get(given["name"]) or (given["name"].removeprefix("distributed.tiers."),)
            for role in roles:
                assert role in (*ROLES, "product"), f"{path}: unknown role {role}"
                yield Include(role, str(given.get("tasks_from", "main")).removesuffix(".yml") + ".yml", conditions)


def files() -> list[Path]:
    playbooks = [
        path for path in REPOSITORY.glob("playbooks/**/*.yml") if path.parent.name not in ("vars", "meta", "templates")
    ]
    return sorted([*playbooks, *REPOSITORY.glob("roles/*/tasks/*.yml")])


def graph() -> dict[str, set[str]]:
    """Role -> the roles it includes; all product roles are one."""
    found: dict[str, set[str]] = {"playbooks": set()} | {owner(path): set() for path in files()}
    for path in files():
        found[owner(path)] |= {include.role for include in includes(path)} - {owner(path)}
    return found


def drawn() -> dict[str, set[str]]:
    """Role -> the roles it includes, as the page has it, those above first."""
    page = PAGE.read_text(encoding="utf-8")
    (drawing,) = (
        block for block in re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "failover" in block
    )
    return {
        name: set(knows.split(", ")) if knows else set()
        for names, knows in re.findall(r"^(\w[\w, ]*?)(?: +──► (.+))?$", drawing, re.MULTILINE)
        for name in names.split(", ")
    }


def test_the_drawing_is_what_the_includes_say() -> None:
    assert drawn() == graph()


def test_a_role_includes_only_roles_below_it() -> None:
    order = list(drawn())
    for name, knows in graph().items():
        assert [other for other in knows if order.index(other) <= order.index(name)] == [], name
    graphlib.TopologicalSorter(graph()).prepare()


# ---- One server's restart


def holds(condition: str, server: dict[str, Any]) -> bool:
    """Whether a condition may hold for this server. A condition that the slice does not decide may hold."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    parts = re.split(r"\band\b", condition) if " or " not in condition else [condition]
    for part in parts:
        try:
            if not environment.compile_expression(part.strip(), undefined_to_none=False)(tiers_server=server):
                return False
        except jinja2.exceptions.TemplateError:
            continue
    return True


def opened(path: Path, server: dict[str, Any], seen: set[Path]) -> set[Path]:
    """The files that one follows from a task file for this server."""
    # A product has only some of the task files of the contract.
    if path in seen or (not path.exists() and "product_openldap" in path.parts):
        return seen
    seen.add(path)
    if "product_openldap" in path.parts:
        return seen  # the contract says what it does
    for include in includes(path):
        if all(holds(condition, server) for condition in include.conditions):
            role = "product_openldap" if include.role == "product" else include.role
            opened(REPOSITORY / "roles" / role / "tasks" / include.file, server, seen)
    return seen


def restarted(tier: str, **given: Any) -> list[str]:
    server = {"tier": tier, "steps_aside_for": None, **complete({"serves_as": tier, **given})}
    start = REPOSITORY / "roles/server/tasks/restart.yml"
    return sorted(str(path.relative_to(REPOSITORY / "roles")) for path in opened(start, server, set()))


@pytest.mark.parametrize("tier", ["master", "proxy", "parallel"])
def test_few_files_make_up_the_restart_of_one_server(tier: str) -> None:
    found = restarted(tier)
    assert "product_openldap/tasks/check.yml" in found and "server/tasks/stop_traffic.yml" in found
    assert len(found) <= MOST_FILES, found


FAILOVER = {"server/tasks/refuse_clients.yml", "failover/tasks/install.yml", "failover/tasks/main.yml"}


@pytest.mark.parametrize(
    ("cold", "more"),
    [
        (False, FAILOVER),
        (True, {*FAILOVER, "failover/tasks/check_active.yml", "product_openldap/tasks/stop.yml"}),
    ],
)
def test_the_restart_of_an_active_standby_node_adds_only_its_failover(cold: bool, more: set[str]) -> None:
    pair = restarted("master", active_standby=True, leader_election=True, cold=cold)
    assert {*pair} - {*restarted("master")} == more


# ---- Names that cross files

PRIVATE = re.compile(r"\b__[a-z]\w*")


def made(path: Path) -> Iterator[str]:
    """Registers and facts with a private name that a task file makes."""
    for task, _conditions in tasks_of(yaml.safe_load(path.read_text(encoding="utf-8"))):
        yield from (name for name in (task.get("register"), *(task.get("ansible.builtin.set_fact") or {})) if name)


def test_no_private_register_or_fact_crosses_roles() -> None:
    """A variable that another role or a playbook reads is an output of the contract, with a public name."""
    makers: dict[str, set[str]] = {}
    for path in files():
        for name in made(path):
            if name.startswith("__"):
                makers.setdefault(name, set()).add(owner(path))
    crossing = []
    for path in [*files(), *REPOSITORY.glob("roles/*/vars/*.yml"), *REPOSITORY.glob("roles/*/templates/*")]:
        own = owner(path)
        for name in {*PRIVATE.findall(path.read_text(encoding="utf-8"))} & {*makers}:
            if own not in makers[name]:
                crossing.append(f"{path.relative_to(REPOSITORY)}: {name} of {', '.join(makers[name])}")
    assert crossing == []


def test_no_private_register_or_fact_crosses_the_files_of_a_role() -> None:
    """Those of a product role are its own matter, and playbooks share tasks."""
    makers: dict[str, set[Path]] = {}
    roles = [path for path in files() if owner(path) not in ("playbooks", "product")]
    for path in roles:
        for name in made(path):
            makers.setdefault(name, set()).add(path)
    crossing = []
    for path in roles:
        for name in {*PRIVATE.findall(path.read_text(encoding="utf-8"))} & {*makers}:
            if path not in makers[name]:
                crossing.append(f"{path.relative_to(REPOSITORY)}: {name}")
    assert crossing == []


def test_no_role_reads_a_private_variable_of_another() -> None:
    wrong = []
    for path in REPOSITORY.glob("roles/*/**/*"):
        if not path.is_file() or path.suffix == ".py":
            continue
        role = path.relative_to(REPOSITORY).parts[1]
        others = tuple(f"__{other}_" for other in ROLES if other != role)
        wrong += [f"{path}: {name}" for name in PRIVATE.findall(path.read_text("utf-8")) if name.startswith(others)]
    assert wrong == []


def test_no_private_variable_crosses_the_files_of_the_playbooks() -> None:
    """A variable that a shared file of tasks, a template or an action reads has a public name."""
    readers: dict[str, set[str]] = {}
    sources = [path for path in REPOSITORY.glob("playbooks/**/*") if path.is_file() and path.parent.name != "meta"]
    for path in [*sources, *REPOSITORY.glob("plugins/**/*.py")]:
        for name in {*re.findall(r"(?<![\w.])__[a-z]+_\w*[a-z](?!\w)", path.read_text(encoding="utf-8"))}:
            readers.setdefault(name, set()).add(str(path.relative_to(REPOSITORY)))
    names = {name for path in sources for name in PRIVATE.findall(path.read_text(encoding="utf-8"))}
    assert {name: sorted(readers[name]) for name in sorted(names & {*readers}) if len(readers[name]) > 1} == {}


def test_each_public_variable_of_shared_tasks_is_no_input_of_the_planner() -> None:
    """The planner reports other names as misspelt variables of the inventory."""
    tasks = [path for path in files() if path.is_relative_to(REPOSITORY / "playbooks/tasks")]
    public = {name for path in tasks for name in made(path) if name.startswith("tiers_")}
    assert public - MADE_IN_RUNS == set()
