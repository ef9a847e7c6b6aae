# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup `service`, as roles call it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

from ansible_collections.distributed.tiers.plugins.module_utils.planner.escapes import bytes_of
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import trusted


def service(**more: Any) -> dict[str, Any]:
    head = {"name": "ledger", "port": 8443, "protocol": "http", "tls": "product", "tiers": ["master"], "version": "1.0"}
    return {**head, "install": {"way": "none"}, **more}


def look(*keys: str, description: Any = None, **variables: Any) -> dict[str, Any]:
    taken = {"tiers_service": trusted(service() if description is None else description), **variables}
    templar = Templar(loader=DataLoader(), variables=taken)
    lookup = lookup_loader.get("distributed.tiers.service", loader=DataLoader(), templar=templar)
    (found,) = lookup.run(list(keys), variables=taken)
    return dict(found)


SERVER = {"name": "m1", "port": 9443, "version": "2.0"}


def test_templates_see_the_service_and_the_slice() -> None:
    description = service(
        command="{{ service.release }}/bin/x -p {{ service.port }} -s {{ tiers_server.name }}"
        " -u {{ service.upstream_host }}:{{ service.upstream_port }}"
    )
    found = look("command", description=description, tiers_server=SERVER, tiers_plan={"domain": "x.example"})
    assert found["command"] == "/opt/ledger/current/bin/x -p 9443 -s m1 -u upstream.x.example:10636"


def test_defaults_are_those_of_the_argument_specs() -> None:
    found = look(tiers_server=SERVER)
    assert (found["stop_timeout"], found["check"]["timeout"], found["install"]["keep"]) == (30, 60.0, 3)
    assert found["about"]["timeouts"] == {"connect": 1.0, "idle": 3600.0, "keepalive": 2.0}


def test_behind_terminated_tls_the_program_listens_on_loopback() -> None:
    about = look("name", description=service(tls="terminated", local_port=8080), tiers_server=SERVER)["about"]
    assert (about["port"], about["bind"]) == (8080, "127.0.0.1")


def test_the_version_of_the_server_comes_first() -> None:
    assert look("name", tiers_server=SERVER)["about"]["version"] == "2.0"
    assert look("name", tiers_server={"version": ""})["about"]["version"] == "1.0"


def test_keys_that_are_not_asked_for_are_not_evaluated() -> None:
    """Clients have no slice of a server."""
    description = service(command="{{ tiers_server.nothing }}", probe={"packages": ["x"]})
    assert look("probe", description=description)["probe"]["packages"] == ["x"]


PING = {"send": "PING", "expect": "PONG"}


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        (
            {"check": PING | {"type": "command", "command": ["{{ tiers_server.nothing }}"]}},
            {"send_hex": b"PING".hex(), "expect": "PONG"},
        ),
        ({"check": PING, "probe": {"tcp": {"send": "INFO"}}}, {"send_hex": b"INFO".hex()}),
        (
            {"check": {"send": "AUTH {{ password }}", "expect": "OK"}},
            {"send_secret": b"AUTH x".hex(), "expect": "OK"},
        ),
        ({"check": {"type": "http", "path": "/ready"}}, {}),
        ({}, {}),
    ],
    ids=["check", "probe", "secret", "http", "nothing"],
)
def test_all_probes_ask_what_the_check_asks_unless_the_probe_says_otherwise(
    more: dict[str, Any], asked: dict[str, Any]
) -> None:
    assert look("access", description=service(**more), password="x")["access"]["tcp"] == asked


@pytest.mark.parametrize("sent", ["AUTH {{ password }}\r\nPING\r\n", r"AUTH {{ password }}\r\nPING\r\n"])
def test_a_template_keeps_the_carriage_returns_of_what_is_sent(sent: str) -> None:
    asked = {"send": sent, "expect": "OK"}
    check = look("check", description=service(check=asked), password="x")["check"]["send"]
    access = look("access", description=service(probe={"tcp": asked}), password="x")["access"]
    assert bytes_of(check) == bytes.fromhex(access["tcp"]["send_secret"]) == b"AUTH x\r\nPING\r\n"


