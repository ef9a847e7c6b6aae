# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers for any product, against real servers, good ones and bad ones; commands are real scripts."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.module_utils.probing import load, probe, rows
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import (
    base,
    command,
    driver,
    http,
    tcp,
)
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    OPERATIONS,
    Access,
    Endpoint,
    Observation,
    Unavailable,
)
from ansible_collections.distributed.tiers.tests.unit.plugins.module_utils.probing.servers import (
    ROWS,
    Script,
    Store,
    answering,
    certificates,
    http_server,
    scripted,
    server_context,
    silent,
    whole_request,
)

WEB = Access(http=ROWS)
PING = {"send": "PING\r\n", "expect": r"\+PONG\r\n"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def store() -> Store:
    return Store(paths={"/status": (200, '{"role": "provider", "position": {"m1": "17"}}')})


@pytest.fixture
def web(store: Store) -> Iterator[int]:
    with http_server(store) as port:
        yield port


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return certificates(tmp_path_factory.mktemp("tls"))


def at(port: int, protocol: str = "http", name: str = "s", address: str = "127.0.0.1") -> Endpoint:
    return Endpoint(name, address, port, protocol)


def session(access: Access, *endpoints: Endpoint, timeout: float = 2) -> Any:
    return driver(endpoints[0].protocol).connect(endpoints, access, timeout)


def refused(access: Access, operation: str, *endpoints: Endpoint, timeout: float = 2) -> Unavailable:
    """Why one request on a new connection fails."""
    opened = session(access, *endpoints, timeout=timeout)
    with contextlib.closing(opened), pytest.raises(Unavailable) as told:
        {"read": opened.read, "names": lambda: opened.names("r"), "write": lambda: opened.write("r")}[operation]()
    return told.value


# HTTP


def test_rows_over_http(web: int, store: Store) -> None:
    opened = session(WEB, at(web))
    opened.read()
    opened.write("r-1 ä")
    opened.write("q")
    assert store.rows == {"r-1 ä", "q"}
    assert store.bodies[1] == '{"name": "r-1 ä"}'
    assert opened.names("r-") == {"r-1 ä"}
    assert opened.remove("r-") == 1
    assert store.rows == {"q"}
    assert store.connections == 1
    opened.close()


def test_rows_come_in_pages_and_may_be_gone_already(web: int, store: Store) -> None:
    store.page = 2
    store.rows = {"r-1", "r-2", "r-3"}
    assert session(WEB, at(web)).remove("r-") == 3
    store.paths["/rows"] = (200, '["r-9"]')  # still listed, gone nevertheless
    assert session(WEB, at(web)).remove("r-") == 1


def test_all_rows_may_go_with_one_request(web: int, store: Store) -> None:
    store.rows = {"r-1", "r-2"}
    access = Access(http={**ROWS, "remove": "DELETE /rows?prefix={prefix}"})
    assert session(access, at(web)).remove("r-") == 2
    assert [r for r in store.requests if r.startswith("DELETE")] == ["DELETE /rows?prefix=r-"]


def test_http_reports_role_and_position(web: int) -> None:
    assert driver("http").observe(at(web), WEB, 2) == Observation("provider", {"m1": "17"})
    assert driver("http").observe(at(web), Access(), 2) == Observation()


def test_a_method_of_its_own(web: int, store: Store) -> None:
    session(Access(http={"read": "HEAD /ready"}), at(web)).read()
    assert store.requests == ["HEAD /ready"]


@pytest.mark.parametrize(
    ("given", "authorization"),
    [
        ({"user": "u", "password": "p"}, "Basic " + base64.b64encode(b"u:p").decode()),
        ({}, "Basic " + base64.b64encode(b"all:word").decode()),
        ({"token": "t"}, "Bearer t"),
    ],
)
def test_http_requests_carry_the_credentials(web: int, store: Store, given: dict[str, str], authorization: str) -> None:
    access = Access(user="all", password="word", http={"read": "/", "headers": {"X-Probe": 1}, **given})
    session(access, at(web)).read()
    assert store.headers["Authorization"] == authorization
    assert store.headers["X-Probe"] == "1"
    assert store.headers["Host"] == f"127.0.0.1:{web}"
    assert "word" not in repr(access) and "'t'" not in repr(access)


@pytest.mark.parametrize(
    ("status", "body", "operation", "why"),
    [
        (503, "", "read", "GET /ready answers 503 Service Unavailable"),
        (302, "", "read", "GET /ready answers 302 Found"),
        (401, "", "read", "GET /ready answers 401 Unauthorized"),
        (200, "<html>", "names", "GET /rows?prefix=r: no JSON: '<html>'"),
        (200, '{"a": 1}', "names", "GET /rows?prefix=r: the names must be a JSON list of texts, not {'a': 1}"),
        (200, "[1]", "names", "GET /rows?prefix=r: the names must be a JSON list of texts, not [1]"),
        (200, "", "names", "GET /rows?prefix=r: no JSON: ''"),
    ],
)
def test_wrong_answers(web: int, store: Store, status: int, body: str, operation: str, why: str) -> None:
    store.paths = {"/ready": (status, body), "/rows": (status, body)}
    told = refused(WEB, operation, at(web))
    assert (str(told), told.lost) == (why, False)


@pytest.mark.parametrize(
    ("script", "why", "lost"),
    [
        (silent, "GET /ready: no whole answer within 0.3 s", True),
        (answering(b"HTTP/1.1 200 OK\r\n", then=silent), "GET /ready: no whole answer within 0.3 s", True),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then=silent), "no whole answer", True),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "the connection broke: IncompleteRead", True),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha"), "the connection broke", True),
        (answering(b""), "the connection broke: Remote end closed connection without response", True),
        (answering(b"SSH-2.0-x\r\n"), "BadStatusLine", False),
        (answering(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70000), "LineTooLong", False),
        (answering(b"HTTP/1.1 abc OK\r\n\r\n"), "BadStatusLine", False),
    ],
)
def test_servers_that_do_not_speak_properly(script: Script, why: str, lost: bool) -> None:
    with scripted(script) as port:
        told = refused(WEB, "read", at(port), timeout=0.3)
    assert why in str(told)
    assert told.lost is lost


