# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every product role keeps the contract of docs/products.md, the one of docs/guides/product.md too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import KEYS, Product, parse_product
from ansible_collections.distributed.tiers.tests.unit.contract import PAGE, contract

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "tests/collections/ansible_collections"
ROLES = sorted(
    tasks.parent for tasks in (*ROOT.glob("roles/product_*/tasks"), *EXAMPLES.glob("example/*/roles/*/tasks"))
)
# What every entry point of a server needs is its slice of the plan; these serve clients.
FOR_CLIENTS = {"client": "tiers_client", "probe": None}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def product(role: Path) -> Product:
    parsed, problems = parse_product(role.name.removeprefix("product_"), read(role / "meta/product.yml"))
    assert not problems
    assert parsed is not None
    return parsed


def entry_points(role: Path) -> set[str]:
    """Those of the contract; a product that does not stop its own traffic needs none for that, nor one that does not
    elect needs one to switch over."""
    (balancing,) = read(role / "vars/balancing.yml").values()
    unused = set() if "drain" in balancing else {"drain", "undrain"}
    unused |= set() if product(role).election == "product" else {"switch_over"}
    unused |= set() if product(role).repository_port else {"rehearse_restore"}
    return contract(product(role).tiers) - unused


def arguments(paths: Iterable[Path], *actions: str) -> Iterator[dict[str, Any]]:
    """The arguments that the tasks in these files pass to these actions."""

    def search(part: Any) -> Iterator[dict[str, Any]]:
        if isinstance(part, dict):
            yield from (part[action] for action in actions if action in part)
            part = list(part.values())
        if isinstance(part, list):
            for item in part:
                yield from search(item)

    for path in paths:
        yield from search(read(path))


def called() -> set[str]:
    """The entry points of product roles that playbooks and other roles include."""
    files = {*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")} - {
        *ROOT.glob("roles/product_*/**/*.yml")
    }
    includes = arguments(files, "ansible.builtin.include_role", "ansible.builtin.import_role")
    names = {one["tasks_from"].removesuffix(".yml") for one in includes if "product_role" in one["name"]}
    return {name.replace("{{ tiers_server.serves_as }}", "<tier>") for name in names}


@pytest.fixture(params=ROLES, ids=lambda role: role.name)
def role(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_there_is_a_product() -> None:
    assert {"product_openldap", "product_postgresql", "product_service", "files"} <= {role.name for role in ROLES}


def test_an_operation_calls_each_entry_point_and_no_others() -> None:
    assert called() == contract(["<tier>"])


def test_every_task_file_is_there_and_does_something(role: Path) -> None:
    empty = [name for name in entry_points(role) if not read(role / f"tasks/{name}.yml")]
    assert empty == []


def test_a_role_describes_the_entry_points_and_no_others(role: Path) -> None:
    specs = read(role / "meta/argument_specs.yml")["argument_specs"]
    assert {*specs} == entry_points(role)
    assert [name for name, spec in specs.items() if not spec.get("description")] == []


def test_outputs_are_public(role: Path) -> None:
    """A variable that a playbook or another role reads has no leading underscore."""
    facts = {name for given in arguments(role.glob("tasks/*.yml"), "ansible.builtin.set_fact") for name in given}
    assert {name for name in facts if not name.startswith(("tiers_", f"__{role.name}"))} == set()


def test_entry_points_demand_their_slice_of_the_plan(role: Path) -> None:
    specs = read(role / "meta/argument_specs.yml")["argument_specs"]
    for name in entry_points(role):
        needed = FOR_CLIENTS.get(name, "tiers_server")
        assert needed is None or specs[name]["options"][needed]["required"] is True, name


def test_secrets_are_never_shown_and_have_no_default(role: Path) -> None:
    specs = read(role / "meta/argument_specs.yml")["argument_specs"]
    defaults = read(role / "defaults/main.yml")
    for secret in product(role).secrets:
        assert secret not in defaults
        described = [spec["options"][secret] for spec in specs.values() if secret in spec["options"]]
        assert described
        assert all(option["no_log"] and option["required"] for option in described)


def test_the_abilities_of_the_product_fit_its_tiers(role: Path) -> None:
    known = product(role)
    assert known.name == role.name.removeprefix("product_")
    assert known.tiers
    assert set(known.redundancy) <= set(known.tiers)
    assert set(known.upgrade_order) == {*known.tiers, *(["backup"] if any(known.redundancy.values()) else [])}


def test_configuring_only_tells_that_a_restart_is_needed(role: Path) -> None:
    """A rolling play drains before it restarts: no configure_* may do it by itself, nor by a handler."""
    assert not list(role.glob("handlers/*"))
    files = [*role.glob("tasks/configure*.yml")]
    assert "tiers_restart_needed" in {name for given in arguments(files, "ansible.builtin.set_fact") for name in given}
    units = [f"ansible.builtin.{action}" for action in ("service", "systemd", "systemd_service")]
    assert [*arguments(files, *units, "distributed.tiers.tier_unit", "notify")] == []


def test_a_failed_health_check_is_never_ignored(role: Path) -> None:
    assert [*arguments([role / "tasks/check.yml"], "ignore_errors")] == []


def test_variables_bear_the_name_of_the_role(role: Path) -> None:
    strange = [name for name in read(role / "defaults/main.yml") if not name.startswith(f"{role.name}_")]
    assert strange == []


def test_every_variable_is_explained(role: Path) -> None:
    readme = (role / "README.md").read_text()
    assert [name for name in read(role / "defaults/main.yml") if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("name", [role.name for role in ROLES if role.is_relative_to(ROOT / "roles")])
def test_the_directories_of_the_data_are_named(name: str) -> None:
    """`status` reports how full they are, and a master that cannot write there reports that itself."""
    assert read(ROOT / "roles" / name / "vars/probe.yml")["tiers_watchdog_paths"]


def test_every_entry_point_of_the_roles_of_this_collection_is_explained() -> None:
    missing = {
        role.name: [name for name in sorted(entry_points(role)) if f"`{name}`" not in (role / "README.md").read_text()]
        for role in ROLES
        if ROOT / "roles" in role.parents
    }
    assert len(missing) > 2
    assert {name: entries for name, entries in missing.items() if entries} == {}


def test_the_page_about_products_names_all_of_product_yml() -> None:
    page = PAGE.read_text()
    assert [key for key in KEYS if f"`{key}`" not in page] == []
