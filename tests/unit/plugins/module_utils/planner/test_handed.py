# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan handed over as data."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.module_utils.planner.difference import difference
from ansible_collections.distributed.tiers.plugins.module_utils.planner.handed import (
    MOST_DEVIATIONS,
    approved,
    list_deviations,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import (
    SCHEMA,
    SHARES,
    digest_of,
    make_plan,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import changes, report
from ansible_collections.distributed.tiers.plugins.module_utils.planner.structure import json_schema
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import with_plan

REPOSITORY = Path(__file__).parents[5]
STRUCTURE = json_schema(SCHEMA)
SECRETS = ("tiers_ca_passphrase", "product_openldap_probe_password")


@pytest.fixture(scope="module")
def plan(judge):
    return judge().plan


@pytest.fixture(scope="module")
def inventory(read):
    return read()


@pytest.fixture
def take(read, tmp_path):
    """The outcome of a patched inventory that takes this plan, which may be any bytes."""

    def taken(content, *patches, part=False):
        path = tmp_path / "plan.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        topology = read(f"all: {{vars: {{tiers_plan_file: {path}}}}}", *patches, part=part)
        outcome = make_plan(topology)
        assert report(topology, outcome)
        return outcome

    return taken


def signed(plan, **changed):
    """The plan with some keys changed, and a digest that says nothing of it."""
    changed = {**plan, **changed}
    return {**changed, "digest": digest_of(changed)}


def test_the_json_schema_is_valid_and_the_documentation_has_it():
    jsonschema.Draft202012Validator.check_schema(STRUCTURE)
    published = json.loads((REPOSITORY / "docs" / "plan.schema.json").read_text(encoding="utf-8"))
    assert published == STRUCTURE, "run `make docs`"


@pytest.mark.parametrize("name", ["example", "demo", "minimal", "mapped", "pool"])
def test_plans_have_the_documented_structure(judge, vault, tmp_path, name):
    if name == "example":
        plan = judge().plan
    else:
        source = tmp_path / "inventory"
        source.symlink_to(REPOSITORY / "inventories" / name)
        outcome = judge(path=source, more=[vault(*SECRETS)])
        assert not outcome.errors
        plan = outcome.plan
    written = json.loads(json.dumps(plan))
    jsonschema.Draft202012Validator(STRUCTURE).validate(written)
    assert list_deviations(written) == []


def test_a_plan_is_taken_as_it_is(take, plan):
    assert take(plan).plan == json.loads(json.dumps(plan))


PART = (
    "all: {vars: {tiers_expected: {proxy: 2, master: 1}, tiers_clients: nowhere.csv}}",
    "{master: !remove , backup: !remove , parallel: !remove , distributor: !remove }",
    "proxy: {hosts: {px2: !remove }}",
)


def test_a_part_of_the_inventory_works_from_the_whole_plan(take, judge):
    whole = judge("all: {vars: {tiers_expected: {proxy: 2, master: 1}}}").plan
    part = take(whole, *PART, part=True)
    assert part.findings == ()
    assert part.plan == json.loads(json.dumps(whole))


def test_a_part_of_the_inventory_is_refused_where_hosts_need_each_other(take, plan):
    (finding,) = take(plan, *PART).errors
    assert finding.rule == "handed-plan"
    assert finding.host == "d1, d2, m1, m2, p1 and 2 more"
    assert (finding.hosts, finding.count) == (("d1", "d2", "m1", "m2", "p1", "p2", "px2"), 7)
    assert "Among its servers the plan has hosts that this inventory lacks" in finding.message


def test_a_plan_comes_as_data_too(read, plan):
    outcome = make_plan(read(plan=plan))
    assert outcome.plan == json.loads(json.dumps(plan))
    assert "as planned in an earlier job" in report(read(plan=plan), outcome)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"schema": SCHEMA + 1}, f"It: its schema is {SCHEMA + 1}, this collection reads {SCHEMA}."),
        ({"schema": {1, 2}}, "It: it holds no plan."),
        ("text", "It: it holds no plan."),
    ],
)
def test_data_that_is_no_plan_is_refused(read, data, message):
    (finding,) = make_plan(read(plan=data)).errors
    assert (finding.rule, finding.variable, finding.message) == ("handed-plan", "tiers_plan_data", message)


def test_a_plan_is_given_once(read, plan):
    (finding,) = make_plan(read("all: {vars: {tiers_plan_file: plan.json}}", plan=plan)).errors
    assert finding.message == "tiers_plan_file is set too; give the plan once."


def test_another_plan_than_the_approved_one_is_reported(plan):
    assert list(approved(plan, plan["digest"])) == []
    (problem,) = approved(plan, "0" * 64)
    assert "Another plan was approved: 000000000000, and the current plan is" in problem.message


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ("proxy: {hosts: {px3: {ansible_host: 192.0.2.13}}}", "The plan has no such host among its servers."),
        ("client: {hosts: {c2: {ansible_host: 192.0.2.52}}}", "The plan has no such host among its clients."),
        ("proxy: {hosts: {px1: {ansible_host: 192.0.2.13}}}", "with address '192.0.2.11', here it is '192.0.2.13'."),
        ("proxy: {hosts: {px1: {tiers_capacity: 7}}}", "with capacity None, here it is 7."),
        ("backup: {hosts: {m2: {tiers_backup_of: p1}}}", "with primary 'm1', here it is 'p1'."),
        ("all: {vars: {tiers_name: other}}", "The plan is of system 'tiers', this inventory of 'other'."),
    ],
)
def test_a_plan_of_another_inventory_is_refused(take, plan, patch, message):
    outcome = take(plan, patch)
    assert outcome.plan is None
    assert {finding.rule for finding in outcome.errors} == {"handed-plan"}
    assert any(message in finding.message for finding in outcome.errors)