def test_a_server_that_dribbles_does_not_hold_the_probe() -> None:
    def dribble(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b".")
            time.sleep(0.05)

    began = time.monotonic()
    with scripted(dribble) as port:
        assert refused(WEB, "read", at(port), timeout=0.4).lost
    assert time.monotonic() - began < 1.5


def test_an_answer_has_a_bound(web: int, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LIMIT", 10)
    store.paths["/ready"] = (200, "x" * 11)
    assert "longer than 10 bytes" in str(refused(WEB, "read", at(web)))


@pytest.mark.parametrize("path", ["/a b", "/\n", "no-slash\x7f"])
def test_a_path_that_is_none(web: int, path: str) -> None:
    told = refused(Access(http={"read": {"path": path}}), "read", at(web))
    assert "InvalidURL" in str(told) and not told.lost


def test_operations_that_are_not_offered_are_refused(web: int) -> None:
    told = refused(Access(http={"read": "/"}), "write", at(web))
    assert str(told) == "the product offers no request for this: access.http.write"


def test_the_first_that_answers(web: int, closed: int) -> None:
    assert session(WEB, at(closed, name="first"), at(web, name="second")).server == "second"
    with pytest.raises(Unavailable, match=r"first: the host refuses the connection: .*; second: ") as told:
        session(WEB, at(closed, name="first"), at(closed, name="second"))
    assert told.value.lost


def test_a_connection_is_kept_as_long_as_the_server_keeps_it(web: int, store: Store) -> None:
    opened = session(WEB, at(web))
    opened.read()
    opened.read()
    assert store.connections == 1
    store.closes = True
    opened.read()
    opened.read()
    assert store.connections == 2


def test_a_wrong_answer_costs_no_connection(web: int, store: Store) -> None:
    store.paths["/ready"] = (500, "oh")
    opened = session(WEB, at(web))
    for _try in range(2):
        with pytest.raises(Unavailable):
            opened.read()
    assert store.connections == 1


def test_a_connection_closed_meanwhile_is_noticed_before_a_write_is_sent(web: int, store: Store) -> None:
    """So the write is made once, on a connection that stands, and no acknowledgement can be missing."""
    with scripted(answering(OK)) as first:
        opened = session(WEB, at(first, name="first"), at(web, name="second"))
        opened.read()
        time.sleep(0.1)
    opened.write("r")
    assert (opened.server, store.rows) == ("second", {"r"})


def worker(kind: str, *endpoints: Endpoint, timeout: float = 2) -> tuple[load.Worker, list[list[Any]]]:
    samples: list[list[Any]] = []
    stream = load.Stream("s", kind, tuple(endpoints), 5, True, "r")
    return load.Worker(stream, WEB, timeout, samples.append), samples


def dies_on_the_second(connection: socket.socket) -> None:
    """Answers once, takes the second request and dies before it answers."""
    whole_request(connection)
    connection.sendall(OK)
    whole_request(connection)


def test_a_read_on_a_broken_persistent_connection_is_repeated_once(web: int) -> None:
    with scripted(dies_on_the_second, dies_on_the_second) as port:
        reader, samples = worker("read", at(port))
        for _request in range(3):
            reader._request()
    assert [(sample[4], sample[6]) for sample in samples[:2]] == [(1, ""), (2, "")]
    assert (reader.requests, reader.failed) == (3, 0)


def test_a_write_on_a_broken_persistent_connection_is_never_repeated(store: Store) -> None:
    with scripted(dies_on_the_second) as port:
        writer, samples = worker("write", at(port))
        writer._request()
        writer._request()
    assert [sample[4] for sample in samples] == [1, 1]
    assert samples[0][6] == "" and "the connection broke" in samples[1][6]


def test_a_read_that_was_answered_wrongly_is_not_repeated(web: int, store: Store) -> None:
    reader, samples = worker("read", at(web))
    reader._request()
    store.paths["/ready"] = (500, "")
    reader._request()
    assert (samples[1][4], samples[1][6]) == (1, "GET /ready answers 500 Internal Server Error")


# HTTPS and TLS


@pytest.mark.parametrize("address", ["127.0.0.1", "there.example"])
def test_the_certificate_is_verified(
    store: Store, tls: dict[str, str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda to, *rest: real(("127.0.0.1", to[1]), *rest))
    with http_server(store, server_context(tls)) as port:
        opened = session(Access(http=ROWS, ca_path=tls["ca"]), at(port, "https", address=address))
        opened.write("r")
        opened.read()
        opened.close()
    assert (store.rows, store.connections) == ({"r"}, 1)


@pytest.mark.parametrize("protocol", ["https", "tls"])
@pytest.mark.parametrize(
    ("address", "trust", "why"),
    [
        ("localhost", "ca", "TLS: its certificate is not accepted: Hostname mismatch"),
        ("127.0.0.1", "", "TLS: its certificate is not accepted: unable to get local issuer certificate"),
        ("127.0.0.1", "missing", "TLS: No such file or directory: one of"),
        ("127.0.0.1", "key", "TLS: "),
    ],
)
def test_a_certificate_that_is_not_accepted(
    store: Store, tls: dict[str, str], protocol: str, address: str, trust: str, why: str
) -> None:
    access = Access(http=ROWS, ca_path={"missing": "/nowhere/ca.crt"}.get(trust, tls.get(trust)))
    with http_server(store, server_context(tls)) as port, pytest.raises(Unavailable) as told:
        session(access, at(port, protocol, address=address))
    assert why in str(told.value)


def test_a_client_shows_its_certificate(store: Store, tls: dict[str, str]) -> None:
    own = {"certificate_path": tls["certificate"], "key_path": tls["key"]}
    with http_server(store, server_context(tls, client_ca=tls["ca"])) as port:
        session(Access(http=ROWS, ca_path=tls["ca"], **own), at(port, "https")).read()
        told = refused(Access(http=ROWS, ca_path=tls["ca"]), "read", at(port, "https"))
    assert told.lost


@pytest.mark.parametrize("protocol", ["https", "tls"])
def test_a_handshake_that_never_ends(protocol: str) -> None:
    with scripted(silent) as port, pytest.raises(Unavailable, match="TLS: no answer in time"):
        session(WEB, at(port, protocol), timeout=0.3)


def test_send_and_expect_over_tls(tls: dict[str, str]) -> None:
    access = Access(tcp=PING, ca_path=tls["ca"])
    with scripted(answering(b"+PO", b"", then=silent), context=server_context(tls)) as port:
        assert refused(access, "read", at(port, "tls"), timeout=0.3)
    with scripted(answering(b"+PONG\r\n", b"+PONG\r\n"), context=server_context(tls)) as port:
        opened = session(access, at(port, "tls"))
        opened.read()
        opened.read()
        opened.close()


# TCP


@pytest.mark.parametrize(
    ("spoken", "script", "why", "lost"),
    [
        (PING, answering(b"+PONG\r\n"), None, None),
        (PING, answering(b"+PO", then=lambda c: c.sendall(b"NG\r\n")), None, None),
        (PING, answering(b"-ERR\r\n", then=silent), r"no answer that matches within 0.3 s, but b'-ERR\r\n'", False),
        (PING, silent, "no answer that matches within 0.3 s, but nothing", True),
        (PING, answering(b""), "the server closed the connection after nothing", True),
        (PING, answering(b"+P"), "the server closed the connection after b'+P'", True),
        (PING, answering(b"x" * 100), "no answer that matches in 50 bytes, but b'xxx", False),
        ({"expect": "^220 "}, lambda c: c.sendall(b"220 hello\r\n"), None, None),
        ({"expect": "^220 "}, lambda c: c.sendall(b"554 no\r\n"), "closed the connection after b'554 no", True),
        ({"send": "x"}, silent, "needs an answer to expect", False),
        ({"expect": "("}, silent, "access.tcp.expect is no regular expression", False),
    ],
)
def test_send_and_expect(
    monkeypatch: pytest.MonkeyPatch, spoken: dict[str, str], script: Script, why: str | None, lost: bool | None
) -> None:
    monkeypatch.setattr(tcp, "LIMIT", 50)
    with scripted(script) as port:
        try:
            session(Access(tcp=spoken), at(port, "tcp"), timeout=0.3).read()
            told = None
        except Unavailable as error:
            told = error
    assert (told is None) is (why is None), told
    if told is not None:
        assert why and why in str(told)
        assert told.lost is lost


@pytest.mark.parametrize("key", ["send_hex", "send_secret"])
def test_bytes_are_sent_as_they_are_given(key: str) -> None:
    got: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        got.append(connection.recv(100))
        connection.sendall(b"+PONG\r\n")

    with scripted(answer) as port:
        session(Access(tcp={key: "50ff0a", "expect": r"\+PONG"}), at(port, "tcp")).read()
        assert got == [b"P\xff\n"]
        with pytest.raises(Unavailable, match="is no hexadecimal text"):
            session(Access(tcp={key: "PING", "expect": "x"}), at(port, "tcp"))


def test_a_kept_tcp_connection() -> None:
    pong = b"+PONG\r\n"
    with scripted(answering(pong + b"-NOTICE\r\n", pong)) as port:
        opened = session(Access(tcp=PING), at(port, "tcp"))
        opened.read()
        opened.read()  # what came in between is not its answer
        time.sleep(0.1)
        with pytest.raises(Unavailable, match="the server has closed the connection") as told:
            opened.read()
    assert told.value.lost


def test_a_greeting_comes_once_a_connection() -> None:
    greetings: list[int] = []

    def greet(connection: socket.socket) -> None:
        greetings.append(1)
        connection.sendall(b"220 hello\r\n")
        silent(connection)

    with scripted(greet) as port:
        opened = session(Access(tcp={"expect": "220"}), at(port, "tcp"))
        opened.read()
        opened.read()
        opened.close()
    assert len(greetings) == 2
    with pytest.raises(Unavailable) as told:
        opened.read()
    assert not told.value.lost


def test_an_open_port_is_all_there_is_without_an_answer_to_expect() -> None:
    with scripted(silent) as port:
        assert driver("tcp").observe(at(port, "tcp"), Access(), 1) == Observation()
        assert driver("tcp").observe(at(port, "tcp"), Access(tcp={"send": "x"}), 1) == Observation()


@pytest.mark.parametrize("protocol", ["tcp", "tls", "haproxy"])
def test_protocols_without_rows_refuse_them(tls: dict[str, str], protocol: str) -> None:
    context = server_context(tls) if protocol == "tls" else None
    with scripted(silent, context=context) as port:
        seen = rows.write(at(port, protocol), "r", [], Access(ca_path=tls["ca"]), 1, 0)
        gone = rows.remove([at(port, protocol)], "r", Access(ca_path=tls["ca"]), 1)
        found = rows.find(at(port, protocol), Access(ca_path=tls["ca"]), 1, ["r"], 0)
    for one in (seen, gone, found):
        assert not one["ok"] and "rows" in one["why"]


# Commands


@pytest.fixture
def scripts(tmp_path: Path) -> dict[str, list[str]]:
    """A client of a product whose rows are files."""
    program = tmp_path / "client"
    program.write_text(
        f"""#!{sys.executable}
import json, os, pathlib, sys
data = pathlib.Path({str(tmp_path)!r}, "rows")
data.mkdir(exist_ok=True)
what, *rest = sys.argv[1:]
if what == "read": print("fine")
elif what == "write": (data / rest[0]).touch()
elif what == "names": print(*sorted(p.name for p in data.glob(rest[0] + "*")), sep="\\n")
elif what == "remove": [p.unlink() for p in data.glob(rest[0] + "*")]
elif what == "status": print(json.dumps({{"role": "replica", "position": {{"m": 7}}}}))
elif what == "tell":
    print("noise", json.dumps([rest, {{k: v for k, v in os.environ.items() if "TIERS" in k}}]), file=sys.stderr)
    sys.exit(3)
"""
    )
    program.chmod(0o755)
    word = {"write": "{name}", "names": "{prefix}", "remove": "{prefix}"}
    return {op: [str(program), op, *([word[op]] if op in word else [])] for op in OPERATIONS}


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_rows_by_commands(listening: int, scripts: dict[str, list[str]]) -> None:
    access = Access(commands=scripts)
    opened = session(access, at(listening, "command"))
    opened.read()
    opened.write("r-1")
    opened.write("q-1")
    assert opened.names("r-") == {"r-1"}
    assert (opened.remove("r-"), opened.remove("r-")) == (1, 0)
    assert driver("command").observe(at(listening, "command"), access, 5) == Observation(
        "replica", {"m": "7".zfill(20)}
    )


def test_a_command_gets_endpoint_and_access_as_variables(listening: int, scripts: dict[str, list[str]]) -> None:
    words = ["{address}", "{port}", "{user}", "{ca}", "{certificate}", "{key}", "{name}", "{password}", '{"a": 1}']
    access = Access("me", "hidden", ca_path="/ca", certificate_path="/crt", key_path="/key")
    access = Access(**{**vars(access), "commands": {"write": [scripts["read"][0], "tell", *words]}})
    told = str(refused(access, "write", at(listening, "command")))
    assert told.startswith(f"write: {scripts['read'][0]}: exit code 3: noise ")
    arguments, environment = json.loads(base_text(access, listening).split("noise ")[1])
    assert arguments == ["127.0.0.1", str(listening), "me", "/ca", "/crt", "/key", "r", "{password}", '{"a": 1}']
    assert environment == {
        "TIERS_ADDRESS": "127.0.0.1",
        "TIERS_PORT": str(listening),
        "TIERS_USER": "me",
        "TIERS_CA": "/ca",
        "TIERS_CERTIFICATE": "/crt",
        "TIERS_KEY": "/key",
        "TIERS_NAME": "r",
        "TIERS_PASSWORD": "hidden",
    }
    assert "hidden" not in told


def base_text(access: Access, port: int) -> str:
    """All that the command said, not only what a report shows of it."""
    seen: list[str] = []
    real = command.execute

    def execute(*arguments: Any) -> tuple[int, str, str]:
        done = real(*arguments)
        seen.append(done[2])
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "execute", execute)
        refused(access, "write", at(port, "command"))
    return seen[0]


def test_a_password_that_a_command_tells_does_not_show(listening: int) -> None:
    access = Access(password="hidden", commands={"read": ["sh", "-c", 'echo "wrong: $TIERS_PASSWORD" >&2; exit 1']})
    assert str(refused(access, "read", at(listening, "command"))) == "read: sh: exit code 1: wrong: ********"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["sh", "-c", "echo one >&2; echo two >&2; echo >&2; exit 4"], "read: sh: exit code 4: two"),
        (["sh", "-c", "exit 4"], "read: sh: exit code 4"),
        (["sh", "-c", "kill -9 $$"], "read: sh: ended by SIGKILL"),
        (["sh", "-c", "sleep 30"], "sh: not done within 0.5 s"),
        (["sh", "-c", "sleep 30 & exit 0"], "sh: not done within 0.5 s"),
        (["sh", "-c", "exec >&- 2>&-; sleep 30"], "sh: not done within 0.5 s"),
        (["cat", "/dev/zero"], "cat: it says more than 100000 bytes"),
        (["/nowhere/client"], "/nowhere/client cannot be run: No such file or directory"),
        (["/tmp"], "/tmp cannot be run: Permission denied"),
        (["a\0b"], "cannot be run: embedded null byte"),
    ],
)
def test_commands_that_fail(monkeypatch: pytest.MonkeyPatch, listening: int, words: list[str], why: str) -> None:
    monkeypatch.setattr(command, "LIMIT", 100000)
    began = time.monotonic()
    told = refused(Access(commands={"read": words}), "read", at(listening, "command"), timeout=0.5)
    assert why in str(told) and not told.lost
    assert time.monotonic() - began < 3


