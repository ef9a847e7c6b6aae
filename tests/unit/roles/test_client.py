# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client host is told of its servers."""

from __future__ import annotations

from pathlib import Path

import jinja2

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

TEMPLATES = Path(__file__).parents[3] / "roles/client/templates"
CLIENT = {
    "site": "berlin",
    "protocol": "https",
    "endpoints": [{"address": "192.0.2.11", "port": 8443}, {"address": "2001:db8::12", "port": 8443}],
    "pool": [],
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