def test_an_escape_that_does_not_exist_is_reported() -> None:
    with pytest.raises(AnsibleError, match=r"tiers_service: probe: .*\\q"):
        look("access", description=service(probe={"tcp": {"send": r"\q"}}))


def test_probes_have_the_login_of_the_requests_and_leave_out_what_is_not_given() -> None:
    access = look("access", description=service(probe={"http": {"read": "/rows", "user": "ann", "password": "x"}}))[
        "access"
    ]
    assert access["http"] == {"read": "/rows", "user": "ann", "password": "x"}
    assert (access["user"], access["password"], access["commands"], access["tcp"]) == ("ann", "x", {}, {})


@pytest.mark.parametrize(
    ("described", "proxy_mode", "balanced"),
    [
        ({"protocol": "http"}, None, {"mode": "http", "tls": "terminate", "drain": "firewall"}),
        ({"protocol": "tcp", "drain": "x"}, None, {"mode": "tcp", "tls": "pass", "drain": "product"}),
        ({"protocol": "tcp", "drain": "x"}, "cache", {"mode": "tcp", "tls": "pass", "drain": "firewall"}),
    ],
)
def test_only_requests_end_tls_at_a_distributor(
    described: dict[str, Any], proxy_mode: str | None, balanced: dict[str, str]
) -> None:
    server = SERVER | {"proxy_mode": proxy_mode}
    balancing = look("balancing", description=service(**described), tiers_server=server)["balancing"]
    assert {key: balancing[key] for key in balanced} == balanced


@pytest.mark.parametrize(
    ("described", "tls", "changes"),
    [
        ({"check": PING}, "product", {}),
        ({"check": PING | {"type": "command", "command": ["x"]}}, "product", {}),
        ({"check": {"type": "command", "command": ["x"]}}, "product", {"type": "tcp", "send": ""}),
        ({"check": {"type": "command", "command": ["x"]}}, "none", {"type": "command", "command": ["x"]}),
        ({"check": {"type": "http", "path": "/ready"}}, "product", {"send": ""}),
        ({"probe": {"tcp": {"send": "INFO"}}}, "product", {"send": "INFO"}),
        ({}, "none", {"send": ""}),
    ],
    ids=["text", "text-and-command", "tls", "command", "http", "probe", "nothing"],
)
def test_the_watchdog_runs_a_command_only_if_nothing_else_answers(
    described: dict[str, Any], tls: str, changes: dict[str, Any]
) -> None:
    found = look("watchdog", description=service(**described), tiers_server=SERVER | {"tls": tls})
    assert found["watchdog"] == changes


def test_text_that_a_check_sends_is_a_secret_if_it_is_a_template() -> None:
    sent = {"send": "AUTH {{ password }}", "expect": "OK"}
    assert look("check", description=service(check=sent), password="x")["check"]["secret"]
    assert not look("check", description=service(check=PING))["check"]["secret"]


def test_the_whole_description_may_come_from_another_variable() -> None:
    assert look("name", description="{{ other }}", other=service(name="other"))["name"] == "other"


@pytest.mark.parametrize(
    ("description", "keys", "said"),
    [
        (service(protocol="smtp"), ["protocol"], "value of protocol must be one of: http, tcp, got: smtp"),
        ({}, ["name"], "missing required arguments: name, port, tls"),
        ([], [], "tiers_service is to describe the service"),
        (service(), ["nmae"], "tiers_service has no key nmae"),
    ],
)
def test_mistakes_are_reported_with_their_keys(description: Any, keys: list[str], said: str) -> None:
    with pytest.raises(AnsibleError, match=said):
        look(*keys, description=description, tiers_server=SERVER)
