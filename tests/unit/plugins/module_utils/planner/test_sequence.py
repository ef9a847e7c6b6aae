# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which servers are restarted for another release, and after which wave."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.sequence import restart_order, upgrade_order

# All four tiers; px1 and p1 have backups of their own, px2 serves three clients and px3 one.
ALL = """
    master: {hosts: {m1: {}}}
    proxy:
      hosts:
        px1: {tiers_capacity: 1}
        px2: {}
        px3: {ansible_host: 192.0.2.13, tiers_capacity: 1}
    backup:
      hosts:
        px1b: {ansible_host: 192.0.2.14, tiers_backup_of: px1, tiers_zone: rack-b}
        p1b: {ansible_host: 192.0.2.24, tiers_backup_of: p1, tiers_zone: rack-b}
    all:
      vars:
        tiers_clients:
          - {name: desk-1, site: berlin, pin: px1}
          - {name: desk-2, site: berlin, pin: px2}
          - {name: desk-3, site: berlin, pin: px2}
          - {name: desk-4, site: berlin, pin: px3}
"""


@pytest.fixture
def planned(read):
    def plan(*order, patches=(ALL,)):
        topology = read(*patches)
        products = {
            name: dataclasses.replace(product, upgrade_order=order) for name, product in topology.products.items()
        }
        made = make_plan(dataclasses.replace(topology, products=products))
        assert made.plan, made.errors
        return made.plan

    return plan


def after(plan):
    return {name: server["upgrade_wave"] for name, server in plan["servers"].items()}


def test_the_only_writer_is_the_last_to_meet_a_release(planned):
    plan = planned("proxy", "parallel", "backup", "master")
    # Within a tier: a backup, then whoever has one, then the fewest clients.
    assert plan["upgrade_order"] == ["px1b", "px1", "px3", "px2", "p1b", "p1", "p2", "m2", "m1", "d2", "d1"]


def test_a_cold_backup_gets_a_release_after_its_primary_has_proven_it(read):
    topology = read()
    cold = dataclasses.replace(topology.servers["m2"], redundancy="cold")
    order = upgrade_order(dataclasses.replace(topology, servers={**topology.servers, "m2": cold}), {})
    assert order.index("m2") == order.index("m1") + 1
    assert upgrade_order(topology, {}).index("m2") < upgrade_order(topology, {}).index("m1")


def test_a_cold_backup_that_serves_steps_down_for_a_primary_that_has_proven_the_release(planned):
    plan = planned("backup", "master")
    servers = {**plan["servers"], "m2": {**plan["servers"]["m2"], "cold": True}}
    cold = {**plan, "servers": servers, "upgrade_order": ["m1", "m2"]}
    assert restart_order(cold, ["m1", "m2"], ["m2"], False) == ["m1", "m2"]
    # A rollback: the primary returns as a standby, then its backup steps down for it.
    assert restart_order(cold, ["m1", "m2"], ["m2"], True) == ["m1", "m2"]
    assert restart_order(cold, ["m1", "m2"], ["m1"], True) == ["m2", "m1"]


def test_restarts_for_a_release_wait_for_the_waves_of_those_before_them(planned):
    waves = after(planned("proxy", "parallel", "backup", "master"))
    assert {waves[name] for name in ("px1", "px2", "p1", "p2", "m2", "m1")} == {2}
    assert {waves["d1"], waves["d2"]} == {3}


def test_a_product_that_upgrades_its_master_first_keeps_to_the_waves(planned):
    plan = planned("master", "proxy")
    assert plan["upgrade_order"][:2] == ["m1", "m2"]
    assert all(server["upgrade_wave"] == server["wave"] for server in plan["servers"].values())


def test_without_an_order_the_master_goes_first(planned):
    assert planned()["upgrade_order"][:2] == ["m1", "m2"]


def test_a_master_that_the_order_does_not_name_goes_first(planned):
    assert planned("proxy", "parallel")["upgrade_order"][:2] == ["m1", "m2"]


def test_a_server_without_clients_is_upgraded_first_in_its_tier(planned):
    plan = planned(
        "parallel", "proxy", "backup", "master", patches=("{parallel: {hosts: {p2: {tiers_state: draining}}}}",)
    )
    assert plan["upgrade_order"][:2] == ["p2", "p1"]


def test_the_order_does_not_depend_on_what_is_deployed(planned, read):
    """A plan that was carried out is the same plan."""
    facts = {"m1": {"schema": 1, "tier": "master", "serves_as": "master", "version": "1"}}
    plans = [make_plan(topology).plan for topology in (read(ALL), read(ALL, facts=facts))]
    assert plans[0]["upgrade_order"] == plans[1]["upgrade_order"]
    assert plans[0]["digest"] == plans[1]["digest"]


def test_the_standby_of_a_pair_is_restarted_before_the_active_node(planned):
    plan = planned("proxy", "parallel", "backup", "master")
    due = ["m1", "m2", "px2"]
    assert restart_order(plan, due, ["m1"], back=False) == ["px2", "m2", "m1"]
    assert restart_order(plan, due, ["m2"], back=False) == ["px2", "m1", "m2"]
    # Nobody answered, or both: the plan's order.
    assert restart_order(plan, due, [], back=False) == ["px2", "m2", "m1"]
    assert restart_order(plan, due, ["m1", "m2"], back=False) == ["px2", "m2", "m1"]


def test_a_rollback_takes_the_reverse(planned):
    plan = planned("proxy", "parallel", "backup", "master")
    names = plan["upgrade_order"]
    for serving in ([], ["m2"]):
        upgrade, back = (restart_order(plan, names, serving, back=way) for way in (False, True))
        assert back == upgrade[::-1]
        assert sorted(back) == sorted(names)