def test_mistakes_on_a_host_are_still_reported(take, plan):
    outcome = take(plan, "all: {vars: {tiers_ca_passphrase: }}", "proxy: {hosts: {px1: {tiers_capacty: 7}}}")
    assert {finding.rule for finding in outcome.errors} == {"missing-secret", "unknown-variable"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100000, "cannot be read"),
        (b"1" * 5000, "cannot be read"),
        (b"NaN", "it holds no plan"),
        (b"[]", "it holds no plan"),
        ({"schema": SCHEMA + 1}, f"its schema is {SCHEMA + 1}, this collection reads {SCHEMA}"),
        ({"schema": True}, f"its schema is True, this collection reads {SCHEMA}"),
    ],
)
def test_no_plan_at_all_is_refused(take, content, message):
    (finding,) = take(content).errors
    assert message in finding.message


def test_a_plan_that_was_changed_is_refused(take, plan):
    (finding,) = take({**plan, "domain": "elsewhere"}).errors
    assert "its digest is of another content" in finding.message
    (finding,) = take(signed(plan, servers={"px1": 5})).errors
    assert "servers.px1 must be an object, here it is 5" in finding.message
    assert "Write the plan again: ansible-playbook distributed.tiers.plan" in finding.remedy


BROKEN = [
    (["servers", "px1", "port"], "636", "must be a whole number of at least 1, here it is '636'"),
    (["servers", "px1", "port"], True, "must be a whole number of at least 1, here it is True"),
    (["servers", "px1", "port"], 0, "must be a whole number of at least 1, here it is 0"),
    (["servers", "px1", "state"], "asleep", "must be 'active', 'draining', 'down', here it is 'asleep'"),
    (["servers", "px1", "primary"], 5, "must be text or null, here it is 5"),
    (["servers", "px1", "weight"], math.inf, "must be a number, here it is inf"),
    (["servers", "px1", "weight"], math.nan, "must be a number, here it is nan"),
    (["servers", "d1", "members", 0], [], "must be an object, here it is []"),
    (["servers", "m1", "pair", "port"], None, "must be a whole number of at least 1, here it is None"),
    (["clients", "c1", "colour"], "red", "is not known"),
    (["allocation", "moves"], {}, "must be a list, here it is {}"),
    (["waves", 0, 0], 5, "must be text, here it is 5"),
]


def place(plan, path, value):
    for key in path[:-1]:
        plan = plan[key]
    plan[path[-1]] = value


@pytest.mark.parametrize(("path", "value", "why"), BROKEN)
def test_a_value_of_the_wrong_type_is_named_with_its_path(take, plan, path, value, why):
    odd = copy.deepcopy(plan)
    place(odd, path, value)
    (finding,) = take({**odd, "digest": digest_of(odd)}).errors
    assert f"{'.'.join(map(str, path))} {why}" in finding.message


def test_all_wrong_values_are_named_at_once(take, plan):
    odd = copy.deepcopy(plan)
    at_once = [one for number, one in enumerate(BROKEN) if one[0] not in [other[0] for other in BROKEN[:number]]]
    for path, value, _why in at_once:
        place(odd, path, value)
    del odd["domain"]
    messages = [finding.message for finding in take(odd).errors]
    assert len(messages) == len(at_once) + 1
    assert any("domain is missing" in message for message in messages)
    for path, _value, why in at_once:
        assert any(f"{'.'.join(map(str, path))} {why}" in message for message in messages)


def test_the_first_wrong_values_are_named_and_the_others_counted(take, plan):
    odd = {**plan, "waves": [list(range(1000))]}
    messages = [finding.message for finding in take(odd).errors]
    assert len(messages) == MOST_DEVIATIONS + 1
    counted = f"{1000 - MOST_DEVIATIONS} more of its values are not what they must be"
    assert any(counted in message for message in messages)


def test_a_plan_that_was_cut_off_is_refused(take, plan):
    text = json.dumps(plan).encode()
    for end in range(1, len(text), len(text) // 5):
        assert {finding.rule for finding in take(text[:end]).errors} == {"handed-plan"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def parts_of(value, way=()):
    """The path of everything in a plan."""
    yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from parts_of(item, (*way, key))


@settings(max_examples=150, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.data())
def test_an_accepted_plan_follows_the_json_schema(plan, data):
    odd = json.loads(json.dumps(plan))
    paths = [path for path in parts_of(odd) if path]
    place(odd, data.draw(st.sampled_from(paths)), data.draw(anything))
    if isinstance(odd, dict) and not list_deviations(odd):
        jsonschema.Draft202012Validator(STRUCTURE).validate({**odd, "schema": SCHEMA})


@settings(max_examples=60, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.data())
def test_no_plan_makes_it_raise(inventory, plan, tmp_path, data):
    """Even one whose digest fits."""
    odd = dict(plan)
    for key in data.draw(st.lists(st.sampled_from(sorted(plan)), max_size=3, unique=True)):
        odd[key] = data.draw(anything)
    part = data.draw(st.sampled_from(["servers", "clients", "allocation"]))
    if isinstance(odd[part], dict) and odd[part]:
        odd[part] = {**odd[part], data.draw(st.sampled_from(sorted(odd[part]))): data.draw(anything)}
    if data.draw(st.booleans()) and isinstance(odd["allocation"], dict) and odd["allocation"].keys() >= set(SHARES):
        odd = signed(odd)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(odd), encoding="utf-8")
    topology = with_plan(inventory, str(path))
    outcome = make_plan(topology)
    assert outcome.plan is not None or outcome.errors
    assert report(topology, outcome)
    if outcome.plan is not None:
        assert changes(difference(topology, outcome.plan))
