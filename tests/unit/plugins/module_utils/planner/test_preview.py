# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview tells the cost of each failure."""

from __future__ import annotations

import json

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.preview import (
    loss_of,
    preview,
    preview_asked,
    preview_of,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import loss_row, report
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.described_services import ledger

CLIENTS = "all: {vars: {tiers_clients: [{name: a, site: berlin, weight: 3}, {name: b, site: berlin, weight: 2}]}}"
BACKUP = "backup: {hosts: {px1-b: {ansible_host: 192.0.2.19, tiers_backup_of: px1, tiers_zone: rack-c}}}"


@pytest.fixture(scope="module")
def previewed(read):
    def by_name(*patches):
        topology = read(CLIENTS, *patches)
        plan = make_plan(topology).plan
        return topology, plan, {(loss["kind"], loss["name"]): loss for loss in preview(topology, plan)}

    return by_name


def test_a_proxy_moves_its_clients_to_the_other(previewed):
    _topology, plan, losses = previewed()
    share = plan["allocation"]["proxies"]["px1"]
    loss = losses["server", "px1"]
    assert (loss["lost"], loss["moved"]) == (0, {"px2": len(share["clients"])})
    assert loss["moved_weight"] == share["weight"]
    assert loss["writes"] and loss["pool"]


def test_a_proxy_with_a_backup_moves_them_there(previewed):
    _topology, _plan, losses = previewed(BACKUP)
    assert list(losses["server", "px1"]["moved"]) == ["px1-b"]
    assert losses["server", "px1-b"]["moved"] == {}


def test_a_cold_backup_helps_where_a_leader_election_promotes_it(previewed):
    cold = ledger(("{master: [warm]}", "{master: [cold]}"))
    assert previewed(cold)[2]["server", "m1"]["writes"]
    lowered = "all: {vars: {tiers_rules: {cold-active: {severity: warning, why: Somebody starts it.}}}}"
    alone = ledger(("{master: [warm]}", "{master: [cold]}\n      active: both"))
    assert not previewed(alone, lowered)[2]["server", "m1"]["writes"]


def test_a_backup_that_is_drained_takes_nothing_over(previewed):
    assert previewed()[2]["server", "m1"]["writes"]
    assert not previewed("backup: {hosts: {m2: {tiers_state: draining}}}")[2]["server", "m1"]["writes"]


def test_without_room_clients_are_lost(previewed):
    _topology, plan, losses = previewed("proxy: {vars: {tiers_capacity: 3}}")
    assert losses["server", "px1"]["lost_weight"] == plan["allocation"]["survives"]["px1"]["left_over_weight"] > 0


def test_a_zone_takes_all_its_servers(previewed):
    topology, plan, losses = previewed(BACKUP)
    assert losses["zone", "berlin/rack-a"]["servers"] == ["d1", "m1", "p1", "px1"]
    assert losses["zone", "berlin/rack-a"]["writes"] and losses["zone", "berlin/rack-a"]["pool"]
    everything = losses["site", "berlin"]
    assert (everything["lost"], everything["writes"], everything["pool"]) == (3, False, False)
    assert next(iter(losses)) == ("site", "berlin")
    both = preview_of(topology, plan, ["px1", "px1-b"])
    assert both["lost"] == len(plan["allocation"]["proxies"]["px1"]["clients"])


def test_the_master_and_its_backup_together_stop_writes(previewed):
    topology, plan, losses = previewed()
    assert losses["server", "m1"]["writes"]
    assert not preview_of(topology, plan, ["m1", "m2"])["writes"]


def test_load_is_reported_in_percent_of_capacity(previewed):
    _topology, _plan, losses = previewed("proxy: {vars: {tiers_capacity: 10}}", BACKUP)
    loss = losses["server", "px2"]
    assert (loss["fullest"], loss["fullest_percent"]) == ("px1", 60)


def test_a_backup_of_two_proxies_that_fail_together_is_reported_as_too_small(read):
    """Each loss by itself fits; together their clients are more than px3 can hold."""
    topology = read(
        """
        all: {vars: {tiers_clients: {berlin: 12}, tiers_loss: 'zone:rack-a'}}
        proxy:
          vars: {tiers_capacity: 8}
          hosts:
            px2: {tiers_zone: rack-a}
            px3: {ansible_host: 192.0.2.13, tiers_zone: rack-b}
        client: !remove
        """
    )
    plan = make_plan(topology).plan
    loss = preview_asked(topology, plan)
    assert all(entry["ok"] for entry in plan["allocation"]["survives"].values())
    assert (loss["lost"], loss["beyond_weight"], loss["fullest"], loss["fullest_percent"]) == (0, 4, "px3", 150)
    assert "4 more connections come than the others can hold" in report(topology, make_plan(topology))


def test_without_a_pool_the_report_has_no_line_about_it(previewed):
    _topology, _plan, losses = previewed("{parallel: !remove , distributor: !remove , backup: {hosts: {d2: !remove }}}")
    assert losses["server", "m1"]["pool"] is None


ONLY_POOL = "proxy: !remove"
NO_PAIR_OF_DISTRIBUTORS = "{proxy: !remove , backup: {hosts: {d2: !remove }}}"


def test_clients_that_use_only_the_pool_are_lost_with_it(previewed):
    """Two named clients of weight 3 and 2, and one host."""
    _topology, _plan, losses = previewed(NO_PAIR_OF_DISTRIBUTORS)
    loss = losses["server", "d1"]
    assert (loss["lost"], loss["lost_weight"], loss["pool"]) == (3, 6, False)
    assert losses["server", "p1"]["lost"] == losses["server", "m1"]["lost"] == 0
    topology, plan, losses = previewed(ONLY_POOL)
    assert losses["server", "d1"]["lost"] == 0
    assert preview_of(topology, plan, ["p1", "p2"])["lost"] == 3
    assert loss_of(plan, ["d1", "d2"])["lost"] == 3


def test_clients_that_use_the_master_itself_are_lost_with_its_pair(previewed):
    direct = "client: {hosts: {c1: {tiers_direct: true, tiers_weight: 4}}}"
    topology, plan, losses = previewed(direct)
    assert losses["server", "m1"]["lost"] == 0
    loss = preview_of(topology, plan, ["m1", "m2"])
    assert (loss["lost"], loss["lost_weight"]) == (1, 4)
    topology, plan, _losses = previewed(direct, ONLY_POOL)
    assert preview_of(topology, plan, ["m1", "m2"])["lost"] == 1
    assert preview_of(topology, plan, ["d1", "d2"])["lost"] == 2


def test_without_proxies_and_a_pool_all_clients_use_the_master(previewed):
    topology, plan, _losses = previewed(
        "{proxy: !remove , parallel: !remove , distributor: !remove , backup: {hosts: {d2: !remove }}}"
    )
    assert preview_of(topology, plan, ["m1", "m2"])["lost_weight"] == 6


def test_clients_without_a_server_before_a_loss_are_no_part_of_it(previewed):
    _topology, plan, _losses = previewed(NO_PAIR_OF_DISTRIBUTORS)
    assert loss_of(plan, ["d1"])["lost"] == 3
    plan["servers"]["d1"]["state"] = "down"
    assert loss_of(plan, ["d1"])["lost"] == loss_of(plan, ["p1"])["lost"] == 0


@pytest.mark.parametrize(
    ("asked", "servers"),
    [
        ("px1", ["px1"]),
        ("px1, m1", ["m1", "px1"]),
        (["server:px1"], ["px1"]),
        ("zone:rack-a", ["d1", "m1", "p1", "px1"]),
        ("zone:berlin/rack-a,px1", ["d1", "m1", "p1", "px1"]),
        ("site:berlin", ["d1", "d2", "m1", "m2", "p1", "p2", "px1", "px2"]),
    ],
)
def test_a_loss_is_reported_on_request(read, asked, servers):
    topology = read(f"all: {{vars: {{tiers_loss: {json.dumps(asked)}}}}}")
    assert preview_asked(topology, make_plan(topology).plan)["servers"] == servers


def test_the_report_names_the_worst_case_and_the_loss_asked_for(read):
    topology = read("all: {vars: {tiers_loss: 'm1,m2'}}")
    text = report(topology, make_plan(topology))
    worst = "Worst case: site berlin fails, 2 clients have no server until one is back, writes stop, the pool stops."
    assert worst in text
    assert "As asked: m1 and m2 lost (m1, m2), no client loses its server, writes stop." in text


def test_without_a_requested_loss_nothing_is_reported(read):
    topology = read()
    assert preview_asked(topology, make_plan(topology).plan) is None
    assert "As asked" not in report(topology, make_plan(topology))


def test_many_servers_that_take_clients_are_not_all_named():
    loss = {
        "lost": 1,
        "beyond_weight": 0,
        "moved": {f"p{n}": n for n in range(9)},
        "fullest": None,
        "fullest_percent": 0,
    }
    row = loss_row("x", {**loss, "writes": True, "pool": None})
    assert row[2] == "p8 8, p7 7, p6 6, p5 5 and 5 more"
