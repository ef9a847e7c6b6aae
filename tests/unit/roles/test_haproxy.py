# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy has the right settings for each kind of listener, and accepts them."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template
from ansible_collections.distributed.tiers.tests.unit.roles import haproxy
from ansible_collections.distributed.tiers.tests.unit.slices import complete

LDAP = {"type": "ldap"}
READY = {"type": "http", "path": "/ready", "status": 200, "body": "it's ok"}
MEMBERS = [
    {"name": "p1", "address": "192.0.2.1", "port": 8443, "weight": 2, "state": "active", "backup": None},
    {"name": "p2", "address": "192.0.2.2", "port": 8443, "weight": 1, "state": "draining", "backup": None},
    {"name": "p3", "address": "2001:db8::3", "port": 8443, "weight": 1, "state": "active"}
    | {"backup": {"name": "b3", "address": "192.0.2.4", "port": 8443}},
]
POOL = {"name": "pool", "bind": ":8443", "balance": "leastconn", "tls_name": "pool.tiers.internal", "servers": MEMBERS}
HTTP_POOL = POOL | {"mode": "http", "terminates": True, "check": READY, "retry_methods": ["GET", "HEAD"]}
MASTERS = [{"name": "m1", "address": "192.0.2.8", "port": 636}, {"name": "m2", "address": "192.0.2.9", "port": 636}]
RELAY = {"name": "upstream", "bind": "127.0.0.1:10636", "balance": "first", "check": LDAP, "servers": MASTERS}
END_OF_TLS = {"name": "service", "bind": ":8443", "mode": "http", "balance": "first", "terminates": True} | {
    "closes_when_empty": True,
    "check": READY,
    "servers": [{"name": "local", "address": "127.0.0.1", "port": 8080}],
}


def render(*listeners: dict[str, Any], **variables: Any) -> str:
    return haproxy.render(balancer_listeners=list(listeners), **variables)


def section(text: str, name: str) -> str:
    return re.split(r"\n(?=listen )", text.split(f"\nlisten {name}\n")[1])[0]


def server(text: str, listener: str, name: str) -> str:
    return next(line for line in section(text, listener).splitlines() if line.startswith(f"    server {name} "))


def test_tls_of_tcp_goes_through_and_only_checks_speak_it() -> None:
    pool = section(render(POOL | {"check": LDAP}), "pool")
    assert "bind :8443\n" in pool
    assert " check-ssl verify required " in pool
    assert " ssl " not in pool


def test_another_port_of_the_server_answers_the_check() -> None:
    """Patroni answers for PostgreSQL, whose TLS does not begin with the first byte."""
    check = {"type": "http", "path": "/primary", "port": 8008, "tls": True}
    text = render(RELAY | {"check": check, "tls_name": "upstream.tiers.internal"})
    assert "http-check send meth GET uri '/primary' " in section(text, "upstream")
    for name in ("m1", "m2"):
        assert ":636 port 8008 check-ssl verify required " in server(text, "upstream", name)
        assert " verifyhost upstream.tiers.internal " in server(text, "upstream", name)
    assert " port " not in section(render(RELAY), "upstream")


def test_tls_of_http_ends_and_a_new_session_verifies_the_server() -> None:
    text = render(HTTP_POOL)
    assert "bind :8443 ssl crt /etc/tiers/tls/server.crt alpn h2,http/1.1\n" in section(text, "pool")
    assert " ssl verify required ca-file /etc/tiers/tls/ca.crt " in server(text, "pool", "p1")
    assert server(text, "pool", "p1").count("pool.tiers.internal") == 3
    # To the inner listener on this host nothing is encrypted; from there to the member it is.
    assert " ssl " not in server(text, "pool", "p3")
    assert " ssl verify required " in server(text, "pool-p3", "p3")
    assert " ssl verify required " in server(text, "pool-p3", "b3")


