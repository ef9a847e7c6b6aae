# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers and one probed edge, against real sockets where that is possible."""

from __future__ import annotations

import errno
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import probe, traffic
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import (
    PROTOCOLS,
    base,
    driver,
    haproxy,
    ldap,
)
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Observation,
    Unavailable,
)
from ansible_collections.distributed.tiers.tests.unit.plugins.module_utils.probing.servers import (
    answering,
    scripted,
    silent,
)

PAGE = """# pxname,svname,qcur,status,weight
monitor,FRONTEND,,OPEN,
relay,m1,0,UP,1
relay,m2,0,DOWN 1/2,1
relay,BACKEND,0,UP,1
pool,p1,0,UP 1/2,1
pool,p2,0,MAINT,1
pool-p2,p2,0,UP,1
pool,p3,0,UP,1
pool-p3,p3,0,DOWN,1
pool-p3,p3b,0,UP,1
pool,p4,0,UP,1
pool-p4,p4,0,UP,1
pool-p4,p4b,0,DOWN,1
pool,p5,0,DRAIN,1
pool-p5,p5,0,UP,1
pool-p5,p5b,0,UP,1
"""


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def edge(port: int, **more: Any) -> dict[str, Any]:
    return {"name": "s", "address": "127.0.0.1", "port": port, "protocol": "tcp", "expect": "open", **more}


def seen(asked: dict[str, Any]) -> dict[str, Any]:
    return probe.probe(asked, Access(), 2)


def test_every_protocol_has_a_driver() -> None:
    assert all(driver(protocol) for protocol in PROTOCOLS)
    with pytest.raises(ValueError, match="unknown protocol 'gopher'"):
        driver("gopher")


def test_open(listening: int) -> None:
    result = seen(edge(listening))
    assert (result["ok"], result["reachable"], result["refused_by"]) == (True, True, None)
    assert result["connect_ms"] >= 0


def test_closed_is_not_open(closed: int) -> None:
    result = seen(edge(closed))
    assert (result["ok"], result["refused_by"]) == (False, "closed")


def test_refused_as_expected(closed: int) -> None:
    assert seen(edge(closed, expect="refused"))["ok"]
    assert seen(edge(closed, expect="refused", refused_by=["closed"]))["ok"]


def test_a_connection_that_is_reset_at_once_was_taken_by_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    def reset(*_arguments: Any) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr(socket, "create_connection", reset)
    for expect, ok in (("open", False), ("refused", True)):
        result = seen(edge(1, expect=expect, refused_by=["closed", "service"]))
        assert (result["ok"], result["reachable"], result["refused_by"]) == (ok, False, "service")


def test_refused_by_somebody_else(closed: int) -> None:
    result = seen(edge(closed, expect="refused", refused_by=["firewall", "timeout"]))
    assert not result["ok"]
    assert result["why"].startswith("refused, but not by firewall or timeout")


def test_an_open_port_where_a_refusal_is_expected(listening: int) -> None:
    result = seen(edge(listening, expect="refused"))
    assert (result["ok"], result["why"]) == (False, "the port is open, but the plan expects a refusal")


@pytest.mark.parametrize(
    ("error", "by"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "closed"),
        (OSError(errno.EHOSTUNREACH, "no route"), "firewall"),
        (OSError(errno.ENETUNREACH, "no network"), "network"),
        (socket.gaierror(-2, "unknown"), "name"),
    ],
)
def test_a_refusal_names_what_refused(monkeypatch: pytest.MonkeyPatch, error: OSError, by: str) -> None:
    def refuse(*_args: Any) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert base.knock(Endpoint("s", "192.0.2.1", 1, "tcp"), 1)[0] == by