def test_a_command_that_is_ended_leaves_nothing_running(listening: int, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    words = ["sh", "-c", f"sleep 30 & echo $! > {pid}; wait"]
    refused(Access(commands={"read": words}), "read", at(listening, "command"), timeout=0.5)
    status = Path(f"/proc/{pid.read_text().strip()}/status")

    def runs() -> bool:
        try:
            return "State:\tZ" not in status.read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False

    end = time.monotonic() + 5
    while runs() and time.monotonic() < end:
        time.sleep(0.02)
    assert not runs()


def test_no_shell_reads_the_words(listening: int, tmp_path: Path) -> None:
    session(Access(commands={"write": ["touch", f"{tmp_path}/{{name}}"]}), at(listening, "command")).write("$(id);x")
    assert os.listdir(tmp_path) == ["$(id);x"]


def test_commands_go_to_the_first_that_answers_each_time(listening: int, closed: int) -> None:
    access = Access(commands={"read": ["true"]})
    opened = session(access, at(closed, "command", "first"), at(listening, "command", "second"))
    opened.read()
    assert opened.server == "second"
    opened._endpoints = [at(closed, "command", "first")]
    with pytest.raises(Unavailable) as told:
        opened.read()
    assert not told.value.lost


def test_a_status_that_is_none(listening: int) -> None:
    access = Access(commands={"status": ["echo", "fine"]})
    result = probe.probe({**vars(at(listening, "command")), "expect": "open"}, access, 2)
    assert (result["ok"], result["why"]) == (False, "status: echo: no JSON: 'fine\\n'")


# What is offered, and what is told


@pytest.mark.parametrize(
    ("protocol", "access", "offered"),
    [
        ("ldaps", {}, set(OPERATIONS)),
        ("haproxy", {}, set()),
        ("tcp", {}, set()),
        ("tcp", {"tcp": {"send": "x"}}, set()),
        ("tls", {"tcp": {"expect": "x"}}, {"read"}),
        ("http", {}, set()),
        ("http", {"http": {"read": "/", "write": None}}, {"read"}),
        ("https", {"http": ROWS}, set(OPERATIONS)),
        ("http", {"http": {"remove": "/x"}}, set()),
        ("command", {"commands": {"read": ["x"], "remove": ["x"], "status": None}}, {"read"}),
        ("command", {"commands": {operation: ["x"] for operation in OPERATIONS}}, set(OPERATIONS)),
    ],
)
def test_each_protocol_offers_its_operations(protocol: str, access: dict[str, Any], offered: set[str]) -> None:
    assert driver(protocol).offers(Access.of(access)) == offered


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("{}", Observation()),
        ('{"role": null, "position": null, "more": 1}', Observation()),
        ('{"role": "replica", "position": {"a": "x", "b": 7}}', Observation("replica", {"a": "x", "b": "7".zfill(20)})),
        ('{"digest": "9f86d0"}', Observation(digest="9f86d0")),
        ('{"digest": 12}', Observation(digest="12")),
    ],
)
def test_a_status(text: str, seen: Observation) -> None:
    assert base.observation(text, "s") == seen


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "s: no JSON: ''"),
        ("[" * 100000, "s: no JSON"),
        ("[]", "s: the status is no JSON object"),
        ('{"role": "master"}', "s: the role must be provider or replica, not 'master'"),
        ('{"role": ["x"]}', "s: the role must be provider or replica, not ['x']"),
        ('{"position": [1]}', "s: the position is to give each writer a text or a number, not [1]"),
        ('{"position": {"a": 1.5}}', "s: the position is to give each writer"),
        ('{"position": {"a": true}}', "s: the position is to give each writer"),
        ('{"position": {"a": -1}}', "s: the position is to give each writer"),
        ('{"position": {"a": "\\ud800"}}', "s: the position is to give each writer"),
        ('{"digest": {}}', "s: the digest must be a text or a number, not {}"),
    ],
)
def test_a_status_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(Unavailable) as told:
        base.observation(text, "s")
    assert str(told.value).startswith(why)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["role", "position"]), inner)
    ),
    max_leaves=12,
)
STATUS = st.fixed_dictionaries(
    {}, optional={"role": JSON | st.sampled_from(base.ROLES), "position": JSON | st.dictionaries(st.text(), JSON)}
)


