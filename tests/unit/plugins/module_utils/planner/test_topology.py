# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading an inventory: every variable, every kind of wrong value, and never a traceback."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.module_utils.planner.difference import difference
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import changes, report
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import (
    Unreadable,
    read_fact,
    read_topology,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import GROUPS, BadValueError
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME, TABLE
from ansible_collections.distributed.tiers.plugins.plugin_utils.populations import read_population

GOOD = [
    ("tiers_site", "berlin", "berlin"),
    ("tiers_zone", 5, "5"),
    ("tiers_port", "1636", 1636),
    ("tiers_capacity", 2500, 2500),
    ("tiers_weight", "0.5", 0.5),
    ("tiers_state", "draining", "draining"),
    ("tiers_tags", "gpu", ("gpu",)),
    ("tiers_tags", ["gpu", 5], ("gpu", "5")),
    ("tiers_upstream", ["m1", "m2"], ("m1", "m2")),
    ("tiers_address", "2001:DB8::1", "2001:db8::1"),
    ("tiers_address", "host.example.com", "host.example.com"),
    ("tiers_virtual_address", " 192.0.2.30 ", "192.0.2.30"),
    (
        "tiers_groups",
        {"proxy": "edge", "parallel": ["pool1", "pool2"]},
        {"proxy": ("edge",), "parallel": ("pool1", "pool2")},
    ),
    ("tiers_expected", {"proxy": 2, "client": "0"}, {"proxy": 2, "client": 0}),
    ("tiers_site_latency", {"a": {"b": 3}}, {"a": {"b": 3.0}}),
    ("tiers_site_networks", {"a": "192.0.2.0/24"}, {"a": ("192.0.2.0/24",)}),
    ("tiers_allocation", {"move_cost": 5, "move_budget": None}, {"move_cost": 5.0, "move_budget": None}),
    ("tiers_rules", {"x": {"severity": "off", "why": "so"}}, {"x": {"severity": "off", "why": "so"}}),
    ("tiers_rules", {"x": {"severity": "off", "why": "so\n  it is\n"}}, {"x": {"severity": "off", "why": "so it is"}}),
    ("tiers_virtual_address", "fe80::1%eth0", "fe80::1%eth0"),
    ("tiers_clients", "clients.csv", "clients.csv"),
    ("tiers_drill_confirm", "yes", True),
]

# Of more digits than Python writes.
HUGE = 16**5000
BAD = [
    pytest.param("tiers_site", HUGE, "must be a word", id="huge-site"),
    ("tiers_site", math.nan, "must be a word"),
    ("tiers_site", "a\nb", "without line breaks and the like"),
    ("tiers_site", "a\u202eb", "without line breaks and the like"),
    ("tiers_zone", "\ud800", "without line breaks and the like"),
    ("tiers_tags", ["a", "b\x00"], "must be a list of words"),
    ("tiers_site", "x" * 1001, "must be a word of 1000 characters at most"),
    pytest.param("tiers_weight", HUGE, "must be a number from 0 up", id="huge-weight"),
    ("tiers_weight", 1e300, "must be a number from 0 to 1e+11"),
    ("tiers_virtual_address", "fe80::1%x\n  bind *:1", "must be an IP address"),
    ("tiers_address", "fe80::1%a b", "must be an IP address or a host name"),
    ("tiers_site_latency", {"a": {"b": 1e308}}, "at 'a.b' must be a number from 0 to 1e+11"),
    ("tiers_site_latency", {HUGE: {}}, "at 'a number of more than 40 digits' must be a word"),
    ("tiers_expected", {HUGE: 1}, "does not know the key 'a number of more than 40 digits'"),
    ("tiers_allocation", {"move_cost": 1e200}, "at 'move_cost' must be a number from 0 to 1e+11"),
    ("tiers_site", ["a"], "must be a word"),
    ("tiers_site", "  ", "must be a word"),
    ("tiers_site", True, "must be a word"),
    ("tiers_port", 70000, "must be a whole number from 1 to 65535"),
    ("tiers_port", "x", "must be a whole number from 1 to 65535"),
    ("tiers_capacity", -1, "must be a whole number from 1 up"),
    ("tiers_capacity", 1.5, "must be a whole number from 1 up"),
    ("tiers_capacity", True, "must be a whole number from 1 up"),
    ("tiers_weight", math.nan, "must be a number from 0 up"),
    ("tiers_weight", math.inf, "must be a number from 0 up"),
    ("tiers_weight", {}, "must be a number from 0 up"),
    ("tiers_state", "drainning", "must be one of active, draining, down; did you mean 'draining'?"),
    ("tiers_redundancy", 7, "must be one of cold, warm, hot"),
    ("tiers_tags", {"a": 1}, "must be a list of words"),
    ("tiers_tags", ["a", None], "must be a list of words"),
    ("tiers_address", "no spaces here", "must be an IP address or a host name"),
    ("tiers_virtual_address", "host", "must be an IP address"),
    ("tiers_groups", ["proxy"], "must map tiers to groups"),
    ("tiers_groups", {"proxys": "x"}, "does not know the key 'proxys'; did you mean 'proxy'?"),
    ("tiers_expected", {"proxy": -1}, "at 'proxy' must be a whole number from 0 up"),
    ("tiers_site_latency", {"a": {"b": "far"}}, "at 'a.b' must be a number from 0 up"),
    ("tiers_site_latency", {"a": 3}, "must map sites to sites to milliseconds"),
    ("tiers_site_networks", {"a": ["10.0.0.1/24"]}, "has host bits set"),
    ("tiers_allocation", {"balance": 0.5}, "at 'balance' must be a number from 1 up"),
    ("tiers_allocation", {"headroom": 1}, "at 'headroom' must be a number from 0 to less than 1"),
    ("tiers_rules", {"x": {"severity": "error", "why": "so"}}, "must be one of warning, off"),
    ("tiers_rules", {"x": "off"}, "must map severity and why"),
    ("tiers_clients", 5, "must be a list of clients or the path"),
    ("tiers_drill_confirm", "perhaps", "must be true or false"),
]


@pytest.mark.parametrize(("name", "given_value", "expected"), GOOD)
def test_a_good_value_is_read(name, given_value, expected):
    assert BY_NAME[name].read(given_value) == expected


@pytest.mark.parametrize(("name", "given_value", "message"), BAD)
def test_a_bad_value_is_reported(name, given_value, message):
    with pytest.raises(BadValueError) as caught:
        BY_NAME[name].read(given_value)
    assert message in str(caught.value)


def test_every_variable_is_described():
    assert len(BY_NAME) == len(TABLE)
    for variable in TABLE:
        assert variable.meaning.endswith(".")
        assert {where.strip() for where in variable.where.split(",")} <= {"all", "server", *GROUPS}


def test_groups_can_be_mapped_so_that_two_systems_share_an_inventory(read):
    topology = read(
        """
        all: {vars: {tiers_groups: {proxy: edge, client: []}}}
        edge:
          hosts:
            e1: {ansible_host: 192.0.2.61}
        """
    )
    assert [server.name for server in topology.tier("proxy")] == ["e1"]
    assert topology.clients == {}
    # The other system's group is none of our business.
    assert not [p for p in topology.problems if p.rule == "unread-group"]


def test_the_address_comes_from_the_inventory(read):
    servers = read("proxy: {hosts: {px1: {tiers_address: 192.0.2.99}, px2: {ansible_host: !remove }}}").servers
    assert servers["px1"].address == "192.0.2.99"
    assert servers["px2"].address == "px2"


def test_templates_are_filled_in_per_host(read):
    topology = read(
        'all: {vars: {tiers_zone: "{{ inventory_hostname[-1] }}", tiers_name: "{{ place }}-1", place: berlin}}'
    )
    assert topology.servers["d2"].zone == "rack-b"
    assert topology.name == "berlin-1"


def test_a_secret_counts_when_its_template_gives_something(read):
    topology = read(
        'all: {vars: {tiers_ca_passphrase: "{{ nothing_like_that }}", product_openldap_probe_password: "{{ 5 }}"}}'
    )
    assert topology.servers["m1"].missing_secrets == ("tiers_ca_passphrase",)


def test_own_certificates_need_no_passphrase(read):
    assert read("all: {vars: {tiers_ca_passphrase: '', host_certificate: x}}").servers["m1"].missing_secrets == ()


@pytest.mark.parametrize(
    "fact", [None, [], {"schema": 2}, {"schema": 1, "clients": 5}, {"schema": 1, "backups": "x"}, "text"]
)
def test_a_broken_local_fact_counts_as_none(fact):
    assert read_fact(fact) is None


def test_values_of_a_fact_are_text_of_any_type():
    deep = [5]
    for _level in range(5000):
        deep = [deep]
    fact = read_fact({"schema": 1, "tier": HUGE, "version": deep, "clients": [deep, 5, "a"], "backups": {HUGE: [deep]}})
    assert fact.tier == "a number of more than 40 digits"
    assert fact.clients[1:] == ("5", "a")
    assert len(fact.version) < 100


def test_a_product_that_is_no_word_is_reported(judge):
    errors = judge("all: {vars: {tiers_product: [openldap]}}").errors
    assert {finding.rule for finding in errors} >= {"bad-value"}


def test_a_host_that_no_configuration_can_name_is_reported(judge):
    errors = judge("proxy: {hosts: {'a b;c': {ansible_host: 192.0.2.77}}}").errors
    (told,) = [finding for finding in errors if finding.host == "a b;c"]
    assert told.message == "The name of a host must be an IP address or a host name."


def test_a_host_with_a_long_name_is_reported_by_its_whole_name(judge):
    errors = judge(f"proxy: {{hosts: {{{'x' * 300}: {{ansible_host: 192.0.2.77}}}}}}").errors
    (told,) = [finding for finding in errors if finding.message.startswith("The name of a host")]
    assert told.hosts == ("x" * 300,)
    assert told.host == "x" * 59 + "…"


def test_the_order_of_the_inventory_does_not_matter():
    hosts = {name: {"tiers_product": "openldap", "tiers_site": name} for name in "abcd"}
    groups = {"master": ["a"], "proxy": ["c", "b"], "client": ["d"]}
    forth = read_topology(groups, hosts, {}, read_population)
    back = read_topology(
        {"client": ["d"], "proxy": ["b", "c"], "master": ["a"]}, dict(reversed(hosts.items())), {}, read_population
    )
    assert back == forth
    assert list(back.servers) == list(forth.servers)


PRODUCT = Product(
    "openldap",
    "distributed.tiers.product_openldap",
    636,
    "ldaps",
    ("master", "proxy", "parallel"),
    {"master": ("hot",)},
)
HOSTS = ["a", "b", "c", "d"]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.sampled_from([*HOSTS, "openldap", "active", "192.0.2.1", "::1", "site:x", "10.0.0.0/8", "", "{{ x }}"]),
    st.text(max_size=8),
    st.just(Unreadable("'x' is undefined")),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.one_of(scalars.filter(lambda s: not isinstance(s, Unreadable))), inner, max_size=3)
    ),
    max_leaves=6,
)
plausible = {
    "tiers_product": st.just("openldap"),
    "tiers_backup_of": st.sampled_from(HOSTS),
    "tiers_address": st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]),
    "tiers_upstream": st.lists(st.sampled_from(HOSTS), max_size=3),
    "tiers_pin": st.sampled_from(HOSTS),
    "tiers_virtual_address": st.sampled_from(["192.0.2.9", "192.0.2.1"]),
    "tiers_clients": st.lists(
        st.fixed_dictionaries({"name": st.sampled_from("xyzab"), "site": st.sampled_from("pq")}), max_size=4
    ),
    "tiers_ca_passphrase": st.just(True),
}
hostvars = st.fixed_dictionaries(
    {},
    optional={
        name: plausible.get(name, values) | values
        for name in [*BY_NAME, "ansible_host", "ansible_local.tiers", "tiers_unheard_of"]
        if name not in plausible
    },
).flatmap(lambda odd: st.fixed_dictionaries({}, optional=plausible).map(lambda even: {**odd, **even}))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    groups=st.dictionaries(
        st.sampled_from([*GROUPS, "else"]), st.lists(st.sampled_from(HOSTS), max_size=4), max_size=7
    ),
    variables=st.fixed_dictionaries(dict.fromkeys(HOSTS, hostvars)),
    tiers_groups=values,
)
def test_no_inventory_makes_it_raise(groups, variables, tiers_groups):
    topology = read_topology(groups, variables, {"openldap": PRODUCT}, read_population, tiers_groups)
    outcome = make_plan(topology)
    assert outcome.plan is not None or outcome.errors
    assert report(topology, outcome)
    if outcome.plan is not None:
        assert changes(difference(topology, outcome.plan))


def test_an_empty_answer_of_a_survey_sets_no_variable(judge):
    assert judge("all: {vars: {tiers_report_rows: '', tiers_loss: '', tiers_plan_file: ''}}").errors == []
    assert [finding.rule for finding in judge("all: {vars: {tiers_min_online: ''}}").errors] == ["bad-value"]
