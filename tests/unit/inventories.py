# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories for tests: YAML laid over the example of the rules, read by Ansible itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome, make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Product, parse_product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import EXAMPLE
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.plugin_utils import inventory
from ansible_collections.distributed.tiers.plugins.plugin_utils.reading import Reading, known

REMOVE = object()
SIMPLE = {
    "name": "simple",
    "port": 700,
    "protocol": "tcp",
    "tiers": ["master"],
    "redundancy": {"master": ["cold"]},
    "active": "one",
}
# Products of collections that exist only in the examples of rules.
PRODUCTS: dict[str, Any] = {
    "example.simple.product": SIMPLE,
    "example.other.product": {**SIMPLE, "name": "other"},
    "example.stateless.product": {**SIMPLE, "name": "stateless", "stateful": False},
    "example.broken.product": {"port": "x"},
    "example.voting.product": {
        **SIMPLE,
        "tiers": ["master", "proxy", "parallel"],
        "redundancy": {"master": ["hot"], "parallel": ["hot"]},
        "votes": ["parallel"],
    },
}
installed_product = inventory.load_product


class _Loader(yaml.SafeLoader):
    """YAML in which `!remove` takes an entry of the example out."""


_Loader.add_constructor("!remove", lambda _loader, _node: REMOVE)


def laid_over(base: Any, patch: Any) -> Any:
    """The base, with what the patch says in its place."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return base if patch is None and isinstance(base, dict) else patch
    merged = dict(base)
    for key, value in patch.items():
        merged[key] = laid_over(merged.get(key), value) if key in merged else value
    return {key: value for key, value in merged.items() if value is not REMOVE}


ADDRESSES = {
    name: {"192.0.2." + end}
    for name, end in (
        ("m1", "1"),
        ("m2", "2"),
        ("px1", "11"),
        ("px2", "12"),
        ("p1", "21"),
        ("p2", "22"),
        ("d1", "31"),
        ("d2", "32"),
    )
}


def addresses_of(name: str) -> set[str]:
    """The addresses of a name as DNS would answer: servers of the example are under right.example."""
    server, _dot, domain = name.partition(".")
    return ADDRESSES[server] if domain == "right.example" else set()


def load_product(name: str) -> tuple[Product | None, list[str]]:
    return parse_product(name, PRODUCTS[name]) if name in PRODUCTS else installed_product(name)


@pytest.fixture(scope="session")
def inventory_text() -> Callable[..., str]:
    """The example with patches laid over it, as YAML."""

    def text(*patches: str) -> str:
        data = yaml.safe_load(EXAMPLE)
        for patch in patches:
            data = laid_over(data, yaml.load(patch, _Loader) or {})
        return yaml.safe_dump(data)

    return text


@pytest.fixture(scope="session")
def read(inventory_text: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Topology]:
    """Reads the example with patches, or the inventory at a path, through Ansible's own inventory and templating."""
    directory = tmp_path_factory.mktemp("inventories")

    def read_patched(
        *patches: str,
        facts: dict[str, Any] | None = None,
        path: Path | None = None,
        more: Iterable[Path] = (),
        plan: Any = None,
        part: bool = False,
    ) -> Topology:
        source = path or directory / "hosts.yml"
        if path is None:
            source.write_text(inventory_text(*patches), encoding="utf-8")
        loader = DataLoader()
        hosts = InventoryManager(loader=loader, sources=[str(source), *map(str, more)])
        manager = VariableManager(loader=loader, inventory=hosts)
        for host, fact in (facts or {}).items():
            manager.set_host_facts(host, {"ansible_local": {"tiers": fact} if fact else {}})
        hostvars = HostVars(hosts, manager, loader)
        reading = Reading()

        def template(_host: str, raw: Any, name: str) -> Any:
            return Templar(loader=loader, variables=raw).template(raw[name])

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(inventory, "load_product", load_product)
            patched.setattr(inventory, "addresses_of", addresses_of)
            groups = hosts.get_groups_dict()
            topology = inventory.read_inventory(
                groups,
                hostvars,
                template,
                hosts.groups["all"].get_vars().get("tiers_groups"),
                str(source if source.is_dir() else source.parent),
                hosts.groups["all"].get_vars().get("tiers_plan_file"),
                plan,
                part,
                # An example says by itself what hosts answered.
                reading.record if any("tiers_record_read" in patch for patch in patches) else known,
            )
            systems = inventory.systems_of(groups["all"], groups, hostvars, template)
            return inventory.in_run(topology, groups["all"], systems, reading)

    return read_patched


@pytest.fixture(scope="session")
def judge(read: Callable[..., Topology]) -> Callable[..., Outcome]:
    """The outcome of the example with patches, or of the inventory at a path."""

    def judged(*patches: str, **options: Any) -> Outcome:
        return make_plan(read(*patches, **options))

    return judged


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """An inventory that gives secrets by name: what an example leaves to its user's vault."""

    def given(*names: str) -> Path:
        path = tmp_path_factory.mktemp("vault") / "secrets.yml"
        path.write_text(yaml.safe_dump({"all": {"vars": dict.fromkeys(names, "secret")}}), encoding="utf-8")
        return path

    return given
