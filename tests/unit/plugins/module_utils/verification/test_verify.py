# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification import verify
from ansible_collections.distributed.tiers.tests.unit.slices import ClientSlice, Slice, complete

ADDRESS = {"m": "10.0.0.1", "mb": "10.0.0.2", "x": "10.0.1.1", "p": "10.0.0.3", "d": "10.0.0.4", "db": "10.0.0.5"}
SHARED = "10.0.0.9"


def point(name: str) -> dict[str, Any]:
    return {"name": name, "address": ADDRESS[name], "port": 636}


def server(name: str, serves_as: str, sources: list[str], **more: Any) -> Slice:
    given = {
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
    return Slice(given)


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
        "voters": {},
        "clients": {
            "c": ClientSlice(
                address="10.0.1.50",
                protocol="ldaps",
                endpoints=[point("x")],
                pool=[{"name": "pool", "address": SHARED, "port": 636}],
            )
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


def probed(edges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the checks whether a server is drained and whether it can write."""
    return [e for e in edges if e["protocol"] not in ("drained", "writes")]


def short(edges: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["name"], e["address"], e["protocol"], e.get("expect", "open"), e.get("role")) for e in probed(edges)]


def test_every_serving_server_checks_whether_it_is_drained(plan: dict[str, Any]) -> None:
    plan["servers"]["p"]["state"] = "draining"
    looks = {
        name: [e["expect"] for e in verify.own_edges(plan, name) if e["protocol"] == "drained"]
        for name in plan["servers"]
    }
    assert looks == {name: [] if name == "p" else ["refused"] for name in plan["servers"]}


def test_every_master_checks_whether_it_can_write(plan: dict[str, Any]) -> None:
    """One without a peer, too: clients notice that its disk is full, and nobody else does."""
    plan["servers"]["x"]["steps_aside_for"] = "xb"
    checks = {name: any(e["protocol"] == "writes" for e in verify.own_edges(plan, name)) for name in plan["servers"]}
    assert checks == {name: name in ("m", "mb", "x") for name in plan["servers"]}


def test_hosts_look_for_the_old_machine_at_the_address_that_they_know(plan: dict[str, Any]) -> None:
    """The plan has the address of the new one, and the address that a pair shares leads to the other node."""
    plan["domain"] = "example"
    looks = {host: verify.old_machine_edges(plan, host, ["m", "d"]) for host in ("m", "mb", "p", "c")}
    assert {host: [(one["name"], one["address"], one["port"]) for one in found] for host, found in looks.items()} == {
        "m": [],
        "mb": [("m", "m.example", 636)],
        "p": [("m", "m.example", 636)],
        "c": [("d", "d.example", 636)],
    }
    assert looks["p"][0]["expect"] == "refused"


def test_a_master_probes_itself_and_its_peer_and_is_refused_by_the_rest(plan: dict[str, Any]) -> None:
    assert short(verify.host_edges(plan, "m")) == [
        ("m", "10.0.0.1", "ldaps", "open", "provider"),
        ("mb", "10.0.0.2", "ldaps", "open", "provider"),
        ("d", "10.0.0.4", "tcp", "refused", None),
        ("db", "10.0.0.5", "tcp", "refused", None),
        ("p", "10.0.0.3", "tcp", "refused", None),
        ("x", "10.0.1.1", "tcp", "refused", None),
    ]


@pytest.mark.parametrize(("redundancy", "up"), [("hot", ["p", "pb"]), ("warm", ["p", "pb"]), ("cold", ["p"])])
def test_a_distributor_must_route_to_the_backup_of_a_member(
    plan: dict[str, Any], redundancy: str, up: list[str]
) -> None:
    ADDRESS["pb"] = "10.0.0.6"
    plan["servers"]["p"]["backup"] = "pb"
    plan["servers"]["pb"] = backup("pb", "p", "parallel", ["10.0.0.4/32"], redundancy=redundancy)
    plan["servers"]["d"]["members"] = [{**point("p"), "backup": point("pb")}]
    balancer = next(e for e in verify.own_edges(plan, "d") if e["protocol"] == "haproxy")
    assert balancer["up"] == up


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


def test_hosts_in_the_network_of_clients_need_not_be_refused(plan: dict[str, Any]) -> None:
    """The proxy stands in the network of clients that the distributor serves."""
    refused = [e["name"] for e in probed(verify.host_edges(plan, "x")) if e.get("expect") == "refused"]
    assert refused == ["p"]


def test_every_pair_is_planned_admitted_or_refused(plan: dict[str, Any]) -> None:
    hosts = [*plan["servers"], *plan["clients"]]
    for host in hosts:
        reached = {e["name"] for e in verify.host_edges(plan, host)}
        here = (plan["servers"].get(host) or plan["clients"][host])["address"]
        for name, one in plan["servers"].items():
            assert name in reached or name == host or verify.is_admitted(one, here)


def test_the_backup_must_not_hold_the_shared_address(plan: dict[str, Any]) -> None:
    assert ("db", SHARED, "address", "refused", None) in short(verify.own_edges(plan, "db"))
    assert not any(e["protocol"] == "tls" and e["address"] == SHARED for e in verify.own_edges(plan, "db"))


@pytest.mark.parametrize("failback", ["manual", "never"])
def test_after_a_failback_by_hand_either_may_hold_it(plan: dict[str, Any], failback: str) -> None:
    plan["servers"]["db"]["failback"] = failback
    held = [e["expect"] for name in ("d", "db") for e in verify.own_edges(plan, name) if e["protocol"] == "address"]
    assert held == ["either", "either"]


def test_a_cold_backup_is_not_started(plan: dict[str, Any]) -> None:
    plan["servers"]["mb"]["redundancy"] = "cold"
    assert verify.own_edges(plan, "mb")[0]["refused_by"] == ["closed"]
    assert ("mb", "10.0.0.2", "port", "refused", None) in short(verify.host_edges(plan, "x"))
    balancer = next(e for e in verify.own_edges(plan, "x") if e["protocol"] == "haproxy")
    assert balancer["up"] == ["m"]
    assert verify.places(plan, "mb") == []


def test_a_server_that_is_down_by_plan_is_left_alone(plan: dict[str, Any]) -> None:
    plan["servers"]["p"]["state"] = "down"
    assert verify.own_edges(plan, "p") == []
    assert "p" not in {e["name"] for e in verify.host_edges(plan, "d") if e["protocol"] != "haproxy"}


def test_a_name_for_an_address_claims_no_refusal(plan: dict[str, Any]) -> None:
    assert verify.is_admitted(plan["servers"]["m"], "host.example.org")


def test_newest() -> None:
    assert verify.newest([{"1": "b", "2": "a"}, {"1": "a"}, {}]) == {"1": "b", "2": "a"}


def test_places(plan: dict[str, Any]) -> None:
    assert [p["name"] for p in verify.places(plan, "c")] == ["x", "pool"]
    assert [p["name"] for p in verify.places(plan, "x")] == ["x"]
    assert verify.places(plan, "d") == []


def test_rows_of_a_client_without_a_proxy_go_through_the_pool_once(plan: dict[str, Any]) -> None:
    client = plan["clients"]["c"]
    client["endpoints"] = [{**client["pool"][0], "role": "pool"}]
    assert [place["name"] for place in verify.places(plan, "c")] == ["pool"]


def test_no_rows_go_through_a_server_that_is_planned_to_be_down(plan: dict[str, Any]) -> None:
    """Not even one of an active/standby pair, which no probe asks whether it serves."""
    plan["servers"]["m"].update(state="down", active_standby=True)
    plan["servers"]["mb"].update(active_standby=True)
    plan["clients"]["c"].update(endpoints=[point("m"), point("mb")], pool=[])
    assert [place["name"] for place in verify.places(plan, "c")] == ["mb"]


# Pairs of which one node serves at a time, proxies that only pass on, further ports, and other protocols


@pytest.fixture
def turns(plan: dict[str, Any]) -> dict[str, Any]:
    """The masters take turns, and so does nobody else."""
    for name, one in plan["servers"].items():
        one.update(protocol="https", active_standby=name in ("m", "mb"))
    return plan


def full(edges: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["name"], e["protocol"], e.get("expect", "open"), e.get("role"), e.get("one_of")) for e in probed(edges)]


def test_a_standby_refuses_all_but_its_peer(turns: dict[str, Any]) -> None:
    assert full(verify.host_edges(turns, "x"))[2:4] == [
        ("m", "https", "open", "provider", None),
        ("mb", "tcp", "refused", None, None),
    ]
    assert probed(verify.host_edges(turns, "x"))[3]["refused_by"] == ["firewall", "timeout", "closed"]
    assert full(verify.host_edges(turns, "m"))[:3] == [
        ("m", "https", "open", "provider", None),
        ("m", "active", "open", None, None),
        ("mb", "https", "open", None, None),
    ]
    assert full(verify.own_edges(turns, "mb")) == [
        ("mb", "https", "open", None, None),
        ("mb", "active", "refused", None, None),
    ]


@pytest.mark.parametrize("failback", ["manual", "never"])
def test_without_automatic_failback_either_node_may_be_active(turns: dict[str, Any], failback: str) -> None:
    turns["servers"]["mb"]["failback"] = failback
    assert full(verify.host_edges(turns, "x"))[2:4] == [
        ("m", "https", "either", "provider", "m"),
        ("mb", "https", "either", "provider", "m"),
    ]
    for name in ("m", "mb"):
        assert full(verify.own_edges(turns, name)) == [
            (name, "https", "open", None, None),
            (name, "active", "either", None, None),
        ]
    balancer = next(e for e in verify.own_edges(turns, "x") if e["protocol"] == "haproxy")
    assert (balancer["up"], balancer["one_up_of"]) == ([], [["m", "mb"]])


@pytest.mark.parametrize("failback", ["auto", "manual"])
def test_a_lagging_node_is_probed_until_it_has_the_positions(turns: dict[str, Any], failback: str) -> None:
    turns["servers"]["mb"] |= {"failback": failback, "redundancy": "hot"}
    for name in ("m", "mb"):
        own = next(e for e in verify.own_edges(turns, name, {"1": "a"}) if e["protocol"] == "https")
        if own.get("role") or failback == "manual":
            assert own["at_least"] == {"1": "a"}


@pytest.mark.parametrize("name", ["d", "db"])
def test_a_distributor_has_no_position_that_could_lag(plan: dict[str, Any], name: str) -> None:
    assert [own for own in verify.own_edges(plan, name, {"1": "a"}) if "at_least" in own] == []
    assert [own for own in verify.own_edges(plan, "p", {"1": "a"}) if "at_least" in own]


def test_relays_route_to_the_node_that_must_be_active(turns: dict[str, Any]) -> None:
    balancer = next(e for e in verify.own_edges(turns, "x") if e["protocol"] == "haproxy")
    assert (balancer["up"], balancer["one_up_of"]) == (["m"], [["m", "mb"]])


def test_a_primary_that_is_drained_leaves_it_open_who_serves(turns: dict[str, Any]) -> None:
    turns["servers"]["m"]["state"] = "draining"
    assert verify.is_planned_active(turns, turns["servers"]["mb"]) is None


@pytest.mark.parametrize("failback", ["auto", "manual", "never"])
@pytest.mark.parametrize("down", ["m", "mb"])
def test_the_node_whose_peer_is_down_by_plan_must_be_active(turns: dict[str, Any], down: str, failback: str) -> None:
    turns["servers"]["mb"]["failback"] = failback
    turns["servers"][down]["state"] = "down"
    (left,) = {"m", "mb"} - {down}
    assert ("active", "open") in [(e["protocol"], e.get("expect", "open")) for e in verify.own_edges(turns, left)]
    assert verify.is_planned_active(turns, turns["servers"][down]) is False


@pytest.mark.parametrize(("failback", "expect"), [("auto", "refused"), ("never", "either")])
def test_the_standby_of_a_cold_pair_is_not_started(turns: dict[str, Any], failback: str, expect: str) -> None:
    turns["servers"]["mb"].update(redundancy="cold", failback=failback)
    (service, turn) = probed(verify.own_edges(turns, "mb"))
    assert (service["protocol"], service["expect"], service["refused_by"]) == ("port", expect, ["closed"])
    assert turn["expect"] == expect
    # What ends TLS before it does run, and has nobody to give to.
    turns["servers"]["mb"]["tls"] = "terminated"
    (service, _turn) = probed(verify.own_edges(turns, "mb"))
    assert (service["protocol"], service["expect"]) == ("https", expect)
    assert service["refused_by"] == ["closed", "service"]
    assert verify.places(turns, "mb")
    assert verify.places(turns, "mb", standing_by=["mb"]) == []


def test_at_a_shared_address_one_node_always_serves(turns: dict[str, Any]) -> None:
    for name in ("m", "mb"):
        turns["servers"][name]["virtual_address"] = "10.0.0.8"
    turns["servers"]["mb"]["failback"] = "never"
    turns["edges"] = [edge("x", "m", "10.0.0.8")]
    assert ("m", "https", "open", "provider", None) in full(verify.host_edges(turns, "x"))
    turns["clients"]["c"]["endpoints"] = [{"name": "m", "address": "10.0.0.8", "port": 636}]
    assert [p["name"] for p in verify.places(turns, "c", standing_by=["m"])] == ["m", "pool"]
    turns["clients"]["c"]["endpoints"] = [point("m"), point("mb")]
    assert [p["name"] for p in verify.places(turns, "c", standing_by=["m"])] == ["mb", "pool"]


@pytest.mark.parametrize(("mode", "role"), [("pass", None), ("cache", None), ("product", "replica")])
def test_a_proxy_that_passes_on_has_no_role_and_no_data(plan: dict[str, Any], mode: str, role: str | None) -> None:
    plan["servers"]["x"]["proxy_mode"] = mode
    own = verify.own_edges(plan, "x", {"1": "a"})[0]
    assert (own.get("role"), own.get("at_least")) == (role, {"1": "a"} if role else None)
    seen_from_client = next(e for e in verify.host_edges(plan, "c") if e["name"] == "x")
    assert seen_from_client.get("role") == role


@pytest.mark.parametrize(
    ("more", "has"), [({"redundancy": "warm"}, False), ({"replication": "none"}, False), ({"redundancy": "hot"}, True)]
)
def test_data_is_not_asked_for_where_it_is_not_promised(plan: dict[str, Any], more: dict[str, str], has: bool) -> None:
    plan["servers"]["mb"].update(more)
    assert ("at_least" in verify.own_edges(plan, "mb", {"1": "a"})[0]) is has


def test_the_products_own_commands_are_spoken_by_who_has_them(plan: dict[str, Any]) -> None:
    for one in plan["servers"].values():
        one["protocol"] = "tcp"
    spoken = {
        (host, e["name"]): e["protocol"]
        for host in ("c", "d", "m")
        for e in verify.host_edges(plan, host, protocol="command")
        if e.get("expect", "open") == "open" and e["protocol"] not in ("haproxy", "address", "writes")
    }
    assert {spoken["c", "x"], spoken["c", "d"], spoken["m", "m"], spoken["m", "mb"]} == {"command"}
    assert {spoken["d", "d"], spoken["d", "p"]} == {"tcp"}
    assert {p["protocol"] for p in verify.places(plan, "c", "command")} == {"command"}


def test_further_ports(plan: dict[str, Any]) -> None:
    plan["edges"] += [{**edge("x", "m"), "port": 6222}, {**edge("x", "m"), "port": 53, "protocol": "udp"}]
    plan["servers"]["m"]["firewall"].append(
        {"port": 6222, "protocol": "tcp", "sources": ["10.0.1.1/32"], "why": "cluster"}
    )
    assert [(e["port"], e["protocol"]) for e in verify.host_edges(plan, "x") if e["name"] == "m"] == [
        (636, "ldaps"),
        (6222, "port"),
    ]
    shut = [(e["port"], e.get("expect")) for e in verify.host_edges(plan, "mb") if e["name"] == "m"]
    assert (6222, "refused") in shut
    assert "unknown whether one of 1 is open" in verify.report(plan, {})["text"]


def turn(name: str, serves: bool) -> dict[str, Any]:
    return {"edges": [seen(name=name, protocol="active", reachable=serves, role=None, latency_ms=None)]}


@pytest.mark.parametrize(
    ("m", "mb", "wrong"),
    [
        (True, False, []),
        (False, True, []),
        (True, True, [("m", "split brain: m and mb both serve, one must")]),
        (False, False, [("m", "neither of m and mb serves: runbook 'Pair without an active node'")]),
    ],
)
def test_exactly_one_node_of_a_pair_must_serve(
    turns: dict[str, Any], m: bool, mb: bool, wrong: list[tuple[str, str]]
) -> None:
    answers = {"m": turn("m", m), "mb": turn("mb", mb)}
    assert verify.wrong_pairs(turns, answers) == wrong
    assert verify.degraded_servers(turns, answers) == [why for _pair, why in wrong]
    assert verify.standing_by(answers) == [name for name, serves in (("m", m), ("mb", mb)) if not serves]
    report = verify.report(turns, {name: {"probed": answer} for name, answer in answers.items()})
    assert [(f["host"], f["why"]) for f in report["findings"] if f["what"] == "its pair"] == wrong


def test_a_system_whose_failover_is_paused_is_degraded(turns: dict[str, Any]) -> None:
    """So a drill refuses to begin: its promises would be broken."""
    answers = {"m": turn("m", True), "mb": turn("mb", False)}
    for answer in answers.values():
        active = next(edge for edge in answer["edges"] if edge["protocol"] == "active")
        active["lease"] = {"holder": "m", "paused": True, "paused_until": 0, "age": 0.1, "ttl": 3.0}
    (why,) = verify.degraded_servers(turns, answers)
    assert why.startswith("pair of m: automatic failover is paused without a time limit.")


def test_deviations_of_a_degraded_system_are_listed(turns: dict[str, Any]) -> None:
    answers = {"m": {"unreachable": True}, "mb": {"edges": [seen(name="mb", ok=False, why="late")]}}
    assert verify.degraded_servers(turns, answers) == ["m: no answer", "mb: late"]


def test_one_answer_of_a_pair_alone_is_no_finding(turns: dict[str, Any]) -> None:
    """As under --limit."""
    assert verify.wrong_pairs(turns, {"mb": turn("mb", False)}) == []


def test_operations_that_are_not_offered_count_as_not_measured(plan: dict[str, Any]) -> None:
    text = verify.report(plan, {"c": {"probed": {"edges": [seen()]}}}, offers=["read"])["text"]
    assert "not measured: the product offers no status to probes" in text
    assert "not measured: the product offers no write and no names and no remove to probes" in text
    assert "0 of 0" not in text.split("rows written")[1]


def seen(**more: Any) -> dict[str, Any]:
    base = {"name": "m", "address": "a", "port": 1, "protocol": "ldaps", "expect": "open", "role": "provider"}
    return {**base, "refused_by": None, "reachable": True, "latency_ms": 3.0, "ok": True, "why": "", **more}


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


def test_alerts_of_the_arbiter_are_findings(plan: dict[str, Any]) -> None:
    answers = {"c": {"probed": {"edges": [seen()]}}}
    report = verify.report(plan, answers, voters=(2, 3, ["voter a: it is down"]))
    assert {"host": "arbiter", "what": "voters", "why": "voter a: it is down"} in report["findings"]
    assert "2 of 3" in report["text"]


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
        ("c", "open!"),
        ("c", "no"),
    ]


@pytest.mark.parametrize(("latency", "note"), [(3.0, "0 of 1   not read: m (LDAP: Timed out)"), (None, "0 of 1")])
def test_content_that_cannot_be_read_is_named(plan: dict[str, Any], latency: float | None, note: str) -> None:
    """Unless its service does not answer, as that of a standby which is not started."""
    unread = {"edges": [seen(digest=None, position={}, ok=False, why="LDAP: Timed out")]}
    text = verify.report(plan, {"m": {"probed": {"edges": [seen(latency_ms=latency)]}, "content": unread}})["text"]
    (line,) = [line for line in text.splitlines() if line.startswith("servers with the same content")]
    assert " ".join(line.split()).endswith(" ".join(note.split()))


def test_nothing_probed_is_nothing_proven(plan: dict[str, Any]) -> None:
    assert not verify.report(plan, {})["ok"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "no answer"),
        (
            {"msg": "Task failed: Failed to connect to the host via ssh: timed out"},
            "Failed to connect to the host via ssh: timed out",
        ),
        ({"msg": "Task failed: Timed out after 20 second(s).", "timedout": {"period": 20}}, "no answer within 20 s"),
        (
            {
                "msg": "Task failed: Data could not be sent: mux_client_request_session: read from master failed: "
                "Broken pipe\nConnection timed out during banner exchange"
            },
            "Connection timed out during banner exchange",
        ),
        (
            {
                "msg": "Data could not be sent to remote host. Make sure this host can be reached over ssh: "
                "ssh: connect to host 192.0.2.1 port 22: Connection timed out"
            },
            "ssh: connect to host 192.0.2.1 port 22: Connection timed out",
        ),
        (
            {"msg": "Task failed: failed to transfer file to /tmp/x /home/x:\n\nscp: write: Failure"},
            "scp: write: Failure",
        ),
        ({"msg": "mux_client_hello_exchange: broken"}, "mux_client_hello_exchange: broken"),
    ],
)
def test_the_reason_is_one_line_that_says_it(answer: dict[str, Any], why: str) -> None:
    assert verify.reason(answer) == why


def test_an_ill_host_is_one_finding(plan: dict[str, Any]) -> None:
    ill = {"failed": True, "msg": "Missing sudo password"}
    report = verify.report(plan, {"m": {"probed": ill, "written": ill, "found": ill}})
    assert [(f["host"], f["why"]) for f in report["findings"]] == [("m", "Missing sudo password")]


def test_a_deviation_of_a_host_is_a_finding(plan: dict[str, Any]) -> None:
    gone = {"host": {"findings": [{"look": "names", "why": "m does not resolve"}]}, "probed": {"edges": []}}
    found = verify.report(plan, {"c": gone})["findings"]
    assert {"host": "c", "what": "names", "why": "m does not resolve"} in found


def test_time_service_must_run_on_servers_and_on_hosts_that_only_vote(plan: dict[str, Any]) -> None:
    unkept = {"host": {"findings": [], "clock": {"synchronized_by": [], "named": ""}}, "probed": {"edges": []}}
    plan["voters"] = {"v": {}}
    found = verify.report(plan, dict.fromkeys(("c", "m", "v"), unkept))["findings"]
    assert [f["host"] for f in found if f["what"] == "clock"] == ["m", "v"]


@pytest.fixture
def writes(plan: dict[str, Any]) -> dict[str, Any]:
    """The plan of a product whose replicas are read-only: writes go to port 637 of proxy and distributors."""
    for name in ("x", "d", "db"):
        server = plan["servers"][name]
        opening = {**server["firewall"][0], "port": 637}
        server.update(write_port=637, client_ports=[636, 637], firewall=[*server["firewall"], opening])
        server.update(upstreams=[point("m"), point("mb")])
    plan["servers"]["p"]["write_port"] = None
    plan["servers"] = {name: complete(server) for name, server in plan["servers"].items()}
    client = plan["clients"]["c"]
    client["write_endpoints"] = [{**one, "port": 637} for one in client["endpoints"]]
    client["write_pool"] = [{**one, "port": 637} for one in client["pool"]]
    plan["edges"] += [{**edge("c", "x"), "port": 637}, {**edge("c", "d", SHARED), "port": 637}]
    return plan


def at_write_port(edges: list[dict[str, Any]]) -> list[tuple[str, str, str | None, str]]:
    return [(e["name"], e["protocol"], e.get("role"), e.get("expect", "open")) for e in edges if e["port"] == 637]


def test_client_finds_the_active_master_at_write_ports(writes: dict[str, Any]) -> None:
    found = at_write_port(verify.host_edges(writes, "c"))
    assert found == [("d", "ldaps", "provider", "open"), ("x", "ldaps", "provider", "open")]


def test_others_are_refused_at_write_ports(writes: dict[str, Any]) -> None:
    assert ("x", "tcp", None, "refused") in at_write_port(verify.host_edges(writes, "p"))


def test_server_checks_its_own_write_port(writes: dict[str, Any]) -> None:
    assert at_write_port(verify.own_edges(writes, "x")) == [("x", "ldaps", "provider", "open")]
    # It has no client of the product.
    assert at_write_port(verify.own_edges(writes, "d")) == [("d", "tls", None, "open")]
    assert at_write_port(verify.own_edges(writes, "p")) == at_write_port(verify.own_edges(writes, "m")) == []
    # The service comes first: its position counts.
    assert verify.own_edges(writes, "x")[0]["port"] == 636


def test_write_port_is_not_probed_while_all_masters_are_down(writes: dict[str, Any]) -> None:
    for name in ("m", "mb"):
        writes["servers"][name].update(state="down", kept_running=False)
    assert at_write_port(verify.own_edges(writes, "x")) == []


def test_rows_are_written_at_write_ports_and_read_at_the_others(writes: dict[str, Any]) -> None:
    def ports(host: str, **options: bool) -> list[tuple[str, int]]:
        return [(place["name"], place["port"]) for place in verify.places(writes, host, **options)]

    assert ports("c") == [("x", 636), ("pool", 636)]
    assert ports("c", writes=True) == [("x", 637), ("pool", 637)]
    assert ports("x", writes=True) == [("x", 637)]
    assert ports("m", writes=True) == ports("m") == [("m", 636)]
    assert ports("p") == [("p", 636)]
    assert ports("p", writes=True) == []


def test_active_standby_proxies_answer_at_one_write_port(writes: dict[str, Any]) -> None:
    writes["servers"]["x"].update(backup="xb", active_standby=True)
    behind = {
        "name": "xb",
        "address": "10.0.1.2",
        "tier": "backup",
        "primary": "x",
        "backup": None,
        "failback": "manual",
    }
    writes["servers"]["xb"] = {**writes["servers"]["x"], **behind}
    to_backup = {**edge("c", "x", "10.0.1.2"), "to": "xb"}
    writes["edges"] += [to_backup, {**to_backup, "port": 637}]
    groups = {
        (e["port"], e["name"]): e.get("one_of") for e in verify.host_edges(writes, "c") if e["name"] in ("x", "xb")
    }
    assert groups == {
        (636, "x"): "x",
        (636, "xb"): "x",
        (637, "x"): "x, writes",
        (637, "xb"): "x, writes",
    }
