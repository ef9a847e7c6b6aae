# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that moves to another proxy is served throughout the deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet

SERVERS: dict[str, dict[str, dict[str, Any]]] = {
    "master": {"m1": {}},
    "proxy": {"px1": {}, "px2": {}},
    "client": {"c1": {"tiers_allow": ["px1"]}, "c2": {}},
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Deployed servers whose client c1 moves with the next deployment."""
    fleet = Fleet.make(tmp_path_factory.mktemp("fleet") / "first", SERVERS, host_firewall=True)
    run = fleet.run("deploy")
    assert run.code == 0, run.text
    fleet.change(c1={"tiers_allow": ["px2"]})
    return fleet


def test_former_proxy_closes_its_port_after_the_client_is_configured(fleet: Fleet, tmp_path: Path) -> None:
    run = fleet.copy(tmp_path / "fleet").run("deploy")
    assert run.code == 0, run.text
    assert run.hosts("close former ports") == ["px1"]
    (opens,), (configured,) = run.places("px2", "open planned ports"), run.places("c1", "client")
    (closes,) = run.places("px1", "close former ports")
    assert opens < configured < closes


@pytest.mark.slow
def test_former_proxy_stays_open_while_the_client_was_not_configured(fleet: Fleet, tmp_path: Path) -> None:
    own = fleet.copy(tmp_path / "fleet")
    limited = own.run("deploy", "--limit", "m1,px1,px2")
    assert limited.code == 0, limited.text
    assert limited.hosts("close former ports") == []
    assert (
        "px1: ports of the former plan stay open, because clients may still use them: this run did not deploy c1, c2."
        in limited.words
    )
    own.set_faults({"c1": {"client": "fail"}})
    failed = own.run("deploy")
    assert failed.code != 0 and failed.hosts("close former ports") == []
    own.set_faults({})
    # px1 has no record of a complete deployment, so this run touches it, too.
    last = own.run("deploy", tiers_scope="changed")
    assert last.code == 0, last.text
    assert last.hosts("close former ports") == ["px1"]
    again = own.run("deploy")
    assert again.hosts("close former ports") + again.hosts("open planned ports") == []


@pytest.mark.parametrize("fault", ["start", "setup"], ids=["fails", "is unreachable"])
def test_client_keeps_its_proxy_while_the_new_one_cannot_be_deployed(fleet: Fleet, tmp_path: Path, fault: str) -> None:
    own = fleet.copy(tmp_path / "fleet")
    own.add("proxy", "px3")
    own.change(c1={"tiers_allow": ["px3"]})
    own.set_faults({"px3": {fault: "fail"}})
    for _run in range(2):  # the second one no longer knows where c1 was
        run = own.run("deploy")
        assert run.code != 0
        assert run.hosts("client") == ["c2"], run.text
        assert run.hosts("close former ports") == []
    assert "c1 keeps its former endpoints: px3 could not be deployed." in run.words
    own.set_faults({})
    again = own.run("deploy")
    assert again.code == 0, again.text
    assert sorted(again.hosts("client")) == ["c1", "c2"] and again.hosts("close former ports") == ["px1"]


def test_client_whose_endpoints_cannot_be_read_keeps_them(fleet: Fleet, tmp_path: Path) -> None:
    own = fleet.copy(tmp_path / "fleet")
    own.add("proxy", "px3")
    own.change(c1={"tiers_allow": ["px3"]})
    own.set_faults({"px3": {"start": "fail"}, "c1": {"slurp /etc/tiers/endpoints.json": "fail"}})
    run = own.run("deploy")
    assert run.code != 0
    assert run.hosts("client") == ["c2"], run.text


def moved_desk(fleet: Fleet, home: Path, to: str) -> Fleet:
    """A deployed fleet of whose named clients the only one of a site moves to another proxy."""
    own = fleet.copy(home)
    own.change(
        tiers_site_networks={"default": ["192.0.2.0/24"], "lab": ["198.51.100.0/24"]},
        tiers_clients=[{"name": "desk-0", "site": "lab", "allow": ["px1"]}],
    )
    run = own.run("deploy")
    assert run.code == 0, run.text
    if to not in ("px1", "px2"):
        own.add("proxy", to)
    own.change(tiers_clients=[{"name": "desk-0", "site": "lab", "allow": [to]}])
    return own


def exported(fleet: Fleet) -> str:
    (path,) = fleet.home.glob("hosts/localhost/files/**/endpoints.csv")
    return path.read_text(encoding="utf-8")


def lets_lab_in(fleet: Fleet, proxy: str) -> bool:
    (path,) = fleet.home.glob(f"hosts/{proxy}/files/**/firewall.nft")
    return "198.51.100.0/24" in path.read_text(encoding="utf-8")


def test_proxy_stays_open_to_named_clients_until_the_deployment_after_their_move(fleet: Fleet, tmp_path: Path) -> None:
    own = moved_desk(fleet, tmp_path / "fleet", "px2")
    run = own.run("deploy")
    assert run.code == 0, run.text
    assert (
        "px1: ports of the former plan stay open to the networks of named clients, until the next deployment."
        in run.words
    )
    assert lets_lab_in(own, "px1") and lets_lab_in(own, "px2")
    # px1 has no record of a complete deployment, so this run touches it, too.
    last = own.run("deploy", tiers_scope="changed")
    assert last.code == 0, last.text
    assert last.hosts("close former ports") == ["px1"] and not lets_lab_in(own, "px1")
    assert "stay open" not in last.words


def test_export_waits_for_a_proxy_that_could_not_be_read(fleet: Fleet, tmp_path: Path) -> None:
    own = moved_desk(fleet, tmp_path / "fleet", "px3")
    before = exported(own)
    own.set_faults({"px3": {"setup": "fail"}})
    for _run in range(2):  # the second one no longer knows where the client was
        run = own.run("deploy")
        assert "px3 could not be deployed" in run.words
        assert exported(own) == before and lets_lab_in(own, "px1"), run.text
    own.set_faults({})
    again = own.run("deploy")
    assert again.code == 0, again.text
    assert exported(own) != before and lets_lab_in(own, "px3")
