# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masters of which both may serve, and of which one does with a lease: what the plan, verify and drill make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome
from ansible_collections.distributed.tiers.plugins.module_utils.verification import maintenance, promises, verify

Judge = Callable[..., Outcome]
LEASE = "all: {vars: {tiers_failover: lease, tiers_active: one}}"
PROXY_PAIR = "backup: {hosts: {px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_zone: rack-b}}}"


def planned(judge: Judge, *patches: str) -> dict[str, Any]:
    outcome = judge(*patches)
    assert not outcome.errors
    return outcome.plan or {}


@pytest.mark.parametrize(
    ("patch", "serves_alone"),
    [
        (LEASE, True),
        ("all: {vars: {tiers_failover: lease, tiers_active: both}}", False),
        ("all: {vars: {tiers_failover: vrrp, tiers_active: one}}", False),
    ],
)
def test_one_master_accepts_writes_with_a_lease(judge: Judge, patch: str, serves_alone: bool) -> None:
    plan = planned(judge, patch, PROXY_PAIR)
    for name in ("m1", "m2"):
        server = plan["servers"][name]
        assert server["active_standby"] is serves_alone
        assert (server["failover"] == "lease") is serves_alone
        assert bool(server["arbiter_endpoints"]) is serves_alone
    # A relay waits for a master that may answer before it has all data. One that holds the lease has them.
    assert plan["servers"]["px1"]["upstream_catches_up"] is not serves_alone
    assert plan["servers"]["px1-b"]["active_standby"] is False


@pytest.mark.parametrize("failback", ["manual", "never"])
def test_failback_of_a_master_can_wait_for_an_operator_only_with_a_lease(judge: Judge, failback: str) -> None:
    wanted = f"backup: {{hosts: {{m2: {{tiers_failback: {failback}}}}}}}"
    servers = planned(judge, LEASE, wanted)["servers"]
    assert [servers[name]["failback"] for name in ("m1", "m2")] == [failback, failback]
    for without in ("tiers_failover: vrrp", "tiers_failover: lease, tiers_active: both"):
        (error,) = judge(f"all: {{vars: {{{without}}}}}", wanted).errors
        assert (error.rule, error.host) == ("failback-supported", "m2")
        assert "by a lease" in error.remedy


def test_masters_with_a_lease_fail_back_by_themselves_without_a_setting(judge: Judge) -> None:
    assert planned(judge, LEASE)["servers"]["m1"]["failback"] == "auto"


ONLY_MASTERS = """
    all: {vars: {tiers_product: %s, tiers_clients: !remove }}
    proxy: !remove
    parallel: !remove
    distributor: !remove
    client: !remove
    backup: {hosts: {d2: !remove }}
"""
STATEFUL, STATELESS = (ONLY_MASTERS % f"example.{name}.product" for name in ("simple", "stateless"))
THIRD = "arbiter: {hosts: {m1: , m2: , v1: {ansible_host: 192.0.2.61, tiers_zone: rack-c}}}"


@pytest.mark.parametrize(
    ("product", "setting", "way", "findings"),
    [
        (STATEFUL, "", "lease", set()),
        (STATEFUL, "tiers_failover: vrrp", "vrrp", {"two-writers", "arbiter-unused"}),
        (STATELESS, "", "vrrp", {"arbiter-unused"}),
        (STATELESS, "tiers_failover: lease", "lease", set()),
        ("", "tiers_active: one", "lease", set()),
        ("", "tiers_active: both", None, {"arbiter-unused"}),
    ],
)
def test_a_pair_that_holds_state_serves_by_a_lease_unless_the_inventory_says_otherwise(
    judge: Judge, product: str, setting: str, way: str | None, findings: set[str]
) -> None:
    outcome = judge(product, THIRD, f"all: {{vars: {{{setting}}}}}")
    plan = outcome.plan or {}
    assert not outcome.errors
    assert {f.rule for f in outcome.findings} & {"two-writers", "arbiter-unused"} == findings
    assert [plan["servers"][name]["failover"] for name in ("m1", "m2")] == [way, way]
    assert [bool(plan["servers"][name]["arbiter_endpoints"]) for name in ("m1", "m2")] == 2 * [way == "lease"]


@pytest.mark.parametrize("product", [STATEFUL, ONLY_MASTERS % "openldap"], ids=["simple", "openldap"])
def test_two_hosts_that_hold_state_are_planned_only_where_the_inventory_accepts_two_writers(
    judge: Judge, product: str
) -> None:
    (error,) = judge(product, "all: {vars: {tiers_active: one}}").errors
    assert (error.rule, error.variable) == ("lease-without-arbiter", "tiers_failover")
    stated = judge(product, "all: {vars: {tiers_active: one, tiers_failover: vrrp}}")
    assert not stated.errors
    assert [f.host for f in stated.findings if f.rule == "two-writers"] == ["m1"]
    assert not judge(product, THIRD, "all: {vars: {tiers_active: one}}").errors


def test_a_system_that_lost_a_host_does_not_go_back_to_vrrp(judge: Judge) -> None:
    down = "proxy: {hosts: {px1: {ansible_host: 192.0.2.11, tiers_state: down}}}"
    fact = "ansible_facts: {ansible_local: {tiers_voter: {schema: 1, voters: [m1, m2, px1]}}}"
    gone = f"master: {{hosts: {{m1: {{tiers_record_read: {{{fact}}}}}}}}}"
    for patches in ([STATEFUL, "all: {vars: {tiers_product: openldap, tiers_active: one}}", down], [STATEFUL, gone]):
        (error,) = judge(*patches).errors
        assert (error.rule, error.variable) == ("lease-without-arbiter", "tiers_failover")


def test_failback_of_proxies_stays_with_the_product_although_masters_have_a_lease(judge: Judge) -> None:
    pair = "backup: {hosts: {px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_failback: manual}}}"
    assert "failback-supported" in {error.rule for error in judge(LEASE, pair).errors}


def test_clients_must_be_refused_by_the_master_without_the_lease_and_its_peer_must_not(judge: Judge) -> None:
    plan = planned(judge, LEASE)

    def expected(host: str) -> set[str]:
        edges = verify.host_edges(plan, host)
        return {edge.get("expect", "open") for edge in edges if edge["name"] == "m2" and edge["port"] == 636}

    assert expected("px1") == {"refused"}
    assert expected("m1") == {"open"}
    assert "px1" not in maintenance.servers_for_restart(plan, "m1")


def test_writes_that_only_the_failed_master_had_return_with_it(judge: Judge) -> None:
    """Its peer merges them, so none may be missing for good."""
    assert promises.excuse_missing(planned(judge, LEASE), "m1", ["w1"]) == set()


def test_a_lease_for_masters_needs_three_hosts(judge: Judge) -> None:
    alone = """
        all: {vars: {tiers_failover: lease, tiers_active: one, tiers_clients: !remove }}
        proxy: !remove
        parallel: !remove
        distributor: !remove
        client: !remove
        backup: {hosts: {d2: !remove }}
    """
    (error,) = judge(alone).errors
    assert error.rule == "lease-without-arbiter"
    assert "tiers_active" in error.remedy
    assert not judge(alone, "all: {vars: {tiers_active: both}}").errors
