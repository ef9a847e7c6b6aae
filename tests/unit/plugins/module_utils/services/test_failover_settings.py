# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings and units of the failover of a node, by elections and by a lease."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.services.failover_settings import (
    FILES,
    FOREVER,
    agent_files,
    agent_settings,
    failover_units,
    lease_settings,
    unused_files,
)
from ansible_collections.distributed.tiers.tests.unit.slices import complete

HOST = {name: f"/{name}" for name in FILES}
PAIR = {"name": "m1", "tier": "master", "port": 8443, "failback": "manual", "virtual_address": None}
PAIR |= {"primary": None, "pair": {"name": "m2", "address": "192.0.2.12"}, "active_standby": True, "failover": "vrrp"}
VOTERS = [
    {"name": name, "address": f"192.0.2.{number}", "port": 2379} for number, name in enumerate(("v1", "m1", "v2"))
]
LEASE = {"failover": "lease", "failover_ttl": 3, "rejoin": "", "arbiter_endpoints": VOTERS}
LIMITS = {"allowed_lag": 0, "behind_seconds": 30.0}
SHARED = {"virtual_address": "192.0.2.10"}


def units(stays_out: bool = False, **more: Any) -> list[tuple[str, str]]:
    return [(unit["name"], unit["state"]) for unit in failover_units(complete(PAIR | more), HOST, stays_out)]


def settings(**more: Any) -> dict[str, Any]:
    return agent_settings(
        complete(PAIR | more), HOST, {"check_seconds": 10}, LIMITS, "ledger", 8443, ["ledger.service"]
    )


@pytest.mark.parametrize(
    ("more", "out", "running"),
    [
        ({}, False, [("keepalived.service", "started")]),
        ({}, True, [("keepalived.service", "stopped")]),
        (LEASE, False, [("tiers-failover.service", "started")]),
        (LEASE | SHARED, True, [("tiers-failover.service", "stopped"), ("keepalived.service", "started")]),
        (SHARED | {"active_standby": False}, False, [("keepalived.service", "started")]),
    ],
    ids=["elections", "stepped-down", "lease", "lease-stepped-down", "address"],
)
def test_unit_that_decides_is_stopped_while_the_node_stays_out(
    more: dict[str, Any], out: bool, running: list[tuple[str, str]]
) -> None:
    assert units(out, **more) == running


def test_unit_is_reloaded_for_the_files_that_it_reads_and_no_others() -> None:
    (elections,) = failover_units(complete(PAIR), HOST, stays_out=False)
    assert elections["files"] == ["/keepalived_config", "/drop_in", *agent_files(PAIR, "/etc"), "/etc/standby.nft"]
    (address,) = failover_units(complete(PAIR | SHARED | {"active_standby": False}), HOST, stays_out=False)
    assert address["files"] == ["/keepalived_config", "/drop_in", "/etc/check-port"]
    agent, keepalived = failover_units(complete(PAIR | LEASE | SHARED), HOST, stays_out=False)
    assert keepalived["files"] == ["/keepalived_config", "/drop_in"]
    assert {"/etc/lease/holder.py", "/lease_unit", "/tls/server.crt"} <= {*agent["files"]}


def test_keepalived_leaves_no_files_where_it_does_not_run() -> None:
    assert unused_files(PAIR | LEASE, HOST)[-2:] == ["/keepalived_config", "/drop_in"]
    assert not {"/keepalived_config", "/drop_in"} & {
        *unused_files(PAIR, HOST),
        *unused_files(PAIR | LEASE | SHARED, HOST),
    }


def test_only_a_primary_stays_out_after_a_failover() -> None:
    assert settings(failback="never")["stays_out"]
    assert not settings(failback="never", tier="backup")["stays_out"]
    assert not settings()["stays_out"]


def test_agent_starts_and_stops_the_units_of_a_cold_backup_only() -> None:
    assert settings(redundancy="cold")["cold_units"] == ["ledger.service"]
    assert settings()["cold_units"] == []


def test_both_nodes_ask_for_the_lease_of_their_pair_and_a_voter_asks_itself_first() -> None:
    primary = settings(**LEASE)["lease"]
    backup = settings(**LEASE, name="m2", tier="backup", primary="m1")["lease"]
    assert primary["prefix"] == backup["prefix"] == "/tiers/ledger/m1"
    assert (primary["is_primary"], backup["is_primary"]) == (True, False)
    assert [port for _address, port in primary["endpoints"]] == [2379] * 3
    assert [address for address, _port in primary["endpoints"]] == ["192.0.2.1", "192.0.2.0", "192.0.2.2"]
    assert settings()["lease"] is None


@pytest.mark.parametrize(("seconds", "written"), [(30.0, 30.0), (0.0, 0.0), (-1.0, FOREVER)])
def test_node_leaves_the_lease_to_a_better_one_as_long_as_it_is_behind_if_the_time_is_negative(
    seconds: float, written: float
) -> None:
    limits = LIMITS | {"behind_seconds": seconds}
    assert lease_settings(complete(PAIR | LEASE), "/tls", "ledger", limits)["behind_seconds"] == written
