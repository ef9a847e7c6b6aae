# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair whose product elects the node that accepts writes: what the plan, verify and switch_over make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome
from ansible_collections.distributed.tiers.plugins.module_utils.verification import maintenance, status, verify

Judge = Callable[..., Outcome]
POSTGRESQL = """
    all: {vars: {tiers_product: postgresql, product_postgresql_probe_password: p, tiers_clients: !remove }}
    parallel: !remove
    distributor: !remove
    backup: {hosts: {d2: !remove }}
"""
ALONE = """
    backup: {hosts: {m2: !remove }}
"""


@pytest.fixture
def plan(judge: Judge) -> dict[str, Any]:
    outcome = judge(POSTGRESQL)
    assert not outcome.errors
    return outcome.plan or {}


def own_edge(plan: Mapping[str, Any], name: str, protocol: str) -> dict[str, Any]:
    return next(edge for edge in verify.own_edges(plan, name, protocol="command") if edge["protocol"] == protocol)


def answer(plan: Mapping[str, Any], name: str, leader: str, **of_service: Any) -> dict[str, Any]:
    """The answer of a server about itself while one node leads."""
    role = {"role": "provider" if name == leader else "replica", "position": {"commits": "20260101000000.000000Z"}}
    blank = {"ok": True, "why": "", "reachable": True, "position": {}, "role": None, "servers": {}, "at": None}
    blank |= {"latency_ms": 1.0, "refused_by": None}
    known = {
        "command": role | of_service,
        "active": {"reachable": name == leader},
        "drained": {"reachable": False},
        "haproxy": {"servers": {"m1": "UP" if leader == "m1" else "DOWN", "m2": "UP" if leader == "m2" else "DOWN"}},
    }
    edges = verify.own_edges(plan, name, protocol="command")
    return {"edges": [blank | edge | known.get(edge["protocol"], {}) for edge in edges]}


def answers(plan: Mapping[str, Any], leader: str) -> dict[str, Any]:
    return {name: answer(plan, name, leader) for name in plan["servers"]}


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("product_postgresql_ttl", 19, "patroni-times"),
        ("product_postgresql_retry_timeout", 2, "patroni-times"),
        ("product_postgresql_ttl", 21, None),
        ("product_postgresql_query_wait_seconds", 1, "pooler-wait"),
        ("product_postgresql_query_wait_seconds", 0, None),  # waits without a limit
    ],
)
def test_times_of_patroni_and_pgbouncer_are_compared(judge: Judge, variable: str, value: int, rule: str | None) -> None:
    found = judge(POSTGRESQL, f"all: {{vars: {{{variable}: {value}}}}}").findings
    assert {one.rule for one in found if one.variable == variable} == ({rule} if rule else set())


def test_both_nodes_run_without_an_election_of_this_collection(plan: dict[str, Any]) -> None:
    for name in ("m1", "m2"):
        server = plan["servers"][name]
        assert server["product_election"]
        assert server["failover"] == "product"
        assert server["replication_role"] is None
        assert not (server["active_standby"] or server["leader_election"])
        assert server["steps_aside_for"] is None


def test_voters_are_chosen_and_only_servers_with_data_ask_them(plan: dict[str, Any]) -> None:
    assert len(plan["voters"]) == 3
    asking = {name for name, server in plan["servers"].items() if server["arbiter_endpoints"]}
    assert asking == {"m1", "m2"}
    assert [finding["rule"] for finding in plan["findings"] if finding["rule"].startswith(("arbiter-u", "lease"))] == []


def test_two_hosts_are_too_few_for_the_arbiter_of_the_product(judge: Judge) -> None:
    two = "proxy: !remove\nclient: !remove"
    assert [finding.rule for finding in judge(POSTGRESQL, two).errors] == ["lease-without-arbiter"]


def test_a_pooler_has_neither_data_nor_a_role(plan: dict[str, Any]) -> None:
    proxy = plan["servers"]["px1"]
    assert proxy["runs_product"]
    assert proxy["has_relay"]
    assert not proxy["holds_data"]
    assert proxy["replication_role"] is None
    assert proxy["write_port"] == proxy["port"]
    assert verify.content_edges(plan, "px1") == []
    assert maintenance.resync(plan, answers(plan, "m1"), ["px1"])["wrong"]


def test_a_relay_must_reach_exactly_one_node(plan: dict[str, Any]) -> None:
    edge = own_edge(plan, "px1", "haproxy")
    assert edge["up"] == []
    assert edge["one_up_of"] == [["m1", "m2"]]


def test_either_node_may_lead_and_a_node_without_a_peer_must(plan: dict[str, Any], judge: Judge) -> None:
    assert own_edge(plan, "m1", "active")["expect"] == "either"
    alone = judge(POSTGRESQL, ALONE).plan or {}
    assert own_edge(alone, "m1", "active")["expect"] == "open"


@pytest.mark.parametrize("leader", ["m1", "m2"])
def test_the_elected_node_is_the_active_one(plan: dict[str, Any], leader: str) -> None:
    (standby,) = {"m1", "m2"} - {leader}
    seen = answers(plan, leader)
    assert verify.standing_by(seen) == [standby]
    assert verify.wrong_pairs(plan, seen) == []
    found = maintenance.switch_over(plan, seen, ["m1"])
    assert found["wrong"] == []
    assert [(step["name"], step["to"], step["edge"]["protocol"]) for step in found["todo"]] == [
        (leader, standby, "active")
    ]


def test_two_leaders_and_none_are_found(plan: dict[str, Any]) -> None:
    seen = answers(plan, "m1")
    both = seen | {"m2": answer(plan, "m2", "m2")}
    assert "split brain" in verify.wrong_pairs(plan, both)[0][1]
    none = seen | {"m1": answer(plan, "m1", "m2")}
    assert "neither" in verify.wrong_pairs(plan, none)[0][1]


def test_a_leader_may_restart_while_all_relays_lead_to_it(plan: dict[str, Any]) -> None:
    seen = {name: answer(plan, name, "m1") for name in maintenance.servers_for_restart(plan, "m1")}
    assert set(seen) == {"m1", "m2"}
    assert maintenance.restart(plan, seen, "m1")["lost"] == []


def test_status_names_who_leads(plan: dict[str, Any]) -> None:
    states = status.read_states(plan["servers"].values(), answers(plan, "m2"), {})
    assert states["m2"].serves
    assert states["m1"].serves is False
