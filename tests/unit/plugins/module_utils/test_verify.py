# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils import verify

ADDRESS = {"m": "10.0.0.1", "mb": "10.0.0.2", "x": "10.0.1.1", "p": "10.0.0.3", "d": "10.0.0.4", "db": "10.0.0.5"}
SHARED = "10.0.0.9"


def point(name: str) -> dict[str, Any]:
    return {"name": name, "address": ADDRESS[name], "port": 636}


def server(name: str, serves_as: str, sources: list[str], **more: Any) -> dict[str, Any]:
    return {
        **point(name),
        "tier": serves_as,
        "serves_as": serves_as,
        "protocol": "ldaps",
        "state": "active",
        "redundancy": None,
        "failback": None,
        "primary": None,
        "backup": None,
        "virtual_address": None,
        "upstreams": [],
        "members": [],
        "firewall": [{"port": 636, "protocol": "tcp", "sources": sources, "why": ""}],
        **more,
    }


def backup(name: str, primary: str, serves_as: str, sources: list[str], **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"tier": "backup", "primary": primary, "redundancy": "hot", "failback": "auto"}
    return server(name, serves_as, sources, **{**base, **more})


def edge(source: str, to: str, address: str | None = None) -> dict[str, Any]:
    return {"from": source, "to": to, "address": address or ADDRESS[to], "port": 636, "protocol": "tcp", "why": ""}


@pytest.fixture
def plan() -> dict[str, Any]:
    masters = [point("m"), point("mb")]
    return {
        "servers": {
            "m": server("m", "master", ["10.0.0.2/32", "10.0.1.1/32", "10.0.0.3/32"], backup="mb"),
            "mb": backup("mb", "m", "master", ["10.0.0.1/32", "10.0.1.1/32", "10.0.0.3/32"]),
            "x": server("x", "proxy", ["10.0.1.0/24"], upstreams=masters),
            "p": server("p", "parallel", ["10.0.0.4/32", "10.0.0.5/32"], upstreams=masters),
            "d": server("d", "distributor", ["10.0.1.0/24"], virtual_address=SHARED, members=[point("p")], backup="db"),
            "db": backup("db", "d", "distributor", ["10.0.1.0/24"], virtual_address=SHARED, members=[point("p")]),
        },
        "clients": {
            "c": {
                "address": "10.0.1.50",
                "protocol": "ldaps",
                "endpoints": [point("x")],
                "pool": [{"name": "pool", "address": SHARED, "port": 636}],
            }
        },
        "edges": [
            edge("m", "mb"),
            edge("mb", "m"),
            edge("x", "m"),
            edge("x", "mb"),
            edge("p", "m"),
            edge("p", "mb"),
            edge("d", "p"),
            edge("db", "p"),
            edge("c", "x"),
            edge("c", "d", SHARED),
            edge("c", "d"),
            edge("c", "db"),
        ],
    }


def short(edges: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["name"], e["address"], e["protocol"], e.get("expect", "open"), e.get("role")) for e in edges]


def test_a_master_probes_itself_its_half_and_is_refused_by_the_rest(plan: dict[str, Any]) -> None:
    assert short(verify.host_edges(plan, "m")) == [
        ("m", "10.0.0.1", "ldaps", "open", "provider"),
        ("mb", "10.0.0.2", "ldaps", "open", "provider"),
        ("d", "10.0.0.4", "tcp", "refused", None),
        ("db", "10.0.0.5", "tcp", "refused", None),
        ("p", "10.0.0.3", "tcp", "refused", None),
        ("x", "10.0.1.1", "tcp", "refused", None),
    ]


def test_a_client_sees_members_behind_the_distributor(plan: dict[str, Any]) -> None:
    assert short(verify.host_edges(plan, "c")) == [
        ("d", "10.0.0.4", "ldaps", "open", "replica"),
        ("d", SHARED, "ldaps", "open", "replica"),
        ("db", "10.0.0.5", "ldaps", "open", "replica"),
        ("x", "10.0.1.1", "ldaps", "open", "replica"),
        ("m", "10.0.0.1", "tcp", "refused", None),
        ("mb", "10.0.0.2", "tcp", "refused", None),
        ("p", "10.0.0.3", "tcp", "refused", None),
    ]


def test_a_distributor_has_no_client_of_the_product(plan: dict[str, Any]) -> None:
    edges = verify.host_edges(plan, "d")
    assert short(edges)[:5] == [
        ("d", "10.0.0.4", "tls", "open", None),
        ("d", "127.0.0.1", "haproxy", "open", None),
        ("d", SHARED, "address", "open", None),
        ("d", SHARED, "tls", "open", None),
        ("p", "10.0.0.3", "tls", "open", None),
    ]
    assert edges[1]["up"] == ["p"]


