# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule speaks on its own example and is silent on the other."""

from __future__ import annotations

import dataclasses
import re

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.report import report
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import REGISTRY, Rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.versions import release
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names

RULES = [pytest.param(rule, id=name) for name, rule in REGISTRY.items()]


def test_the_example_has_no_findings(judge):
    outcome = judge()
    assert outcome.findings == ()
    assert outcome.plan is not None


@pytest.mark.parametrize("rule", RULES)
def test_fires(judge, rule: Rule):
    found = [finding for finding in judge(rule.fires).findings if finding.rule == rule.name]
    assert found
    for finding in found:
        assert finding.severity == rule.severity
        assert finding.message.strip() == finding.message
        assert finding.remedy


# One stop or question mark, and no other sign before it that ends something.
ENDS = re.compile(r"[^\s.,:;?!][.?]")


@pytest.mark.parametrize("rule", RULES)
def test_messages_end_with_one_full_stop(judge, rule: Rule):
    texts = [text for finding in judge(rule.fires).findings for text in (finding.message, finding.remedy)]
    assert [text for text in (*texts, rule.reason) if not ENDS.fullmatch(text[-2:])] == []


@pytest.mark.parametrize("rule", RULES)
def test_silent(judge, rule: Rule):
    outcome = judge(rule.silent)
    assert rule.name not in {finding.rule for finding in outcome.findings}
    # A silent example is one to follow.
    assert not outcome.errors


@pytest.mark.parametrize(
    "rule", [pytest.param(r, id=n) for n, r in REGISTRY.items() if r.severity == ERROR and not r.firm]
)
def test_a_lowered_error_still_gives_a_plan(judge, rule: Rule):
    """Rules that are not firm can be overridden, so the planner must make a plan without them."""
    outcome = judge(rule.fires)
    broken = {finding.rule for finding in outcome.errors}
    if any(REGISTRY[name].firm for name in broken):
        pytest.skip("the example breaks a firm rule too")
    rules = ", ".join(f"{name}: {{severity: warning, why: This is a test.}}" for name in sorted(broken))
    lowered = judge(rule.fires, f"all: {{vars: {{tiers_rules: {{{rules}}}}}}}")
    assert lowered.plan is not None
    mine = [finding for finding in lowered.findings if finding.rule == rule.name]
    assert {finding.severity for finding in mine} == {WARNING}
    assert {finding.why for finding in mine} == {"This is a test."}


def test_a_rule_switched_off_is_silent_and_the_report_tells_why(read):
    topology = read(
        REGISTRY["backup-same-zone"].fires,
        'all: {vars: {tiers_rules: {backup-same-zone: {severity: "off", why: One rack is all there is.}}}}',
    )
    outcome = make_plan(topology)
    assert outcome.findings == ()
    assert "Rule backup-same-zone is off, because: One rack is all there is." in report(topology, outcome)


def test_off_needs_no_quotes(judge):
    lowered = "all: {vars: {tiers_rules: {backup-same-zone: {severity: off, why: One rack is all there is.}}}}"
    assert judge(REGISTRY["backup-same-zone"].fires, lowered).findings == ()


@pytest.mark.parametrize("why", ["", ", why: ", ", why: '  '"])
def test_a_rule_is_lowered_only_with_a_reason(judge, why):
    outcome = judge(f"all: {{vars: {{tiers_rules: {{backup-same-zone: {{severity: warning{why}}}}}}}}}")
    (finding,) = outcome.errors
    assert (finding.rule, finding.variable) == ("bad-value", "tiers_rules")
    assert "at 'backup-same-zone' at 'why' is missing: say why the rule is lowered" in finding.message


def test_all_mistakes_in_overridden_rules_are_reported_at_once(judge):
    wrong = "{backup-same-zone: off, pool-same: {severity: of, why: x}, clocks: {severity: off, reason: x}}"
    (finding,) = judge(f"all: {{vars: {{tiers_rules: {wrong}}}}}").errors
    for text in (
        "at 'backup-same-zone' must map",
        "did you mean 'off'?",
        "at 'clocks' does not know the key 'reason'",
    ):
        assert text in finding.message