@pytest.mark.parametrize(
    ("address", "number", "by"),
    [
        ("192.0.2.1", errno.EHOSTUNREACH, "network"),  # the kernel looked for the host in vain
        ("192.0.2.2", errno.EHOSTUNREACH, "firewall"),
        ("198.51.100.1", errno.EHOSTUNREACH, "firewall"),  # behind a router, which said so
        ("2001:db8::1", errno.EHOSTUNREACH, "network"),
        ("2001:db8::1", errno.EACCES, "firewall"),
    ],
)
def test_a_host_that_is_not_there_is_no_firewall(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, number: int, by: str
) -> None:
    table = tmp_path / "arp"
    table.write_text(
        "IP address HW type Flags HW address Mask Device\n"
        "192.0.2.1 0x1 0x0 00:00:00:00:00:00 * eth0\n192.0.2.2 0x1 0x2 00:00:00:00:00:01 * eth0\n"
    )
    monkeypatch.setattr(base, "_ARP", table)

    def refuse(*_args: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert base.knock(Endpoint("s", address, 1, "tcp"), 5)[0] == by


class Fake:
    """A driver that saw something."""

    def __init__(self, *observed: Observation | Unavailable) -> None:
        self.observed = list(observed)

    def observe(self, _endpoint: Endpoint, _access: Access, _timeout: float) -> Observation:
        found = self.observed.pop(0) if len(self.observed) > 1 else self.observed[0]
        if isinstance(found, Unavailable):
            raise found
        return found


@pytest.mark.parametrize(
    ("observed", "asked", "why"),
    [
        (Observation("replica"), {"role": "replica"}, ""),
        (Observation("provider"), {"role": "replica"}, "it serves as provider, planned is replica"),
        (Observation(None), {"role": "replica"}, ""),
        (Observation(position={"1": "b"}), {"at_least": {"1": "a"}}, ""),
        (
            Observation(position={"1": "a"}),
            {"at_least": {"1": "b", "2": "a"}},
            "its data is behind the writes of server id 1, 2",
        ),
        (Observation(servers={"a": "UP"}), {"up": ["a"]}, ""),
        (Observation(servers={"a": "DOWN"}), {"up": ["a", "b"]}, "HAProxy reports a DOWN, b unknown"),
        (Unavailable("LDAP: no"), {}, "LDAP: no"),
    ],
)
def test_the_observed_state_is_described(
    monkeypatch: pytest.MonkeyPatch,
    listening: int,
    observed: Observation | Unavailable,
    asked: dict[str, Any],
    why: str,
) -> None:
    monkeypatch.setattr(probe, "driver", lambda _protocol: Fake(observed))
    result = seen(edge(listening, **asked))
    assert (result["ok"], result["why"]) == (not why, why)


def test_an_unexpected_answer_is_probed_again(monkeypatch: pytest.MonkeyPatch, listening: int, tmp_path: Path) -> None:
    class Starting:
        """Each attempt is a process of its own: what the first leaves for the second lies on disk."""

        def observe(self, *_arguments: Any) -> Observation:
            if (tmp_path / "asked").exists():
                return Observation("provider")
            (tmp_path / "asked").touch()
            raise Unavailable("starting")

    monkeypatch.setattr(probe, "driver", lambda _protocol: Starting())
    (result,) = probe.probe_all([edge(listening, role="provider")], Access(), 1, wait=5, concurrency=4)
    assert result["ok"]


def test_waiting_ends(closed: int) -> None:
    (result,) = probe.probe_all([edge(closed)], Access(), 1, wait=0.3, concurrency=4)
    assert not result["ok"]


def test_no_edges() -> None:
    assert probe.probe_all([], Access(), 1, 0, 4) == []


def test_own_addresses() -> None:
    trie = """Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.0.0.0
        /24 link UNICAST
     |-- 10.0.0.9
        /32 host LOCAL
"""
    held = probe.local_addresses(trie, "fe800000000000000000000000000001 02 40 20 80 eth0\n")
    assert held == {"10.0.0.9", "fe80:0000:0000:0000:0000:0000:0000:0001"}


@pytest.mark.parametrize(("address", "expect", "ok"), [("127.0.0.1", "open", True), ("192.0.2.1", "open", False)])
def test_holding_an_address(address: str, expect: str, ok: bool) -> None:
    assert seen(edge(0, protocol="address", address=address, expect=expect))["ok"] is ok
    assert seen(edge(0, protocol="address", address=address, expect="refused"))["ok"] is not ok


@pytest.mark.parametrize(
    ("serves", "settled", "expect", "ok"),
    [
        (0, 0, "open", True),
        (1, 0, "open", False),
        (0, 0, "refused", False),
        (1, 1, "refused", True),
        (0, 0, "either", True),
        (1, 0, "either", True),
        (1, 1, "either", False),
    ],
)
def test_a_node_reports_whether_it_is_active(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, serves: int, settled: int, expect: str, ok: bool
) -> None:
    agent = tmp_path / "failover-agent"
    agent.write_text(f"#!/bin/sh\n[ $1 = is-active ] && exit {serves}\nexit {settled}\n")
    agent.chmod(0o755)
    monkeypatch.setattr(probe, "_FAILOVER_AGENT", str(agent))
    result = seen(edge(1, protocol="active", expect=expect))
    assert (result["ok"], result["reachable"]) == (ok, not serves)
    assert bool(result["why"]) is not ok


def test_a_host_without_a_failover_agent_is_reported() -> None:
    result = seen(edge(1, protocol="active"))
    assert (result["ok"], result["refused_by"]) == (False, "service")
    assert "/etc/tiers/failover-agent cannot be run" in result["why"]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A host without a table of ours, on which keepalived runs. Its commands and its record are in a directory."""
    monkeypatch.setattr(traffic, "RECORD", tmp_path / "tiers_drained.fact")
    monkeypatch.setattr(traffic, "DEPLOYED", tmp_path / "tiers.fact")
    monkeypatch.setattr(traffic, "CONFIG", tmp_path / "keepalived.conf")
    monkeypatch.setattr(traffic, "_PATH", str(tmp_path))
    (tmp_path / "tiers.fact").touch()
    (tmp_path / "keepalived.conf").touch()
    command(tmp_path / "nft", "exit 1")
    command(tmp_path / "systemctl", "echo ActiveState=active; echo UnitFileState=enabled")
    return tmp_path


def command(path: Path, lines: str) -> None:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


LOOK = {"protocol": "drained", "expect": "refused"}


@pytest.mark.parametrize("record", ['{"since": "1"}', '{"operation": "drain", "complete": true, "since": "1"}'])
def test_a_server_that_is_drained_says_how_it_serves_again(host: Path, record: str) -> None:
    look = edge(1, **LOOK)
    assert (seen(look)["ok"], seen(look)["reachable"], seen(look)["traffic"]) == (True, False, "open")
    (host / "tiers_drained.fact").write_text(record)
    assert (seen(look)["ok"], seen(look)["reachable"], seen(look)["traffic"]) == (False, True, "drained")
    assert seen(look)["why"] == "this host is drained, undrain starts its traffic"


def test_a_server_that_cannot_write_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(probe, "_CANNOT_WRITE", tmp_path / "cannot-write")
    assert seen(edge(1, protocol="writes"))["ok"]
    (tmp_path / "cannot-write").write_text("cannot write: it reaches no master; it has stepped aside for px-b\n")
    result = seen(edge(1, protocol="writes"))
    assert (result["ok"], result["reachable"]) == (False, False)
    assert result["why"] == "cannot write: it reaches no master; it has stepped aside for px-b"


def test_keepalived_without_a_configuration_stops_nothing(host: Path) -> None:
    """Its package stays on a host whose pair ended, or decides by a lease."""
    stopped = "echo Id=keepalived.service; echo ActiveState=inactive; echo UnitFileState=enabled"
    command(host / "systemctl", f"case $* in *keepalived*) {stopped};; esac")
    assert seen(edge(1, **LOOK))["traffic"] == "interrupted"
    (host / "keepalived.conf").unlink()
    assert seen(edge(1, **LOOK))["traffic"] == "open"


def shown(**units: tuple[str, str]) -> str:
    """The output of `systemctl show` for units, each with its state and that of its file."""
    lines = "Id={}.service\nActiveState={}\nUnitFileState={}\n"
    return "\n".join(lines.format(name.replace("_", "-"), *states) for name, states in units.items())


@pytest.mark.parametrize(
    ("keepalived", "agent", "stopped"),
    [
        (("inactive", "enabled"), ("inactive", ""), "keepalived"),
        (("inactive", "enabled"), ("active", "enabled"), ""),  # a pair with a lease and without an address
        (("active", "enabled"), ("inactive", "enabled"), "tiers-failover"),
        (("failed", "enabled"), ("inactive", "disabled"), "keepalived"),
        (("inactive", "disabled"), ("inactive", ""), ""),
    ],
)
def test_the_agent_with_a_lease_decides_whether_a_node_was_stopped(
    keepalived: tuple[str, str], agent: tuple[str, str], stopped: str
) -> None:
    assert traffic.find_stopped(shown(keepalived=keepalived, tiers_failover=agent)) == stopped


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("nft", "exit 0", "nftables table tiers_drain"),
        (
            "systemctl",
            "echo Id=keepalived.service; echo ActiveState=inactive; echo UnitFileState=enabled",
            "keepalived is enabled and stopped",
        ),
        ("tiers_drained.fact", '{"operation": "restart", "complete": false}', "record of an unfinished restart"),
        ("tiers_drained.fact", "{", "record of an unfinished operation"),
    ],
)
def test_a_server_that_an_interrupted_run_left_closed_says_by_what(host: Path, file: str, text: str, why: str) -> None:
    command(host / file, text) if file != "tiers_drained.fact" else (host / file).write_text(text)
    result = seen(edge(1, **LOOK))
    assert (result["ok"], result["reachable"], result["traffic"]) == (False, True, "interrupted")
    assert result["why"] == f"an interrupted run left this host closed to clients ({why}): run deploy or undrain"


def test_a_server_without_a_firewall_and_failover_is_open(host: Path) -> None:
    command(host / "systemctl", "echo ActiveState=inactive; echo UnitFileState=")
    (host / "nft").unlink()
    assert seen(edge(1, **LOOK))["traffic"] == "open"


def test_a_server_that_was_never_deployed_says_so(host: Path) -> None:
    (host / "tiers.fact").unlink()
    result = seen(edge(1, **LOOK))
    assert (result["ok"], result["traffic"]) == (True, "not deployed")


def test_a_firewall_that_does_not_answer_is_no_open_one(host: Path) -> None:
    command(host / "nft", "sleep 9")
    result = seen(edge(1, **LOOK))
    assert (result["ok"], result["traffic"]) == (False, None)
    assert "nft: not done within" in result["why"]


def test_a_port_is_open_whatever_speaks_there(listening: int, closed: int) -> None:
    assert seen(edge(listening, protocol="port"))["ok"]
    assert seen(edge(closed, protocol="port"))["refused_by"] == "closed"


def test_either_is_open_or_refused_by_who_may(listening: int, closed: int) -> None:
    assert seen(edge(listening, expect="either"))["ok"]
    assert seen(edge(closed, expect="either", refused_by=["closed"]))["ok"]
    assert not seen(edge(closed, expect="either", refused_by=["firewall"]))["ok"]


@pytest.mark.parametrize("expect", ["open", "either"])
def test_a_server_with_a_question_gets_no_connection_that_asks_nothing(closed: int, expect: str) -> None:
    access = Access(tcp={"send": "PING\r\n", "expect": "PONG"})
    # The second connection would get no answer.
    with scripted(answering(b"+PONG\r\n"), silent) as port:
        result = probe.probe(edge(port, expect=expect), access, 1)
    assert (result["ok"], result["reachable"]) == (True, True), result["why"]
    # What refuses is named all the same.
    result = probe.probe(edge(closed, expect=expect), access, 1)
    assert (result["ok"], result["refused_by"]) == (expect == "either", "closed")


@pytest.mark.parametrize("expect", ["refused", "either"])
def test_a_service_that_accepts_and_does_not_answer_refuses(listening: int, expect: str) -> None:
    access = Access(tcp={"expect": "never said"})
    by_service = edge(listening, expect=expect, refused_by=["closed", "service"])
    result = probe.probe({**by_service, "protocol": "tcp"}, access, 0.3)
    assert (result["ok"], result["reachable"], result["refused_by"]) == (True, False, "service")
    # One that does serve is refused by nobody.
    assert seen({**by_service, "protocol": "tcp"})["ok"] is (expect == "either")


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("listening", "closed", {""}),
        ("closed", "listening", {""}),
        ("listening", "listening", {"both of a and b serve, exactly one must"}),
        ("closed", "closed", {"neither of a and b serves, exactly one must"}),
    ],
)
def test_exactly_one_edge_of_a_group_must_be_open(
    request: pytest.FixtureRequest, first: str, second: str, why: set[str]
) -> None:
    edges = [
        edge(request.getfixturevalue(port), expect="either", one_of="g", name=name)
        for name, port in (("a", first), ("b", second))
    ]
    results = probe.probe_all(edges, Access(), 1, wait=0, concurrency=4)
    assert {result["why"] for result in results if not result["ok"]} | (why & {""}) == why


def test_all_edges_of_a_group_are_probed_again(monkeypatch: pytest.MonkeyPatch, listening: int, tmp_path: Path) -> None:
    """A node that refused at first may serve by now."""

    def look(asked: dict[str, Any], _access: Access, _timeout: float) -> dict[str, Any]:
        name = asked["name"]
        again = (tmp_path / name).exists()
        (tmp_path / name).touch()
        return {"name": name, "ok": True, "why": "", "reachable": name == "b" and again}

    monkeypatch.setattr(probe, "probe", look)
    edges = [edge(listening, expect="either", one_of="g", name=name) for name in ("a", "b")]
    assert all(result["ok"] for result in probe.probe_all(edges, Access(), 1, wait=2, concurrency=1))


@pytest.mark.parametrize(
    ("states", "why"),
    [
        ({"a": "UP", "b": "DOWN"}, ""),
        ({"a": "UP", "b": "UP"}, "HAProxy routes to a and b, of which one must serve at a time"),
        ({"a": "DOWN"}, "HAProxy routes to none of a, b"),
    ],
)
def test_a_balancer_routes_to_one_node_of_a_pair(
    monkeypatch: pytest.MonkeyPatch, listening: int, states: dict[str, str], why: str
) -> None:
    monkeypatch.setattr(probe, "driver", lambda _protocol: Fake(Observation(servers=states)))
    result = seen(edge(listening, one_up_of=[["a", "b"]]))
    assert (result["ok"], result["why"]) == (not why, why)


def test_haproxy_states() -> None:
    """A member with a backup is one server to the pool, which is up if either is."""
    assert haproxy.servers(PAGE) == {
        "m1": "UP",
        "m2": "DOWN",
        "p1": "UP",
        "p2": "MAINT",
        "p3": "DOWN",
        "p3b": "UP",
        "p4": "UP",
        "p4b": "DOWN",
        "p5": "DRAIN",
        "p5b": "UP",
    }


def test_haproxy_over_http() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/stats;csv" else 404)
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *_args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        result = seen(edge(server.server_port, protocol="haproxy", up=["m1"]))
    finally:
        server.shutdown()
        server.server_close()
    assert result["ok"], result["why"]
    assert result["servers"]["m2"] == "DOWN"


def test_tls_without_tls(listening: int) -> None:
    result = probe.probe(edge(listening, protocol="tls"), Access(), 0.3)
    assert (result["ok"], result["refused_by"]) == (False, "service")


def test_ldap_uris() -> None:
    assert ldap.uri(Endpoint("s", "10.0.0.1", 636, "ldaps")) == "ldaps://10.0.0.1:636"
    assert ldap.uri(Endpoint("s", "2001:db8::1", 636, "ldaps")) == "ldaps://[2001:db8::1]:636"
    assert ldap.uri(Endpoint("s", "", 0, "ldapi")) == "ldapi:///"


def test_ldap_position() -> None:
    change = "20260101000000.000000Z#000000#001#000000"
    assert ldap.position([change, "20260101000000.000000Z#000000#00a#000000", "nonsense"]) == {
        "1": change,
        "a": "20260101000000.000000Z#000000#00a#000000",
    }


def test_ldap_without_its_library(monkeypatch: pytest.MonkeyPatch, listening: int) -> None:
    monkeypatch.setattr(ldap, "ldap", None)
    monkeypatch.setattr(ldap, "import_library", lambda: None)
    result = seen(edge(listening, protocol="ldaps"))
    assert (result["ok"], result["why"]) == (False, ldap.MISSING)


def test_ldap_with_a_library_that_was_installed_after_the_module_was_imported(
    monkeypatch: pytest.MonkeyPatch, listening: int
) -> None:
    monkeypatch.setattr(ldap, "ldap", None)
    monkeypatch.setattr(ldap, "import_library", lambda: SimpleNamespace(initialize=unreachable))
    assert seen(edge(listening, protocol="ldaps"))["why"] == "asked"


def unreachable(_uri: str) -> None:
    raise Unavailable("asked")


def test_access_takes_what_is_given() -> None:
    assert Access.of({"user": "u", "base": None, "other": 1}) == Access(user="u")
    assert Access.of(None) == Access()


def test_a_port_is_listened_on_whatever_the_address() -> None:
    head = "  sl  local_address rem_address   st tx_queue\n"
    table = head + "   0: 0100007F:18EB 00000000:0000 0A 0:0\n   1: 0100007F:18EC 0100007F:0001 01 0:0\n"
    assert probe.is_listened_on(6379, "", table)
    assert not probe.is_listened_on(6380, table, "")


def test_a_refusal_at_home_tells_whether_anything_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # As a standby's firewall does.
        monkeypatch.setattr(probe, "knock", lambda *_asked: ("closed", "", 0.1))
        assert seen(edge(port))["why"].startswith("a program listens on the port, and the host refuses the connection")
    assert seen(edge(port))["why"] == "the host answers, and nothing listens on the port"


def test_a_settled_standby_whose_promotion_failed_is_no_good_standby(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    agent = tmp_path / "failover-agent"
    agent.write_text("#!/bin/sh\n[ $1 = is-settled ]\n")
    agent.chmod(0o755)
    monkeypatch.setattr(probe, "_FAILOVER_AGENT", str(agent))
    monkeypatch.setattr(probe.pair, "promotion_failed", lambda: "its promotion failed 70 s ago")
    result = seen(edge(1, protocol="active", expect="either"))
    assert (result["ok"], result["why"]) == (False, "its promotion failed 70 s ago")
