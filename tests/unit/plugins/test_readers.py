# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reader gives findings or a plan for a sound or broken inventory, each finding at its place, the same each
time."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.filter.allocate_clients import allocate_clients
from ansible_collections.distributed.tiers.plugins.filter.client_endpoints import client_endpoints
from ansible_collections.distributed.tiers.plugins.filter.topology import topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import digest_of, make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import parse_product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import report
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import EXAMPLE
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.described_services import LEDGER
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import TABLE
from ansible_collections.distributed.tiers.plugins.plugin_utils import inventory, items
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import read_inventory, with_plan_data
from ansible_collections.distributed.tiers.plugins.plugin_utils.populations import read_population
from ansible_collections.distributed.tiers.tests.unit.inventories import laid_over

# The files of roles stay as they are.
load_options, load_product = functools.cache(inventory.load_options), functools.cache(inventory.load_product)
ROLES = Path(__file__).parents[3] / "roles"
# Nothing is shrunk: a failure is seen as well in a large example, and most of the time would go there.
quick = settings(max_examples=60, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])

CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
DEEP: list[Any] = []
for _level in range(5_000):
    DEEP = [DEEP]
BOMB: list[Any] = ["x"]
for _level in range(40):
    BOMB = [BOMB] * 9
NUMBERS = [0, -1, 1, 65_536, 2**53 + 1, 10**400, 16**5000, 0.5, 5e-324, 1e308, float("inf"), float("nan"), -0.0]
TEXTS = [
    "",
    "  ",
    "a\nb",
    "\0",
    "\ud800",
    "\u202ex",
    "x" * 2_000,
    "px1",
    "m1",
    "site:berlin",
    "::1",
    "{{ x }}",
    "{% if",
]
ODD = [None, True, *NUMBERS, *TEXTS, b"\xff", (1, 2), {1, 2}, object(), [], {}, [None], {None: 1}, CIRCLE, DEEP]


def odd_value(index: int) -> Any:
    """Not a bound method: hypothesis would print its list, and an integer of 6,000 digits has no text."""
    return ODD[index]


odd = st.integers(0, len(ODD) - 1).map(odd_value) | st.text(max_size=4) | st.integers() | st.floats()
Draw = Callable[[st.SearchStrategy[Any]], Any]


def broken(draw: Draw, value: Any) -> Any:
    """The value with one place in it taken out, doubled, renamed, or made something else."""
    if not value or not isinstance(value, (dict, list)) or draw(st.integers(0, 9)) == 0:
        return draw(odd)
    changed: Any = value.copy()
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = draw(st.sampled_from(keys))
    way = draw(st.integers(0, 9))
    if way == 0:
        del changed[key]
    elif way == 1 and isinstance(value, list):
        changed.insert(key, value[key])
    elif way == 1:
        name = draw(
            st.sampled_from([name for name in ODD if name.__hash__ and not isinstance(name, (list, dict, set))])
        )
        changed[name] = changed.pop(key)
    else:
        changed[key] = broken(draw, value[key])
    return changed


def often_broken(draw: Draw, value: Any) -> Any:
    for _time in range(draw(st.integers(1, 3))):
        value = broken(draw, value)
    return value


def told(texts: list[str]) -> None:
    """Messages for a terminal: not too long, and all of it shows."""
    for text in texts:
        assert text.isprintable() and 0 < len(text) < 10_000, text


# ---- Populations

ENTRIES = [
    {"name": "a", "site": "x", "weight": 2},
    {"name": "b, c", "site": "é", "pin": "p", "allow": ["site:x", "tag:y"], "deny": ["p"], "spread": "g"},
    {"name": "d", "site": "x"},
]


def as_csv() -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["name", "site", "weight", "pin", "allow", "deny", "spread"])
    writer.writeheader()
    writer.writerows({**entry, "allow": "site:x|tag:y", "deny": ""} for entry in ENTRIES)
    return text.getvalue()


