# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""keepalived has the right settings for each kind of pair that elects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.described_services import ledger
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

TEMPLATES = Path(__file__).parents[3] / "roles/failover/templates"
PRIMARY = {
    "name": "m1",
    "tier": "master",
    "address": "192.0.2.11",
    "failback": "auto",
    "virtual_address": None,
    "virtual_router_id": 11,
    "pair": {"name": "m2", "address": "192.0.2.12", "port": 8443},
}


def render(takes_turns: bool = True, check_path: str = "", by_lease: bool = False, **server: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("keepalived.conf.j2").render(
        {
            "ansible_managed": "managed",
            "tiers_server": PRIMARY | server,
            "failover_check_timeout": 10,
            "failover_interval": 0.7,
            "failover_check_port": 8443,
            "__failover_interface": "eth0",
            "failover_check_path": check_path,
            "__failover_os": {"nobody_group": "nogroup"},
            "__failover_run": "/run/tiers",
            "__failover_etc": "/etc/tiers",
            "__failover_active_standby": takes_turns,
            "__failover_by_election": takes_turns and not by_lease,
            "__failover_by_lease": by_lease,
            "__failover_has_virtual_address": server.get("virtual_address") is not None,
        }
    )


def test_a_node_that_gives_up_the_shared_address_has_its_peer_announce_it() -> None:
    assert "    vrrp_higher_prio_send_advert true\n" in render(virtual_address="192.0.2.10")
    assert "vrrp_higher_prio_send_advert" not in render()


def test_the_primary_is_preferred() -> None:
    assert "priority 250\n" in render()
    assert "priority 240\n" in render(tier="backup")


@pytest.mark.parametrize(("failback", "stays"), [("auto", False), ("manual", True), ("never", True), (None, False)])
def test_only_with_auto_the_primary_takes_over_by_itself(failback: str | None, stays: bool) -> None:
    assert ("nopreempt" in render(failback=failback)) is stays


def test_the_agent_follows_the_elections_of_an_active_standby_pair() -> None:
    assert 'vrrp_notify_fifo_script "/etc/tiers/failover-agent watch" root' in render()
    assert 'script "/etc/tiers/check-electable /run/tiers 13"\n    user root\n    timeout 15\n' in render()
    assert "fifo" not in render(takes_turns=False)
    assert 'script "/etc/tiers/check-port 8443"\n    timeout 11\n' in render(takes_turns=False)


def test_a_pair_without_an_address_has_one_that_is_nobodys() -> None:
    assert "127.255.255.11/32 dev lo" in render()
    assert "127." not in render(virtual_address="192.0.2.10")
    assert "        192.0.2.10\n" in render(virtual_address="192.0.2.10")


def test_a_pair_at_ipv6_has_such_an_address() -> None:
    text = render(address="2001:db8::11", pair={"name": "m2", "address": "2001:db8::12", "port": 8443})
    assert "        fe80::7ee5:11/128 dev lo\n" in text
    assert "127." not in text


def test_a_node_without_a_server_has_a_lower_priority() -> None:
    assert 'script "/etc/tiers/check-port 8443 /healthz"' in render(takes_turns=False, check_path="/healthz")
    assert "serves" not in render(takes_turns=False).split("vrrp_instance")[0]


@pytest.mark.parametrize(
    ("mode", "name", "port"),
    [("cache", "px1", 8443), ("cache", "m1", 8080), ("pass", "px1", 8404), ("product", "px1", 8080)],
)
def test_a_node_is_asked_where_its_program_listens(judge: Any, mode: str, name: str, port: int) -> None:
    """nginx, as a cache, ends TLS itself: nothing listens at `local_port` there. A pass-through has HAProxy asked."""
    described = ledger(
        ("tls: product", "tls: terminated\n      local_port: 8080"),
        ("{master: [warm]}", "{master: [warm], proxy: [warm]}"),
        ("unit:", f"proxy: {{mode: {mode}}}\n      unit:"),
    )
    pair = """
        proxy: {hosts: {px1: {tiers_virtual_address: 192.0.2.98}}}
        backup: {hosts: {px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_zone: rack-b}}}
    """
    server = judge(described, pair).plan["servers"][name]
    assert server["leader_election"]
    defaults = yaml.safe_load((TEMPLATES.parent / "defaults/main.yml").read_text(encoding="utf-8"))
    assert int(template(defaults["failover_check_port"], {"tiers_server": server})) == port


def test_shared_address_follows_the_node_that_has_the_lease() -> None:
    found = render(by_lease=True, virtual_address="192.0.2.10", failback="manual")
    assert "    file /run/tiers/address\n" in found and "        standby\n" in found
    assert "advert_int 0.2\n" in found
    for elects in ("vrrp_notify_fifo", "vrrp_script", "track_script", "nopreempt"):
        assert elects not in found
