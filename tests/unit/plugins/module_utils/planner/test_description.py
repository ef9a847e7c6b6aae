# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A product as the inventory describes it: what is wrong with the description, and what the plan makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.module_utils.planner.description import (
    PLANNED,
    complete,
    options_of,
    read_description,
    with_planned,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Port, parse_product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.described_services import LEDGER, ledger
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Unreadable

META = Path(__file__).parents[5] / "roles/product_service/meta"
OPTIONS = options_of(yaml.safe_load((META / "argument_specs.yml").read_bytes()), "tiers_service")
ROLE, _problems = parse_product("service", yaml.safe_load((META / "product.yml").read_bytes()))
SOUND = yaml.safe_load(LEDGER)["all"]["vars"]["tiers_service"]


class Vaulted:
    """The object that an inventory holds for an encrypted value."""


def faults(**changes: Any) -> list[str]:
    described = {key: value for key, value in {**SOUND, **changes}.items() if value is not None}
    return [f"{where} {text}" for where, text in read_description(described, OPTIONS)[1]]


@pytest.mark.parametrize(
    ("lines", "is_watched"),
    [
        ("tls: none", False),
        ("tls: none\n      check: {type: tcp}", False),
        ("tls: terminated\n      local_port: 8000", False),
        ("tls: product", True),
        ("tls: none\n      check: {type: http, path: /}", True),
        ("tls: none\n      check: {type: command, command: [ping]}", True),
        ("tls: none\n      check: {type: tcp, expect: '^220'}", True),
        ("tls: none\n      probe: {tcp: {send: 'PING'}}", True),
        ("tls: none\n      check: '{{ check }}'", True),
    ],
)
def test_a_connection_alone_does_not_watch_a_program(lines: str, is_watched: bool) -> None:
    described = yaml.safe_load(ledger(("tls: product", lines)))["all"]["vars"]["tiers_service"]
    assert complete(ROLE, described).watched is is_watched


def test_a_sound_description_has_no_faults_and_its_defaults() -> None:
    description, found = read_description(SOUND, OPTIONS)
    assert found == []
    assert (description["active"], description["proxy"]["mode"], description["check"]["type"]) == (
        "one",
        "product",
        "tcp",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"port": None}, "port is missing: The port that clients and peers reach."),
        ({"port": "https"}, "port must be a whole number, here it is text"),
        ({"port": 8443.0}, "port must be a whole number, here it is a number"),
        ({"port": True}, "port must be a whole number, here it is true or false"),
        ({"failure_detection": 10**400}, "failure_detection must be a number, here it is a number"),
        ({"protocol": "{{ x }}"}, "protocol cannot be had: a template in it stays one"),
        ({"redundancy": {"master": "{{ x }}"}}, "redundancy cannot be had: a template in it stays one"),
        ({"secrets": ["x" * 10**5]}, "secrets 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' is no name of a variable"),
        ({"port": "{{ x }}"}, "port cannot be had: a template in it stays one"),
        ({"name": "a\nb"}, r"name 'a\nb' is no name of a unit and of directories"),
        ({"\ud800": 1}, r"\ud800 is not known"),
        ({"port": 70000}, "port must be from 1 to 65535, here it is 70000"),
        ({"local_port": 0}, "local_port must be from 1 to 65535, here it is 0"),
        ({"protocol": "htp"}, "protocol must be one of http, tcp, here it is 'htp'; did you mean 'http'?"),
        ({"prot": 1}, "prot is not known; did you mean 'port'?"),
        ({"name": "Ledger"}, "name 'Ledger' is no name of a unit and of directories"),
        ({"name": "haproxy"}, "name 'haproxy' is used by the collection itself"),
        ({"version": 1.1}, "version must be text: put it in quotes"),
        ({"stateful": "yes"}, "stateful must be true or false, here it is text"),
        ({"tiers": "master"}, "tiers must be a list, here it is text"),
        ({"tiers": ["master", "prxy"]}, "tiers[1] must be one of master, proxy, parallel, here it is 'prxy'"),
        ({"redundancy": {"master": ["boiling"]}}, "redundancy.master[0] must be one of hot, warm, cold"),
        ({"redundancy": {"backup": ["hot"]}}, "redundancy.backup is not known"),
        ({"install": "package"}, "install must be a mapping, here it is text"),
        ({"install": {"way": "pakage"}}, "install.way must be one of package, archive, installer, venv, none"),
        ({"files": [{"src": "a.j2"}]}, "files[0].dest is missing"),
        ({"files": [{"dest": "/a", "mode": 0o640}]}, "files[0].mode must be text: put it in quotes"),
        ({"ports": [{"name": "a", "port": 0, "to": [], "from": []}]}, "ports[0].port must be from 1 to 65535"),
        ({"ports": [5]}, "ports[0] must be a mapping, here it is a number"),
        ({"failure_detection": -1}, "failure_detection must be a number of seconds, here it is -1"),
        ({"port": Unreadable("'x' is undefined")}, "port cannot be had: 'x' is undefined"),
    ],
)
def test_mistakes_are_reported_with_their_place(changes: dict[str, Any], message: str) -> None:
    (found,) = faults(**changes)
    assert found.startswith(message)


