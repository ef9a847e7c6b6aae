# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the files of a host come from is among its inputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.plugin_utils.host_inputs import HostInputs, is_input
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

PLAN: dict[str, Any] = {
    "system": "s",
    "domain": "d",
    "digest": "whole",
    "servers": {
        "m1": {
            "serves_as": "master",
            "product_role": "distributed.tiers.product_service",
            "version": "2",
            "digest": "x",
        },
        "px1": {"serves_as": "proxy", "product_role": "distributed.tiers.product_service", "version": "2"},
        "px2": {"serves_as": "proxy", "product_role": "distributed.tiers.product_service", "version": "2"},
    },
    "clients": {"c1": {"product_role": "distributed.tiers.product_service"}},
    "voters": {"v1": {"only_votes": True}},
    "allocation": {"proxies": {"px1": {"clients": ["a"]}}, "backups": {"px1": {"px2": ["a"]}}},
}
AUTHORITIES = {"current": "CA", "next": "", "given": False}


def fill_in(_host: str, variables: Mapping[str, Any], name: str) -> Any:
    return template(variables[name], dict(variables)) if isinstance(variables[name], str) else variables[name]


def inputs_of(
    host: str = "px1", plan: Mapping[str, Any] | None = None, **variables: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    return HostInputs(PLAN if plan is None else plan, {host: variables}, fill_in, AUTHORITIES).of(host)


@pytest.fixture
def service(tmp_path: Path) -> dict[str, Any]:
    """The variables of a host that runs a described service, with its files on the controller."""
    for name, text in (
        ("templates/a.conf.j2", "{{ threads }}"),
        ("files/app-2.tar", "tar"),
        ("files/app-1.tar", "old"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    description = {"files": [{"src": "a.conf.j2", "dest": "/etc/a"}], "install": {"source": "app-{version}.tar"}}
    return {"inventory_dir": str(tmp_path), "tiers_service": description, "threads": 4}


def test_the_inputs_of_a_host_that_is_not_of_the_system_are_none() -> None:
    assert inputs_of("other") == ({}, ())


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("slice of the server", lambda plan: plan["servers"]["px1"].update(port=1)),
        ("plan", lambda plan: plan["allocation"]["proxies"]["px1"].update(clients=["b"])),
        ("plan", lambda plan: plan["allocation"]["backups"].clear()),
        ("plan", lambda plan: plan.update(system="t")),
        ("plan", lambda plan: plan.update(domain="e")),
        (None, lambda plan: plan["servers"]["px2"].update(port=1)),
        (None, lambda plan: plan.update(digest="another")),
    ],
)
def test_a_host_has_its_own_part_of_the_plan(kind: str | None, change: Any) -> None:
    plan = copy.deepcopy(PLAN)
    change(plan)
    before, after = inputs_of()[0], inputs_of(plan=plan)[0]
    assert {name for name in before if before[name] != after[name]} == ({kind} if kind else set())


def test_a_master_has_the_names_of_all_servers_and_a_role_from_elsewhere_the_whole_plan() -> None:
    assert inputs_of("m1")[0]["plan"]["servers"] == {"m1": "master", "px1": "proxy", "px2": "proxy"}
    plan = copy.deepcopy(PLAN)
    plan["servers"]["px1"]["product_role"] = "no.such.product"
    inputs, incomparable = inputs_of(plan=plan)
    assert inputs["plan"]["whole plan"] == "whole"
    assert incomparable == ("the collection no.such",), "it is not installed"


def test_clients_and_voters_have_inputs() -> None:
    assert "slice of the client" in inputs_of("c1")[0]
    assert "slice of the voter" in inputs_of("v1")[0]


@pytest.mark.parametrize(
    "change",
    [
        {"threads": 5},
        {"product_service_drain_seconds": 3},
        {"host_private_key": "another"},
        {"tiers_ca_certificate": "another"},
        {"tiers_next_secrets": {"product_password": "next"}},
    ],
)
def test_each_variable_that_may_enter_a_file_is_an_input(service: dict[str, Any], change: dict[str, Any]) -> None:
    before, after = inputs_of(**service)[0]["variables"], inputs_of(**service | change)[0]["variables"]
    assert {name for name in after if after[name] != before.get(name)} == {*change}


@pytest.mark.parametrize(
    "name", ["tiers_ca_passphrase", "tiers_clients", "tiers_scope", "ansible_password", "awx_job_id"]
)
def test_a_variable_that_enters_no_file_is_no_input(name: str) -> None:
    assert not is_input(name)
    assert name not in inputs_of(**{name: "x"})[0]["variables"]


def test_such_a_variable_is_an_input_if_a_template_names_it(service: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "templates/a.conf.j2").write_text("{{ tiers_tags }}", encoding="utf-8")
    found = inputs_of(**service, tiers_tags=["x"], tiers_region="{{ nothing }}", owner="{{ tiers_region }}")[0]
    assert {"tiers_tags", "tiers_region", "owner"} <= {*found["variables"]}


def test_the_value_of_a_lookup_is_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{{ lookup('ansible.builtin.env', 'TIERS_TEST') }}"
    monkeypatch.setenv("TIERS_TEST", "1")
    before = inputs_of(password=text)[0]["variables"]
    assert inputs_of(password=text)[0]["variables"] == before
    monkeypatch.setenv("TIERS_TEST", "2")
    assert inputs_of(password=text)[0]["variables"] != before


def test_a_value_that_cannot_be_computed_is_named() -> None:
    assert inputs_of("v1", password="{{ lookup('ansible.builtin.file', '/no/such/file') }}")[1] == (
        "the variable password",
    )


def test_a_template_of_the_operator_that_reads_more_than_variables_is_named(
    service: dict[str, Any], tmp_path: Path
) -> None:
    assert inputs_of(**service)[1] == ()
    (tmp_path / "templates/a.conf.j2").write_text("{{ hostvars.m1.x }} lookup", encoding="utf-8")
    assert inputs_of(**service)[1] == ("templates that use hostvars",)


@pytest.mark.parametrize(
    ("path", "counts"),
    [("templates/a.conf.j2", True), ("templates/more/b", True), ("files/app-2.tar", True), ("files/app-1.tar", False)],
)
def test_files_of_the_controller_are_inputs(service: dict[str, Any], tmp_path: Path, path: str, counts: bool) -> None:
    before = inputs_of(**service)[0]
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("changed", encoding="utf-8")
    after = inputs_of(**service)[0]
    assert (before["files of the controller"] != after["files of the controller"]) == counts


def test_the_directory_of_the_files_is_no_input(service: dict[str, Any], tmp_path: Path) -> None:
    """Each job of AWX has another one."""
    moved = tmp_path.with_name("moved")
    before = inputs_of(**service)[0]
    tmp_path.rename(moved)
    assert inputs_of(**service | {"inventory_dir": str(moved)})[0] == before


def test_a_description_made_by_a_template_has_its_files(service: dict[str, Any]) -> None:
    described = {"service_of_mine": service["tiers_service"], "tiers_service": "{{ service_of_mine }}"}
    files = inputs_of(**service | described)[0]["files of the controller"]
    assert "tiers_service.files[0]" in files
    assert inputs_of(**service | {"tiers_service": "{{ nowhere }}"})[1] != ()


class Vaulted:
    """As Ansible has a value that was vaulted by itself."""

    def __init__(self, ciphertext: str) -> None:
        self._ciphertext = ciphertext

    def __str__(self) -> str:
        raise AssertionError("it was opened")


def test_a_vaulted_value_is_not_opened() -> None:
    one, same, another = (inputs_of(product_password=Vaulted(text))[0]["variables"] for text in ("1", "1", "2"))
    assert one == same != another
