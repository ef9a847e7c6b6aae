# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of backups: which servers it has, which edges the plan opens for it, and where it may be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome

Judge = Callable[..., Outcome]
POSTGRESQL = """
    all:
      vars:
        tiers_product: postgresql
        product_postgresql_probe_password: p
        product_postgresql_backup_passphrase: p
        tiers_backup_repository: px1
        tiers_clients: !remove
    parallel: !remove
    distributor: !remove
    backup: {hosts: {d2: !remove }}
"""


def test_servers_with_data_and_the_repository_reach_each_other(judge: Judge) -> None:
    plan = judge(POSTGRESQL).plan or {}
    edges = {(one["from"], one["to"]) for one in plan["edges"] if one["port"] == 8432}
    assert edges == {("m1", "px1"), ("px1", "m1"), ("m2", "px1"), ("px1", "m2")}
    for name in ("m1", "m2", "px1"):
        found = plan["servers"][name]["repository"]
        assert (found["name"], [one["name"] for one in found["servers"]]) == ("px1", ["m1", "m2"])
    (opening,) = [one for one in plan["servers"]["m1"]["firewall"] if one.get("port") == 8432]
    assert opening["sources"] == [f"{plan['servers']['px1']['address']}/32"]


def test_read_replicas_have_the_repository_too(judge: Judge) -> None:
    """All servers with data share the settings of PostgreSQL: one without the repository would switch archiving off."""
    pool = """
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: p
            product_postgresql_backup_passphrase: p
            tiers_backup_repository: px1
    """
    plan = judge(pool).plan or {}
    holding = {name for name, server in plan["servers"].items() if server["holds_data"]}
    assert {"m1", "m2", "p1"} <= holding
    assert {name for name, server in plan["servers"].items() if server["repository"]} == {*holding, "px1"}
    assert {one["name"] for one in plan["servers"]["px1"]["repository"]["servers"]} == holding


def test_a_server_that_is_down_is_not_backed_up(judge: Judge) -> None:
    plan = judge(POSTGRESQL, "backup: {hosts: {m2: {tiers_state: down}}}").plan or {}
    assert [one["name"] for one in plan["servers"]["px1"]["repository"]["servers"]] == ["m1"]
    assert plan["servers"]["m2"]["repository"] is None


def test_nothing_is_opened_without_a_repository(judge: Judge) -> None:
    plan = judge(POSTGRESQL, "all: {vars: {tiers_backup_repository: !remove }}").plan or {}
    assert [one for one in plan["edges"] if one["port"] == 8432] == []
    assert plan["servers"]["m1"]["repository"] is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("all: {vars: {tiers_backup_repository: px7}}", "px7 is no server of the system."),
        ("all: {vars: {tiers_backup_repository: m2}}", "m2 has the data itself."),
        ("proxy: {hosts: {px1: {tiers_state: down}}}", "px1 is down."),
    ],
)
def test_the_repository_is_on_a_server_without_data(judge: Judge, change: str, why: str) -> None:
    (found,) = [one for one in judge(POSTGRESQL, change).errors if one.rule == "backup-repository"]
    assert found.message == why


def test_other_products_have_no_repository(judge: Judge) -> None:
    (found,) = [
        one for one in judge("all: {vars: {tiers_backup_repository: px1}}").errors if one.rule == "backup-repository"
    ]
    assert found.message == "The product openldap of px1 has no repository of backups."


def test_the_passphrase_is_needed_only_with_a_repository(judge: Judge) -> None:
    without = "all: {vars: {product_postgresql_backup_passphrase: !remove }}"
    assert {one.variable for one in judge(POSTGRESQL, without).errors if one.rule == "missing-secret"} == {
        "product_postgresql_backup_passphrase"
    }
    none = "all: {vars: {product_postgresql_backup_passphrase: !remove , tiers_backup_repository: !remove }}"
    assert not judge(POSTGRESQL, none).errors