@pytest.mark.parametrize(
    "changes",
    [
        {"port": "8443"},
        {"stop_timeout": "{{ tiers_server.port }}"},
        {"environment": {"A": 1, "B": "{{ nothing }}"}},
        {"secret_environment": {"PASSWORD": Vaulted()}},
        {"files": [{"dest": "/a", "content": Vaulted()}]},
        {"files": "{{ my_files }}"},
        {"install": "{{ my_way }}"},
        {"command": {"default": "a", "proxy": "b"}},
    ],
)
def test_values_that_only_roles_can_check_are_accepted(changes: dict[str, Any]) -> None:
    assert faults(**changes) == []


def test_everything_wrong_comes_at_once() -> None:
    assert len(faults(port="x", tls="on", install={"way": "x", "keep": "all"}, colour="red")) == 5


def test_templates_are_filled_in_where_the_planner_reads_and_nowhere_else() -> None:
    raw = {**SOUND, "port": "{{ p }}", "stop_timeout": "{{ p }}", "install": {"way": "{{ p }}", "keep": "{{ p }}"}}
    filled = with_planned(raw, lambda _part: "x")
    assert (filled["port"], filled["install"]["way"]) == ("x", "x")
    assert filled["stop_timeout"] == filled["install"]["keep"] == "{{ p }}"
    assert raw["port"] == raw["install"]["way"] == "{{ p }}"


def test_the_planner_reads_nothing_that_the_structure_does_not_know() -> None:
    for first, *rest in PLANNED:
        assert first in OPTIONS
        assert all(key in OPTIONS[first]["options"] for key in rest)


