# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: wiring, firewall, order, and that nothing but the inventory's content decides it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import is_deployed_from, make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Client, Server, Topology

DEMO = Path(__file__).parents[5] / "inventories" / "demo"
SECRETS = {"missing_secrets": ()}


def without_secrets_missing(topology: Topology) -> Topology:
    """The demo's secrets are made when it is set up."""
    return replace(
        topology,
        servers={name: replace(server, **SECRETS) for name, server in topology.servers.items()},
        clients={name: replace(client, **SECRETS) for name, client in topology.clients.items()},
    )


@pytest.fixture(scope="module")
def demo(read):
    return without_secrets_missing(read(path=DEMO))


@pytest.fixture(scope="module")
def plan(demo):
    return make_plan(demo).plan


def names(entries):
    return [entry["name"] for entry in entries]


def sources(server, port=636):
    return {source for rule in server["firewall"] if rule.get("port") == port for source in rule["sources"]}


def test_upstreams(plan):
    ups = {name: names(server["upstreams"]) for name, server in plan["servers"].items()}
    assert ups["m1"] == []
    assert ups["m2"] == ["m1"]
    for name in ("px-paris", "px-paris-b", "px-tokyo", "p1", "p2", "p3"):
        assert ups[name] == ["m1", "m2"]
    assert ups["d1"] == ups["d2"] == []


def test_pairs_see_each_other(plan):
    for one, other in (("m1", "m2"), ("px-paris", "px-paris-b"), ("d1", "d2")):
        assert plan["servers"][one]["backup"] == other
        assert plan["servers"][other]["primary"] == one
        assert plan["servers"][one]["pair"]["name"] == other
        assert plan["servers"][other]["pair"]["name"] == one
        assert plan["servers"][other]["serves_as"] == plan["servers"][one]["tier"]
        assert plan["servers"][other]["redundancy"] == "hot"
    assert plan["servers"]["px-tokyo"]["pair"] is None


def test_peers_that_hold_data_step_aside_for_each_other(plan):
    steps_aside_for = {name: server["steps_aside_for"] for name, server in plan["servers"].items()}
    asides = {"m1": "m2", "m2": "m1", "px-paris": "px-paris-b", "px-paris-b": "px-paris"}
    assert {name: peer for name, peer in steps_aside_for.items() if peer} == asides
    for name, peer in asides.items():
        assert sources(plan["servers"][name], 8405) == {f"{plan['servers'][peer]['address']}/32"}
    for name in plan["servers"].keys() - asides.keys():
        assert sources(plan["servers"][name], 8405) == set()


def test_a_server_without_an_active_peer_stays(demo):
    servers = {name: replace(s, state="draining") if name == "m2" else s for name, s in demo.servers.items()}
    planned = make_plan(replace(demo, servers=servers)).plan["servers"]
    assert planned["m1"]["steps_aside_for"] is None
    assert planned["px-paris"]["steps_aside_for"] == "px-paris-b"


def test_members_of_the_pool_know_their_distributors(plan):
    found = {name: server["distributors"] for name, server in plan["servers"].items() if server["distributors"]}
    assert found == {name: ["d1", "d2"] for name in ("p1", "p2", "p3")}


def test_nodes_of_a_pair_know_both_addresses(plan):
    servers = plan["servers"]
    assert servers["m2"]["pair_addresses"] == [servers["m2"]["address"], servers["m1"]["address"]]
    assert servers["p1"]["pair_addresses"] == [servers["p1"]["address"]]


def test_haproxy_and_keepalived_are_installed_where_they_run(plan):
    engines = {name: plan["servers"][name]["engines"] for name in ("m1", "px-paris", "p1", "d1")}
    assert engines == {"m1": [], "px-paris": ["haproxy"], "p1": ["haproxy"], "d1": ["haproxy", "keepalived"]}


def test_the_shared_address(plan):
    for name in ("d1", "d2"):
        server = plan["servers"][name]
        assert server["virtual_address"] == "10.111.0.30"
        assert server["virtual_router_id"] == 30
        assert names(server["members"]) == ["p1", "p2", "p3"]
        assert [rule for rule in server["firewall"] if rule["protocol"] == "vrrp"]
    assert plan["servers"]["p1"]["pool_address"] == "10.111.0.30"
    assert plan["clients"]["c-paris"]["pool"] == [{"name": "pool", "address": "10.111.0.30", "port": 636}]


