# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How writes travel: the write port of proxies and distributors, and who may use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import report
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology

INVENTORIES = Path(__file__).parents[5] / "inventories"
Judge = Callable[..., Outcome]
CACHE = """
all:
  vars:
    tiers_product: service
    tiers_service:
      name: cache
      port: 6379
      protocol: tcp
      tls: product
      tiers: [master, proxy, parallel]
      redundancy: {master: [hot], proxy: [cold, hot]}
      replication: asynchronous
      install: {way: package, packages: [redis-server]}
      unit: redis-server.service
"""
WRITES = CACHE + "      writes: port\n      write_port: 6380\n"
NONE = CACHE + "      writes: none\n"


def planned(judge: Judge, *patches: str) -> dict[str, Any]:
    outcome = judge(*patches)
    assert not outcome.errors
    return outcome.plan or {}


def write_ports(plan: dict[str, Any]) -> dict[str, int | None]:
    return {name: server["write_port"] for name, server in plan["servers"].items()}


def connections(plan: dict[str, Any], port: int) -> set[tuple[str, str]]:
    return {(edge["from"], edge["to"]) for edge in plan["edges"] if edge["port"] == port}


def accepted(server: dict[str, Any], port: int) -> set[str]:
    return {net for opening in server["firewall"] if opening.get("port") == port for net in opening["sources"]}


def test_writes_are_forwarded_unless_the_product_says_otherwise(judge: Judge) -> None:
    plan = planned(judge, CACHE)
    assert set(write_ports(plan).values()) == {6379}
    assert all(client["write_endpoints"] == client["endpoints"] for client in plan["clients"].values())
    assert plan["servers"]["d1"]["upstreams"] == []


def test_proxies_and_distributors_have_a_write_port(judge: Judge) -> None:
    plan = planned(judge, WRITES)
    assert write_ports(plan) == {"m1": 6379, "m2": 6379, "p1": None, "p2": None} | dict.fromkeys(
        ("px1", "px2", "d1", "d2"), 6380
    )
    assert plan["servers"]["px1"]["client_ports"] == [6379, 6380]
    assert plan["servers"]["m1"]["client_ports"] == plan["servers"]["p1"]["client_ports"] == [6379]


def test_distributor_reaches_the_masters(judge: Judge) -> None:
    plan = planned(judge, WRITES)
    assert [up["name"] for up in plan["servers"]["d2"]["upstreams"]] == ["m1", "m2"]
    assert {("d1", "m1"), ("d1", "m2"), ("d2", "m1"), ("d2", "m2")} <= connections(plan, 6379)
    assert "192.0.2.31/32" in accepted(plan["servers"]["m2"], 6379)


def test_clients_reach_the_write_port_of_their_servers_and_no_other(judge: Judge) -> None:
    plan = planned(judge, WRITES)
    client = plan["clients"]["c1"]
    mine = {point["name"] for point in client["endpoints"]}
    assert connections(plan, 6380) == {("c1", name) for name in (*mine, "d1", "d2")}
    assert [(p["name"], p["port"]) for p in client["write_endpoints"]] == [
        (p["name"], 6380) for p in client["endpoints"]
    ]
    assert [p["port"] for p in client["write_pool"]] == [6380] * len(client["pool"])
    assert {edge["port_name"] for edge in plan["edges"] if edge["port"] == 6380} == {"write"}
    assert "192.0.2.51/32" in accepted(plan["servers"]["d1"], 6380)


def test_named_clients_reach_the_write_port(judge: Judge) -> None:
    plan = planned(judge, WRITES)
    (proxy,) = (name for name, share in plan["allocation"]["proxies"].items() if "desk-1" in share["clients"])
    for name in (proxy, "d1", "d2"):
        assert "192.0.2.128/25" in accepted(plan["servers"][name], 6380)
    assert not accepted(plan["servers"]["p1"], 6380)


def test_client_without_a_proxy_writes_at_the_master(judge: Judge) -> None:
    client = planned(judge, WRITES, "client: {hosts: {c1: {tiers_direct: true}}}")["clients"]["c1"]
    assert [(p["name"], p["port"]) for p in client["write_endpoints"]] == [("m1", 6379), ("m2", 6379)]


def test_shared_address_of_the_distributors_takes_writes(judge: Judge) -> None:
    plan = planned(judge, WRITES, "distributor: {hosts: {d1: {tiers_virtual_address: 192.0.2.30}}}")
    assert plan["clients"]["c1"]["write_pool"] == [{"name": "pool", "address": "192.0.2.30", "port": 6380}]
    assert accepted(plan["servers"]["d1"], 6380) == accepted(plan["servers"]["d2"], 6380) >= {"192.0.2.51/32"}