def test_every_finding_says_all_a_program_needs(judge):
    outcome = judge(REGISTRY["backup-same-zone"].fires, REGISTRY["unique-address"].fires)
    for finding in outcome.findings:
        told = finding.as_dict()
        assert told.keys() == {"rule", "severity", "host", "hosts", "count", "variable", "message", "remedy"}
        assert all(told.values())


def test_a_firm_rule_stays(judge):
    outcome = judge(
        REGISTRY["one-master"].fires,
        "all: {vars: {tiers_rules: {one-master: {severity: warning, why: Two are nicer.}}}}",
    )
    assert {finding.rule for finding in outcome.errors} == {"lowered-rule", "one-master"}


def test_all_findings_come_at_once(judge):
    outcome = judge(*(REGISTRY[name].fires for name in ("unknown-variable", "unique-address", "missing-secret")))
    assert {finding.rule for finding in outcome.errors} == {"unknown-variable", "unique-address", "missing-secret"}


def test_the_same_finding_on_many_hosts_is_reported_once(judge):
    (finding,) = judge("all: {vars: {tiers_capacty: 5}}").errors
    assert finding.host == "c1, d1, d2, m1, m2 and 4 more"
    assert (finding.hosts, finding.count) == (("c1", "d1", "d2", "m1", "m2", "p1", "p2", "px1", "px2"), 9)
    assert "did you mean 'tiers_capacity'?" in finding.message


@pytest.mark.parametrize("rule", RULES)
def test_a_program_gets_the_names_that_a_person_reads(read, rule: Rule):
    topology = read(rule.fires)
    known = {*(host.name for host in topology.hosts()), *topology.population}
    known |= {host for hosts in topology.unread_groups.values() for host in hosts}
    for finding in make_plan(topology).findings:
        assert finding.host == (enumerate_names(finding.hosts) or None)
        assert known.issuperset(finding.hosts)
        assert finding.count == len(finding.hosts)


def hosts_of(group: str, each: str = "", name: str = "w", of: str = "192.0.3.{}") -> str:
    """Eight hosts of a group: more than a text names."""
    hosts = (f"{name}{n}: {{ansible_host: {of.format(n)}, {each.format(n)}}}" for n in range(1, 9))
    return f"{group}: {{hosts: {{{', '.join(hosts)}}}}}"


W = tuple(f"w{n}" for n in range(1, 9))
VOTING = "all: {vars: {tiers_product: example.voting.product}}"
# (rule, whom it names, patches)
MANY = [
    ("unknown-variable", W, hosts_of("proxy", "tiers_capacty: 5")),
    ("one-master", ("m1", *W), hosts_of("master")),
    ("one-backup", ("m2", *W), hosts_of("backup", "tiers_backup_of: m1")),
    ("unique-address", W, hosts_of("parallel", of="192.0.3.9")),
    ("shared-host", W, hosts_of("parallel", "tiers_port: 170{}", of="192.0.3.9")),
    ("one-login", W, hosts_of("parallel", "tiers_address: 192.0.3.{}", of="192.0.3.9")),
    ("client-address", W, hosts_of("client", of="192.0.3.9")),
    ("unread-group", W, hosts_of("proxies")),
    ("pool-distributor", ("d1", *W), hosts_of("distributor")),
    ("pool-distributor", ("p1", "p2", *W), "{distributor: !remove , backup: !remove }", hosts_of("parallel")),
    ("pool-active", ("p1", "p2", *W), "parallel: {vars: {tiers_state: draining}}", hosts_of("parallel")),
    ("pool-spare", W, "all: {vars: {tiers_min_online: 2}}", hosts_of("parallel", "tiers_state: down")),
    ("min-online", W, "all: {vars: {tiers_min_online: 3}}", hosts_of("parallel", "tiers_state: down")),
    ("pool-same", W, hosts_of("parallel", "tiers_data_version: '{}'"), "parallel: {vars: {tiers_data_version: '42'}}"),
    ("reload-storm", W, hosts_of("proxy", "tiers_reload_delay: 30")),
    ("voters-odd", ("p1", "p2", *W), VOTING, hosts_of("parallel")),
    ("voters-apart", W, VOTING, hosts_of("parallel", "tiers_port: 170{}", of="192.0.3.9")),
    ("selector-known", W, hosts_of("client", "tiers_deny: [site:nope]")),
    ("client-placed", W, hosts_of("client", "tiers_allow: [site:nope]")),
]