FILES = {
    "csv": [as_csv()],
    "json": [json.dumps(ENTRIES), json.dumps({"a": {"site": "x"}, "b": {"site": "y"}}, indent=1), '{"x": 3, "y": 2}'],
    "yml": [
        yaml.safe_dump(ENTRIES, allow_unicode=True),
        "- &one {name: a, site: x}\n- {<<: *one, name: b}\n- ? name\n  : c\n  site: !!str 5\n  weight: 0x10\n",
    ],
}
PIECES = [
    '"',
    "'",
    "\\",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\n",
    "\r",
    "\0",
    "- ",
    "? ",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "#",
]
PIECES += ["!!bool x", "!!timestamp x", "%YAML 9\n", "---\n", "|\n", "NaN", "1e999", "9" * 5_000, "0x" + "f" * 5_000]
RAW = [piece.encode() for piece in PIECES] + [
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc3",
    b"\xff\xfe",
    b"\x1f\x8b",
]


@quick
@given(st.data())
def test_populations(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(FILES)))
    content = bytearray(data.draw(st.sampled_from(FILES[language])).encode())
    for _time in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        end = data.draw(st.sampled_from([at, at + 1, at + 7, len(content)]))
        content[at:end] = data.draw(st.sampled_from([b"", *RAW]) | st.binary(max_size=3))
    path = tmp_path_factory.getbasetemp() / f"clients.{language}"
    path.write_bytes(content)
    clients, problems = read_population(path)
    told(problems)
    assert all(problem.startswith((f"{path}: ", "and ")) for problem in problems)
    assert all(name.isprintable() and client["site"].isprintable() for name, client in clients.items())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(items, "CHUNK", 3)
        assert read_population(path) == (clients, problems)


@quick
@given(st.data())
def test_lists_of_clients(data: st.DataObject) -> None:
    source = often_broken(data.draw, ENTRIES)
    if isinstance(source, str):  # a path, or a text
        return
    clients, problems = read_population(source)
    told(problems)
    assert all(problem.startswith("clients: ") for problem in problems)
    assert read_population(source) == (clients, problems)


# ---- Inventories

FACT = {
    "schema": 1,
    "system": "tiers",
    "tier": "proxy",
    "serves_as": "proxy",
    "version": "1",
    "clients": ["desk-1"],
    "backups": {"px2": ["desk-1"]},
    "settings": {"port": 636, "upstreams": [{"name": "m1"}]},
}
MORE = """\
all:
  vars:
    tiers_site_latency: {berlin: {paris: 10}, paris: {berlin: 10}}
    tiers_allocation: {move_cost: 5, headroom: 0.1, balance: 3}
    tiers_expected: {proxy: 2}
    tiers_rules: {proxy-idle: {severity: warning, why: so}}
    tiers_loss: "px1,site:berlin"
"""


def sound(*patches: str) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
    """Groups and variables by host, as Ansible gives them."""
    written: Any = yaml.safe_load(EXAMPLE)
    for patch in patches:
        written = laid_over(written, yaml.safe_load(patch))
    common = written.pop("all")["vars"]
    groups = {group: list(content["hosts"]) for group, content in written.items()}
    hosts = {host: {**common, **(own or {})} for content in written.values() for host, own in content["hosts"].items()}
    hosts["old"] = {}
    for host in ("px1", "old"):
        hosts[host]["ansible_facts"] = {"ansible_local": {"tiers": FACT}}
    return {"all": list(hosts), **groups}, hosts


NAMES = [*(variable.name for variable in TABLE), "ansible_host", "ansible_facts", "host_certificate", "tiers_unheard"]


@quick
@given(st.data())
def test_inventories(data: st.DataObject) -> None:
    groups, hosts = sound(MORE, *data.draw(st.sampled_from([(), (LEDGER,)])))
    for _time in range(data.draw(st.integers(1, 3))):
        some = data.draw(st.sampled_from([list(hosts), [data.draw(st.sampled_from(sorted(hosts)))]]))
        present = sorted(hosts[some[0]])
        name = data.draw(st.sampled_from(NAMES) | st.sampled_from(present))
        value = broken(data.draw, hosts[some[0]][name]) if name in present else data.draw(odd)
        for host in some:
            hosts[host][name] = value
    fails = data.draw(st.booleans())

    def template(_host: str, raw: Any, name: str) -> Any:
        return 1 / 0 if fails else raw[name]

    def judged() -> tuple[list[dict[str, Any]], str]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(inventory, "load_options", load_options)
            patched.setattr(inventory, "load_product", load_product)
            patched.setattr(inventory, "addresses_of", lambda _name: set())
            read = read_inventory(groups, hosts, template, None, ".")
        outcome = make_plan(read)
        assert outcome.plan is not None or outcome.errors
        assert all(finding.host or finding.variable or finding.message for finding in outcome.findings)
        return [finding.as_dict() for finding in outcome.findings], report(read, outcome)

    findings, text = judged()
    told([finding["message"] for finding in findings])
    text.encode()
    assert judged() == (findings, text)


