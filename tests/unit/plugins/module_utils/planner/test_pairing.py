# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology answers the questions about a pair."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner import pairing
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.described_services import ledger
from ansible_collections.distributed.tiers.plugins.module_utils.planner.sequence import start_wave, upgrade_order
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology

PAIR_OF_PROXIES = """
    proxy: {hosts: {px1: {tiers_virtual_address: 192.0.2.98, tiers_reload_delay: 30}}}
    backup: {hosts: {px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_zone: rack-b}}}
"""
COLD = ("{master: [warm]}", "{master: [cold], parallel: [cold]}")


def lone(**more: Any) -> tuple[Topology, Server]:
    server = Server("s", "backup", "192.0.2.1", 636, "berlin", "none", **more)
    return Topology(servers={"s": server}), server


@pytest.mark.parametrize("more", [{}, {"primary": "s"}, {"primary": "gone"}])
def test_a_backup_of_nothing_sensible_is_in_no_pair(more: dict[str, str]) -> None:
    topology, server = lone(**more)
    assert list(pairing.pairs(topology)) == []
    assert pairing.redundancy_of(topology, server) is None
    assert not pairing.is_active_standby(topology, server)
    assert pairing.router_ids(topology) == {}
    assert start_wave(topology, server) is None


def test_a_pair_of_proxies_with_a_shared_address_has_an_election_and_serves_on_both_nodes(read: Any) -> None:
    """nginx and HAProxy may serve on both nodes, whatever the product may."""
    topology = read(ledger(("unit:", "proxy: {mode: cache}\n      unit:")), PAIR_OF_PROXIES)
    for name in ("px1", "px1-b"):
        server = topology.servers[name]
        assert pairing.has_leader_election(topology, server)
        assert not pairing.is_active_standby(topology, server)
        assert pairing.primary_of(topology, server).name == "px1"
        assert pairing.reload_delay(topology, server) == 30
    assert all(pairing.is_active_standby(topology, topology.servers[name]) for name in ("m1", "m2"))


def test_a_backup_is_of_the_best_kind_unless_the_inventory_says_another(read: Any) -> None:
    topology = read()
    assert pairing.redundancy_of(topology, topology.servers["m2"]) == "hot"
    assert pairing.redundancy_of(topology, topology.servers["m1"]) is None
    topology = read(ledger(COLD))
    assert pairing.is_cold(topology, topology.servers["m2"])


def test_a_backup_that_is_cold_by_default_gets_a_release_after_its_primary(read: Any) -> None:
    """As one does that the inventory calls cold."""
    said = "backup: {hosts: {m2: {tiers_redundancy: cold}}}"
    orders = [upgrade_order(read(ledger(COLD), patch), {}) for patch in ("", said)]
    assert orders[0] == orders[1]
    assert orders[0].index("m2") == orders[0].index("m1") + 1


def test_a_member_that_is_down_is_not_replaced_if_its_backup_is_cold_by_default(judge: Any) -> None:
    patches = (
        ledger(COLD),
        "parallel: {vars: {tiers_state: down}}",
        "backup: {hosts: {p1-b: {ansible_host: 192.0.2.24, tiers_backup_of: p1, tiers_zone: rack-b}}}",
    )
    said = "backup: {hosts: {p1-b: {tiers_redundancy: cold}}}"
    found = [{f.rule for f in judge(*patches, patch).findings if f.rule == "pool-active"} for patch in ("", said)]
    assert found == [{"pool-active"}, {"pool-active"}]


def test_failback_is_the_backups_or_the_first_of_the_product(read: Any) -> None:
    topology = read("backup: {hosts: {d2: {tiers_failback: manual}}}")
    found = {name: pairing.failback_of(topology, server) for name, server in topology.servers.items()}
    assert (found["d1"], found["d2"], found["px1"]) == ("manual", "manual", None)
    assert found["m1"] == found["m2"] == "auto"


def test_failure_detection_is_the_servers_or_the_products(read: Any) -> None:
    topology = read("proxy: {hosts: {px1: {tiers_failure_detection: 0}}}")
    product = topology.product_of(topology.servers["px2"])
    assert pairing.failure_detection(topology, topology.servers["px1"]) == 0
    assert pairing.failure_detection(topology, topology.servers["px2"]) == product.failure_detection