def test_certificates_cover_what_is_checked(plan):
    assert "upstream.tiers.internal" in plan["servers"]["m1"]["tls_names"]["dns"]
    assert "upstream.tiers.internal" in plan["servers"]["m2"]["tls_names"]["dns"]
    assert "upstream.tiers.internal" not in plan["servers"]["px-paris"]["tls_names"]["dns"]
    member = plan["servers"]["p2"]["tls_names"]
    assert "pool.tiers.internal" in member["dns"]
    assert {"10.111.0.22", "10.111.0.30", "10.111.0.31", "10.111.0.32"} <= set(member["ip"])


def test_clients_have_ordered_endpoints(plan):
    assert names(plan["clients"]["c-paris"]["endpoints"]) == ["px-paris", "px-paris-b"]
    assert names(plan["clients"]["c-tokyo"]["endpoints"]) == ["px-tokyo"]
    assert [entry["role"] for entry in plan["clients"]["c-paris"]["endpoints"]] == ["proxy", "backup"]


def test_firewalls_open_for_planned_sources_only(plan):
    servers = plan["servers"]
    above = {f"10.111.0.{last}/32" for last in (21, 22, 23, 71, 72, 135)}
    assert sources(servers["m1"]) == above | {"10.111.0.12/32"}
    assert sources(servers["m2"]) == above | {"10.111.0.11/32"}
    assert sources(servers["p1"]) == {"10.111.0.31/32", "10.111.0.32/32"}
    # Clients of Tokyo never come to Paris. Those of central and Paris do.
    paris = {"10.111.0.48/28", "10.111.0.112/28", "10.111.0.51/32", "10.111.0.115/32"}
    assert sources(servers["px-paris"]) == sources(servers["px-paris-b"]) == paris
    assert sources(servers["px-tokyo"]) == {"10.111.0.176/28", "10.111.0.179/32"}


def test_every_edge_is_let_through_by_the_firewall_it_meets(plan):
    hosts = {**plan["servers"], **plan["clients"]}
    assert plan["edges"]
    for edge in plan["edges"]:
        assert f"{hosts[edge['from']]['address']}/32" in sources(plan["servers"][edge["to"]], edge["port"])


def test_waves_start_what_others_need_first(plan):
    assert plan["waves"] == [["m1"], ["m2"], ["p1", "p2", "p3", "px-paris", "px-paris-b", "px-tokyo"], ["d1", "d2"]]
    assert all(name in plan["waves"][server["wave"]] for name, server in plan["servers"].items())


def test_sites_count_what_is_there(plan):
    assert {name: site["clients"] for name, site in plan["sites"].items()} == {
        "central": 501,
        "paris": 901,
        "tokyo": 601,
    }
    assert plan["sites"]["tokyo"]["servers"] == ["px-tokyo"]


def test_each_client_is_served_by_one_proxy(plan, demo):
    served = [name for share in plan["allocation"]["proxies"].values() for name in share["clients"]]
    assert sorted(served) == sorted([*demo.population, *demo.clients])
    tokyo = plan["servers"]["px-tokyo"]["clients"]
    assert tokyo["hosts"] == ["c-tokyo"]
    assert len(tokyo["names"]) == 600
    assert plan["servers"]["px-paris-b"]["clients"] is None


def facts(plan):
    """The local facts that the servers write when this plan is carried out."""
    result = {}
    for name, server in plan["servers"].items():
        clients = server["clients"] or {"hosts": [], "names": []}
        result[name] = {
            "schema": 1,
            "tier": server["tier"],
            "serves_as": server["serves_as"],
            "version": None,
            "plan_digest": plan["digest"],
            "clients": clients["hosts"] + clients["names"],
            "backups": plan["allocation"]["backups"].get(name, {}),
        }
    return result


def test_a_deployed_plan_is_the_same_plan_and_moves_no_client(read, plan):
    again = make_plan(without_secrets_missing(read(path=DEMO, facts=facts(plan)))).plan
    assert again["digest"] == plan["digest"]
    assert again["allocation"]["moves"] == []
    assert again["servers"] == plan["servers"]