def test_a_backup_of_a_member_replaces_only_that_member() -> None:
    text = render(HTTP_POOL)
    assert server(text, "pool", "p3").startswith("    server p3 abns@tiers-pool-p3 ")
    assert server(text, "pool-p3", "b3").endswith(" backup")
    assert "backup" not in server(text, "pool", "p1")


def test_a_backup_takes_over_before_the_checks_know() -> None:
    text = render(HTTP_POOL)
    told = "default-server observe layer4 error-limit 2 on-error mark-down"
    assert told in section(text, "pool-p3")
    # The pool itself gives such a connection to another member.
    assert told not in section(text, "pool")


def test_the_headers_about_the_client_are_added_once() -> None:
    text = render(HTTP_POOL)
    assert "option forwardfor" in section(text, "pool")
    assert "set-header X-Forwarded-Proto https" in section(text, "pool")
    assert "forward" not in section(text, "pool-p3").lower()


def test_only_harmless_methods_are_repeated() -> None:
    text = render(HTTP_POOL)
    assert "http-request disable-l7-retry unless { method GET HEAD }" in section(text, "pool")
    assert "retry-on" not in section(text, "pool-p3")
    assert "retry-on" not in render(HTTP_POOL | {"retry_methods": []})


def test_draining_keeps_sessions_and_down_takes_nothing() -> None:
    text = render(HTTP_POOL | {"servers": [*MEMBERS, MEMBERS[0] | {"name": "p4", "state": "down"}]})
    assert " weight 100" in server(text, "pool", "p1")
    assert " weight 0" in server(text, "pool", "p2")
    assert "disabled" not in server(text, "pool", "p2")
    assert server(text, "pool", "p4").endswith(" disabled")


def test_the_backup_of_a_member_that_is_down_serves() -> None:
    text = render(HTTP_POOL | {"servers": [MEMBERS[0], MEMBERS[2] | {"state": "down"}]})
    assert "disabled" not in server(text, "pool", "p3")
    assert server(text, "pool-p3", "p3").endswith(" disabled")
    assert server(text, "pool-p3", "b3").endswith(" backup")


def test_a_cookie_names_no_address_and_no_server() -> None:
    text = render(HTTP_POOL | {"cookie": "TIERS"})
    assert "cookie TIERS insert indirect nocache httponly secure" in section(text, "pool")
    values = [re.search(r" cookie (\w+)", server(text, "pool", name)) for name in ("p1", "p2", "p3")]
    assert len({value[1] for value in values if value}) == 3
    assert all(value and re.fullmatch("[0-9a-f]{16}", value[1]) for value in values)
    assert " cookie " not in render(POOL | {"check": LDAP, "cookie": "TIERS"})


def test_the_address_of_a_client_tells_its_member() -> None:
    assert "balance source\n" in render(HTTP_POOL | {"balance": "source"})
    assert "hash-type consistent" in render(HTTP_POOL | {"balance": "source"})


def test_limits_and_slow_start_are_the_slots_not_the_backups() -> None:
    limits = {"server_connections": 50, "queue_length": 20, "queue_timeout": "5s", "slow_start": "30s"}
    text = render(HTTP_POOL | limits)
    assert " slowstart 30s maxconn 50 " in section(text, "pool")
    assert "timeout queue 5s" in section(text, "pool")
    assert "http-request return status 503" in section(text, "pool")
    assert "{ queue(pool) ge 20 }" in section(text, "pool")
    assert "maxconn" not in section(text, "pool-p3")
    assert "slowstart" not in section(text, "pool-p3")
    assert "tcp-request content reject if { queue(pool) ge 20 }" in render(POOL | limits | {"check": LDAP})


def test_a_check_asks_for_path_status_and_body() -> None:
    service = section(render(END_OF_TLS), "service")
    assert "uri '/ready' " in service
    assert "http-check expect status 200" in service
    assert r"http-check expect rstring 'it'\''s ok'" in service


