# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation of secrets on fake hosts: at no moment does a server refuse what another one uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.distributed.tiers.tests.unit.playbooks.fleet import Fleet

OLD, NEW = "old-5ecret", "new-5ecret"
HOSTS: dict[str, dict[str, dict[str, str]]] = {"master": {"m1": {}}, "proxy": {"px1": {}}}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    fleet = Fleet.make(tmp_path_factory.mktemp("secrets") / "first", HOSTS, product_secret=OLD)
    run = fleet.run("deploy")
    assert run.code == 0, run.text
    fleet.change(tiers_next_secrets={"product_secret": NEW})
    return fleet


@pytest.fixture
def fleet(deployed: Fleet, tmp_path: Path) -> Fleet:
    """Servers of this test's own, for whose secret the inventory has a next value."""
    return deployed.copy(tmp_path / "fleet")


def test_secret_is_replaced_in_two_rounds_and_the_next_deployment_ends_the_old_one(fleet: Fleet) -> None:
    run = fleet.run("rotate_secrets")
    assert run.code == 0, run.text
    assert fleet.secrets() == {"m1": [NEW, OLD], "px1": [NEW, OLD]}
    assert "Every server uses the next value of product_secret" in run.words
    assert OLD not in run.text and NEW not in run.text
    fleet.change(product_secret=NEW, tiers_next_secrets={})
    assert fleet.run("deploy").code == 0
    assert fleet.secrets() == {"m1": [NEW, "0"], "px1": [NEW, "0"]}


def test_no_server_uses_the_next_value_before_all_accept_it(fleet: Fleet) -> None:
    fleet.set_faults({"px1": {"check": "fail"}})
    run = fleet.run("rotate_secrets")
    assert run.code == 2, run.text
    assert fleet.secrets()["m1"] == [OLD, NEW]
    fleet.set_faults({"px1": {"configure_proxy": "kill"}})
    fleet.run("rotate_secrets")
    assert fleet.secrets()["m1"] == [OLD, NEW]
    fleet.set_faults({})
    assert fleet.run("rotate_secrets").code == 0
    assert fleet.secrets() == {"m1": [NEW, OLD], "px1": [NEW, OLD]}


def test_secrets_that_are_extra_variables_are_exchanged_by_the_operator(fleet: Fleet) -> None:
    run = fleet.run("rotate_secrets", product_secret=OLD)
    assert run.code == 2, run.text
    assert "Exchange the two values there yourself and run deploy" in run.words
    assert fleet.secrets() == {"m1": [OLD, NEW], "px1": [OLD, NEW]}


def test_secret_of_which_servers_accept_one_value_is_refused(fleet: Fleet) -> None:
    run = fleet.run("rotate_secrets", tiers_next_secrets={"product_other": NEW})
    assert run.code == 2, run.text
    assert "No server was touched. Servers of this product do not accept two values of product_other" in run.words
    assert run.of("m1") == ["probe"]
