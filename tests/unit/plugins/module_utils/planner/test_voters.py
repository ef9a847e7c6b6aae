# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The voters that the planner chooses, and what the plan says of them."""

from __future__ import annotations

import random

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.voters import choose_voters, timing
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import host_edges

LEASE = "all: {vars: {tiers_failover: lease}}"
# A pair of a product of which one node serves at a time
PAIR = """
    all: {vars: {tiers_failover: lease, tiers_product: example.simple.product, tiers_clients: !remove }}
    proxy: !remove
    parallel: !remove
    distributor: !remove
    client: !remove
    backup: {hosts: {d2: !remove }}
    arbiter: {hosts: {m1: , m2: , v1: {ansible_host: 192.0.2.61, tiers_zone: rack-c}}}
"""


def server(name: str, site: str, zone: str | None = None, tier: str = "proxy", **more) -> Server:
    return Server(name, tier, more.pop("address", f"at {name}"), 636, site, "p", zone=zone, **more)


def topology(*servers: Server, **more) -> Topology:
    return Topology(servers={one.name: one for one in servers}, **{"failover": "lease", **more})


def chosen(*servers: Server, **more) -> list[str]:
    return [host.name for host in choose_voters(topology(*servers, **more))]


def test_no_voters_are_chosen_while_pairs_fail_over_by_vrrp():
    assert chosen(*(server(f"s{n}", "a", f"z{n}") for n in range(4)), failover="vrrp") == []


def test_two_servers_are_no_arbiter():
    assert chosen(server("a", "x"), server("b", "y")) == []


def test_sites_come_before_masters_and_masters_before_others():
    m1, m2 = server("m1", "x", "r1", "master"), server("m2", "x", "r2", "backup", primary="m1")
    others = [server("px1", "x", "r3"), server("px2", "y", "r1"), server("px3", "y", "r2")]
    assert chosen(m1, m2, *others) == ["m1", "m2", "px2"]
    assert chosen(m1, m2, *others, server("px4", "z")) == ["m1", "px2", "px4"]


def test_a_zone_or_a_machine_has_two_voters_only_where_there_is_no_other():
    assert chosen(server("a", "x", "r1"), server("b", "x", "r1"), server("c", "x", "r2"), server("d", "x", "r3")) == [
        "a",
        "c",
        "d",
    ]
    alike = [server("a", "x", "r1", address="1"), server("b", "x", "r2", address="1")]
    assert chosen(*alike, server("c", "x", "r1"), server("d", "x", "r1")) == ["a", "c", "d"]


def test_servers_that_are_down_do_not_vote():
    assert chosen(server("a", "x", state="down"), *(server(n, "x") for n in "bcd")) == ["b", "c", "d"]


def test_five_voters_need_five_zones_and_nine_hosts():
    wide = [server(f"s{n}", "x", f"z{n % 5}") for n in range(9)]
    assert len(chosen(*wide)) == 5
    assert len(chosen(*wide[:8])) == 3
    assert len(chosen(*(server(f"s{n}", "x", f"z{n % 4}") for n in range(9)))) == 3
    kept = [server(f"s{n}", "x", f"z{n}", voters=("s0", "s1", "s2", "s3", "s4")) for n in range(6)]
    assert len(chosen(*kept)) == 5


def test_former_voters_stay_as_long_as_each_has_a_zone_of_its_own():
    record = ("b", "c", "d")
    hosts = [server(n, "x", n, voters=record if n in record else ()) for n in "abcd"]
    assert chosen(*hosts) == ["b", "c", "d"]
    # Its own record is not needed: a host that is down cannot be read.
    assert chosen(*hosts[:3], server("d", "x", "d")) == ["b", "c", "d"]
    # Two of them have come into one zone.
    assert chosen(*hosts[:3], server("d", "x", "c", voters=record)) == ["a", "b", "c"]


def test_one_old_record_does_not_bring_a_voter_back():
    new, old = ("b", "c", "d"), ("a", "c", "d")
    hosts = [server("a", "x", voters=old), *(server(n, "x", voters=new) for n in "bcd")]
    assert chosen(*hosts) == ["b", "c", "d"]


def test_voters_are_chosen_among_hosts_with_one_release_of_etcd():
    hosts = [server(n, "x", debian="12" if n in "ace" else "13") for n in "abcde"]
    assert chosen(*hosts) == ["a", "c", "e"]
    assert chosen(*hosts, upgrading=True) == ["a", "b", "c"]


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.data())
def test_the_choice_does_not_depend_on_the_order_and_repeats_itself(data):
    names = [f"s{n}" for n in range(data.draw(st.integers(3, 12)))]

    def pick(*options):
        return data.draw(st.sampled_from(options))

    hosts = [server(n, pick("x", "y", "z"), pick(None, "1", "2", "3"), debian=pick(None, "12", "13")) for n in names]
    first = chosen(*hosts)
    shuffled = list(hosts)
    random.Random(7).shuffle(shuffled)
    assert chosen(*shuffled) == first
    assert len(first) in (3, 5)
    zones = {(h.site, h.zone or h.name) for h in hosts}
    if len({h.debian for h in hosts} - {None}) < 2:
        assert len({(h.site, h.zone or h.name) for h in hosts if h.name in first}) == min(len(first), len(zones))


