# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first deployment finds the services of others that it would end."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks, sockets
from ansible_collections.distributed.tiers.plugins.module_utils.probing.sockets import Listener

ROLES = Path(__file__).parents[5] / "roles"
SERVE = r"^(?:frontend|listen) +\S+"
LISTENERS = [Listener(22, "sshd", "systemd"), Listener(389, "slapd", "systemd"), Listener(636, "slapd", "systemd")]
CONFIGURATION = "defaults\n  mode http\nfrontend www\n  bind :80\nlisten stats\n  bind :8080\n"


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(host_checks, "FIREWALL", tmp_path / "firewall.nft")
    monkeypatch.setattr(sockets, "read_listeners", lambda: LISTENERS)
    return tmp_path


def test_a_port_that_the_firewall_would_shut_is_found() -> None:
    assert host_checks.check_other_services([22, 636], {}) == ["slapd listens on TCP port 389"]


@pytest.mark.parametrize("let_in", [[22, 389, 636], None], ids=["let in", "no firewall"])
def test_a_port_that_stays_open_is_no_finding(let_in: list[int] | None) -> None:
    assert host_checks.check_other_services(let_in, {}) == []


def test_a_host_that_was_deployed_is_not_compared_again(host: Path) -> None:
    (host / "firewall.nft").touch()
    assert host_checks.check_other_services([22], {}) == []


def test_a_configuration_with_services_of_others_is_found(host: Path) -> None:
    path = host / "haproxy.cfg"
    path.write_text(CONFIGURATION)
    assert host_checks.check_other_services(None, {str(path): SERVE}) == [f"{path} has frontend www, listen stats"]


@pytest.mark.parametrize("text", ["defaults\n  mode http\n", f"# {host_checks.MARKER}\nlisten monitor\n"])
def test_a_configuration_that_serves_nothing_or_is_of_this_collection_is_replaced(host: Path, text: str) -> None:
    path = host / "haproxy.cfg"
    path.write_text(text)
    assert host_checks.check_other_services(None, {str(path): SERVE, str(host / "missing"): SERVE}) == []


@pytest.mark.parametrize("template", ["balancer/templates/haproxy.cfg.j2", "failover/templates/keepalived.conf.j2"])
def test_files_that_are_compared_bear_the_mark(template: str) -> None:
    assert host_checks.MARKER in (ROLES / template).read_text()


def test_a_host_is_compared_before_anything_on_it_is_changed() -> None:
    first, *_rest = yaml.safe_load((ROLES / "host/tasks/main.yml").read_text())
    assert first["ansible.builtin.include_tasks"] == "other_services.yml"
    tasks = yaml.safe_load((ROLES / "host/tasks/other_services.yml").read_text())
    assert [next(key for key in task if "." in key) for task in tasks] == [
        "distributed.tiers.tier_host",
        "ansible.builtin.fail",
    ]
