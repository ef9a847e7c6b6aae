# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter as a playbook meets it: through templating."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.distributed.tiers.plugins.filter.allocate_clients import allocate_clients
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

PROXIES = {"pp": {"site": "paris", "capacity": 5}, "pt": {"site": "tokyo", "capacity": "{{ places }}"}}
VARIABLES = {
    "places": 3,
    "proxies": PROXIES,
    "latency": {"paris": {"paris": 1, "tokyo": 220}, "tokyo": {"paris": 220, "tokyo": 1}},
    "home": "paris",
    "by_name": {"a": {"site": "{{ home }}"}, "b": {"site": "tokyo", "weight": 2, "deny": ["{{ 'pp' }}"]}},
    "listed": [{"name": "a", "site": "{{ home }}"}, {"name": "b", "site": "tokyo", "weight": 2, "deny": ["pp"]}],
    "text": "name,site,weight,deny\na,paris,,\nb,tokyo,2,pp\n",
}


@pytest.mark.parametrize("clients", ["by_name", "listed", "text", "listed | to_json", "listed | to_yaml"])
def test_every_form_of_clients(clients: str) -> None:
    result = template(f"{{{{ {clients} | distributed.tiers.allocate_clients(proxies, latency=latency) }}}}", VARIABLES)
    assert {name: entry["clients"] for name, entry in result["proxies"].items()} == {"pp": ["a"], "pt": ["b"]}
    assert result["backups"] == {"pp": {"pt": ["a"]}, "pt": {}}
    assert result["survives"]["pt"] == {"ok": False, "left_over_weight": 2}


def test_a_path(tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text(VARIABLES["text"], encoding="utf-8")
    variables = {**VARIABLES, "where": str(tmp_path / "clients.csv")}
    assert not template("{{ (where | distributed.tiers.allocate_clients(proxies)).unplaced }}", variables)


def test_counts_by_site() -> None:
    result = template("{{ {'paris': 4, 'tokyo': 4} | distributed.tiers.allocate_clients(proxies) }}", VARIABLES)
    assert {name: entry["weight"] for name, entry in result["proxies"].items()} == {"pp": 5, "pt": 3}


def test_a_plan_of_a_plan() -> None:
    expression = """
      {%- set first = by_name | distributed.tiers.allocate_clients(proxies, latency) -%}
      {{ by_name | distributed.tiers.allocate_clients(proxies, latency, previous=first,
         previous_backups=first.backups, policy={'move_cost': 3}) }}"""
    result = template(expression.strip(), VARIABLES)
    assert result["moves"] == []


def test_pieces_of_hostvars_as_they_come() -> None:
    """Values that are templates themselves, tagged texts and lists are read as what they mean."""
    result = template(
        "{{ dict(['a', 'b'] | zip([{'site': home}, {'site': home, 'pin': 'pp'}])) "
        "| distributed.tiers.allocate_clients(proxies) }}",
        VARIABLES,
    )
    assert result["proxies"]["pp"]["clients"] == ["a", "b"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("5 | distributed.tiers.allocate_clients(proxies)", "must be a list or a dictionary of clients, not int"),
        ("'name,site\nx' | distributed.tiers.allocate_clients(proxies)", "text: line 2: 1 columns instead of 2"),
        ("by_name | distributed.tiers.allocate_clients([])", "proxies: must be a dictionary, not list"),
        ("by_name | distributed.tiers.allocate_clients({'p': {}})", "proxy 'p': site must be a text"),
        ("by_name | distributed.tiers.allocate_clients(proxies, policy={'headroom': 2})", "policy: headroom must be"),
        ("by_name | distributed.tiers.allocate_clients(proxies, latency={'paris': 3})", "latency['paris']: must be"),
        ("by_name | distributed.tiers.allocate_clients(proxies, previous=['x'])", "previous: must be a dictionary"),
        ("{'a': {'site': 'x', 'pin': 'q'}} | distributed.tiers.allocate_clients(proxies)", "pin names no proxy: 'q'"),
    ],
)
def test_bad_input_is_an_error_of_the_filter(expression: str, message: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        template(f"{{{{ {expression} }}}}", VARIABLES)
    assert message in str(caught.value)
    assert "The clients cannot be allocated" in str(caught.value)


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"proxies": {"p": {"site": "x", "tags": CIRCLE}}}, "nested too deeply"),
        ({"latency": {"x": {"x": 10**400}}}, "latency['x']['x']: must be a finite number"),
        ({"latency": {"x": {"x": 1e308}}}, "latency['x']['x']: must be a finite number"),
        ({"policy": {"move_cost": 1e200}}, "policy: move_cost must be a number"),
        ({"policy": {"rebalance": 16**5000}}, "not a number of more than 40 digits"),
        ({"proxies": {"p": {"site": "x", "capacity": 10**400}}}, "capacity must be a whole number"),
        ({"proxies": {"p": {"site": "x", "weight": 1e300}}}, "weight must be a number"),
        ({"clients": {16**5000: {"site": "x"}}}, "client a number of more than 40 digits: a client's name must be"),
        ({"clients": {"a": {"site": "x", "weight": 16**5000}}}, "weight must be a whole number"),
        ({"clients": {f"c{n:05}": {"site": "x", "pin": "gone"} for n in range(20_000)}}, "and 951 more"),
        ({"previous": dict.fromkeys(map(str, range(20_000)), 5)}, "and 950 more"),
    ],
)
def test_arguments_that_cannot_be_computed_are_reported(arguments: dict[str, Any], message: str) -> None:
    given = {"clients": {"a": {"site": "x"}}, "proxies": {"p": {"site": "x"}}, **arguments}
    with pytest.raises(AnsibleError) as caught:
        allocate_clients(**given)
    assert message in str(caught.value) and len(str(caught.value)) < 10_000


def test_all_problems_come_at_once() -> None:
    with pytest.raises(AnsibleError) as caught:
        template("{{ {'a': {}, 'b': {'site': 3}} | distributed.tiers.allocate_clients({'p': {}}) }}", {})
    message: Any = str(caught.value)
    assert all(f"{what}: site must be a text" in message for what in ("client 'a'", "client 'b'", "proxy 'p'"))
