# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group `monitor`: which hosts it adds, where metrics are scraped, and what the firewalls accept for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import host_edges
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import systems_of

Judge = Callable[..., Outcome]
WATCH = "monitor: {hosts: {watch: {ansible_host: 192.0.2.71}}}"
POSTGRESQL = """
    all: {vars: {tiers_product: postgresql, product_postgresql_probe_password: p, tiers_clients: !remove }}
    parallel: !remove
    distributor: !remove
    backup: {hosts: {d2: !remove }}
"""
VOTER = "arbiter: {hosts: {m1: , m2: , v1: {ansible_host: 192.0.2.61, tiers_zone: rack-c}}}"


def planned(judge: Judge, *patches: str) -> dict[str, Any]:
    outcome = judge(*patches)
    assert not outcome.errors
    return outcome.plan or {}


def scrape_edges(plan: Mapping[str, Any]) -> set[tuple[str, str, int]]:
    return {
        (edge["from"], edge["to"], edge["port"])
        for edge in plan["edges"]
        if edge["why"].startswith("monitoring scrapes")
    }


def openings(part: Mapping[str, Any], port: int) -> list[list[str]]:
    return [opening["sources"] for opening in part["firewall"] if opening.get("port") == port]


def test_without_the_group_nothing_is_scraped_and_no_port_is_open(judge: Judge) -> None:
    plan = planned(judge)
    assert plan["monitors"] == {}
    assert scrape_edges(plan) == set()
    assert all(server["metrics"] == [] and not openings(server, 9100) for server in plan["servers"].values())


def test_every_server_admits_only_the_monitor_at_its_node_exporter(judge: Judge) -> None:
    plan = planned(judge, WATCH)
    assert plan["monitors"] == {"watch": {"name": "watch", "address": "192.0.2.71", "site": "berlin"}}
    for name, server in plan["servers"].items():
        assert ("watch", name, 9100) in scrape_edges(plan)
        assert openings(server, 9100) == [["192.0.2.71/32"]]


def test_haproxy_is_scraped_where_it_runs(judge: Judge) -> None:
    plan = planned(judge, WATCH)
    for name, server in plan["servers"].items():
        has_endpoint = "haproxy" in [point["name"] for point in server["metrics"]]
        assert has_endpoint == server["has_balancer"] == (("watch", name, 8406) in scrape_edges(plan))


def test_the_metrics_of_a_product_are_scraped_at_its_own_port(judge: Judge) -> None:
    plan = planned(judge, POSTGRESQL, WATCH)
    point = {"name": "patroni", "port": 8008, "path": "/metrics"}
    assert point in plan["servers"]["m1"]["metrics"]
    assert ["192.0.2.71/32"] in openings(plan["servers"]["m1"], 8008)
    # PgBouncer has no Patroni.
    assert point not in plan["servers"]["px1"]["metrics"]


def test_a_host_that_only_votes_is_scraped_too(judge: Judge) -> None:
    plan = planned(judge, "all: {vars: {tiers_failover: lease}}", VOTER, WATCH)
    assert plan["voters"]["v1"]["metrics"] == [{"name": "node", "port": 9100, "path": "/metrics"}]
    assert openings(plan["voters"]["v1"], 9100) == [["192.0.2.71/32"]]


def test_verify_probes_a_host_that_only_votes_from_a_monitor_in_a_tier(judge: Judge) -> None:
    plan = planned(judge, "all: {vars: {tiers_failover: lease}}", VOTER, "monitor: {hosts: {c1: }}")
    found = [edge for edge in host_edges(plan, "c1") if edge["name"] == "v1" and edge["port"] == 9100]
    assert [edge["protocol"] for edge in found] == ["port"]


def test_a_monitor_may_be_a_host_of_a_tier_and_does_not_scrape_itself_over_the_network(judge: Judge) -> None:
    plan = planned(judge, "monitor: {hosts: {m1: , c1: }}")
    assert set(plan["monitors"]) == {"c1", "m1"}
    assert plan["servers"]["m1"]["tier"] == "master"
    assert ("m1", "m1", 9100) not in scrape_edges(plan)
    assert {("c1", "m1", 9100), ("m1", "m2", 9100)} <= scrape_edges(plan)


def test_verify_expects_a_refusal_from_a_host_that_does_not_scrape(judge: Judge) -> None:
    plan = planned(judge, "monitor: {hosts: {c1: }}")
    at_metrics = [edge for edge in host_edges(plan, "px1") if edge["name"] == "m1" and edge["port"] == 9100]
    assert [edge["expect"] for edge in at_metrics] == ["refused"]
    assert [edge.get("expect", "open") for edge in host_edges(plan, "c1") if edge["port"] == 9100] == ["open"] * 8


def test_no_playbook_connects_to_a_host_that_only_scrapes(inventory_text: Callable[..., str]) -> None:
    inventory = yaml.safe_load(inventory_text(WATCH))
    groups = {name: list(group.get("hosts", {})) for name, group in inventory.items() if name != "all"}
    hosts = {host: {} for of_group in groups.values() for host in of_group}
    (system,) = systems_of(hosts, groups, hosts, lambda _host, _variables, _name: None)
    assert "watch" in system.hosts
    assert "watch" not in system.connected()
    assert "watch" not in system.servers()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::71"])
def test_the_address_of_a_monitor_is_checked_as_any_other(judge: Judge, address: str) -> None:
    outcome = judge(f'monitor: {{hosts: {{watch: {{ansible_host: "{address}"}}}}}}')
    found = {finding.rule for finding in outcome.findings}
    assert ("one-address-family" in found) == (":" in address)
