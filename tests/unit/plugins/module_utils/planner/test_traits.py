# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a slice follow from a server's tier, product and state."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.slices import complete

TRUE_OF = {
    "master": {"runs_product", "uses_product_role"},
    "proxy": {"runs_product", "uses_product_role", "has_relay", "has_balancer"},
    "parallel": {"runs_product", "uses_product_role", "has_relay", "has_balancer"},
    "distributor": {"has_balancer"},
}
OF_THE_PROGRAMS = {field for fields in TRUE_OF.values() for field in fields} | {"passes_through", "terminates_tls"}


def true_of(**given: Any) -> set[str]:
    found = complete(given)
    return {field for field in OF_THE_PROGRAMS if found[field]}


@pytest.mark.parametrize("tier", TRUE_OF)
def test_each_tier_runs_its_own_programs(tier: str) -> None:
    assert true_of(serves_as=tier) == TRUE_OF[tier]


def test_a_pass_through_proxy_is_haproxy_alone() -> None:
    server = {"serves_as": "proxy", "proxy_mode": "pass", "tls": "terminated"}
    assert true_of(**server) == {"has_balancer", "passes_through"}
    assert complete(server)["replication_role"] is None


def test_a_pooler_is_a_program_of_the_product_without_data() -> None:
    server = {"serves_as": "proxy", "proxy_mode": "pooler"}
    assert true_of(**server) == TRUE_OF["proxy"]
    assert complete(server)["replication_role"] is None
    assert [complete({"serves_as": tier})["holds_data"] for tier in TRUE_OF] == [True, True, True, False]
    assert not complete(server)["holds_data"]


def test_either_role_is_right_where_the_product_election() -> None:
    assert complete({"serves_as": "master"})["replication_role"] == "provider"
    assert complete({"serves_as": "master", "product_election": True})["replication_role"] is None


def test_a_cache_is_deployed_by_the_product_role_and_ends_tls_itself() -> None:
    """The product's role installs nginx there, and the program of the product runs elsewhere."""
    server = {"serves_as": "proxy", "proxy_mode": "cache", "tls": "terminated"}
    assert true_of(**server) == {"uses_product_role", "has_relay", "has_balancer"}
    assert complete(server)["replication_role"] is None


def test_a_program_is_watched_if_its_check_gets_an_answer() -> None:
    assert [complete({"serves_as": tier})["watchable"] for tier in TRUE_OF] == [True, True, True, False]
    unwatched = {"watched": False, "serves_as": "proxy"}
    assert not complete(unwatched)["watchable"]
    # nginx answers in place of the product.
    assert complete({**unwatched, "proxy_mode": "cache"})["watchable"]
    assert not complete({"serves_as": "proxy", "proxy_mode": "pass"})["watchable"]


@pytest.mark.parametrize("tier", ["master", "proxy", "parallel"])
def test_haproxy_ends_tls_for_a_product_without_tls(tier: str) -> None:
    assert true_of(serves_as=tier, tls="terminated") == TRUE_OF[tier] | {"terminates_tls", "has_balancer"}
    assert not complete({"serves_as": "distributor", "tls": "terminated"})["terminates_tls"]


@pytest.mark.parametrize(
    ("server", "listeners"),
    [
        ({"serves_as": "master"}, []),
        ({"serves_as": "master", "tls": "terminated"}, ["end_of_tls"]),
        ({"serves_as": "proxy"}, ["relay"]),
        ({"serves_as": "parallel", "tls": "terminated"}, ["relay", "end_of_tls"]),
        ({"serves_as": "proxy", "proxy_mode": "pass", "tls": "terminated"}, ["pass"]),
        ({"serves_as": "proxy", "client_ports": [6379, 6380]}, ["relay", "write_port"]),
        ({"serves_as": "distributor", "client_ports": [6379, 6380]}, ["write_port"]),
    ],
)
def test_haproxy_has_a_listener_for_each_of_its_tasks(server: dict[str, Any], listeners: list[str]) -> None:
    assert complete(server)["listeners"] == listeners


@pytest.mark.parametrize(
    ("server", "refuses"),
    [
        ({"serves_as": "master"}, True),
        ({"serves_as": "proxy"}, True),
        ({"serves_as": "master", "active_standby": True}, False),
        # HAProxy forwards on each node of the pair.
        ({"serves_as": "proxy", "active_standby": True, "proxy_mode": "pass"}, True),
        ({"serves_as": "parallel"}, False),
        ({"serves_as": "distributor"}, False),
    ],
)
def test_masters_and_proxies_refuse_clients_unless_their_peer_serves(server: dict[str, Any], refuses: bool) -> None:
    assert complete(server)["refuses_clients"] is refuses


@pytest.mark.parametrize(
    ("state", "redundancy", "active_standby", "expected"),
    [
        ("active", None, False, {"promotable", "kept_running", "takes_clients"}),
        ("active", "hot", True, {"promotable", "kept_running", "takes_clients"}),
        ("draining", "warm", True, {"promotable", "kept_running"}),
        ("down", "hot", True, {"promotable"}),
        ("active", "cold", True, {"cold", "promotable"}),
        ("active", "cold", False, {"cold"}),
    ],
)
def test_whether_a_server_runs_and_serves(
    state: str, redundancy: str | None, active_standby: bool, expected: set[str]
) -> None:
    found = complete({"state": state, "redundancy": redundancy, "active_standby": active_standby})
    assert {name for name in ("cold", "promotable", "kept_running", "takes_clients") if found[name]} == expected


def test_the_role_that_probes_expect() -> None:
    roles = {tier: complete({"serves_as": tier})["replication_role"] for tier in TRUE_OF}
    assert roles == {"master": "provider", "proxy": "replica", "parallel": "replica", "distributor": "replica"}


def test_a_slice_has_the_fields_of_its_own_server(judge: Any) -> None:
    servers = judge("master: {hosts: {m1: {tiers_state: draining}}}").plan["servers"]
    assert not servers["m1"]["takes_clients"]
    assert {name for name, server in servers.items() if server["has_relay"]} == {"px1", "px2", "p1", "p2"}
    assert {name for name, server in servers.items() if server["upstream_catches_up"]} == {
        "m2",
        "px1",
        "px2",
        "p1",
        "p2",
    }