@pytest.mark.parametrize(
    ("check", "lines"),
    [
        (
            {"send": "PING\r\n", "expect": "^\\+PONG"},
            ["option tcp-check", "tcp-check send-binary 50494e470d0a", "tcp-check expect rstring '^\\+PONG'"],
        ),
        ({"send": r"\x00\\ \t", "expect": "a b"}, ["send-binary 005c2009\n", "rstring 'a b'\n"]),
        ({"expect": "it's\nok\r\n"}, ["    option tcp-check\n    tcp-check expect rstring 'it'\\''s\\nok\\r\\n'\n"]),
    ],
    ids=["redis", "bytes", "greeting"],
)
def test_a_tcp_check_sends_bytes_and_expects_an_answer(check: dict[str, Any], lines: list[str]) -> None:
    text = section(render(POOL | {"check": {"type": "tcp"} | check}), "pool")
    assert not [line for line in lines if line not in text]


def test_a_tcp_check_with_nothing_to_expect_only_connects() -> None:
    assert "tcp-check" not in render(POOL | {"check": {"type": "tcp", "send": "", "expect": ""}})


@pytest.mark.parametrize("kind", ["tcp", "command"])
def test_haproxy_asks_a_described_service_as_its_check_says(kind: str) -> None:
    check = {"type": kind, "command": ["x"], "send": "PING\r\n", "expect": "PONG"}
    service = {"name": "cache", "port": 6379, "protocol": "tcp", "tls": "none", "check": check}
    text = of_role("__server_relay", tiers_service=service)
    assert "tcp-check send-binary 50494e470d0a" in section(text, "upstream")


@pytest.mark.parametrize("check", [{}, {"send": "PING", "expect": "x"}, {"type": "http", "path": "/ready"}], ids=str)
def test_the_distributor_may_be_given_what_the_service_says_of_its_check(check: dict[str, Any]) -> None:
    service = {"name": "cache", "port": 6379, "protocol": "tcp", "tls": "none", "check": check}
    known = haproxy.variables() | {
        "tiers_server": complete(SLICES["__distributor_listeners"] | {"tls": "none", "protocol": "tcp"})
    }
    known |= {"tiers_service": service, "tiers_plan": {"system": "test", "domain": "tiers.internal"}}
    listeners = template("{{ __distributor_listeners }}", known)
    specs = yaml.safe_load((haproxy.ROLES / "balancer/meta/argument_specs.yml").read_text(encoding="utf-8"))
    option = specs["argument_specs"]["main"]["options"]["balancer_listeners"]
    result = ArgumentSpecValidator({"listeners": option}).validate({"listeners": json.loads(json.dumps(listeners))})
    assert not result.error_messages


def test_a_listener_without_a_server_rejects_before_tls() -> None:
    assert "tcp-request connection reject if { nbsrv(service) lt 1 }\n" in render(END_OF_TLS)


def test_the_peer_of_a_pair_reaches_a_program_that_is_not_healthy_yet() -> None:
    rule = "tcp-request connection reject if { nbsrv(service) lt 1 } !{ src 192.0.2.12 }\n"
    assert rule in render(END_OF_TLS | {"always_accepts": ["192.0.2.12"]})


def test_a_program_that_is_started_again_is_waited_for() -> None:
    text = render(END_OF_TLS | {"waits": True})
    listener, health = section(text, "service").split("\nbackend service-health\n")
    assert "    server local 127.0.0.1:8080\n" in listener
    assert "retries 10\n" in listener
    assert "httpchk" not in listener
    assert "httpchk" in health
    assert text.count("{ nbsrv(service-health) lt 1 }") == 2


