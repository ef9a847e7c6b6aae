# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment of the HTTP application leaves its hosts as planned, and clients keep their sessions and caches."""

from __future__ import annotations

import json

import pytest
from deployed import Inventory

ledger = Inventory("ledger")
HOSTS = ledger.hosts("master", "proxy", "parallel", "distributor", "backup", "client")
MASTERS = ["m1", "m2"]
MEMBERS = ["p1", "p2", "p3", "p1b"]
SERVERS = [*MASTERS, *MEMBERS]
POOL = ledger.variable("d1", "tiers_virtual_address")


def ask(host: str, address: str, path: str, *options: str) -> str:
    """The response of a server, whose certificate the host verifies."""
    quoted = " ".join(options)
    return str(
        ledger.connect(host).check_output(
            f"python3 - {address} {path} {quoted} <<'SCRIPT'\n"
            "import http.client, json, ssl, sys\n"
            "address, path, *cookie = sys.argv[1:]\n"
            "context = ssl.create_default_context(cafile='/etc/tiers/tls/ca.crt')\n"
            "server = http.client.HTTPSConnection(address, 8443, timeout=5, context=context)\n"
            "server.request('GET', path, headers={'Cookie': '; '.join(cookie)} if cookie else {})\n"
            "answer = server.getresponse()\n"
            "cookies = [value.split(';')[0] for value in answer.headers.get_all('Set-Cookie', [])]\n"
            "print(json.dumps({'status': answer.status, 'cookies': cookies, 'body': answer.read().decode()}))\n"
            "SCRIPT"
        )
    )


@pytest.mark.parametrize("name", SERVERS)
def test_application_runs_as_its_own_user_in_a_sandbox(name: str) -> None:
    host = ledger.connect(name)
    assert ledger.stays_up(name, "ledger")
    assert set(host.check_output("ps -o user= -C ledger").split()) == {"ledger"}
    shown = host.check_output("systemctl show ledger -p ProtectSystem -p NoNewPrivileges -p CapabilityBoundingSet")
    assert {"ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet="} <= set(shown.split("\n"))


@pytest.mark.parametrize("name", SERVERS)
def test_application_listens_on_loopback_only(name: str) -> None:
    listening = ledger.connect(name).check_output("ss -Htln sport = :8080").split("\n")
    assert [line.split()[3] for line in listening] == ["127.0.0.1:8080"]


@pytest.mark.parametrize("name", SERVERS)
def test_release_has_the_wheels_of_this_tree(name: str) -> None:
    host = ledger.connect(name)
    assert host.file("/opt/ledger/current").linked_to == "/opt/ledger/releases/1.3.0"
    installed = host.check_output("/opt/ledger/current/bin/pip list --format freeze --disable-pip-version-check")
    assert {"ledger==1.3.0", "waitress==3.0.2"} <= set(installed.split())


@pytest.mark.parametrize("name", HOSTS)
def test_no_secret_can_be_read_by_everyone(name: str) -> None:
    assert ledger.exposed(name, "/etc", "/opt", "/var/lib", "/tmp") == []
    running = ledger.connect(name).check_output("ps -eo args")
    assert [secret for secret in ledger.secrets() if secret in running] == []


@pytest.mark.parametrize("name", HOSTS)
def test_firewall_refuses_what_is_not_planned(name: str) -> None:
    assert "policy drop" in ledger.connect(name).check_output("nft list chain inet tiers input")


def test_one_master_has_the_lease_and_the_other_is_refused_to_all_but_its_pair() -> None:
    answers = {name: ledger.connect(name).run("runuser -u nobody /etc/tiers/active") for name in [*MASTERS, "p2"]}
    states = {name: (answer.stdout.strip(), answer.rc) for name, answer in answers.items()}
    assert states.pop("p2") == ("active", 0)
    assert sorted(states.values()) == [("active", 0), ("standby", 1)]
    active, standby = sorted(states, key=lambda name: states[name])
    address = ledger.variable(standby, "ansible_host")
    status = json.loads(json.loads(ask(active, address, "/status"))["body"])
    assert status["role"] == "replica"
    refused = ledger.connect("p1").run(f"timeout 3 bash -c ': < /dev/tcp/{address}/8443'")
    assert refused.rc != 0


def test_a_session_stays_at_its_member_and_new_ones_are_spread() -> None:
    members = set()
    for _attempt in range(8):
        first = json.loads(ask("c1", POOL, "/session"))
        again = [json.loads(ask("c1", POOL, "/session", *first["cookies"])) for _again in range(2)]
        seen = [json.loads(answer["body"]) for answer in (first, *again)]
        assert [answer["count"] for answer in seen] == [1, 2, 3]
        members |= {answer["member"] for answer in seen}
    assert len(members) > 1


def test_a_session_outlives_its_distributor() -> None:
    sessions = [json.loads(ask("c1", POOL, "/session")) for _session in range(4)]
    units = "haproxy.service keepalived.service"
    ledger.connect("d1").check_output(f"systemctl stop {units}")
    try:
        holder = ledger.connect("d2").check_output(
            f"timeout 20 sh -c 'until ip -o address show to {POOL} | grep .; do sleep 0.2; done'"
        )
        assert POOL in holder
        answers = [json.loads(ask("c1", POOL, "/session", *session["cookies"])) for session in sessions]
    finally:
        ledger.connect("d1").check_output(f"systemctl start {units}")
    for before, after in zip(sessions, answers, strict=True):
        old, now = json.loads(before["body"]), json.loads(after["body"])
        assert (now["member"], now["count"]) == (old["member"], old["count"] + 1)