def test_the_record_of_a_server_stays_valid_while_the_plan_has_the_same_for_it(judge):
    before = judge("proxy: {hosts: {px1: {}, px2: {}}}").plan
    records = {name: {"plan_digest": "another", "slice_digest": s["digest"]} for name, s in before["servers"].items()}
    after = judge("proxy: {hosts: {px1: {}, px2: {tiers_port: 3890}}}").plan
    assert after["digest"] != before["digest"]
    assert is_deployed_from(after, "px1", records["px1"])
    assert not is_deployed_from(after, "px2", records["px2"])
    assert not is_deployed_from(after, "px1", {"plan_digest": before["digest"]}), "a record without a slice digest"
    assert not is_deployed_from({"digest": "d", "servers": {"px1": {}}}, "px1", {}), "neither has a digest"


def test_the_digest_of_a_slice_covers_the_clients_by_name(judge):
    def digests(*clients):
        served = [{"name": name, "site": "berlin"} for name in clients]
        plan = judge(f"""
            all: {{vars: {{tiers_clients: {json.dumps(served)}}}}}
            proxy: {{hosts: {{px1: {{tiers_site: berlin}}}}}}
            """).plan
        return plan["servers"]["px1"]["digest"]

    assert digests("a", "b") == digests("b", "a")
    assert digests("a", "b") != digests("a", "c")


def test_a_lost_proxy_moves_its_own_clients_and_says_so(judge):
    two = """
        all: {vars: {tiers_clients: [{name: a, site: berlin}, {name: b, site: berlin}, {name: c, site: berlin}]}}
        """
    plan = judge(two).plan
    lost = judge(two, "proxy: {hosts: {px1: {tiers_state: down}}}", facts=facts(plan)).plan
    its = plan["allocation"]["proxies"]["px1"]["clients"]
    assert its
    assert sorted(move["client"] for move in lost["allocation"]["moves"]) == its
    assert all(move["from"] == "px1" and move["to"] == "px2" and move["forced"] for move in lost["allocation"]["moves"])


def test_a_former_plan_can_stand_in_for_the_facts(demo, plan):
    assert make_plan(demo, previous=plan["allocation"]).plan["allocation"]["moves"] == []


def test_without_proxies_clients_use_the_pool(judge):
    plan = judge("proxy: !remove").plan
    assert [(e["name"], e["role"]) for e in plan["clients"]["c1"]["endpoints"]] == [("d1", "pool"), ("d2", "pool")]
    assert "192.0.2.128/25" in sources(plan["servers"]["d1"])
    assert plan["allocation"]["proxies"] == {}


def test_without_proxies_and_pool_clients_use_the_masters(judge):
    plan = judge("{proxy: !remove , parallel: !remove , distributor: !remove , backup: {hosts: {d2: !remove }}}").plan
    assert names(plan["clients"]["c1"]["endpoints"]) == ["m1", "m2"]
    assert "192.0.2.128/25" in sources(plan["servers"]["m2"])
    assert plan["clients"]["c1"]["pool"] == []


def test_a_member_with_a_backup_of_its_own(judge):
    plan = judge("backup: {hosts: {p1-b: {ansible_host: 192.0.2.29, tiers_backup_of: p1, tiers_zone: rack-c}}}").plan
    backups = {member["name"]: member["backup"] for member in plan["servers"]["d2"]["members"]}
    assert backups == {"p1": {"name": "p1-b", "address": "192.0.2.29", "port": 636}, "p2": None}
    assert sources(plan["servers"]["p1-b"]) == {"192.0.2.31/32", "192.0.2.32/32"}
    assert "pool.tiers.internal" in plan["servers"]["p1-b"]["tls_names"]["dns"]


@pytest.mark.parametrize("state", ["draining", "down"])
def test_a_backup_that_is_down_replaces_no_server(judge, state):
    backups = f"""
        backup:
          vars: {{tiers_zone: rack-b}}
          hosts:
            p1-b: {{ansible_host: 192.0.2.24, tiers_backup_of: p1, tiers_state: {state}}}
            px1-b: {{ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_state: {state}}}
    """
    plan = judge(backups).plan
    (p1,) = [member for member in plan["servers"]["d1"]["members"] if member["name"] == "p1"]
    assert p1["backup"] is None
    assert plan["allocation"]["proxies"]["px1"]["clients"]
    assert set(plan["allocation"]["backups"]["px1"]) == {"px2"}


