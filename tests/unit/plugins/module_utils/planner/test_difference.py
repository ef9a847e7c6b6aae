# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference names everything that a changed inventory would do to the deployed system."""

from __future__ import annotations

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.difference import difference
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import changes, report

SETTINGS = ("address", "port", "site", "zone", "state", "capacity", "weight", "primary", "upstreams", "members")


@pytest.fixture(scope="module")
def deployed(judge):
    """The local facts of the example once it is deployed."""
    plan = judge().plan
    return {
        name: {
            "schema": 1,
            "system": plan["system"],
            "server": name,
            "tier": server["tier"],
            "serves_as": server["serves_as"],
            "version": server["version"],
            "plan_digest": plan["digest"],
            "clients": plan["allocation"]["proxies"].get(name, {}).get("clients", []),
            "backups": plan["allocation"]["backups"].get(name, {}),
            "settings": {key: server[key] for key in SETTINGS},
        }
        for name, server in plan["servers"].items()
    }


@pytest.fixture
def differ(read):
    def by_patches(*patches, facts):
        topology = read(*patches, facts=facts)
        return difference(topology, make_plan(topology).plan)

    return by_patches


def test_a_plan_carried_out_changes_nothing(differ, deployed):
    change = differ(facts=deployed)
    assert change == {"new": [], "changed": {}, "retired": {}, "unseen": [], "same": 8, "clients": []}
    assert changes(change) == "Every server and every client is as planned."


def test_changes_are_reported_key_by_key(differ, deployed):
    change = differ(
        "proxy: {hosts: {px1: {tiers_capacity: 7, tiers_zone: rack-z, tiers_state: draining}}}", facts=deployed
    )
    assert change["changed"] == {
        "px1": {"zone": ["rack-a", "rack-z"], "state": ["active", "draining"], "capacity": [None, 7]}
    }
    assert change["same"] == 7
    assert "px1           1  changed  zone: rack-a > rack-z; state: active > draining; capacity: - > 7" in changes(
        change
    )


def test_new_servers_and_those_not_reached(differ, deployed):
    facts = {**deployed, "px3": None}
    del facts["m2"]
    change = differ("proxy: {hosts: {px3: {ansible_host: 192.0.2.13}}}", facts=facts)
    assert (change["new"], change["unseen"]) == (["px3"], ["m2"])
    text = changes(change)
    assert "px3           1  new          -" in text
    assert "m2            1  not reached" in text


def test_a_retired_server_gives_its_clients_away(differ, deployed):
    change = differ("proxy: {hosts: {px2: !remove }}", "old: {hosts: {px2: {}}}", facts=deployed)
    number = len(deployed["px2"]["clients"])
    assert change["retired"] == {"px2": {"tier": "proxy", "clients": number}}
    assert change["clients"] == [{"from": "px2", "to": "px1", "clients": number}]
    assert f"retired  was proxy of {number} clients" in changes(change)


def test_another_systems_server_is_not_retired(differ, deployed):
    facts = {**deployed, "x": {**deployed["px2"], "system": "other"}}
    assert differ("old: {hosts: {x: {}}}", facts=facts)["retired"] == {}


def test_new_and_gone_clients(differ, deployed):
    change = differ("all: {vars: {tiers_clients: [{name: desk-2, site: berlin}]}}", facts=deployed)
    assert sorted((way["from"] is None, way["to"] is None, way["clients"]) for way in change["clients"]) == [
        (False, True, 1),
        (True, False, 1),
    ]
    assert "(new)" in changes(change) and "(gone)" in changes(change)


def test_the_report_tells_each_move_once_and_why(read, deployed):
    moved = {**deployed, "px1": {**deployed["px1"], "clients": [*deployed["px1"]["clients"], "c1", "desk-1"]}}
    moved["px2"] = {**deployed["px2"], "clients": []}
    topology = read("proxy: {hosts: {px1: {tiers_deny: []}}, vars: {tiers_capacity: 1}}", facts=moved)
    text = report(topology, make_plan(topology))
    assert text.count("px1   px2") == 1
    assert "px1 is over its limit" in text


def test_fifty_thousand_moves_stay_readable(deployed):
    ways = [{"from": f"px{n:03}", "to": f"px{n + 1:03}", "clients": 1000 - n} for n in range(60)]
    changed = {f"px{n:04}": {"version": ["2.5", "2.6"]} for n in range(1000)}
    text = changes({"new": [], "changed": changed, "retired": {}, "unseen": [], "same": 0, "clients": ways})
    assert "px0000, px0001, px0002, px0003, px0004 and 995 more    1000  changed  version: 2.5 > 2.6" in text
    assert "   1000  px000  px001" in text
    assert text.endswith("on 40 other ways")
    assert len(text.split("\n")) < 30


def test_the_report_tells_it_when_something_was_looked_at(read, deployed):
    for facts, told in ((deployed, True), ({}, False)):
        topology = read(facts=facts)
        assert ("Every server and every client is as planned." in report(topology, make_plan(topology))) is told


@pytest.mark.parametrize("settings", [None, 5, [], "x", {"weight": "much", "unheard_of": 1, 5: 5, "upstreams": 5}])
def test_odd_settings_in_a_fact(read, deployed, settings):
    topology = read(facts={**deployed, "px1": {**deployed["px1"], "settings": settings}})
    assert changes(difference(topology, make_plan(topology).plan))


def test_a_selector_that_names_a_retired_proxy_is_a_warning(read, deployed):
    topology = read(
        "{proxy: {hosts: {px2: !remove }}, client: {hosts: {c1: {tiers_deny: [px2]}}}}",
        "old: {hosts: {px2: {}}}",
        facts=deployed,
    )
    outcome = make_plan(topology)
    assert outcome.plan
    (finding,) = (finding for finding in outcome.findings if finding.rule == "selector-known")
    assert (finding.severity, finding.host, finding.message) == ("warning", "c1", "'px2' is a retired proxy.")
