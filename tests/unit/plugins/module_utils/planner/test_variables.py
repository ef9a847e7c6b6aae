# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One entry in the table of variables is enough: reader, slice, record, schema and page follow from it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner import variables
from ansible_collections.distributed.tiers.plugins.module_utils.planner.difference import difference
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import SCHEMA, make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.structure import json_schema
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import number, word
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import TABLE, Variable
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

REPOSITORY = Path(__file__).parents[5]
MEANING = "Height unit of the host in its rack."
ENTRY = Variable("tiers_rack_unit", "server", "number", "", MEANING, number(1), field="rack_unit", recorded="rack_unit")
SYSTEMWIDE = Variable("tiers_owner", "all", "word", "", "Team that runs the system.", word, field="owner")
HIGH = "master: {hosts: {m1: {tiers_rack_unit: 7}}}"


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> tuple[Variable, ...]:
    """The table with two entries more."""
    longer = (*TABLE, ENTRY, SYSTEMWIDE)
    monkeypatch.setattr(variables, "TABLE", longer)
    for entry in (ENTRY, SYSTEMWIDE):
        monkeypatch.setitem(variables.BY_NAME, entry.name, entry)
    return longer


def test_the_value_is_read_into_the_slice(judge: Any) -> None:
    outcome = judge(HIGH)
    assert not outcome.errors
    assert [outcome.plan["servers"][name]["rack_unit"] for name in ("m1", "m2")] == [7, None]


def test_a_value_out_of_bounds_is_a_finding(judge: Any) -> None:
    (finding,) = judge("master: {hosts: {m1: {tiers_rack_unit: 0}}}").errors
    assert (finding.rule, finding.host, finding.variable) == ("bad-value", "m1", "tiers_rack_unit")
    assert "must be a number from 1 up" in finding.message


def test_hosts_that_give_different_values_to_a_system_are_a_finding(judge: Any) -> None:
    outcome = judge("all: {vars: {tiers_owner: directory}}", "proxy: {hosts: {px1: {tiers_owner: mail}}}")
    assert [(f.host, f.variable) for f in outcome.findings if f.rule == "setting-differs"] == [("px1", "tiers_owner")]


def test_the_record_keeps_it_and_the_next_plan_tells_what_changes(read: Any) -> None:
    plan = make_plan(read(HIGH)).plan
    assert plan is not None
    server = plan["servers"]["m1"]
    variables_of_role = yaml.safe_load((REPOSITORY / "roles/server/vars/main.yml").read_text(encoding="utf-8"))
    expression = variables_of_role["__server_record"]["settings"]
    settings = json.loads(json.dumps(template(expression, {"tiers_plan": plan, "tiers_server": server})))
    assert settings["rack_unit"] == 7
    assert settings.keys() == {variable.recorded for variable in variables.TABLE if variable.recorded}
    fact = {"schema": 1, **{key: server[key] for key in ("tier", "serves_as", "version")}, "settings": settings}
    topology = read("master: {hosts: {m1: {tiers_rack_unit: 8}}}", facts={"m1": fact})
    assert difference(topology, make_plan(topology).plan or {})["changed"] == {"m1": {"rack_unit": [7, 8]}}


def test_the_schema_has_it_and_a_plan_with_it_is_taken(judge: Any) -> None:
    schema, plan = json_schema(SCHEMA), json.loads(json.dumps(judge(HIGH).plan))
    assert schema["$defs"]["server"]["properties"]["rack_unit"] == {
        "description": MEANING,
        "type": ["number", "null"],
    }
    jsonschema.Draft202012Validator(schema).validate(plan)
    assert "rack_unit" in schema["$defs"]["server"]["required"]


def test_the_page_has_it(table: tuple[Variable, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("generate", REPOSITORY / "docs/generate.py")
    assert spec and spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    monkeypatch.setattr(generate, "TABLE", table)
    assert f"| `tiers_rack_unit` | server | number | - | {MEANING} |" in generate.variables()