# What the roles give it
HOST = {"address": "192.0.2.11", "port": 8443, "protocol": "https", "upstream_catches_up": True}
SLICES = {
    "__distributor_listeners": HOST | {"members": MEMBERS},
    "__server_pass": HOST | {"upstreams": MASTERS},
    "__server_end_of_tls": HOST | {"pair": {"address": "192.0.2.12"}},
    "__server_relay": HOST | {"upstreams": MASTERS},
    "__server_write_port": HOST
    | {"serves_as": "proxy", "upstreams": MASTERS}
    | {"write_port": 8444, "client_ports": [8443, 8444]},
}
SAID = {
    "__distributor_listeners": ["balance leastconn", "server p1 192.0.2.1:8443 ssl verify required", " weight 100"],
    "__server_pass": ["bind :8443 ssl crt /etc/tiers/tls/server.crt", "balance first", "server m2 192.0.2.9:636 ssl"],
    "__server_end_of_tls": ["bind :8443 ssl", "server local 127.0.0.1:8080\n", "!{ src 192.0.2.12 }"],
    "__server_relay": [
        "bind 127.0.0.1:10636\n",
        "server m1 192.0.2.8:636 check-ssl verify required",
    ],
    "__server_write_port": [
        "bind :8444 ssl crt /etc/tiers/tls/server.crt",
        "balance first",
        "tcp-request connection reject if { nbsrv(write) lt 1 }\n",
        "server m1 192.0.2.8:636 track upstream/m1 ssl verify required",
        "verifyhost upstream.tiers.internal",
    ],
}


WRITE = {"name": "write", "bind": ":637", "tracks": "upstream", "needed": False} | {
    "closes_when_empty": True,
    "tls_name": "upstream.tiers.internal",
    "terminates": True,
}


def test_write_port_has_the_health_of_the_relay() -> None:
    text = render(RELAY, RELAY | WRITE)
    assert "ldap-check" in section(text, "upstream")
    assert "ldap-check" not in section(text, "write")
    assert " check inter " not in section(text, "write")
    assert server(text, "write", "m2").endswith(" backup")


def test_haproxy_without_a_master_for_writes_is_healthy() -> None:
    monitor = section(render(POOL | {"check": LDAP}, RELAY | WRITE), "monitor")
    assert "nbsrv(pool)" in monitor
    assert "nbsrv(write)" not in monitor


@pytest.mark.parametrize(
    ("protocol", "bind", "server"),
    [
        ("http", "bind :8444 ssl crt ", " ssl verify required "),
        ("tcp", "bind :8444\n", " check-ssl verify required "),
    ],
)
def test_tls_of_writes_ends_at_a_distributor_where_that_of_reads_does(protocol: str, bind: str, server: str) -> None:
    service = {"name": "cache", "port": 8443, "protocol": protocol, "tls": "product"}
    text = section(of_role("__server_write_port", tiers_service=service, serves_as="distributor"), "write")
    assert bind in text
    assert server in text
    assert " track " not in text
    assert " check inter " in text


@pytest.mark.parametrize(
    ("write_port", "listeners"), [(8443, ["upstream"]), (8444, ["upstream", "write"]), (None, ["upstream"])]
)
def test_proxy_listens_for_writes_if_it_has_a_port_for_them(write_port: int | None, listeners: list[str]) -> None:
    ports = {"client_ports": [8443, 8444] if write_port == 8444 else [8443], "write_port": write_port}
    proxy = complete(HOST | {"serves_as": "proxy", "upstreams": MASTERS, "tls": "product"} | ports)
    known = haproxy.variables() | {"tiers_server": proxy, "tiers_plan": {"system": "test", "domain": "tiers.internal"}}
    known |= {"tiers_service": {"name": "cache", "port": 8443, "protocol": "tcp", "tls": "product"}}
    assert [one["name"] for one in template("{{ __server_listeners }}", known)] == listeners


def of_role(listeners: str, tiers_service: dict[str, Any] | None = None, **server: Any) -> str:
    plan = {"system": "test", "domain": "tiers.internal"}
    given = {
        "balancer_listeners": f"{{{{ {listeners} }}}}",
        "tiers_server": complete(SLICES[listeners] | server),
    }
    if tiers_service:
        given["tiers_service"] = tiers_service
    return haproxy.render(tiers_plan=plan, **given)


