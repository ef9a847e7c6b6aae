# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client host gets the endpoints of its servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

TEMPLATES = Path(__file__).parents[3] / "roles/client/templates"
CLIENT = {
    "site": "berlin",
    "protocol": "https",
    "endpoints": [{"address": "192.0.2.11", "port": 8443}, {"address": "2001:db8::12", "port": 8443}],
    "pool": [],
    "write_endpoints": [{"address": "192.0.2.11", "port": 8444}],
    "write_pool": [],
}


def test_servers_are_addresses_as_programs_take_them() -> None:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined)
    environment.filters["quote"] = str
    text = environment.get_template("endpoints.env.j2").render(
        ansible_managed="managed", tiers_client=CLIENT, tiers_plan={"system": "test"}, __client_ca="/ca.crt"
    )
    assert 'TIERS_ENDPOINTS="https://192.0.2.11:8443 https://[2001:db8::12]:8443"\n' in text


def test_a_system_without_a_pool_has_an_empty_one() -> None:
    """By Ansible's own templating, to which a macro without output is None."""
    variables = {"ansible_managed": "", "tiers_client": CLIENT, "tiers_plan": {"system": "t"}, "__client_ca": "/ca.crt"}
    text = template((TEMPLATES / "endpoints.env.j2").read_text(encoding="utf-8"), variables)
    assert 'TIERS_POOL=""' in text


def test_writes_have_endpoints_of_their_own() -> None:
    variables = {"ansible_managed": "", "tiers_client": CLIENT, "tiers_plan": {"system": "t"}, "__client_ca": "/ca.crt"}
    text = template((TEMPLATES / "endpoints.env.j2").read_text(encoding="utf-8"), variables)
    assert 'TIERS_WRITE_ENDPOINTS="https://192.0.2.11:8444"' in text
    assert 'TIERS_WRITE_POOL=""' in text


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        (
            {"px1": {"address": "192.0.2.11"}, "px2": {"address": "2001:db8::12"}, "m1": {"address": "192.0.2.1"}}
            | {"d1": {"address": "192.0.2.31"}},
            {"px1": "192.0.2.11:6380", "px2": "[2001:db8::12]:6380"},
        ),
        ({"px1": {"address": "192.0.2.11", "virtual_address": "192.0.2.10"}}, {"px1": "192.0.2.10:6380"}),
        ({"px1": {"address": "192.0.2.11", "client_ports": [6379], "write_port": 6379}}, {}),
    ],
    ids=["proxies alone", "shared address", "forwarded writes"],
)
def test_export_has_the_write_ports_of_proxies(servers: dict[str, Any], expected: dict[str, str]) -> None:
    work = {"p": "proxy", "m": "master", "d": "distributor"}
    known = {
        name: {"name": name, "serves_as": work[name[0]], "virtual_address": None, "write_port": 6380}
        | {"client_ports": [6379, 6380] if name[0] != "m" else [6379]}
        | server
        for name, server in servers.items()
    }
    variables = yaml.safe_load((TEMPLATES.parent / "vars/main.yml").read_text(encoding="utf-8"))
    found = template("{{ __client_write_addresses }}", variables | {"tiers_plan": {"servers": known}})
    assert found == expected
