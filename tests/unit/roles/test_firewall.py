# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of a host, as its template writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest

TEMPLATES = Path(__file__).parents[3] / "roles/common/templates"


def render(**server: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("firewall.nft.j2").render(
        {
            "ansible_managed": "managed",
            "__common_os": {"nft": "/usr/sbin/nft"},
            "__common_server": {"firewall": []} | server,
            "common_firewall_ssh_sources": ["192.0.2.0/24"],
            "common_firewall_ssh_port": 22,
            "common_firewall_extra_rules": [],
        }
    )


@pytest.mark.parametrize(("address", "family"), [("192.0.2.30", "ip"), ("2001:db8::30", "ip6")])
def test_a_server_without_the_shared_address_resets_who_still_sends_to_it(address: str, family: str) -> None:
    text = render(virtual_address=address, port=636)
    rule = f"{family} daddr {address} tcp dport 636 fib daddr type != local reject with tcp reset\n"
    assert rule in text
    assert "type filter hook prerouting" in text


@pytest.mark.parametrize("server", [{}, {"virtual_address": None, "port": 636}], ids=["client", "server"])
def test_who_shares_no_address_has_no_such_rule(server: dict[str, Any]) -> None:
    assert "prerouting" not in render(**server)