@pytest.mark.parametrize(("listeners", "said"), SAID.items())
def test_the_listeners_of_the_roles(listeners: str, said: list[str]) -> None:
    text = of_role(listeners)
    assert not [words for words in said if words not in text]
    # HAProxy 3.0 holds a connection that is being opened when this ends the sessions of its server.
    assert "on-marked-down" not in text


@pytest.mark.parametrize("listeners", ["__distributor_listeners", "__server_pass", "__server_end_of_tls"])
def test_a_host_with_an_address_of_ipv6_is_reached_at_it(listeners: str) -> None:
    assert "    bind [::]:8443 ssl crt " in of_role(listeners, address="2001:db8::31")


def test_addresses_of_ipv6_are_separated_from_their_ports() -> None:
    there = MEMBERS[0] | {"address": "2001:db8::1"}
    text = render(HTTP_POOL | {"servers": [there, MEMBERS[2]]}, RELAY | {"servers": [there], "waits": True})
    assert server(text, "pool", "p1").startswith("    server p1 [2001:db8::1]:8443 ")
    assert server(text, "pool-p3", "p3").startswith("    server p3 [2001:db8::3]:8443 ")
    assert "    server p1 [2001:db8::1]:8443\n" in section(text, "upstream")


@pytest.mark.skipif(not shutil.which("haproxy"), reason="HAProxy is not installed here")
@pytest.mark.parametrize(
    "listeners",
    [
        [RELAY, END_OF_TLS | {"waits": True}],
        [RELAY | {"tls_name": "upstream.tiers.internal", "rise": 5}],
        [RELAY | {"tls_name": "upstream.tiers.internal", "terminates": True, "closes_when_empty": True}],
        [RELAY, RELAY | WRITE],
        [RELAY, RELAY | WRITE | {"terminates": False}],
        [POOL | {"check": LDAP}, RELAY | WRITE | {"tracks": "", "terminates": False}],
        [RELAY | {"mode": "http", "check": READY, "terminates": True, "tls_name": "u.test", "retry_methods": ["GET"]}],
        [POOL | {"check": LDAP, "queue_length": 3, "server_connections": 4}],
        [POOL | {"check": {"type": "tcp"}, "balance": "source"}],
        [POOL | {"check": {"type": "tcp", "send": "PING\r\n", "expect": "^\\+PONG"}, "tls_name": ""}],
        [POOL | {"check": {"type": "tcp", "expect": 'it\'s "ok" # $HOME\n'}}],
        [HTTP_POOL | {"check": {"type": "tcp", "send": "\\0", "expect": "x"}}],
        [HTTP_POOL | {"cookie": "TIERS", "slow_start": "30s", "queue_length": 9, "queue_timeout": "5s"}],
        [HTTP_POOL | {"terminates": False, "tls_name": "", "rise": 3, "fall": 4}],
        [HTTP_POOL | {"servers": [MEMBERS[0], MEMBERS[2] | {"state": "down"}]}],
        [HTTP_POOL | {"servers": [MEMBERS[0] | {"address": "2001:db8::1"}, MEMBERS[2]], "bind": "[::]:8443"}],
    ],
)
def test_haproxy_takes_it(listeners: list[dict[str, Any]], tmp_path: Path) -> None:
    haproxy.make_certificate(tmp_path, "pool.tiers.internal")
    written = tmp_path / "haproxy.cfg"
    written.write_text(haproxy.for_anybody(render(*listeners, __balancer_tls=str(tmp_path))))
    checked = subprocess.run(["haproxy", "-c", "-f", written], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[WARNING]" not in checked.stderr


class Cache(socketserver.BaseRequestHandler):
    """Answers like Redis with a password. Without an `answer` it reads the question and stays silent."""

    asked: ClassVar[list[bytes]] = []
    answer: ClassVar[bytes] = b""

    def handle(self) -> None:
        self.request.settimeout(5)
        question = self.request.recv(1000)
        type(self).asked.append(question)
        if self.answer:
            self.request.sendall(self.answer if question == QUESTION else b"-NOAUTH\r\n")
        else:
            with contextlib.suppress(OSError):
                self.request.recv(1000)


QUESTION = b"AUTH secret\r\nPING\r\n"
PONG = b"+OK\r\n+PONG\r\n"
UNFIT = {
    "loading": b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n",
    "wrong password": b"-WRONGPASS invalid username-password pair\r\n+PONG\r\n",
    "no answer": b"",
}


@pytest.mark.skipif(not shutil.which("haproxy"), reason="HAProxy is not installed here")
def test_a_tcp_server_with_a_wrong_answer_or_none_gets_no_clients(tmp_path: Path) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cache) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        check = {"type": "tcp", "send": r"AUTH secret\r\nPING\r\n", "expect": r"^\+OK\r\n\+PONG"}
        member = {"name": "p1", "address": "127.0.0.1", "port": server.server_address[1]}
        pool = {"name": "pool", "bind": f"127.0.0.1:{free_port()}", "balance": "leastconn", "check": check}
        settings = {"balancer_monitor_port": (monitor := free_port()), "balancer_interval": "300ms"}
        text = render(pool | {"servers": [member]}, balancer_timeout_check="300ms", **settings)
        text = re.sub(r"\n    (stats socket|log) .*", "", haproxy.for_anybody(text))
        (tmp_path / "haproxy.cfg").write_text(text)
        with subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], stderr=subprocess.DEVNULL) as running:
            try:
                for name, answer in UNFIT.items():
                    Cache.answer = PONG
                    assert becomes(monitor, 200), "it is not in the pool with the right answer"
                    Cache.answer = answer
                    assert becomes(monitor, 503), f"it stays in the pool: {name}"
            finally:
                running.terminate()
        server.shutdown()
    # HAProxy opened no other connection: one that asks nothing is an error in the log of some products.
    assert {*Cache.asked} == {QUESTION}


