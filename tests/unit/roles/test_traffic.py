# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that are closed to clients while a server is drained, steps aside or is standby."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template
from ansible_collections.distributed.tiers.tests.unit.roles import haproxy
from ansible_collections.distributed.tiers.tests.unit.slices import complete

ROLES = Path(__file__).parents[3] / "roles"
PROXY = {"serves_as": "proxy", "address": "192.0.2.11", "port": 6379, "write_port": 6380, "client_ports": [6379, 6380]}
PLAIN = {"serves_as": "proxy", "address": "192.0.2.11", "port": 6379}


def variables(server: dict[str, Any], drain: str = "") -> dict[str, Any]:
    service = {"name": "cache", "port": 6379, "protocol": "tcp", "tls": "none", "drain": drain}
    return haproxy.variables() | {"tiers_server": complete({"pair": None, **server}), "tiers_service": service}


@pytest.mark.parametrize(
    ("server", "drain", "ports"),
    [(PROXY, "", [6379, 6380]), (PROXY, "/bin/drain", [6380]), (PLAIN, "", [6379]), (PLAIN, "/bin/drain", [])],
    ids=["both", "own drain", "one", "own drain, one"],
)
def test_drain_closes_every_port_that_the_product_does_not(
    server: dict[str, Any], drain: str, ports: list[int]
) -> None:
    assert template("{{ __server_closed_ports }}", variables(server, drain)) == ports


def test_drain_waits_for_the_clients_of_all_closed_ports() -> None:
    selected = template("{{ __server_sessions }}", variables(PROXY))
    assert selected == "( sport = :6379 or sport = :6380 ) and dst != [127.0.0.1] and dst != [192.0.2.11]"


def test_a_table_refuses_clients_at_both_ports() -> None:
    known = variables(PROXY) | {"__server_table": "tiers_aside", "__server_ends_sessions": True}
    known["__server_ports"] = PROXY["client_ports"]
    text = template((ROLES / "server/templates/refuse.nft.j2").read_text(), known)
    assert "tcp dport { 6379, 6380 } reject with tcp reset" in text