@quick
@given(st.data())
def test_inventories_put_together_from_data(data: st.DataObject) -> None:
    groups, hosts = sound(MORE)
    given_groups, given_hosts = often_broken(data.draw, groups), often_broken(data.draw, hosts)
    try:
        assert topology(given_groups, given_hosts, data.draw(st.none() | odd))["servers"]
    except AnsibleFilterError as error:
        told(str(error).splitlines())


def test_a_value_of_millions_of_aliases_is_reported_at_once() -> None:
    groups, hosts = sound()
    for name in ("tiers_tags", "product_openldap_x"):
        hosts["px1"][name] = BOMB
    (error,) = make_plan(read_inventory(groups, hosts, lambda _h, raw, name: raw[name], None, ".")).errors
    assert (error.rule, error.host, error.variable) == ("unreadable-value", "px1", "tiers_tags")


# ---- Products and plans

PRODUCTS = [yaml.safe_load(path.read_bytes()) for path in sorted(ROLES.glob("product_*/meta/product.yml"))]


@quick
@given(st.data())
def test_products(data: st.DataObject) -> None:
    product, problems = parse_product("x", often_broken(data.draw, data.draw(st.sampled_from(PRODUCTS))))
    assert (product is None) == bool(problems)
    told(problems)


GROUPS, HOSTS = sound()
WHOLE = read_inventory(GROUPS, HOSTS, lambda _host, raw, name: raw[name], None, ".")
PLAN = json.loads(json.dumps(make_plan(WHOLE).plan))


@quick
@given(st.data())
def test_plans_handed_over(data: st.DataObject) -> None:
    plan = often_broken(data.draw, PLAN)
    with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError, RecursionError):
        plan = {**plan, "digest": digest_of(plan)}  # changed, and signed again
    read = with_plan_data(WHOLE, plan, None, data.draw(st.booleans()))
    outcome = make_plan(read)
    assert outcome.plan is not None or outcome.errors
    told([finding.message for finding in outcome.findings])
    assert report(read, outcome)


# ---- The filters

CLIENTS = {"a": {"site": "x", "weight": 2}, "b": {"site": "y", "pin": "p"}, "c": {"site": "x", "allow": ["zone:z"]}}
PROXIES = {
    "p": {"site": "x", "zone": "z", "capacity": 9, "tags": ["t"]},
    "q": {"site": "y", "backup": "qb", "weight": 2},
}
LATENCY = {"x": {"y": 5}, "y": {"x": 6}}
POLICY = {"move_cost": 3, "move_budget": 2, "balance": 2, "headroom": 0.1, "rebalance": 1}
RESULT = allocate_clients(CLIENTS, PROXIES, LATENCY)


@quick
@given(st.data())
def test_allocations(data: st.DataObject) -> None:
    sources = [CLIENTS, PROXIES, LATENCY, RESULT, RESULT["backups"], POLICY]
    which = data.draw(st.integers(0, len(sources) - 1))
    sources[which] = often_broken(data.draw, sources[which])
    try:
        result = allocate_clients(*sources)
        assert client_endpoints(result) and json.dumps(result, allow_nan=False)
    except AnsibleFilterError as error:
        told(str(error).splitlines())


@quick
@given(st.data())
def test_endpoints(data: st.DataObject) -> None:
    addresses = data.draw(st.none() | st.just({"p": "192.0.2.1"}) | odd)
    try:
        client_endpoints(
            often_broken(data.draw, RESULT), data.draw(st.none() | odd), data.draw(st.none() | odd), addresses
        )
    except AnsibleFilterError as error:
        told(str(error).splitlines())
