# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of the Ansible layer with a former commit counts what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
RESTART = """
- name: Stop the traffic
  ansible.builtin.include_tasks: stop.yml
- block:
    - name: Start the product
      ansible.builtin.include_role: {name: "{{ tiers_server.product_role }}", tasks_from: start}
    - name: Deploy the tier
      ansible.builtin.include_role: {name: "distributed.tiers.{{ tiers_server.tier }}"}
"""
FILES = {
    "roles/server/tasks/restart.yml": RESTART,
    "roles/server/tasks/stop.yml": "- ansible.builtin.command: {cmd: 'true'}\n  register: __server_stopped\n",
    "roles/server/tasks/unused.yml": "- ansible.builtin.debug: {msg: '{{ __server_stopped }}'}\n",
    "roles/product_openldap/tasks/start.yml": "- ansible.builtin.include_tasks: unfit.yml\n",
    "roles/product_openldap/tasks/unfit.yml": "- ansible.builtin.debug: {msg: no}\n",
    "roles/master/tasks/main.yml": "- ansible.builtin.debug: {msg: no}\n",
    "roles/server/templates/unit.j2": "{% if a %}\n{% else %}\n{% endif %}\n{{ a if b else c }}\n",
}


@pytest.fixture(scope="module")
def house() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house", ROOT / "benchmarks/house.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_restart_opens_the_entry_point_of_the_product_and_no_file_below_it(house: ModuleType, tree: Path) -> None:
    found = house.followed(tree, tree / "roles/server/tasks/restart.yml", set())
    assert sorted(str(path.relative_to(tree / "roles")) for path in found) == [
        "master/tasks/main.yml",
        "product_openldap/tasks/start.yml",
        "server/tasks/restart.yml",
        "server/tasks/stop.yml",
    ]
    assert house.longest_chain(tree, tree / "roles/server/tasks/restart.yml") == 3


def test_a_private_name_crosses_files_if_another_file_reads_it(house: ModuleType, tree: Path) -> None:
    assert house.crossing_names(tree) == {"__server_stopped"}
    (tree / "roles/server/tasks/unused.yml").unlink()
    house.load.cache_clear()
    assert house.crossing_names(tree) == set()


def test_only_statements_that_decide_or_repeat_count_as_logic(house: ModuleType, tree: Path) -> None:
    assert house.jinja_lines(tree) == 1