def test_certificate_of_the_master_is_good_for_writes_through_the_pool(judge: Judge) -> None:
    names = {text: planned(judge, text)["servers"]["m2"]["tls_names"] for text in (CACHE, WRITES)}
    assert "pool.tiers.internal" in names[WRITES]["dns"]
    assert {"192.0.2.31", "192.0.2.32"} <= set(names[WRITES]["ip"])
    assert "pool.tiers.internal" not in names[CACHE]["dns"]


@pytest.mark.parametrize("active", ["both", "one"])
def test_cold_proxy_has_a_write_port_where_a_failover_starts_it(judge: Judge, active: str) -> None:
    px3 = "{ansible_host: 192.0.2.13, tiers_zone: z, tiers_backup_of: px1, tiers_redundancy: cold}"
    cold = f"backup: {{hosts: {{px3: {px3}}}}}"
    lower = "all: {vars: {tiers_rules: {cold-active: {severity: warning, why: started by hand}}}}"
    text = WRITES + f"      active: {active}\n"
    plan = planned(judge, text, cold, *([lower] if active == "both" else []))
    assert plan["servers"]["px3"]["write_port"] == (6380 if active == "one" else None)


def test_replicas_without_writes(judge: Judge) -> None:
    plan = planned(judge, NONE)
    assert write_ports(plan) == {"m1": 6379, "m2": 6379} | dict.fromkeys(("px1", "px2", "p1", "p2", "d1", "d2"))
    assert plan["clients"]["c1"]["write_endpoints"] == plan["clients"]["c1"]["write_pool"] == []


@pytest.mark.parametrize(("text", "port"), [(NONE, 6379), (WRITES, 6380)], ids=["none", "port"])
def test_pass_through_proxy_takes_writes(judge: Judge, text: str, port: int) -> None:
    plan = planned(judge, text + "      proxy: {mode: pass}\n")
    assert plan["servers"]["px1"]["write_port"] == port


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (WRITES, "Clients write at port 6380 of the proxies and the distributor, which leads to the active master."),
        (NONE, "Replicas take no writes: clients must write at the master."),
    ],
    ids=["port", "none"],
)
def test_report_shows_where_clients_write(judge: Judge, read: Callable[..., Topology], text: str, line: str) -> None:
    told = report(read(text), judge(text))
    assert line in told
    assert ("192.0.2.11:6379, writes 6380" in told) == (text == WRITES)
    assert ("p1, p2; writes to m1, m2" in told) == (text == WRITES)


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ("write_port: 22", "'write_port' 22 is that of ssh."),
        ("write_port: 10636", "'write_port' 10636 is that of the local relay."),
        ("write_port: 6379", "'write_port' 6379 is the port that the server serves on."),
        (
            "write_port: 6400\n      ports: [{name: gossip, port: 6400, to: [proxy], from: [proxy]}]",
            "'write_port' 6400 is that of port 'gossip'.",
        ),
        ("write_port: 70000", "'write_port' must be from 1 to 65535, here it is 70000."),
    ],
)
def test_write_port_must_be_free(judge: Judge, patch: str, why: str) -> None:
    outcome = judge(CACHE + f"      writes: port\n      {patch}\n")
    assert why in [finding.message for finding in outcome.errors]


def test_voter_on_a_proxy_cannot_have_its_write_port(judge: Judge) -> None:
    voters = "arbiter: {hosts: {px1: , px2: , m1: }}"
    outcome = judge(WRITES, voters, "all: {vars: {tiers_failover: lease, tiers_arbiter_client_port: 6380}}")
    assert [finding.host for finding in outcome.errors if finding.rule == "arbiter-ports"] == ["px1, px2"]


def test_write_port_of_a_product_that_forwards_is_refused(judge: Judge) -> None:
    (finding,) = judge(CACHE + "      write_port: 6380\n").errors
    assert finding.message == "'write_port' is for writes: port, here it is forward."


def test_example_of_redis_is_planned(judge: Judge, vault: Callable[..., Path]) -> None:
    outcome = judge(path=INVENTORIES / "redis", more=[vault("tiers_ca_passphrase", "redis_password")])
    assert outcome.findings == ()
    plan = outcome.plan or {}
    assert {name for name, port in write_ports(plan).items() if port == 6380} == {"px-oslo", "px-rome", "d1", "d2"}
    assert [p["port"] for p in plan["clients"]["c-rome"]["write_endpoints"]] == [6380, 6380]
    assert plan["clients"]["c-rome"]["write_pool"] == [{"name": "pool", "address": "10.115.0.40", "port": 6380}]