@pytest.mark.parametrize(("rule", "names", "patches"), [(*case[:2], case[2:]) for case in MANY])
def test_a_program_gets_the_names_that_a_person_is_spared(judge, rule, names, patches):
    (finding,) = [finding for finding in judge(*patches).findings if finding.rule == rule]
    assert (finding.hosts, finding.count) == (tuple(sorted(names)), len(names))
    assert finding.host == enumerate_names(names)
    assert finding.host.endswith("more")


def test_a_person_reads_a_shared_address_and_a_program_its_server(judge):
    outcome = judge("distributor: {hosts: {d1: {tiers_virtual_address: 192.0.2.11}}}")
    (finding,) = [finding for finding in outcome.findings if finding.rule == "unique-address"]
    assert (finding.host, finding.hosts) == ("d1 (shared address), px1", ("d1", "px1"))


def test_the_first_of_very_many_clients_are_named_and_all_are_counted(read):
    topology = read("all: {vars: {tiers_clients: {berlin: 3000}}}", "proxy: {vars: {tiers_state: down}}")
    (finding,) = [finding for finding in make_plan(topology).errors if finding.rule == "client-placed"]
    told = finding.as_dict()
    assert (told["count"], len(told["hosts"])) == (3001, 1000)
    assert told["hosts"] == sorted(["c1", *(f"berlin#{n}" for n in range(1, 3001))])[:1000]
    assert told["host"] == "berlin#1, berlin#10, berlin#100, berlin#1000, berlin#1001 and 2996 more"


def test_a_port_the_product_may_not_bind(read):
    topology = read()
    product = dataclasses.replace(topology.products["openldap"], ports=((700, 700), (1024, 2000)))
    findings = make_plan(dataclasses.replace(topology, products={"openldap": product})).findings
    assert {finding.message for finding in findings} == {"openldap may bind 700, 1024-2000, not 636."}


@pytest.mark.parametrize(
    ("mine", "its", "newer"),
    [
        ("2.10", "2.9", True),
        ("2.5", "2.5.1", False),
        (None, "2.6", True),
        ("2.6", None, False),
        ("2.6rc1", "2.6", False),
    ],
)
def test_versions_are_compared_by_their_numbers(mine, its, newer):
    assert (release(mine) > release(its)) is newer


def test_without_an_order_of_upgrading_the_master_goes_first(read):
    topology = read("{master: {vars: {tiers_version: '2'}}, backup: {vars: {tiers_version: '2'}}}")
    product = dataclasses.replace(topology.products["openldap"], upgrade_order=())
    older = read(
        "all: {vars: {tiers_version: '2'}}",
        "{proxy: {vars: {tiers_version: '1'}}, parallel: {vars: {tiers_version: '1'}}}",
    )
    rules = {finding.rule for finding in make_plan(dataclasses.replace(older, products={"openldap": product})).findings}
    assert rules == {"upgrade-unfinished"}
    rules = {finding.rule for finding in make_plan(older).findings}
    assert rules == {"version-order"}


def test_a_direct_client_has_no_proxy(judge):
    plan = judge("client: {hosts: {c1: {tiers_direct: true}}}").plan
    assert [entry["name"] for entry in plan["clients"]["c1"]["endpoints"]] == ["m1", "m2"]
    assert not any("c1" in share["clients"] for share in plan["allocation"]["proxies"].values())
    assert any(edge["from"] == "c1" and edge["to"] == "m1" for edge in plan["edges"])
    assert plan["sites"]["berlin"]["clients"] == 2


def test_options_of_a_pair_are_compared_as_they_are_written(judge):
    same = "all: {vars: {product_openldap_suffix: '{{ nothing }}', product_openldap_entries: [{a: 1}]}}"
    assert judge(same).findings == ()
