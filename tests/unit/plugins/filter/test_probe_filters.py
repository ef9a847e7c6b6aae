# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that give probes, through Ansible's own templating, on the plan of the rules' example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

Render = Callable[..., Any]


@pytest.fixture
def render() -> Render:
    def render(expression: str, **variables: Any) -> Any:
        return template("{{ " + expression + " }}", variables)

    return render


@pytest.fixture
def plan(judge: Any) -> dict[str, Any]:
    outcome = judge()
    assert outcome.plan, outcome.errors
    found: dict[str, Any] = outcome.plan
    return found


def test_every_server_probes_itself(render: Render, plan: dict[str, Any]) -> None:
    for name in plan["servers"]:
        edges = render(f"plan | distributed.tiers.plan_edges('{name}', own=true, at_least=[{{'1': 'a'}}])", plan=plan)
        assert edges[0]["name"] == name


def test_every_planned_edge_is_probed_from_its_end(render: Render, plan: dict[str, Any]) -> None:
    for edge in plan["edges"]:
        edges = render(f"plan | distributed.tiers.plan_edges('{edge['from']}')", plan=plan)
        assert (edge["to"], edge["address"], edge["port"]) in [(e["name"], e["address"], e["port"]) for e in edges]


def test_content_is_read_of_servers_that_hold_any(render: Render, plan: dict[str, Any]) -> None:
    asked = {
        name: render(f"plan | distributed.tiers.plan_edges('{name}', content='quick')", plan=plan)
        for name in plan["servers"]
    }
    assert [name for name, edges in asked.items() if not edges] == ["d1", "d2"]


def test_product_offers_what_it_describes(render: Render) -> None:
    access = {"http": {"read": "/"}, "password": None}
    assert render("access | distributed.tiers.probe_offers('https')", access=access) == ["read"]
    with pytest.raises(AnsibleError, match="unknown protocol 'gopher'"):
        render("{} | distributed.tiers.probe_offers('gopher')")


@pytest.mark.parametrize(
    "template",
    [
        "[] | distributed.tiers.plan_edges('m1')",
        "'x' | distributed.tiers.plan_edges('m1', content='whole')",
        "{} | distributed.tiers.plan_edges('m1', replaced=7)",
        "[] | distributed.tiers.probe_offers('https')",
    ],
)
def test_input_of_another_type_is_refused(render: Render, template: str) -> None:
    with pytest.raises(AnsibleError, match=r"must be a (dict|list of words)"):
        render(template)
