# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of a host, as its template writes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import jinja2.nativetypes
import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks

TEMPLATES = Path(__file__).parents[3] / "roles/host/templates"


def render(**server: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("firewall.nft.j2").render(
        {
            "ansible_managed": "managed",
            "__host_os": {"nft": "/usr/sbin/nft"},
            "__host_server": {} if server.get("only_votes") else {"firewall": []} | server,
            "__host_self": {"firewall": []} | server,
            "host_firewall_ssh_sources": ["192.0.2.0/24"],
            "__host_ssh_ports": [22, 2222],
            "host_firewall_extra_rules": [],
        }
    )


def test_the_loaded_table_is_recorded_and_compared_in_the_same_form() -> None:
    unit = (
        (TEMPLATES / "tiers-firewall.service.j2")
        .read_text(encoding="utf-8")
        .replace("{{ __host_os.nft }}", "/usr/sbin/nft")
    )
    recorded = re.findall(r"^Exec\w+=(.* list table .*)$", unit, flags=re.MULTILINE)
    assert [line.split() for line in recorded] == [host_checks._LIST_TABLE] * 2
    # Names of protocols come and go with a package, numbers do not.
    assert "--numeric" in host_checks._LIST_TABLE


def test_a_host_that_only_votes_opens_the_ports_of_its_voter() -> None:
    opening = {"port": 2379, "protocol": "tcp", "sources": ["192.0.2.1/32"], "why": "arbiter"}
    assert "ip saddr 192.0.2.1/32 tcp dport 2379 accept" in render(only_votes=True, firewall=[opening])


@pytest.mark.parametrize(("address", "family"), [("192.0.2.30", "ip"), ("2001:db8::30", "ip6")])
def test_a_server_without_the_shared_address_resets_who_still_sends_to_it(address: str, family: str) -> None:
    text = render(virtual_address=address, client_ports=[636])
    rule = f"{family} daddr {address} tcp dport {{ 636 }} fib daddr type != local reject with tcp reset\n"
    assert rule in text
    assert "type filter hook prerouting" in text


@pytest.mark.parametrize("server", [{}, {"virtual_address": None, "port": 636}], ids=["client", "server"])
def test_a_server_without_a_shared_address_has_no_such_rule(server: dict[str, Any]) -> None:
    assert "prerouting" not in render(**server)


def test_every_port_of_ssh_stays_open() -> None:
    assert 'ip saddr 192.0.2.0/24 tcp dport { 22, 2222 } accept comment "ssh"\n' in render()


def test_answers_of_dhcp_servers_come_in() -> None:
    # They come to a client that asked a group, or everybody: connection tracking knows no connection of theirs.
    text = render()
    assert "        ip6 daddr fe80::/10 udp dport 546 accept" in text
    assert "        udp sport 67 udp dport 68 accept" in text


@pytest.mark.parametrize(
    ("found", "more", "expected"), [([2222], [], [2222]), ([22], [2201], [22, 2201]), ([], [], [22])]
)
def test_ssh_ports_are_read_from_the_host_and_not_from_the_inventory(
    found: list[int], more: list[int], expected: list[int]
) -> None:
    variables = {
        "__host_firewall_seen": {"ssh": {"ports": found}},
        "host_firewall_ssh_ports": more,
        "ansible_port": 2201,
    }
    text = yaml.safe_load((TEMPLATES.parent / "vars/main.yml").read_text())["__host_ssh_ports"]
    assert jinja2.nativetypes.NativeEnvironment().from_string(text).render(variables) == expected
