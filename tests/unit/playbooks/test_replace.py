# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`replace` deploys the new machine of a failed server and the hosts that name it, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet

SERVERS: dict[str, dict[str, dict[str, Any]]] = {
    "master": {"m1": {}},
    "backup": {"m2": {"tiers_backup_of": "m1"}},
    "proxy": {"px1": {}, "px2": {}},
    "client": {"c1": {}},
}
CA = {"tiers_ca_certificate": "the certificate of the CA", "tiers_ca_key": "the key of the CA"}
# A fresh server, closed to clients until it has its data
JOINS = [
    *("install", "configure_proxy", "record replace", "drain", "start", "check"),
    *("record deployed", "undrain", "remove record"),
]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Servers after a deployment of all of them."""
    fleet = Fleet.make(tmp_path_factory.mktemp("fleet") / "first", SERVERS, **CA)
    run = fleet.run("deploy")
    assert run.code == 0, run.text
    return fleet


@pytest.fixture
def fleet(first: Fleet, tmp_path: Path) -> Fleet:
    """Servers of this test's own."""
    return first.copy(tmp_path / "fleet")


def calls(fleet: Fleet, name: str, **more: Any) -> tuple[int, str, dict[str, list[str]]]:
    """The exit code and the output of a replacement, and what it did for each host besides probes."""
    run = fleet.run("replace", tiers_targets=name, tiers_replace_confirm=True, **more)
    hosts = ("m1", "m2", "px1", "px2", "c1")
    units = ("probe", "start haproxy", "start tiers-watchdog")
    return run.code, run.words, {host: [call for call in run.of(host) if call not in units] for host in hosts}


def test_a_new_machine_gets_its_data_before_its_clients_and_no_other_host_is_touched(fleet: Fleet) -> None:
    fleet.renew("px1")
    code, words, done = calls(fleet, "px1")
    assert code == 0, words
    assert done == {"m1": [], "m2": [], "px1": JOINS, "px2": [], "c1": []}
    assert "px1 192.0.2.13 m1" in words
    assert "4 hosts not touched" in words
    code, words, done = calls(fleet, "px1")
    assert code == 2 and "px1 has a deployment record: it is no new machine." in words
    assert not any(done.values())


def test_hosts_that_name_the_server_learn_its_new_address(fleet: Fleet) -> None:
    fleet.renew("m1")
    fleet.change(m1={"tiers_address": "192.0.2.77"})
    code, words, done = calls(fleet, "m1")
    assert code == 0, words
    assert [call for call in done["m1"] if call.startswith(("record", "start", "undrain"))] == [
        *("record replace", "start", "record deployed", "undrain"),
        *(call for call in done["m1"] if call.startswith("start ")),
    ]
    assert all("install" in done[host] for host in ("m2", "px1", "px2"))


def test_a_server_whose_old_machine_serves_is_not_replaced(fleet: Fleet) -> None:
    fleet.renew("m2")
    fleet.set_faults({"m2": {"old machine": "serves"}})
    code, words, done = calls(fleet, "m2")
    assert code == 2
    assert "No server was touched. m2 still serves: m1" in words and "can connect to it" in words
    assert not any(done.values())


@pytest.mark.slow
def test_a_replacement_that_was_killed_is_continued(fleet: Fleet) -> None:
    fleet.renew("px1")
    fleet.set_faults({"px1": {"start": "kill"}})
    code, _words, done = calls(fleet, "px1")
    assert (code, done["px1"][-2:]) == (-9, ["drain", "start"])
    fleet.set_faults({"px1": {"undrain": "kill"}})
    code, _words, done = calls(fleet, "px1")
    assert (code, done["px1"][-2:]) == (-9, ["record deployed", "undrain"])
    fleet.set_faults({})
    code, words, _done = calls(fleet, "px1")
    assert code == 2 and "If replace was interrupted, run deploy." in words
    run = fleet.run("deploy", tiers_scope="changed")
    assert run.code == 0, run.text
    assert run.of("px1")[:5] == ["probe", "check", "record undrain", "undrain", "remove record"]
