# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The WSGI applications: of a master, of a member, and what they have in common.

GET /rows?prefix=P          names, as a JSON list
GET PUT DELETE /rows/NAME   a row's value, as text. Writing needs the password
GET /catalogue              all rows as a page that may be cached for some seconds
GET /session                counts the requests of a session, which lives in the memory of one member
GET /status                 who this is, and how far its data is
GET /ready                  200 while it can serve, else 503
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import threading
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote

from ledger.pair import Master, NotActing
from ledger.remote import Away, Remote
from ledger.store import Store

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LARGEST = 65536
# What one node gives the other at once may be all rows.
LARGEST_OF_PAIR = 1 << 28
CATALOGUE_SECONDS = 5
# A master that did not answer is not asked again for so long by who has an answer without it.
AWAY_SECONDS = 1
COOKIE = "ledger_session"
NO_STORE = ("Cache-Control", "no-store")

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Request(NamedTuple):
    method: str
    path: str
    query: str
    body: bytes
    authorization: str
    cookie: str


class Response(NamedTuple):
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (NO_STORE,)
    kind: str = "application/json"


class Refused(Exception):
    """A request that is answered with a status of its own."""

    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.response = Response(status, reason.encode() + b"\n", (NO_STORE, *headers), "text/plain; charset=utf-8")


def data(value: Any, *headers: tuple[str, str]) -> Response:
    return Response(200, json.dumps(value).encode() + b"\n", headers or (NO_STORE,))


class Application(ABC):
    """A WSGI application that answers what its `answer` makes of a request."""

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """The answer to a request, or `Refused`."""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = self.answer(self._read(environ))
        except Refused as refused:
            response = refused.response
        headers = [("Content-Type", response.kind), ("Content-Length", str(len(response.body))), *response.headers]
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    @staticmethod
    def _read(environ: dict[str, Any]) -> Request:
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            raise Refused(400, "Content-Length is not a number") from None
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/"
        if length > (LARGEST_OF_PAIR if path.startswith("/pair/") else LARGEST):
            raise Refused(413, f"A row has at most {LARGEST} bytes")
        return Request(
            "GET" if method == "HEAD" else method,
            path,
            environ.get("QUERY_STRING", ""),
            environ["wsgi.input"].read(length) if length else b"",
            environ.get("HTTP_AUTHORIZATION", ""),
            environ.get("HTTP_COOKIE", ""),
        )


def row_name(path: str) -> str:
    name = unquote(path.removeprefix("/rows/"))
    if not NAME.fullmatch(name):
        raise Refused(400, "A name has 1 to 128 letters, digits, dots, dashes and underscores")
    return name


class MasterApplication(Application):
    """Holds the rows."""

    def __init__(self, name: str, store: Store, master: Master, user: str, password: str, secret: str) -> None:
        self._name = name
        self._store = store
        self._master = master
        self._writer = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        self._other = f"Bearer {secret}"

    def answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/ready":
                if not self._master.ready:
                    raise Refused(503, "Not in step with the peer yet")
                return data({"ready": True})
            case "GET", "/status":
                return self._status()
            case "GET", "/catalogue":
                page = "".join(f"{name}\n" for name in self._store.names())
                cache = ("Cache-Control", f"public, max-age={CATALOGUE_SECONDS}")
                return Response(200, page.encode(), (cache,), "text/plain; charset=utf-8")
            case "GET", "/rows":
                prefix = parse_qs(request.query).get("prefix", [""])[0]
                return data(self._store.names(prefix))
            case "GET", path if path.startswith("/rows/"):
                entry = self._store.get(row_name(path))
                if entry is None:
                    raise Refused(404, "There is no row of this name")
                return Response(200, (entry.value or "").encode(), kind="text/plain; charset=utf-8")
            case "PUT" | "DELETE", path if path.startswith("/rows/"):
                return self._write(request, row_name(path))
            case method, path if path.startswith("/pair/"):
                return self._pair(method, path, request)
        raise Refused(404, "There is nothing here")

    def _status(self) -> Response:
        point = self._store.point
        return data(
            {
                "server": self._name,
                "role": "provider" if self._master.acting else "replica",
                "position": {"ledger": f"{point.term:010d}-{point.position:012d}"},
                "alone": self._master.alone,
            }
        )

    def _write(self, request: Request, name: str) -> Response:
        if not hmac.compare_digest(request.authorization.encode(), self._writer.encode()):
            raise Refused(401, "Writing needs user and password", ("WWW-Authenticate", 'Basic realm="ledger"'))
        value = None
        if request.method == "PUT":
            try:
                value = request.body.decode()
            except UnicodeDecodeError:
                raise Refused(400, "A row's value is text in UTF-8") from None
        elif self._store.get(name) is None:
            return Response(204)
        try:
            self._master.write(name, value)
        except NotActing:
            raise Refused(503, "The peer acts, or may be promoted without this change", ("Retry-After", "1")) from None
        return Response(204)

    def _pair(self, method: str, path: str, request: Request) -> Response:
        if not hmac.compare_digest(request.authorization.encode(), self._other.encode()):
            raise Refused(403, "Only the peer may ask this")
        match method, path:
            case "GET", "/pair/status":
                return data(self._master.status())
            case "POST", "/pair/apply":
                return data(self._master.apply(json.loads(request.body)))
            case "POST", "/pair/unknown":
                return data(self._master.unknown(json.loads(request.body)))
            case "POST", "/pair/step-down":
                return data(self._master.step_down(json.loads(request.body)))
        raise Refused(404, "There is nothing here")