def test_who_is_let_in_as_a_clients_network_is_not_claimed_to_be_refused(plan: dict[str, Any]) -> None:
    """The proxy stands in the network of clients that the distributor serves."""
    refused = [e["name"] for e in verify.host_edges(plan, "x") if e.get("expect") == "refused"]
    assert refused == ["p"]


def test_every_pair_is_planned_admitted_or_refused(plan: dict[str, Any]) -> None:
    hosts = [*plan["servers"], *plan["clients"]]
    for host in hosts:
        probed = {e["name"] for e in verify.host_edges(plan, host)}
        here = (plan["servers"].get(host) or plan["clients"][host])["address"]
        for name, one in plan["servers"].items():
            assert name in probed or name == host or verify.admitted(one, here)


def test_the_backup_must_not_hold_the_shared_address(plan: dict[str, Any]) -> None:
    assert ("db", SHARED, "address", "refused", None) in short(verify.own_edges(plan, "db"))
    assert not any(e["protocol"] == "tls" and e["address"] == SHARED for e in verify.own_edges(plan, "db"))


def test_after_a_manual_failback_either_may_hold_it(plan: dict[str, Any]) -> None:
    plan["servers"]["db"]["failback"] = "manual"
    assert not any(e["protocol"] == "address" for name in ("d", "db") for e in verify.own_edges(plan, name))


def test_a_cold_backup_is_not_started(plan: dict[str, Any]) -> None:
    plan["servers"]["mb"]["redundancy"] = "cold"
    assert verify.own_edges(plan, "mb")[0]["refused_by"] == ["closed"]
    assert ("mb", "10.0.0.2", "tcp", "refused", None) in short(verify.host_edges(plan, "x"))
    balancer = next(e for e in verify.own_edges(plan, "x") if e["protocol"] == "haproxy")
    assert balancer["up"] == ["m"]
    assert verify.places(plan, "mb") == []


def test_a_server_that_is_down_by_plan_is_left_alone(plan: dict[str, Any]) -> None:
    plan["servers"]["p"]["state"] = "down"
    assert verify.own_edges(plan, "p") == []
    assert "p" not in {e["name"] for e in verify.host_edges(plan, "d") if e["protocol"] != "haproxy"}


def test_a_name_for_an_address_claims_no_refusal(plan: dict[str, Any]) -> None:
    assert verify.admitted(plan["servers"]["m"], "host.example.org")


def test_newest() -> None:
    assert verify.newest([{"1": "b", "2": "a"}, {"1": "a"}, {}]) == {"1": "b", "2": "a"}


def test_places(plan: dict[str, Any]) -> None:
    assert [p["name"] for p in verify.places(plan, "c")] == ["x", "pool"]
    assert [p["name"] for p in verify.places(plan, "x")] == ["x"]
    assert verify.places(plan, "d") == []


def seen(**more: Any) -> dict[str, Any]:
    base = {"name": "m", "address": "a", "port": 1, "protocol": "ldaps", "expect": "open", "role": "provider"}
    return {**base, "refused_by": None, "latency_ms": 3.0, "ok": True, "why": "", **more}


def test_report_good(plan: dict[str, Any]) -> None:
    row = {"name": "r", "server": "x", "ok": True, "why": "", "write_ms": 4.0, "readers": [{"server": "d", "ms": 9.0}]}
    found = {"server": "x", "ok": True, "why": ""}
    refusal = seen(expect="refused", refused_by="firewall", latency_ms=None, role=None)
    results = {
        "c": {"probed": {"edges": [seen(), refusal]}, "written": {"rows": [row]}, "found": {"rows": [found]}},
        "d": {"probed": {"edges": [seen()]}, "written": {"skipped": True}, "found": {"skipped": True}},
    }
    report = verify.report(plan, results)
    assert report["ok"], report["findings"]
    assert "edges of the plan answer" in report["text"]
    assert "2 of 2" in report["text"]
    assert "by firewall" in report["text"]


def test_report_tells_everything_at_once(plan: dict[str, Any]) -> None:
    bad_row = {"name": "r", "server": "x", "ok": False, "why": "no", "readers": []}
    results = {
        "c": {
            "probed": {"edges": [seen(ok=False, why="open!")]},
            "written": {"rows": [bad_row]},
            "found": {"rows": []},
        },
        "m": {"probed": {"unreachable": True, "msg": "no route"}, "written": {}, "found": {}},
    }
    report = verify.report(plan, results)
    assert not report["ok"]
    assert [(f["host"], f["why"]) for f in report["findings"]] == [
        ("m", "no route"),
        ("m", "no answer from this host"),
        ("m", "no answer from this host"),
        ("c", "open!"),
        ("c", "no"),
    ]


def test_nothing_probed_is_nothing_proven(plan: dict[str, Any]) -> None:
    assert not verify.report(plan, {})["ok"]