@given(st.text() | (JSON | STATUS).map(json.dumps))
@example('"\\udfff"')
@example("9" * 5000)
def test_any_status_is_read_or_refused_in_words(text: str) -> None:
    try:
        seen = base.observation(text, "s")
    except Unavailable as error:
        assert str(error).startswith("s: ")
        str(error).encode()
    else:
        assert seen.role in (None, *base.ROLES)
        assert all(isinstance(value, str) and (key + value).encode() for key, value in seen.position.items() if key)


@given(st.text() | JSON.map(json.dumps))
@example('["\\ud800"]')
def test_any_list_of_names_is_read_or_refused_in_words(text: str) -> None:
    try:
        names = base.names_in(text, "s")
    except Unavailable as error:
        assert str(error).startswith("s: ")
        str(error).encode()
    else:
        assert all(isinstance(name, str) and name.encode() is not None for name in names)


@given(st.integers(0, 10**20 - 1), st.integers(0, 10**20 - 1))
def test_numbers_are_in_order_as_positions(first: int, second: int) -> None:
    seen = base.observation(json.dumps({"position": {"a": first, "b": second}}), "s").position
    assert (seen["a"] < seen["b"]) is (first < second)


@given(st.binary(max_size=300))
def test_any_bytes_in_answer_are_an_answer_or_a_reason(answer: bytes) -> None:
    """Through the whole of http.client, without a server: what a socket gave."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\n" + answer)
        theirs.shutdown(socket.SHUT_WR)
        opened = http.HttpSession.__new__(http.HttpSession)
        opened.__dict__.update(_endpoints=[], _access=WEB, _timeout=1, _tls=False, _headers={}, server="s")
        opened._connection = http.http.client.HTTPConnection("s", 1)
        opened._connection.sock = ours
        opened._kept = lambda: opened._connection  # type: ignore[method-assign]
        with contextlib.suppress(Unavailable):
            opened.read()
