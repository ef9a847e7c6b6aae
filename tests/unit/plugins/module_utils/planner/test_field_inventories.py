# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories as people have them: each is planned, or refused with a finding that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome

SETTINGS = {
    "tiers_product": "openldap",
    "tiers_time_service": "chrony",
    "tiers_ca_passphrase": "x",
    "tiers_failover": "vrrp",  # two hosts have no voters
    "product_openldap_probe_password": "x",
}
M1, M2, C1 = "192.0.2.11", "192.0.2.12", "192.0.2.51"


def hosts(**groups: dict[str, Any]) -> dict[str, Any]:
    """A master, its backup and a client, with the groups that are given in place of theirs."""
    usual = {
        "master": {"m1": {"ansible_host": M1}},
        "backup": {"m2": {"ansible_host": M2, "tiers_backup_of": "m1", "tiers_zone": "b"}},
        "client": {"c1": {"ansible_host": C1}},
    }
    return {name: {"hosts": members} for name, members in (usual | groups).items()}


def with_vars(inventory: dict[str, Any], **variables: Any) -> dict[str, Any]:
    return inventory | {"all": {"vars": variables}}


PROXY = {"px1": {"ansible_host": "192.0.2.21"}}
BACKUP_OF_UPSTREAM = {"m2": {"ansible_host": M2, "tiers_backup_of": "upstream", "tiers_zone": "b"}}
DOTTED_BACKUP = {"m2.example.com": {"ansible_host": M2, "tiers_backup_of": "m1.example.com.", "tiers_zone": "b"}}
PLANNED = {
    "doas": with_vars(hosts(), ansible_become=True, ansible_become_method="community.general.doas"),
    "a client of Windows before the others": hosts(
        client={"app-win": {"ansible_host": C1, "ansible_connection": "winrm"}}
    ),
    "hosts named like their groups": hosts(
        master={"master": {"ansible_host": M1}},
        backup={"backup": {"ansible_host": M2, "tiers_backup_of": "master", "tiers_zone": "b"}},
    ),
    "a host named like the relay": hosts(master={"upstream": {"ansible_host": M1}}, backup=BACKUP_OF_UPSTREAM),
    "names with a dot at the end": hosts(master={"m1.example.com.": {"ansible_host": M1}}, backup=DOTTED_BACKUP),
    "addresses as names": hosts(master={M1: {}}, backup={M2: {"tiers_backup_of": M1, "tiers_zone": "b"}}),
    "addresses of IPv6 as names": hosts(
        master={"2001:db8::11": {}},
        backup={"2001:db8::12": {"tiers_backup_of": "2001:db8::11", "tiers_zone": "b"}},
        client={"2001:db8::51": {}},
    ),
    "the older name of the address": hosts(
        master={"m1": {"ansible_ssh_host": M1, "ansible_ssh_port": 2222}},
        backup={"m2": {"ansible_ssh_host": M2, "tiers_backup_of": "m1", "tiers_zone": "b"}},
    ),
    "a gateway that forwards ports": with_vars(
        hosts(
            master={"m1": {"ansible_ssh_port": 2201, "tiers_address": M1}},
            backup={"m2": {"ansible_ssh_port": 2202, "tiers_address": M2, "tiers_backup_of": "m1", "tiers_zone": "b"}},
            client={"c1": {"ansible_ssh_port": 2203, "tiers_address": C1}},
        ),
        ansible_host="gw.example.com",
    ),
    "containers behind one connection": with_vars(
        hosts(
            master={"m1": {"tiers_address": M1}},
            backup={"m2": {"tiers_address": M2, "tiers_backup_of": "m1", "tiers_zone": "b"}},
            client={"c1": {"tiers_address": C1}},
        ),
        ansible_connection="community.proxmox.proxmox_pct_remote",
        ansible_host="pve1.example.com",
    ),
    "a tier of two groups": with_vars(
        hosts(branch_eu=PROXY, branch_us={"px2": {"ansible_host": "192.0.2.22"}}),
        tiers_groups={"proxy": ["branch_eu", "branch_us"]},
    ),
}
REFUSED = {
    "brackets around an address": (hosts(master={"m1": {"ansible_host": "[2001:db8::11]"}}), "bad-value", "m1"),
    "names that differ in case": (
        hosts(
            master={"LDAP01": {"ansible_host": M1}},
            backup={"ldap01": {"ansible_host": M2, "tiers_backup_of": "LDAP01", "tiers_zone": "b"}},
        ),
        "distinct-names",
        "differ in upper and lower case only",
    ),
    "servers that are clients, too": (
        hosts(client={"m1": {"ansible_host": M1}, "c1": {"ansible_host": C1}}),
        "several-tiers",
        "The host is in several tiers",
    ),
    "two servers on one host": (hosts(proxy={"m1": {}}), "several-tiers", "The host is in several tiers"),
    "three servers that write": (
        hosts(
            backup={
                name: {"ansible_host": f"192.0.2.{12 + place}", "tiers_backup_of": "m1", "tiers_zone": name}
                for place, name in enumerate(("m2", "m3"))
            }
        ),
        "one-backup",
        "Several backups stand behind m1",
    ),
    "a group backup of another use": (
        hosts(backup={"restic1": {"ansible_host": M2}}),
        "backup-of-one",
        "tiers_groups: {backup: NAME}",
    ),
}


def outcome(judge: Callable[..., Outcome], path: Path, inventory: dict[str, Any]) -> Outcome:
    whole = inventory | {"all": {"vars": SETTINGS | inventory.get("all", {}).get("vars", {})}}
    (path / "hosts.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    return judge(path=path / "hosts.yml")


@pytest.mark.parametrize("inventory", PLANNED.values(), ids=PLANNED)
def test_an_inventory_of_this_shape_is_planned(
    judge: Callable[..., Outcome], tmp_path: Path, inventory: dict[str, Any]
) -> None:
    found = outcome(judge, tmp_path, inventory)
    assert not found.errors
    assert found.plan
    assert "one-login" not in {finding.rule for finding in found.findings}


@pytest.mark.parametrize(("inventory", "rule", "text"), REFUSED.values(), ids=REFUSED)
def test_an_inventory_of_this_shape_is_refused_with_what_to_do(
    judge: Callable[..., Outcome], tmp_path: Path, inventory: dict[str, Any], rule: str, text: str
) -> None:
    (finding,) = outcome(judge, tmp_path, inventory).errors
    assert finding.rule == rule
    assert text in f"{finding.as_dict()}"
