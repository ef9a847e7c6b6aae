# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test application answers over HTTP as a master and as a member, and refuses a wrong configuration."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from ledger.app import Application, MasterApplication, MemberApplication
from ledger.pair import Master
from ledger.remote import Answer, Away, Remote
from ledger.server import Wrong, read
from ledger.store import Store

WRITER = {"Authorization": "Basic " + b64encode(b"operator:secret").decode()}


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Served:
    """An application behind a real socket."""

    def __init__(self, application: Application) -> None:
        self._server = make_server("127.0.0.1", 0, application, handler_class=_Quiet)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        return Remote(self.url, None, 5).request(method, path, body, headers)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Served]:
    store = Store(tmp_path / "rows.db")
    served = Served(MasterApplication("m1", store, Master(store), "operator", "secret", ""))
    yield served
    served.stop()


@pytest.fixture
def member(master: Served) -> Iterator[Served]:
    served = Served(MemberApplication("p1", Remote(master.url, None, 5)))
    yield served
    served.stop()


@pytest.fixture(params=["master", "member"])
def server(request: pytest.FixtureRequest) -> Served:
    """Both answer the same about rows."""
    served: Served = request.getfixturevalue(request.param)
    return served


def test_a_row_is_written_read_listed_and_deleted(server: Served) -> None:
    assert server.ask("PUT", "/rows/a-1", b"one", **WRITER).status == 204
    assert server.ask("PUT", "/rows/b", "zwö".encode(), **WRITER).status == 204
    assert server.ask("GET", "/rows/a-1").body == b"one"
    assert json.loads(server.ask("GET", "/rows?prefix=a-").body) == ["a-1"]
    assert json.loads(server.ask("GET", "/rows").body) == ["a-1", "b"]
    assert server.ask("DELETE", "/rows/a-1", **WRITER).status == 204
    assert server.ask("DELETE", "/rows/a-1", **WRITER).status == 204
    assert server.ask("GET", "/rows/a-1").status == 404


def test_only_who_knows_the_password_writes(server: Served) -> None:
    wrong = {"Authorization": "Basic " + b64encode(b"operator:guess").decode()}
    assert server.ask("PUT", "/rows/a", b"1").status == 401
    assert server.ask("DELETE", "/rows/a", **wrong).status == 401
    assert json.loads(server.ask("GET", "/rows").body) == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/rows/%20", b"", 400),
        ("/rows/" + "a" * 129, b"", 400),
        ("/rows/a", b"\xff", 400),
        ("/rows/a", b"x" * 70000, 413),
    ],
    ids=["space", "long name", "no text", "large"],
)
def test_invalid_rows_are_refused(server: Served, path: str, body: bytes, status: int) -> None:
    assert server.ask("PUT", path, body, **WRITER).status == status


def test_only_the_catalogue_may_be_cached(server: Served) -> None:
    server.ask("PUT", "/rows/a", b"1", **WRITER)
    assert server.ask("GET", "/catalogue").body == b"a\n"
    assert server.ask("GET", "/catalogue").headers["Cache-Control"] == "public, max-age=5"
    for path in ("/rows", "/rows/a", "/status", "/ready"):
        assert server.ask("GET", path).headers["Cache-Control"] == "no-store"


def test_a_server_says_who_it_is_and_how_far(master: Served, member: Served) -> None:
    before = json.loads(master.ask("GET", "/status").body)
    master.ask("PUT", "/rows/a", b"1", **WRITER)
    after = json.loads(master.ask("GET", "/status").body)
    assert after["role"] == "provider"
    assert after["position"]["ledger"] > before["position"]["ledger"]
    seen = json.loads(member.ask("GET", "/status").body)
    assert seen == {"server": "p1", "role": "replica", "position": after["position"]}


def test_a_session_lives_in_one_member(member: Served) -> None:
    first = member.ask("GET", "/session")
    cookie = first.headers["Set-Cookie"]
    assert {"HttpOnly", "Secure"} <= {part.strip() for part in cookie.split(";")}
    assert json.loads(first.body) == {"member": "p1", "count": 1}
    again = member.ask("GET", "/session", Cookie=cookie.split(";")[0])
    assert json.loads(again.body)["count"] == 2
    # Of another member, or made up
    assert json.loads(member.ask("GET", "/session", Cookie="ledger_session=unknown").body)["count"] == 1


class _Upstream:
    """A master that comes and goes."""

    def __init__(self) -> None:
        self.there = False

    def request(self, method: str, path: str, body: bytes = b"", headers: Any = None) -> Answer:
        if not self.there:
            raise Away("m1 is away")
        return Answer(200, {}, b"{}")


def test_a_member_is_ready_once_it_has_found_the_master_and_stays_so() -> None:
    upstream = _Upstream()
    served = Served(MemberApplication("p1", upstream))  # type: ignore[arg-type]
    try:
        assert served.ask("GET", "/ready").status == 503
        upstream.there = True
        assert served.ask("GET", "/ready").status == 200
        upstream.there = False
        assert served.ask("GET", "/ready").status == 200
        assert served.ask("GET", "/rows").status == 503
        assert served.ask("GET", "/session").status == 200
    finally:
        served.stop()


def test_the_catalogue_outlives_the_master() -> None:
    upstream = _Upstream()
    served = Served(MemberApplication("p1", upstream))  # type: ignore[arg-type]
    try:
        assert served.ask("GET", "/catalogue").status == 503
        upstream.there = True
        assert served.ask("GET", "/catalogue").body == b"{}"
        upstream.there = False
        assert served.ask("GET", "/catalogue").body == b"{}"
        assert served.ask("GET", "/rows").status == 503
    finally:
        served.stop()


def test_a_reused_connection_that_was_closed_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.db")
    application = MasterApplication("m1", store, Master(store), "operator", "secret", "")
    first = Served(application)
    remote = Remote(first.url, None, 5)
    assert remote.request("GET", "/ready").status == 200
    port = first.url.rsplit(":", 1)[1]
    first.stop()
    with pytest.raises(Away, match=port):
        remote.request("GET", "/ready")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'm1'", "listen is missing"),
        ("name = 'm1'\nlisten = ':1'", r"one of \[master\] and \[member\]"),
        ("name = 'm1'\nlisten = ':1'\n[master]\nuser = 'x'", r"data is missing in \[master\]"),
        ("name = 'm1'\nlisten = ':1'\n[member]", r"upstream is missing in \[member\]"),
        ("name = ", "Invalid value"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "ledger.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Wrong, match=said):
        read(path)