class MemberApplication(Application):
    """Keeps sessions, asks the active master for all else. While it is away the catalogue is what it was last."""

    def __init__(self, name: str, upstream: Remote, delay: float = 0, most_sessions: int = 100_000) -> None:
        self._name = name
        self._upstream = upstream
        self._delay = delay
        self._most_sessions = most_sessions
        self._sessions: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self._reached = False
        self._catalogue: Response | None = None
        self._ask_again = 0.0

    def answer(self, request: Request) -> Response:
        if self._delay:
            # A member can be made slow, to see how a distributor deals with unequal ones.
            time.sleep(self._delay)
        if request.path == "/ready":
            return self._ready()
        if request.path == "/session" and request.method == "GET":
            return self._session(request)
        if request.path == "/status":
            answer = self._ask(request)
            seen = json.loads(answer.body) if answer.status == 200 else {}
            return data({"server": self._name, "role": "replica", "position": seen.get("position", {})})
        if request.path.startswith("/pair/"):
            raise Refused(404, "There is nothing here")
        return self._catalogued(request) if request.path == "/catalogue" else self._ask(request)

    def _catalogued(self, request: Request) -> Response:
        if self._catalogue and time.monotonic() < self._ask_again:
            return self._catalogue
        try:
            answer = self._ask(request)
        except Refused as refused:
            answer = refused.response
        if answer.status == 200:
            self._catalogue = answer
        elif self._catalogue and answer.status >= 500:
            self._ask_again = time.monotonic() + AWAY_SECONDS
            return self._catalogue
        return answer

    def _ready(self) -> Response:
        # Once it has found the master: when the master is away, all members are equally well off, and stay in the pool.
        if not self._reached:
            with suppress(Away):
                self._reached = self._upstream.request("GET", "/ready").status == 200
        if not self._reached:
            raise Refused(503, "The master has not answered yet")
        return data({"ready": True})

    def _session(self, request: Request) -> Response:
        try:
            cookie = SimpleCookie(request.cookie).get(COOKIE)
        except CookieError:
            cookie = None
        with self._lock:
            session = cookie.value if cookie and cookie.value in self._sessions else secrets.token_urlsafe(18)
            count = self._sessions.pop(session, 0) + 1
            self._sessions[session] = count
            if len(self._sessions) > self._most_sessions:
                self._sessions.popitem(last=False)
        set_cookie = ("Set-Cookie", f"{COOKIE}={session}; Path=/; HttpOnly; Secure; SameSite=Strict")
        return data({"member": self._name, "count": count}, NO_STORE, set_cookie)

    def _ask(self, request: Request) -> Response:
        path = quote(request.path) + (f"?{request.query}" if request.query else "")
        headers = {"Authorization": request.authorization} if request.authorization else {}
        try:
            answer = self._upstream.request(request.method, path, request.body, headers)
        except Away as error:
            raise Refused(503, f"The master is away: {error}", ("Retry-After", "1")) from None
        forwarded = {"cache-control", "retry-after", "www-authenticate"}
        return Response(
            answer.status,
            answer.body,
            tuple((name, value) for name, value in answer.headers.items() if name.lower() in forwarded),
            answer.headers.get("Content-Type", "application/octet-stream"),
        )