@pytest.mark.parametrize(
    ("sites", "latency", "heartbeat"),
    [
        ("aaa", None, 100),
        ("aab", None, 200),
        ("aab", {"a": {"b": 30}}, 100),
        ("abc", {"a": {"b": 30, "c": 100}, "c": {"a": 161}}, 250),
        ("abb", {"a": {"b": 99_999}}, 5000),
    ],
)
def test_times_follow_the_longest_latency_between_voters(sites, latency, heartbeat):
    voters = [server(f"s{number}", site) for number, site in enumerate(sites)]
    waits = timing(topology(*voters, latency=latency), voters)
    assert (waits.heartbeat, waits.election) == (heartbeat, 10 * heartbeat)


def test_a_host_that_only_votes_has_a_slice_and_a_firewall_and_is_no_server(judge):
    outcome = judge(PAIR)
    assert outcome.errors == []
    plan = outcome.plan
    voter = plan["voters"]["v1"]
    assert list(plan["voters"]) == ["m1", "m2", "v1"]
    assert "v1" not in plan["servers"]
    assert voter["only_votes"] and not plan["voters"]["m1"]["only_votes"]
    assert voter["tls_names"] == {"dns": ["v1", "v1.tiers.internal"], "ip": ["192.0.2.61"]}
    assert [(o["port"], o["sources"]) for o in voter["firewall"]] == [
        (2379, ["192.0.2.1/32", "192.0.2.2/32"]),
        (2380, ["192.0.2.1/32", "192.0.2.2/32"]),
    ]
    assert [one["name"] for one in voter["voters"]] == ["m1", "m2", "v1"]


def test_nodes_of_a_pair_reach_every_voter_and_voters_reach_each_other(judge):
    plan = judge(PAIR).plan
    edges = {(e["from"], e["to"], e["port"]) for e in plan["edges"] if e["port"] in (2379, 2380)}
    assert edges == {
        *((a, b, 2380) for a in ("m1", "m2", "v1") for b in ("m1", "m2", "v1") if a != b),
        *((a, b, 2379) for a in ("m1", "m2") for b in ("m1", "m2", "v1") if a != b),
    }
    m1 = plan["servers"]["m1"]
    assert m1["failover"] == "lease"
    assert [(e["name"], e["port"]) for e in m1["arbiter_endpoints"]] == [("m1", 2379), ("m2", 2379), ("v1", 2379)]
    assert {2379, 2380} <= {opening.get("port") for opening in m1["firewall"]}


def test_servers_that_are_no_pair_do_not_ask_the_arbiter(judge):
    both = "all: {vars: {tiers_active: both}}"
    servers = judge(LEASE, both, "proxy: {hosts: {px1: {tiers_zone: rack-c}}}").plan["servers"]
    assert {name: one["arbiter_endpoints"] for name, one in servers.items() if one["arbiter_endpoints"]} == {}
    assert {one["failover"] for one in servers.values()} == {None}


def test_verify_probes_the_edges_of_voters_and_expects_their_refusal(judge):
    plan = judge(PAIR).plan
    from_v1 = {(e["name"], e["port"], e.get("expect", "open")) for e in host_edges(plan, "v1")}
    assert {("m1", 2380, "open"), ("m2", 2380, "open"), ("m1", 2379, "refused"), ("m1", 700, "refused")} <= from_v1
    from_m1 = {(e["name"], e["port"]) for e in host_edges(plan, "m1") if e["protocol"] == "port"}
    assert {("v1", 2379), ("v1", 2380), ("m2", 2379)} <= from_m1


def test_a_client_does_not_vote(judge):
    outcome = judge("arbiter: {hosts: {m1: , m2: , c1: }}")
    assert [(f.rule, f.host) for f in outcome.errors] == [("several-tiers", "c1")]


def test_the_groups_of_the_voters_can_have_other_names(judge):
    mapped = yaml.safe_dump({"all": {"vars": {"tiers_groups": {"arbiter": ["etcd"]}}}})
    plan = judge(PAIR.replace("arbiter:", "etcd:"), mapped).plan
    assert list(plan["voters"]) == ["m1", "m2", "v1"]


def test_a_majority_on_one_site_is_reported_with_the_cost_of_its_failure(judge):
    outcome = judge(LEASE, "proxy: {hosts: {px1: {tiers_site: paris}}}")
    told = [f.message for f in outcome.findings if f.rule == "arbiter-majority"]
    assert told == ["2 of 3 voters are at site berlin: m1, m2. If site berlin fails, no lease can be granted."]