@pytest.mark.skipif(not shutil.which("haproxy"), reason="HAProxy is not installed here")
def test_haproxy_gives_its_metrics_over_tls_and_nothing_else_at_that_port(tmp_path: Path) -> None:
    haproxy.make_certificate(tmp_path, "px1.tiers.internal")
    port = free_port()
    server = complete({"metrics": [{"name": "haproxy", "port": port, "path": "/metrics"}]})
    relay = RELAY | {"bind": f"127.0.0.1:{free_port()}"}
    given = {"__balancer_tls": str(tmp_path), "balancer_monitor_port": free_port(), "tiers_server": server}
    text = re.sub(r"\n    (stats socket|log) .*", "", haproxy.for_anybody(render(relay, **given)))
    (tmp_path / "haproxy.cfg").write_text(text)
    trust = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    trust.check_hostname = False
    with subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], stderr=subprocess.DEVNULL) as running:
        try:
            assert becomes(given["balancer_monitor_port"], 503)
            answers = {}
            for path in ("/metrics", "/stats"):
                connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trust)
                connection.request("GET", path)
                answer = connection.getresponse()
                answers[path] = (answer.status, b'haproxy_server_status{proxy="upstream",server="m1"' in answer.read())
        finally:
            running.terminate()
    assert answers == {"/metrics": (200, True), "/stats": (404, False)}


def test_haproxy_gives_no_metrics_without_a_monitor() -> None:
    assert "prometheus-exporter" not in render(RELAY, tiers_server=complete({"metrics": []}))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def becomes(monitor: int, status: int) -> bool:
    """Whether HAProxy's monitor answers so within 20 s."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", monitor, timeout=2)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == status:
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False
