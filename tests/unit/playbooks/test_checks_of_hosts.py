# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`status` and `verify` check each host itself, within their time limits."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.playbooks.running import REPOSITORY
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template
from ansible_collections.distributed.tiers.tests.unit.slices import complete

(TASK,) = yaml.safe_load((REPOSITORY / "playbooks/tasks/host.yml").read_text(encoding="utf-8"))
REACH = yaml.safe_load((REPOSITORY / "playbooks/vars/reach.yml").read_text(encoding="utf-8"))
WATCHDOG, KEEPALIVED, AGENT = "tiers-watchdog.service", "keepalived.service", "tiers-failover.service"
OF_EVERY_HOST = ["tiers-firewall.service", "tiers-names.service", "tiers-names.path"]
MASTER = {"serves_as": "master", "state": "active", "address": "192.0.2.11", "port": 636}
MASTER |= {"failover": "vrrp", "virtual_address": None}
PAIR = {**MASTER, "leader_election": True, "active_standby": True}


def asked(server: dict[str, Any], deployed: bool = True, **more: Any) -> dict[str, Any]:
    """The options of the task on a host, as Ansible templates them."""
    known = {
        **TASK["vars"],
        "tiers_server": complete(server) if server else {},
        "tiers_client": {},
        "tiers_voter": {},
        "tiers_probe_units": ["slapd"],
        "tiers_watchdog_paths": ["/var/lib/ldap/tiers"],
        "ansible_facts": {"ansible_local": {"tiers": {"schema": 1}} if deployed else {}},
        **more,
    }

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(inner) for key, inner in value.items()}
        return template(value, known) if isinstance(value, str) and "omit" not in value else value

    return dict(fill(TASK["distributed.tiers.tier_host"]))


@pytest.mark.parametrize(
    ("server", "running", "at_boot"),
    [
        (MASTER, [WATCHDOG], [WATCHDOG, "slapd"]),
        ({**MASTER, "serves_as": "proxy"}, [WATCHDOG], [WATCHDOG, "haproxy.service", "slapd"]),
        ({**MASTER, "serves_as": "distributor"}, [WATCHDOG], [WATCHDOG, "haproxy.service"]),
        (PAIR, [WATCHDOG, KEEPALIVED], [WATCHDOG, KEEPALIVED, "slapd", "tiers-standby.service"]),
        (
            {**PAIR, "failover": "lease"},
            [WATCHDOG, AGENT],
            [WATCHDOG, AGENT, "slapd", "tiers-standby.service"],
        ),
        (
            {**PAIR, "failover": "lease", "virtual_address": "192.0.2.10"},
            [WATCHDOG, AGENT, KEEPALIVED],
            [WATCHDOG, AGENT, KEEPALIVED, "slapd", "tiers-standby.service"],
        ),
        # The failover agent starts the product of a cold backup.
        (
            {**PAIR, "redundancy": "cold"},
            [WATCHDOG, KEEPALIVED],
            [WATCHDOG, KEEPALIVED, "tiers-standby.service"],
        ),
        ({**PAIR, "state": "draining"}, [WATCHDOG], []),
        ({**PAIR, "state": "down"}, [], []),
    ],
    ids=["master", "proxy", "distributor", "pair", "lease", "address", "cold", "draining", "down"],
)
def test_programs_of_a_deployed_server_must_run_and_start_at_boot(
    server: dict[str, Any], running: list[str], at_boot: list[str]
) -> None:
    found = asked(server)
    assert (found["programs"], found["boot"]) == (running, [*OF_EVERY_HOST, *at_boot])
    assert found["files"] is bool(running)
    fresh = asked(server, deployed=False)
    assert (fresh["programs"], fresh["boot"], fresh["files"]) == ([], OF_EVERY_HOST, False)


def test_settings_of_a_client_are_compared_and_no_programs_are_expected() -> None:
    found = asked({}, tiers_client={"endpoints": []})
    assert (found["files"], found["programs"], found["boot"]) == (True, [], OF_EVERY_HOST)
    assert found["disks"]["paths"] == ["/var/log", "/"]


def test_etcd_of_a_deployed_voter_must_start_at_boot() -> None:
    record = {"ansible_local": {"tiers_voter": {"schema": 1}}}
    voter = {"name": "v1"}
    assert asked({}, tiers_voter=voter, ansible_facts=record)["boot"] == [*OF_EVERY_HOST, "etcd.service"]
    assert asked({}, tiers_voter=voter, ansible_facts={"ansible_local": {}})["boot"] == OF_EVERY_HOST
    assert asked({}, ansible_facts=record)["boot"] == OF_EVERY_HOST, "the next deployment removes it"


def test_settings_of_a_host_that_only_votes_are_compared_once_it_was_deployed() -> None:
    record = {"ansible_local": {"tiers_voter": {"schema": 1}}}
    assert asked({}, tiers_voter={"name": "v1"}, ansible_facts=record)["files"] is True
    assert asked({}, tiers_voter={"name": "v1"}, ansible_facts={"ansible_local": {}})["files"] is False
    # The deployment of its server records the settings at its end.
    assert asked(MASTER, deployed=False, tiers_voter={"name": "m"}, ansible_facts=record)["files"] is False


def test_the_data_of_a_server_and_the_rest_of_its_host_are_checked() -> None:
    found = asked(MASTER)
    assert found["disks"]["paths"] == ["/var/lib/ldap/tiers", "/var/log", "/"]
    # ansible-core 2.18 gives a number as text, which the module reads.
    assert (float(found["disks"]["alert_percent"]), float(found["certificates"]["alert_days"])) == (90, 21)
    assert all(found[what] is True for what in ("firewall", "names", "faults", "clock"))
    off = asked(MASTER, host_firewall=False, host_names=False)
    assert (off["firewall"], off["names"]) == (False, False)
    assert not {*OF_EVERY_HOST} & {*off["boot"]}


@pytest.mark.parametrize("limit", [10, 4])
def test_a_silent_host_is_given_up_within_thirty_seconds(limit: int) -> None:
    known = {**REACH, "inventory_hostname": "m1", "hostvars": {"m1": {"ansible_ssh_extra_args": "-o Compression=yes"}}}
    known |= {} if limit == 10 else {"tiers_probe_timeout": limit}
    found = {name: template(value, known) if isinstance(value, str) else value for name, value in REACH.items()}
    assert int(found["ansible_timeout"]) == int(found["tiers_probe_deadline"]) == limit
    assert int(found["tiers_task_deadline"]) == 3 * limit <= 30
    # A connection that an earlier run kept may lead to a host that is silent now.
    assert found["ansible_ssh_extra_args"].split() == [
        *("-o", "Compression=yes"),
        *("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=5"),
    ]
    assert found["mitogen_ssh_keepalive_interval"] * found["mitogen_ssh_keepalive_count"] <= 15