def test_a_backup_funnels_where_its_primary_does(judge):
    plan = judge(
        """
        proxy: {hosts: {px1: {tiers_upstream: [px2, m1, m2]}}}
        backup: {hosts: {px1-b: {ansible_host: 192.0.2.29, tiers_backup_of: px1, tiers_zone: rack-c}}}
        """
    ).plan
    assert names(plan["servers"]["px1-b"]["upstreams"]) == ["px2", "m1", "m2"]
    assert "192.0.2.29/32" in sources(plan["servers"]["px2"])


OPENLDAP = Product(
    "openldap", "distributed.tiers.product_openldap", 636, "ldaps", ("master", "proxy", "parallel"),
    {"master": ("hot",), "proxy": ("hot",), "parallel": ("hot",)},
)  # fmt: skip
SITES = ["ams", "ber", "cph"]


@st.composite
def topologies(draw):
    """Sound topologies of every shape: with and without proxies, pool, backups, room."""
    servers: dict[str, Server] = {}
    sites = st.sampled_from(SITES)

    def server(name, tier, **settings_):
        address = f"192.0.2.{len(servers) + 1}"
        servers[name] = Server(name, tier, address, 636, draw(sites), "openldap", zone=f"z{len(servers)}", **settings_)

    server("m", "master")
    for i in range(draw(st.integers(0, 4))):
        state = draw(st.sampled_from(["active", "active", "active", "draining", "down"]))
        server(f"px{i}", "proxy", capacity=draw(st.sampled_from([None, 3, 20])), state=state)
    if draw(st.booleans()):
        server("d", "distributor", virtual_address=draw(st.sampled_from([None, "192.0.2.200"])))
        for i in range(draw(st.integers(2, 4))):
            server(f"p{i}", "parallel")
    for name in draw(st.lists(st.sampled_from(sorted(servers)), unique=True)):
        server(f"{name}-b", "backup", primary=name)
    clients = {
        name: Client(name, f"198.51.100.{i + 1}", draw(sites), "openldap", weight=draw(st.integers(1, 3)))
        for i, name in enumerate(draw(st.lists(st.sampled_from(["c1", "c2", "c3"]), unique=True)))
    }
    population = {f"n{i}": {"site": draw(sites), "weight": 1} for i in range(draw(st.integers(0, 12)))}
    return Topology(
        servers=dict(sorted(servers.items())),
        clients=clients,
        population=population,
        products={"openldap": OPENLDAP},
        group_names={tier: (tier,) for tier in ("master", "proxy", "parallel", "distributor", "backup", "client")},
        networks={site: (f"203.0.113.{32 * i}/27",) for i, site in enumerate(SITES)},
    )


@settings(max_examples=200, deadline=None)
@given(topology=topologies(), chance=st.randoms(use_true_random=False))
def test_the_order_of_what_the_inventory_holds_never_matters(topology, chance):
    def shuffled(entries):
        items = list(entries.items())
        chance.shuffle(items)
        return dict(items)

    other = replace(
        topology,
        population=shuffled(topology.population),
        networks=shuffled(topology.networks),
    )
    assert make_plan(other) == make_plan(topology)


@settings(max_examples=200, deadline=None)
@given(topology=topologies())
def test_invariants(topology):
    outcome = make_plan(topology)
    if outcome.plan is None:
        # The only thing that can be wrong with these is room.
        assert {finding.rule for finding in outcome.errors} <= {"client-placed", "capacity-total"}
        return
    plan = outcome.plan
    hosts = {**plan["servers"], **plan["clients"]}
    for edge in plan["edges"]:
        assert f"{hosts[edge['from']]['address']}/32" in sources(plan["servers"][edge["to"]], edge["port"])
    served = [name for share in plan["allocation"]["proxies"].values() for name in share["clients"]]
    assert len(served) == len(set(served))
    if topology.tier("proxy"):
        assert sorted(served) == sorted([*topology.population, *topology.clients])
    for client in plan["clients"].values():
        assert client["endpoints"]
        for endpoint in client["endpoints"]:
            targets = [e for e in plan["edges"] if e["from"] == client["name"] and e["address"] == endpoint["address"]]
            assert len(targets) == 1
    for name, server in plan["servers"].items():
        assert server["name"] == name
        if server["capacity"] and server["clients"]:
            assert server["clients"]["weight"] <= server["capacity"]
