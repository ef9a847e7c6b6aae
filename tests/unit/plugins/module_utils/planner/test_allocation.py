# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The allocation keeps its promises on examples."""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import Any

import pytest

from ansible_collections.distributed.tiers.benchmarks.allocation_instances import MIXED, instance
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation import (
    AllocationError,
    allocate,
    least_headroom,
    reflow,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.flow import solve
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.place import pour

MATRIX = {"ams": {"ams": 1, "bru": 5, "cph": 30}, "bru": {"ams": 5, "bru": 1, "cph": 35}}


def population(count: int, site: str, prefix: str = "", **more: Any) -> dict[str, Any]:
    return {f"{prefix or site}-{number:03d}": {"site": site, **more} for number in range(count)}


def proxy(site: str, capacity: int | None = None, **more: Any) -> dict[str, Any]:
    return {"site": site, "capacity": capacity, **more}


def loads(result: dict[str, Any]) -> dict[str, int]:
    return {name: len(entry["clients"]) for name, entry in result["proxies"].items()}


def test_clients_go_to_the_nearest_proxy_with_room() -> None:
    clients = {**population(10, "ams"), **population(4, "bru")}
    proxies = {"pa": proxy("ams", 8), "pb": proxy("bru", 10), "pc": proxy("cph", 10)}
    result = allocate(clients, proxies, MATRIX)
    assert loads(result) == {"pa": 8, "pb": 6, "pc": 0}
    assert result["stats"]["cost_ms"] == 8 * 1 + 2 * 5 + 4 * 1
    assert result["stats"]["gap"] == 0
    assert result["unplaced"] == {} and result["moves"] == []


def test_a_chain_of_displacements_is_found() -> None:
    """A greedy choice would send ams to bru and bru to cph; the best keeps bru at home."""
    clients = {**population(2, "ams"), **population(2, "bru")}
    proxies = {"pa": proxy("ams", 1), "pb": proxy("bru", 2), "pc": proxy("cph", 10)}
    result = allocate(clients, proxies, MATRIX)
    assert loads(result) == {"pa": 1, "pb": 2, "pc": 1}
    assert result["stats"]["cost_ms"] == 1 + 30 + 2


def test_load_is_level_by_capacity_times_weight() -> None:
    proxies = {"p1": proxy("ams", 100), "p2": proxy("ams", 200), "p3": proxy("ams", 100, weight=2)}
    assert loads(allocate(population(100, "ams"), proxies, None)) == {"p1": 20, "p2": 40, "p3": 40}


def test_load_is_level_between_proxies_that_a_restriction_tells_apart() -> None:
    clients = {**population(30, "ams"), **population(10, "ams", "gold", allow=["tag:gold"])}
    proxies = {"p1": proxy("ams", 100, tags=["gold"]), "p2": proxy("ams", 100)}
    assert loads(allocate(clients, proxies, None)) == {"p1": 20, "p2": 20}


@pytest.mark.parametrize(
    ("client", "where"),
    [
        ({"pin": "pc"}, "pc"),
        ({"allow": ["site:bru"]}, "pb"),
        ({"allow": ["region:north"]}, "pc"),
        ({"allow": ["zone:z9"]}, "pb"),
        ({"allow": ["tag:gold", "pb"]}, "pb"),
        ({"deny": ["pa"]}, "pb"),
        ({"deny": ["site:ams", "zone:z9"]}, "pc"),
        ({"allow": []}, "pa"),
        ({"pin": None, "allow": None, "deny": None, "spread": None}, "pa"),
    ],
)
def test_restrictions(client: dict[str, Any], where: str) -> None:
    proxies = {"pa": proxy("ams"), "pb": proxy("bru", zone="z9"), "pc": proxy("cph", region="north", tags=["gold"])}
    result = allocate({"c": {"site": "ams", **client}}, proxies, MATRIX)
    assert result["proxies"][where]["clients"] == ["c"]


@pytest.mark.parametrize(
    ("client", "proxies", "why"),
    [
        ({}, {}, "no proxy is active"),
        ({}, {"pa": proxy("ams", state="down")}, "no proxy is active"),
        ({"pin": "pa"}, {"pa": proxy("ams", state="draining"), "pb": proxy("ams")}, "pinned to pa, but it is draining"),
        ({"pin": "pa", "deny": ["pa"]}, {"pa": proxy("ams")}, "pinned to pa, but allow and deny exclude it"),
        ({"allow": ["tag:x"]}, {"pa": proxy("ams")}, "allow and deny leave no active proxy"),
        ({"weight": 9}, {"pa": proxy("ams", 8), "pb": proxy("bru", 5)}, "larger than any proxy it may use"),
    ],
)
def test_unplaced_clients_have_a_reason(client: dict[str, Any], proxies: dict[str, Any], why: str) -> None:
    assert allocate({"c": {"site": "ams", **client}}, proxies, None)["unplaced"] == {"c": why}


def test_capacity_short_by_one() -> None:
    result = allocate(population(11, "ams"), {"p1": proxy("ams", 5), "p2": proxy("bru", 5)}, None)
    assert list(result["unplaced"].values()) == ["no room on any proxy it may use"]
    assert result["stats"]["unplaced_weight"] == result["stats"]["unplaced_bound"] == 1


def test_when_room_is_short_the_largest_are_placed_first() -> None:
    clients = {**population(1, "ams", "big", weight=10), **population(20, "ams", "small")}
    result = allocate(clients, {"p1": proxy("ams", 20)}, None)
    assert "big-000" in result["proxies"]["p1"]["clients"] and len(result["unplaced"]) == 10


def test_spread_members_are_on_different_proxies() -> None:
    clients = population(4, "ams", spread="g")
    proxies = {f"p{number}": proxy("ams", 10) for number in range(3)}
    result = allocate(clients, proxies, None)
    assert loads(result) == {"p0": 1, "p1": 1, "p2": 1}
    assert list(result["unplaced"].values()) == ["every proxy with room has another of its spread group g"]


def test_spread_member_moves_when_its_proxy_keeps_a_sibling() -> None:
    clients = population(2, "ams", spread="g")
    proxies = {"p1": proxy("ams", 10), "p2": proxy("cph", 10)}
    result = allocate(clients, proxies, MATRIX, previous=dict.fromkeys(clients, "p1"))
    assert result["moves"] == [
        {
            "client": "ams-001",
            "from": "p1",
            "to": "p2",
            "forced": True,
            "why": "another of its spread group is on p1",
        }
    ]


@pytest.mark.parametrize(
    ("clients", "proxies", "sites", "load", "restricted", "weights", "best"),
    [
        (30, 4, 3, 0.97, 0.3, (3, 4, 7), (0, 0, 3951.6)),
        (60, 6, 4, 0.97, 0.0, (1, 1, 1, 10, 30), (0, 0, 5613.1)),
        (60, 6, 4, 1.1, 0.3, (1, 2, 5), (12, 12, 1257.5)),
        (60, 6, 4, 1.1, 0.0, (1, 1, 1, 10, 30), (63, 603, 5395.2)),
        (200, 20, 6, 1.1, 0.0, MIXED, (48, 48, 201.7)),
    ],
)
def test_unsplit_clients_are_packed_as_well_as_possible(
    clients: int,
    proxies: int,
    sites: int,
    load: float,
    restricted: float,
    weights: tuple[int, ...],
    best: tuple[int, int, float],
) -> None:
    """The best is what an integer program found: benchmarks/allocation_instances.py, `whole_optimum`."""
    case = instance(clients, proxies, sites, clients, load, True, restricted, weights)
    result = allocate(**case)
    left = [case["clients"][name]["weight"] for name in result["unplaced"]]
    assert (sum(left), sum(each * each for each in left)) == best[:2]
    assert result["stats"]["cost_ms"] == pytest.approx(best[2])


def test_unsplit_clients_are_packed_well_where_the_best_is_not_found() -> None:
    """After a loss, with too little room. The best is again what an integer program found."""
    case = instance(120, 10, 5, 120, 0.97, True, 0.0, (1, 1, 1, 10, 30))
    before = allocate(**case)
    case["proxies"]["px-0001"]["state"] = "down"
    stats = allocate(**case, previous=before)["stats"]
    assert stats["unplaced_weight"] == 117
    assert stats["cost_ms"] <= 1.01 * 11459


def test_making_room_moves_each_client_once() -> None:
    """At px-3, clients of one class and weight have stayed, and others have come: they are listed twice."""
    weights = [10, 10, 5, 5, 2, 2, 1, 1, 1, 1, 1, 1]
    names = ["c15", "c01", "c04", "c23", "c20", "c24", "c05", "c12", "c11", "c14", "c16", "c21"]
    clients = {name: {"site": "ams", "weight": weight} for name, weight in zip(names, weights, strict=True)}
    for name in ("c05", "c12"):
        clients[name]["spread"] = "apart"
    previous = {"c01": "px-0", "c21": "px-0", "c14": "px-1", **dict.fromkeys(("c11", "c16", "c20", "c24"), "px-3")}
    proxies = {name: proxy("ams", capacity) for name, capacity in (("px-0", 10), ("px-1", 9), ("px-3", 21))}
    result = allocate(clients, proxies, {"ams": {"ams": 0}}, previous, policy={"move_cost": 0})
    assert sum(entry["weight"] for entry in result["proxies"].values()) == 40
    assert result["unplaced"] == {}


def test_the_example_of_packing_fills_the_near_proxy() -> None:
    """The example in pack.py: the heaviest client goes far, because the other two fill the near proxy."""
    clients = {str(weight): {"site": "ams", "weight": weight} for weight in (7, 6, 4)}
    proxies = {"a": proxy("ams", 10), "b": proxy("bru", 10)}
    result = allocate(clients, proxies, {"ams": {"ams": 0, "bru": 5}})
    assert {name: entry["clients"] for name, entry in result["proxies"].items()} == {"a": ["4", "6"], "b": ["7"]}
    assert result["stats"]["gap"] == 0


def test_as_many_weights_as_clients_take_few_flows_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is as dear as there are clients: one for every weight would take a minute for a thousand of them."""
    many = []

    def counted(transport: Any) -> Any:
        if len(transport.supply) > 100:
            many.append(len(transport.supply))
        return solve(transport)

    monkeypatch.setattr(reflow, "solve", counted)
    allocate(**instance(300, 15, 6, load=0.95, mixed=True, weights=tuple(range(1, 1000))))
    assert 1 < len(many) <= reflow.ROUNDS


def test_headroom_is_kept_free_exactly() -> None:
    result = allocate(population(100, "ams"), {"p": proxy("ams", 100)}, None, policy={"headroom": 0.07})
    assert loads(result) == {"p": 93}


def test_balance_bounds_the_share_of_a_proxy() -> None:
    proxies = {"pa": proxy("ams", 100), "pb": proxy("bru", 100)}
    assert loads(allocate(population(10, "ams"), proxies, MATRIX, policy={"balance": 1})) == {"pa": 5, "pb": 5}
    assert loads(allocate(population(10, "ams"), proxies, MATRIX, policy={"balance": 1.4})) == {"pa": 7, "pb": 3}


def test_a_move_must_gain_its_cost() -> None:
    clients = population(3, "ams")
    proxies = {"pa": proxy("ams"), "pb": proxy("bru")}
    stay = allocate(clients, proxies, MATRIX, dict.fromkeys(clients, "pb"), policy={"move_cost": 5})
    assert stay["moves"] == []
    move = allocate(clients, proxies, MATRIX, dict.fromkeys(clients, "pb"), policy={"move_cost": 3})
    assert [(m["from"], m["to"], m["forced"], m["why"]) for m in move["moves"]] == [
        ("pb", "pa", False, "pa is nearer by 4 ms")
    ] * 3


def test_no_move_for_evenness_alone() -> None:
    clients = population(10, "ams")
    proxies = {"p1": proxy("ams", 100), "p2": proxy("ams", 100)}
    assert allocate(clients, proxies, None, dict.fromkeys(clients, "p1"))["moves"] == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"p1": None}, "p1 is gone"),
        ({"p1": proxy("ams", 100, state="draining")}, "p1 is draining"),
        ({"p1": proxy("ams", 100, state="down")}, "p1 is down"),
        ({"p1": proxy("ams", 10)}, "p1 is over its limit"),
    ],
)
def test_a_lost_proxy_moves_only_its_own(change: dict[str, Any], why: str) -> None:
    proxies = {"p1": proxy("ams", 100), "p2": proxy("ams", 100), "p3": proxy("bru", 100)}
    clients = {**population(60, "ams"), **population(20, "bru")}
    before = allocate(clients, proxies, None)
    changed = {name: entry for name, entry in {**proxies, **change}.items() if entry is not None}
    after = allocate(clients, changed, None, previous=before)
    room = (change["p1"] or {}).get("capacity", 0) if why.endswith("limit") else 0
    assert len(after["moves"]) == 30 - room
    assert {(move["from"], move["forced"], move["why"]) for move in after["moves"]} == {("p1", True, why)}


def test_moves_of_displaced_clients_name_the_reason() -> None:
    """The pinned newcomer needs the only place; the one that can go elsewhere goes."""
    clients = {"a": {"site": "ams"}, "b": {"site": "ams", "pin": "p1"}}
    proxies = {"p1": proxy("ams", 1), "p2": proxy("bru", 1)}
    result = allocate(clients, proxies, MATRIX, previous={"a": "p1"})
    assert result["moves"] == [{"client": "a", "from": "p1", "to": "p2", "forced": True, "why": "makes room at p1"}]


def test_rebalance_threshold_holds_small_gains_back() -> None:
    clients = population(10, "ams")
    proxies = {"pa": proxy("ams"), "pb": proxy("bru")}
    previous = {name: "pb" if name == "ams-000" else "pa" for name in clients}
    for threshold, moves in ((20, 1), (40, 0)):
        policy = {"move_cost": 1, "rebalance": threshold}  # gain: 4 of 14 ms
        assert len(allocate(clients, proxies, MATRIX, previous, policy=policy)["moves"]) == moves


def test_backups_are_in_another_zone_and_fit() -> None:
    proxies = {
        "p1": proxy("ams", 10, zone="z1"),
        "p2": proxy("ams", 10, zone="z1"),
        "p3": proxy("bru", 6),
        "p4": proxy("cph", 4, backup="p4-b"),
    }
    clients = {**population(4, "ams", "one", pin="p1"), **population(4, "ams", "two", deny=["p1"])}
    clients["far"] = {"site": "cph"}
    result = allocate(clients, proxies, MATRIX | {"cph": {"cph": 0}})
    assert loads(result) == {"p1": 4, "p2": 4, "p3": 0, "p4": 1}
    assert result["backups"] == {
        "p1": {"p3": [f"one-{number:03d}" for number in range(4)]},
        "p2": {"p3": [f"two-{number:03d}" for number in range(4)]},
        "p3": {},
        "p4": {"p4-b": ["far"]},
    }
    assert all(entry == {"ok": True, "left_over_weight": 0} for entry in result["survives"].values())


def test_failures_that_leave_clients_out_are_reported() -> None:
    result = allocate(population(15, "ams"), {"p1": proxy("ams", 10), "p2": proxy("bru", 8)}, MATRIX)
    assert loads(result) == {"p1": 10, "p2": 5}
    assert result["survives"] == {
        "p1": {"ok": False, "left_over_weight": 7},
        "p2": {"ok": False, "left_over_weight": 5},
    }
    assert len(result["backups"]["p1"]["p2"]) == 3


def test_headroom_that_survives_every_single_loss() -> None:
    """Ten of ams cannot go to cph, so bru must keep room for them: it holds no more than it has without them."""
    clients = {**population(10, "ams", deny=["pc"]), **population(10, "bru")}
    proxies = {"pa": proxy("ams", 20), "pb": proxy("bru", 15), "pc": proxy("cph", 40)}
    matrix = {**MATRIX, "bru": {"ams": 5, "bru": 1, "cph": 35}}
    assert not allocate(clients, proxies, matrix)["survives"]["pa"]["ok"]
    needed = least_headroom(clients, proxies, matrix)
    assert needed is not None
    for headroom, fits in ((needed, True), (needed - 0.01, False)):
        result = allocate(clients, proxies, matrix, policy={"headroom": headroom})
        assert not result["unplaced"]
        assert all(entry["ok"] for entry in result["survives"].values()) == fits
    assert least_headroom(population(10, "ams"), {"pa": proxy("ams", 20)}, None) is None


def test_pour_into_bins_that_are_overdrawn() -> None:
    bins, rest = pour([(7, ["a"]), (5, ["b"]), (1, ["c", "d"])], [6, 7], whole=True)
    assert sum(len(names) for part in bins for _weight, names in part) + sum(len(names) for _weight, names in rest) == 4
    assert pour([(5, ["a"]), (1, ["b"])], [-3, 0], whole=True) == ([[], []], [(5, ["a"]), (1, ["b"])])


def test_the_budget_goes_to_those_who_gain_most() -> None:
    clients = {**population(10, "ams"), **population(10, "bru")}
    proxies = {"pa": proxy("ams"), "pb": proxy("bru"), "pc": proxy("cph")}
    previous = dict.fromkeys(clients, "pc")  # ams gains 29 ms, bru 34
    moved: list[int] = []
    for budget in (0, 4, 10, 13, 20):
        result = allocate(clients, proxies, MATRIX, previous, policy={"move_budget": budget})
        assert len(result["moves"]) == budget
        assert sum(move["client"].startswith("bru") for move in result["moves"]) == min(budget, 10)
        assert result["stats"]["held_back"] == (budget < 20)
        moved.append(len(result["moves"]))
    after = allocate(clients, proxies, MATRIX, previous, policy={"move_budget": 4})
    assert len(allocate(clients, proxies, MATRIX, after, policy={"move_budget": 4})["moves"]) == 4


def test_backups_stay_where_they_were() -> None:
    proxies = {name: proxy("ams", 100) for name in ("p1", "p2", "p3", "p4")}
    clients = population(40, "ams")
    before = allocate(clients, proxies, None)
    after = allocate(clients, proxies | {"p5": proxy("ams", 100)}, None, before, before["backups"])
    assert after["backups"] == before["backups"] | {"p5": {}}


def test_names_may_be_any_text() -> None:
    names = ["ü", "日本", "a b", "a\0b", "\n", "\ud800", "|", "💾", "proxies"]
    result = allocate({name: {"site": name} for name in names}, {name: proxy(name) for name in names}, None)
    assert all(result["proxies"][name]["clients"] == [name] for name in names)


def test_digest_is_of_the_input_and_not_of_its_order() -> None:
    clients = {**population(5, "ams"), **population(5, "bru", weight=1)}
    proxies = {"pa": proxy("ams"), "pb": proxy("bru")}
    one = allocate(clients, proxies, MATRIX)
    two = allocate(dict(reversed(clients.items())), dict(reversed(proxies.items())), dict(reversed(MATRIX.items())))
    assert json.dumps(one) == json.dumps(two)
    assert one["digest"] != allocate(clients, proxies, None)["digest"]
    assert one["digest"] != allocate(clients | {"new": {"site": "ams"}}, proxies, MATRIX)["digest"]


def test_a_million_clients_of_one_site_are_one_class() -> None:
    result = allocate({str(n): {"site": "ams"} for n in range(10**5)}, {"p": proxy("ams"), "q": proxy("ams")}, None)
    assert loads(result) == {"p": 50000, "q": 50000}


def test_any_mapping_is_a_dictionary() -> None:
    clients = MappingProxyType({"c": MappingProxyType({"site": "ams", "pin": "p"})})
    assert loads(allocate(clients, MappingProxyType({"p": MappingProxyType({"site": "ams"})}), None)) == {"p": 1}


BAD = [
    ({"clients": []}, "clients: must be a dictionary, not list"),
    ({"clients": {"c": None}}, "client 'c': must be a dictionary, not NoneType"),
    ({"clients": {7: {"site": "x"}}}, "client 7: a client's name must be a text that is not empty"),
    ({"clients": {"": {"site": "x"}}}, "client '': a client's name must be a text that is not empty"),
    ({"clients": {"c": {}}}, "client 'c': site must be a text that is not empty, not None"),
    ({"clients": {"c": {"site": ["x"]}}}, "client 'c': site must be a text that is not empty, not ['x']"),
    ({"clients": {"c": {"site": "x", "weight": 0}}}, "weight must be a whole number from 1 to 10^15, not 0"),
    ({"clients": {"c": {"site": "x", "weight": -1}}}, "not -1"),
    ({"clients": {"c": {"site": "x", "weight": 1.5}}}, "not 1.5"),
    ({"clients": {"c": {"site": "x", "weight": math.nan}}}, "not nan"),
    ({"clients": {"c": {"site": "x", "weight": math.inf}}}, "not inf"),
    ({"clients": {"c": {"site": "x", "weight": "1"}}}, "not '1'"),
    ({"clients": {"c": {"site": "x", "pin": "q"}}}, "client 'c': pin names no proxy: 'q'"),
    ({"clients": {"c": {"site": "x", "pin": ["p"]}}}, "client 'c': pin names no proxy: ['p']"),
    ({"clients": {"c": {"site": "x", "pins": "p"}}}, "client 'c': unknown key 'pins'"),
    ({"clients": {"c": {"site": "x", "allow": "p"}}}, "allow must be a list of selectors, not 'p'"),
    ({"clients": {"c": {"site": "x", "deny": ["q"]}}}, "deny names no proxy and is no selector"),
    ({"clients": {"c": {"site": "x", "deny": ["rack:1"]}}}, "deny names no proxy and is no selector"),
    ({"clients": {"c": {"site": "x", "allow": [1]}}}, "allow names no proxy and is no selector"),
    ({"clients": {"c": {"site": "x", "spread": 3}}}, "spread must be a text that is not empty, not 3"),
    ({"proxies": []}, "proxies: must be a dictionary, not list"),
    ({"proxies": {"p": None}}, "proxy 'p': must be a dictionary, not NoneType"),
    ({"proxies": {"p": {}}}, "proxy 'p': site must be a text that is not empty, not None"),
    ({"proxies": {"p": {"site": "x", "capacity": -1}}}, "proxy 'p': capacity must be a whole number from 1 up"),
    ({"proxies": {"p": {"site": "x", "capacity": math.nan}}}, "proxy 'p': capacity must be a whole number"),
    ({"proxies": {"p": {"site": "x", "state": "Active"}}}, "state must be one of active, draining, down, not 'Active'"),
    ({"proxies": {"p": {"site": "x", "state": []}}}, "state must be one of"),
    ({"proxies": {"p": {"site": "x", "weight": math.inf}}}, "proxy 'p': weight must be a number above 0, not inf"),
    ({"proxies": {"p": {"site": "x", "tags": "gold"}}}, "proxy 'p': tags must be a list of texts, not 'gold'"),
    ({"proxies": {"p": {"site": "x", "backup": 1}}}, "proxy 'p': backup must be a text, not 1"),
    ({"proxies": {"p": {"site": "x", "colour": 1}}}, "proxy 'p': unknown key 'colour'"),
    ({"latency": []}, "latency: must be a dictionary, not list"),
    ({"latency": {"x": 3}}, "latency['x']: must be a dictionary of milliseconds by the proxy's site"),
    ({"latency": {"x": {"y": math.nan}}}, "latency['x']['y']: must be a finite number"),
    ({"latency": {"x": {"y": -1}}}, "latency['x']['y']: must be a finite number"),
    ({"latency": {"x": {"y": "1"}}}, "latency['x']['y']: must be a finite number"),
    ({"previous": []}, "previous: must be a dictionary, not list"),
    ({"previous": {"c": 1}}, "previous: client 'c' must have a server's name, not 1"),
    ({"previous": {"proxies": {"p": {}}}}, "previous: proxies['p']: clients must be a list of names"),
    ({"previous": {"proxies": {"p": {"clients": [[]]}}}}, "previous: proxies['p']: clients: every name must be a text"),
    ({"previous_backups": 1}, "previous_backups: must be a dictionary, not int"),
    ({"previous_backups": {"p": {"q": [1]}}}, "previous_backups['p']['q']: every name must be a text"),
    ({"previous_backups": {"p": {"q": ["c"]}, "r": "q"}}, "previous_backups['r']: must be a dictionary"),
    ({"policy": []}, "policy: must be a dictionary, not list"),
    ({"policy": {"moves": 1}}, "policy: unknown key 'moves'"),
    ({"policy": {"move_cost": -1}}, "policy: move_cost must be a number from 0 up or null, not -1"),
    ({"policy": {"move_cost": True}}, "policy: move_cost must be a number from 0 up or null, not True"),
    ({"policy": {"balance": 0.9}}, "policy: balance must be a number from 1 up or null, not 0.9"),
    ({"policy": {"headroom": 1}}, "policy: headroom must be a number from 0 to less than 1 or null, not 1"),
    ({"policy": {"move_budget": 1.5}}, "policy: move_budget must be a whole number from 0 up or null, not 1.5"),
    ({"policy": {"rebalance": math.nan}}, "policy: rebalance must be a number from 0 to 100 or null, not nan"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD)
def test_bad_input_is_refused(wrong: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"clients": {"c": {"site": "x"}}, "proxies": {"p": {"site": "x"}}, "latency": None}
    with pytest.raises(AllocationError) as caught:
        allocate(**{**given, **wrong})
    (problem,) = caught.value.problems
    assert message in str(problem)
    assert str(caught.value) == str(problem)


def test_the_reason_tells_room_that_was_not_found_from_room_that_is_not_there() -> None:
    """Clients that could be split would fit. `unplaced_bound` is of such clients."""
    clients = {name: {"site": "x", "weight": weight} for name, weight in (("a", 3), ("b", 3), ("c", 2))}
    result = allocate(clients, {name: {"site": "x", "capacity": 4} for name in "pq"}, None)
    assert (result["stats"]["unplaced_weight"], result["stats"]["unplaced_bound"]) == (2, 0)
    assert [*result["unplaced"].values()] == [
        "no room was found on any proxy it may use, though the bound does not rule out that all could be placed"
    ]


@pytest.mark.parametrize("key", ["allow", "deny"])
def test_allow_and_deny_may_name_a_proxy_that_is_gone(key: str) -> None:
    """It permits, or forbids, nothing."""
    clients = {"a": {"site": "x", key: ["gone", "p"]}, "b": {"site": "x", "deny": ["gone"]}}
    proxies = {name: {"site": "x"} for name in "pq"}
    with pytest.raises(AllocationError):
        allocate(clients, proxies, None)
    result = allocate(clients, proxies, None, former={"gone"})
    assert result["unplaced"] == {}
    assert "a" in result["proxies"]["p" if key == "allow" else "q"]["clients"]
    with pytest.raises(AllocationError, match="pin names no proxy"):
        allocate({"a": {"site": "x", "pin": "gone"}}, proxies, None, former={"gone"})


def test_all_problems_come_at_once() -> None:
    with pytest.raises(AllocationError) as caught:
        allocate({"c": {"weight": 0}, "d": 1}, {"p": {"site": 1}}, {"x": 1}, [], 7, {"balance": "high"})  # type: ignore
    assert len(caught.value.problems) == 8


# (clients, proxies, whose setting it is, what of it no proxy is called)
WHOSE = [
    ({"c": {"site": "x", "pin": "q"}}, {}, ("c", "pin", "q")),
    ({"c's": {"site": "x", "pin": 7}}, {}, ("c's", "pin", None)),
    ({"c": {"site": "x", "weight": 0}}, {}, ("c", "weight", None)),
    ({"c" * 300: {"site": "x", "deny": ["q"]}}, {}, ("c" * 300, "deny", None)),
    ({"c": {"site": "x", "must": 1}}, {}, ("c", None, None)),
    ({"c": 1}, {}, ("c", None, None)),
    ({"": {"site": "x"}}, {}, (None, None, None)),
    ({}, {"p": {"site": "x", "capacity": -1}}, ("p", "capacity", None)),
    ({}, {"p": {"site": ""}}, ("p", "site", None)),
]


@pytest.mark.parametrize(("clients", "proxies", "whose"), WHOSE)
def test_a_problem_says_whose_setting_it_is(clients: dict[str, Any], proxies: dict[str, Any], whose: Any) -> None:
    with pytest.raises(AllocationError) as caught:
        allocate(clients, {"a": {"site": "x"}, **proxies}, None)
    (problem,) = caught.value.problems
    assert (problem.name, problem.key, problem.unknown) == whose
