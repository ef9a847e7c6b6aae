# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter in real templates."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.described_services import ledger
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template as fill


@pytest.fixture
def template(inventory_text, tmp_path):
    """Fills in an expression with the groups and hostvars of the patched example."""

    def fill_in(expression, *patches):
        source = tmp_path / "hosts.yml"
        source.write_text(inventory_text(*patches), encoding="utf-8")
        loader = DataLoader()
        hosts = InventoryManager(loader=loader, sources=[str(source)])
        manager = VariableManager(loader=loader, inventory=hosts)
        variables = {"groups": hosts.get_groups_dict(), "hostvars": HostVars(hosts, manager, loader)}
        return fill("{{ " + expression + " }}", variables)

    return fill_in


def test_the_plan_of_groups_and_hostvars(template):
    plan = template("groups | distributed.tiers.topology(hostvars)", 'all: {vars: {tiers_name: "{{ 1 + 1 }}"}}')
    assert plan["system"] == "2"
    assert sorted(plan["servers"]) == ["d1", "d2", "m1", "m2", "p1", "p2", "px1", "px2"]
    assert plan["clients"]["c1"]["endpoints"][0]["role"] == "proxy"


def test_a_described_product_with_templates_only_its_roles_can_fill_in(template):
    own = ("port: 8443", 'port: "{{ 8000 + 443 }}"\n      stop_timeout: "{{ tiers_server.port }}"')
    plan = template("groups | distributed.tiers.topology(hostvars)", ledger(own))
    assert plan["servers"]["m1"]["port"] == 8443


def test_plain_dictionaries_will_do(template):
    expression = (
        "{'core': ['m']} | distributed.tiers.topology("
        "{'m': {'tiers_product': 'openldap', 'tiers_address': '192.0.2.1', 'tiers_ca_passphrase': 'x', "
        "'product_openldap_probe_password': 'y'}}, tiers_groups={'master': 'core'})"
    )
    assert list(template(expression)["servers"]) == ["m"]


def test_errors_are_reported(template):
    with pytest.raises(AnsibleError, match="one-master"):
        template("groups | distributed.tiers.topology(hostvars)", "master: {hosts: {m9: {ansible_host: 192.0.2.9}}}")


@pytest.mark.parametrize("expression", ["[] | distributed.tiers.topology({})", "{} | distributed.tiers.topology('x')"])
def test_wrong_types_are_refused(template, expression):
    with pytest.raises(AnsibleError, match="must be a mapping"):
        template(expression)