def test_defaults_are_what_they_would_have_to_be() -> None:
    """A description of all defaults has no fault of its own."""

    def defaults(options: Any) -> dict[str, Any]:
        return {key: option["default"] for key, option in options.items() if "default" in option}

    assert read_description({**SOUND, **defaults(OPTIONS)}, OPTIONS)[1] == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("{{ x }}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)) | st.text(max_size=3), anything))
def test_no_description_makes_it_raise(raw: dict[str, Any]) -> None:
    description, found = read_description(with_planned(raw, lambda _part: Unreadable("no")), OPTIONS)
    assert all(text for _where, text in found)
    assert ROLE is not None
    complete(ROLE, description)


def test_the_description_shown_is_sound() -> None:
    page = (Path(__file__).parents[5] / "docs/products.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(tiers_product: service\n.*?)```", page, flags=re.DOTALL)
    assert read_description(yaml.safe_load(shown)["tiers_service"], OPTIONS)[1] == []


@pytest.mark.parametrize("specs", [None, [], {"argument_specs": {"a": None, "b": {"options": {"tiers_service": 1}}}}])
def test_specs_without_the_variable_hold_no_structure(specs: Any) -> None:
    assert options_of(specs, "tiers_service") == {}


def test_the_product_is_what_the_description_says() -> None:
    ports = [{"name": "cluster", "port": 6222, "to": ["master"], "from": ["pair"]}]
    described = {**SOUND, "ports": ports, "secrets": ["ledger_key"], "failback": ["never"], "active": "both"}
    assert ROLE is not None
    product = complete(ROLE, read_description(described, OPTIONS)[0])
    assert (product.port, product.protocol, product.tls) == (8443, "https", "product")
    assert (product.redundancy, product.failback, product.active) == ({"master": ("warm",)}, ("never",), "both")
    assert product.more_ports == (Port("cluster", 6222, "tcp", ("master",), ("pair",)),)
    assert product.secrets == ("ledger_key",)


@pytest.mark.parametrize(
    ("protocol", "tls", "spoken"),
    [
        ("http", "product", "https"),
        ("http", "terminated", "https"),
        ("http", "none", "http"),
        ("tcp", "terminated", "tls"),
        ("tcp", "none", "tcp"),
    ],
)
def test_the_protocol_follows_from_the_description(protocol: str, tls: str, spoken: str) -> None:
    assert ROLE is not None
    described = {**SOUND, "protocol": protocol, "tls": tls}
    assert complete(ROLE, read_description(described, OPTIONS)[0]).protocol == spoken


# The inventory as a whole.


def told(outcome: Any, rule: str = "service-description") -> list[tuple[str | None, str]]:
    return [(finding.host, finding.message) for finding in outcome.findings if finding.rule == rule]


def test_a_host_without_the_description_is_named(judge: Any) -> None:
    outcome = judge("master: {vars: {tiers_product: service}}")
    assert told(outcome) == [("m1", "service is described by tiers_service, which the host does not have.")]


def test_a_broken_description_brings_no_other_errors(judge: Any) -> None:
    broken = ledger(("{master: [warm]}", "{master: warm}"), ("[master, proxy, parallel]", "[mastr]"))
    assert {finding.rule for finding in judge(broken).findings} == {"service-description"}
    assert {finding.rule for finding in judge("all: {vars: {tiers_product: service}}").findings} == {
        "service-description"
    }


def test_templates_of_the_inventory(judge: Any) -> None:
    port = ledger(("port: 8443", 'port: "{{ my_port }}"\n      stop_timeout: "{{ tiers_server.port }}"'))
    outcome = judge(port, "all: {vars: {my_port: 9443}}")
    assert outcome.findings == ()
    assert outcome.plan["servers"]["m1"]["port"] == 9443
    assert told(judge(port)) == [(None, "'port' cannot be had: 'my_port' is undefined.")]


def test_a_part_that_is_a_template_is_left_to_the_roles(judge: Any) -> None:
    way = ("{way: package, packages: [ledger]}", '"{{ my_way }}"')
    check = (
        "unit:",
        'check: "{{ my_check }}"\n      command: "{{ my_command }}"\n      environment: "{{ mine }}"\n      unit:',
    )
    assert judge(ledger(way, check, ("unit: ledger.service", ""))).findings == ()
    assert judge(ledger(way, ("unit:", 'proxy: {mode: "{{ m }}"}\n      unit:')), "all: {vars: {m: pass}}").plan


def test_a_description_is_one_for_the_system(judge: Any) -> None:
    outcome = judge(LEDGER, "backup: {hosts: {m2: {tiers_service: {name: other}}}}")
    assert [(f.rule, f.host) for f in outcome.errors] == [("setting-differs", "m2")]


def test_a_secret_of_the_description_is_asked_for(judge: Any) -> None:
    outcome = judge(ledger(("unit:", "secrets: [ledger_key]\n      unit:")))
    assert {finding.rule for finding in outcome.errors} == {"missing-secret"}
    assert judge(ledger(("unit:", "secrets: [ledger_key]\n      unit:")), "all: {vars: {ledger_key: x}}").plan


def test_a_tier_the_description_does_not_offer(judge: Any) -> None:
    outcome = judge(ledger(("[master, proxy, parallel]", "[master, proxy]")))
    assert {finding.rule for finding in outcome.errors} == {"tier-supported"}


def test_failback_never_only_where_the_product_says_so(judge: Any) -> None:
    never = "backup: {hosts: {m2: {tiers_failback: never}}}"
    assert judge(LEDGER, never).plan["servers"]["m1"]["failback"] == "never"
    assert {f.rule for f in judge(never).errors} == {"failback-supported"}
    for_distributors = judge(LEDGER, "backup: {hosts: {d2: {tiers_failback: never}}}")
    assert {f.rule for f in for_distributors.errors} == {"failback-supported"}


@pytest.mark.parametrize(
    ("rule", "change", "message"),
    [
        (
            "service-install",
            ("{way: package, packages: [ledger]}", "{way: archive, source: x}"),
            "'install.checksum' is",
        ),
        (
            "service-install",
            ("{way: package,", "{way: venv, requirement: x,"),
            "'install.packages' is not for way venv",
        ),
        (
            "service-install",
            ("{way: package, packages: [ledger]}", "{way: archive, source: x, checksum: {'1': md5:00}}"),
            "'install.checksum.1' is no checksum",
        ),
        (
            "service-version",
            (
                "{way: package, packages: [ledger]}",
                f"{{way: archive, source: x, checksum: {{'1.2': 'sha256:{'0' * 64}'}}}}\n      version: '1.3'",
            ),
            "No checksum is given for version 1.3; did you mean '1.2'?",
        ),
        ("service-version", ("{way: package, packages: [ledger]}", "{way: venv, requirement: x}"), "Way venv needs a"),
        (
            "service-version",
            ("{way: package, packages: [ledger]}", "{way: venv, requirement: x}\n      version: ../x"),
            "'../x' cannot be the name of a directory.",
        ),
        ("service-command", ("unit: ledger.service", "user: ledger"), "There is neither 'command' nor 'unit'."),
        ("service-command", ("unit:", "command: x\n      unit:"), "There are both 'command' and 'unit'."),
        ("service-command", ("unit: ledger.service", "command: {default: x, prox: y}"), "'command.prox' is not known"),
        (
            "service-command",
            ("unit: ledger.service", "command: {master: x, proxy: y}"),
            "'command' has nothing for",
        ),
        ("service-command", ("unit: ledger.service", "command: [x]"), "'command' must be text, or to map tiers"),
        ("service-local-port", ("tls: product", "tls: terminated"), "'local_port' is missing"),
        ("service-local-port", ("tls: product", "tls: product\n      local_port: 80"), "'local_port' is for tls"),
        ("service-local-port", ("tls: product", "tls: terminated\n      local_port: 10636"), "'local_port' 10636 is"),
        ("service-check", ("unit:", "check: {type: command}\n      unit:"), "'check.command' is missing"),
        (
            "service-check",
            ("protocol: http", "protocol: tcp\n      check: {type: http, path: /}"),
            "'check.type' is http, and 'protocol' is tcp.",
        ),
        ("service-check", ("unit:", "check: {send: PING}\n      unit:"), "'check.expect' is missing"),
        ("service-check", ("unit:", "check: {expect: '(', send: x}\n      unit:"), "'check.expect' is not a regular"),
        ("service-check", ("unit:", "check: {expect: '.*'}\n      unit:"), "'check.expect' matches an empty answer"),
        (
            "service-check",
            ("unit:", "check: {send: 'PING\\q', expect: x}\n      unit:"),
            r"'check.send': '\q' is not a known escape; known are \r,",
        ),
        (
            "service-check",
            ("unit:", "probe: {tcp: {send: 'PING\\', expect: x}}\n      unit:"),
            r"'probe.tcp.send': '\' is not a known escape",
        ),
        (
            "service-check",
            ("unit:", "check: {type: http, path: /, expect: x}\n      unit:"),
            "'check.expect' is for type tcp or command, here it is http.",
        ),
        (
            "pair-data",
            ("{master: [warm]}\n      stateful: false", "{master: [hot]}\n      stateful: true"),
            "It must be hot, but it does not replicate the data of m1.",
        ),
        (
            "more-ports",
            ("unit:", "ports: [{name: a, port: 22, to: [proxy], from: [master]}]\n      unit:"),
            "Port 'a': 22 tcp is used by ssh.",
        ),
        (
            "more-ports",
            (
                "unit:",
                "ports: [{name: a, port: 1, to: [proxy], from: [master]}, {name: a, port: 2, to: [], from: []}]\n      "
                "unit:",
            ),
            "Two ports are called 'a'.",
        ),
    ],
)
def test_rules_report_mistakes_of_a_description(judge: Any, rule: str, change: tuple[str, str], message: str) -> None:
    found = told(judge(ledger(change)), rule)
    assert found and all(text.startswith(message) for _host, text in found)


@pytest.mark.parametrize(
    "check",
    [
        r'{send: "PING\r\n", expect: "[+]PONG"}',
        r"{send: 'PING\r\n', expect: '\+PONG'}",
        "{expect: '^220 '}",
        "{type: command, command: [x], send: PING, expect: PONG}",
        "{send: 'AUTH {{ no_escape }}\\q', expect: '{{ later }}'}",
    ],
)
def test_a_question_over_tcp_is_taken(judge: Any, check: str) -> None:
    assert not told(judge(ledger(("unit:", f"check: {check}\n      unit:"))), "service-check")


def test_proxies_that_run_no_program_need_no_command(judge: Any) -> None:
    change = ("unit: ledger.service", "command: {master: x, parallel: y}\n      proxy: {mode: pass}")
    assert judge(ledger(change)).findings == ()


# The slice of the plan.


@pytest.fixture(scope="module")
def plan(judge: Any) -> Any:
    """Three members that form a cluster, a master pair that shares an address, and a second pair of proxies."""
    outcome = judge(
        ledger(
            ("{master: [warm]}", "{master: [warm], proxy: [warm], parallel: [cold]}"),
            (
                "unit:",
                """proxy: {mode: pass}
      ports:
        - {name: cluster, port: 6222, to: [parallel], from: [parallel]}
        - {name: gossip, port: 7946, protocol: udp, to: [master], from: [pair, parallel]}
        - {name: admin, port: 9000, to: [master, parallel, proxy], from: [client]}
      unit:""",
            ),
        ),
        """
        all: {vars: {tiers_reloads_at_once: 2}}
        master: {hosts: {m1: {tiers_virtual_address: 192.0.2.12, tiers_failure_detection: 4}}}
        proxy: {hosts: {px1: {tiers_reload_delay: 30}}}
        backup:
          hosts:
            m2: {tiers_failback: manual}
            px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_zone: rack-b}
            p1-b: {ansible_host: 192.0.2.24, tiers_backup_of: p1, tiers_zone: rack-b}
        parallel: {hosts: {p3: {ansible_host: 192.0.2.23, tiers_zone: rack-c}}}
        """,
        "proxy: {hosts: {px2: {ansible_host: 192.0.2.14}}}",
    )
    assert [finding.as_text() for finding in outcome.findings if finding.severity == ERROR] == []
    return outcome.plan


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


def openings(server: dict[str, Any]) -> dict[tuple[str, int | None], set[str]]:
    found: dict[tuple[str, int | None], set[str]] = {}
    for opening in server["firewall"]:
        found.setdefault((opening["protocol"], opening.get("port")), set()).update(opening["sources"])
    return found


def test_pairs_with_a_leader_election(plan: Any) -> None:
    servers = plan["servers"]
    assert {name for name, server in servers.items() if server["leader_election"]} == {"m1", "m2", "p1", "p1-b"}
    # HAProxy on both nodes of a pair of proxies may serve at once, whatever the product may.
    assert not any(servers[name]["active_standby"] for name in ("px1", "px1-b", "d1"))
    assert all(servers[name]["active_standby"] for name in ("m1", "m2", "p1"))
    # It has no backup.
    assert not servers["p3"]["active_standby"]
    assert {name for name, server in servers.items() if ("vrrp", None) in openings(server)} == {
        "m1",
        "m2",
        "p1",
        "p1-b",
    }


def test_both_nodes_have_the_router_id_and_the_failback_of_their_pair(plan: Any) -> None:
    servers = plan["servers"]
    assert servers["m1"]["virtual_router_id"] == servers["m2"]["virtual_router_id"] == 12
    assert servers["p1"]["virtual_router_id"] == servers["p1-b"]["virtual_router_id"] == 21
    assert servers["px1"]["virtual_router_id"] is None
    assert servers["m1"]["failback"] == servers["m2"]["failback"] == "manual"
    assert servers["p3"]["failback"] is None


def test_a_pair_that_shares_an_address_is_one_point(plan: Any) -> None:
    servers = plan["servers"]
    assert servers["px1"]["upstreams"] == [{"name": "m1", "address": "192.0.2.12", "port": 8443}]
    # The backup follows its primary itself, not whoever has the address.
    assert servers["m2"]["upstreams"] == [{"name": "m1", "address": "192.0.2.1", "port": 8443}]
    for name in ("m1", "m2"):
        assert "192.0.2.12" in servers[name]["tls_names"]["ip"]
        # The point bears the name of the primary, whoever has the address.
        assert {name, "m1", "m1.tiers.internal"} <= set(servers[name]["tls_names"]["dns"])
        assert {"192.0.2.11/32", "192.0.2.13/32", "192.0.2.21/32"} <= openings(servers[name])["tcp", 8443]
    above = [edge for edge in plan["edges"] if edge["from"] == "px1" and edge["port_name"] is None]
    assert [(edge["to"], edge["address"]) for edge in above] == [("m1", "192.0.2.12")]


def test_nodes_of_a_pair_without_a_shared_address_are_listed_separately(judge: Any) -> None:
    plan = judge(ledger(("{master: [warm]}", "{master: [warm], proxy: [warm]}"))).plan
    assert names(plan["servers"]["px1"]["upstreams"]) == ["m1", "m2"]
    shared = "master: {hosts: {m1: {tiers_virtual_address: 192.0.2.99}}}"
    direct = "client: {hosts: {c1: {tiers_direct: true}}}"
    plan = judge(LEDGER, shared, direct).plan
    assert [(e["name"], e["address"], e["role"]) for e in plan["clients"]["c1"]["endpoints"]] == [
        ("m1", "192.0.2.99", "master")
    ]
    assert all("192.0.2.51/32" in openings(plan["servers"][name])["tcp", 8443] for name in ("m1", "m2"))


def test_both_nodes_that_share_an_address_accept_named_clients(judge: Any) -> None:
    plan = judge(
        ledger(("{master: [warm]}", "{master: [warm], proxy: [warm]}")),
        """
        proxy: {hosts: {px1: {tiers_virtual_address: 192.0.2.99}, px2: !remove }}
        backup: {hosts: {px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_zone: rack-b}}}
        """,
    ).plan
    assert [(e["name"], e["address"]) for e in plan["clients"]["c1"]["endpoints"]] == [("px1", "192.0.2.99")]
    for name in ("px1", "px1-b"):
        assert {"192.0.2.128/25", "192.0.2.51/32"} <= openings(plan["servers"][name])["tcp", 8443]


def test_both_nodes_behind_a_shared_address_accept_clients_of_another_proxy(judge: Any) -> None:
    plan = judge(
        ledger(("{master: [warm]}", "{master: [warm], proxy: [warm]}")),
        """
        all:
          vars:
            tiers_clients: [{name: desk-2, site: paris, pin: px2}]
            tiers_site_networks: {paris: [198.51.100.0/24]}
        proxy: {hosts: {px1: {tiers_virtual_address: 192.0.2.99}}}
        backup: {hosts: {px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_zone: rack-b}}}
        """,
    ).plan
    assert plan["allocation"]["backups"]["px2"]["px1"] == ["desk-2"]
    assert all("198.51.100.0/24" in openings(plan["servers"][name])["tcp", 8443] for name in ("px1", "px1-b"))


def test_peers_are_those_that_have_a_port_for_each_other(plan: Any) -> None:
    servers = plan["servers"]
    assert names(servers["p1"]["peers"]) == ["p2", "p3"]
    assert names(servers["p2"]["peers"]) == ["p1", "p3", "p1-b"]
    assert names(servers["p1-b"]["peers"]) == ["p2", "p3"]
    assert servers["m1"]["peers"] == servers["px1"]["peers"] == []


def test_more_ports_are_edges_and_openings(plan: Any) -> None:
    edges = {(e["from"], e["to"], e["port_name"], e["port"], e["protocol"]) for e in plan["edges"] if e["port_name"]}
    cluster = {(one, other) for one, other, name, _port, _protocol in edges if name == "cluster"}
    members = ("p1", "p2", "p3", "p1-b")
    assert cluster == {(one, other) for one in members for other in members if one != other}
    assert {(one, other) for one, other, name, *_rest in edges if name == "gossip"} == {
        ("m1", "m2"),
        ("m2", "m1"),
        *((member, master) for member in members for master in ("m1", "m2")),
    }
    assert ("m1", "m2", "gossip", 7946, "udp") in edges
    assert openings(plan["servers"]["m1"])["udp", 7946] == {f"192.0.2.{last}/32" for last in (2, 21, 22, 23, 24)}
    assert ("tcp", 6222) not in openings(plan["servers"]["m1"])


def test_a_port_for_clients_is_open_to_those_who_get_there(plan: Any) -> None:
    """Members serve everybody the distributor brings; masters have no clients here, and HAProxy no further ports."""
    servers = plan["servers"]
    assert openings(servers["p2"])["tcp", 9000] == {"192.0.2.51/32", "192.0.2.128/25"}
    assert ("tcp", 9000) not in openings(servers["m1"])
    assert ("tcp", 9000) not in openings(servers["px1"])


def test_the_slice_has_the_other_fields_of_the_description(plan: Any) -> None:
    servers = plan["servers"]
    assert (servers["px1"]["proxy_mode"], servers["m1"]["proxy_mode"]) == ("pass", None)
    assert (servers["m1"]["protocol"], servers["m1"]["tls"], servers["m1"]["local_port"]) == ("https", "product", None)
    assert (servers["px1"]["reload_delay"], servers["px1-b"]["reload_delay"], servers["px2"]["reload_delay"]) == (
        30,
        30,
        None,
    )
    assert servers["px2"]["reloads_at_once"] == 2
    assert (servers["m1"]["failure_detection"], servers["m2"]["failure_detection"]) == (4, None)


def test_numbers_of_pairs_are_apart_in_a_segment_only(judge: Any) -> None:
    """A pair without an address gives way to one whose address needs the number."""
    pairs = """
        parallel:
          hosts:
            p1: {ansible_host: 192.0.2.29}
            far: {ansible_host: 198.51.100.30, tiers_site: paris, tiers_zone: rack-c}
        distributor: {hosts: {d1: {tiers_virtual_address: 192.0.2.30}}}
        backup:
          hosts:
            p1-b: {ansible_host: 192.0.2.24, tiers_backup_of: p1, tiers_zone: rack-b}
            far-b: {ansible_host: 198.51.100.31, tiers_backup_of: far, tiers_site: paris, tiers_zone: rack-b}
    """
    description = ledger(("{master: [warm]}", "{master: [warm], parallel: [warm]}"))
    servers = judge(description, pairs).plan["servers"]
    assert {n: servers[n]["virtual_router_id"] for n in ("d1", "p1", "far", "m1")} == {
        "d1": 30,
        "p1": 29,
        "far": 30,
        "m1": 1,
    }
    servers = judge(description, pairs, "distributor: {hosts: {d1: {tiers_virtual_address: 192.0.2.129}}}").plan[
        "servers"
    ]
    assert servers["d1"]["virtual_router_id"] == 129
    # The address of px1 needs the number that m1 would have: m1 comes first by name, and yet gives way.
    shared = """
        proxy: {hosts: {px1: {tiers_virtual_address: 203.0.113.1}}}
        backup: {hosts: {px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_zone: rack-b}}}
    """
    servers = judge(ledger(("{master: [warm]}", "{master: [warm], proxy: [warm]}")), shared).plan["servers"]
    assert (servers["px1"]["virtual_router_id"], servers["m1"]["virtual_router_id"]) == (1, 255)


def test_an_address_needs_somebody_to_share_it_with(judge: Any) -> None:
    alone = judge("proxy: {hosts: {px1: {tiers_virtual_address: 192.0.2.99}}}")
    assert [(f.rule, f.host) for f in alone.errors] == [("shared-address", "px1")]
    assert (
        judge("master: {hosts: {m1: {tiers_virtual_address: 192.0.2.99}}}").plan["servers"]["m2"]["leader_election"]
        is True
    )


def test_shared_addresses_have_numbers_of_their_own_in_a_segment(judge: Any) -> None:
    both = """
        master: {hosts: {m1: {tiers_virtual_address: 192.0.2.99}}}
        distributor: {hosts: {d1: {tiers_virtual_address: 198.51.100.99}}}
    """
    assert [(f.rule, f.host) for f in judge(both).errors] == [("shared-address", "m1")]
    elsewhere = "distributor: {hosts: {d1: {ansible_host: 198.51.100.1}}}"
    assert judge(both, elsewhere).errors == []
