# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP and HTTPS. The product says which request is a read, a write and so on; an answer from 200 to 299 is success."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Observation,
    Session,
    Unavailable,
    first_that_answers,
    names_in,
    observation,
)
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.stream import (
    Deadline,
    open_connection,
    read_waiting,
    tls_reason,
)

# No answer to a probe is longer.
LIMIT = 8 * 1024 * 1024


class _NotFoundError(Unavailable):
    """There is nothing at that path."""


@dataclass(frozen=True)
class Request:
    """One request, with {name} and {prefix} to be filled in."""

    method: str
    path: str
    body: str | None = None

    @classmethod
    def of(cls, given: str | Mapping[str, Any], method: str) -> Request:
        """`/path`, `DELETE /path`, or both and a body in a mapping."""
        if isinstance(given, Mapping):
            body = given.get("body")
            body = body if body is None or isinstance(body, str) else json.dumps(body)
            return cls(str(given.get("method") or method), str(given["path"]), body)
        before, _space, path = given.rpartition(" ")
        return cls(before.strip() or method, path)

    def about(self, **values: str) -> Request:
        path, body = self.path, self.body
        for key, value in values.items():
            path = path.replace(f"{{{key}}}", quote(value, safe=""))
            body = body and body.replace(f"{{{key}}}", value)
        return Request(self.method, path, body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _ReplyReader(io.RawIOBase):
    """The answering node of a connection, on which every step has only the time that is left."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        # Keeps the socket open while the answer is read: http.client closes its own end first.
        self._raw = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._deadline.apply(self._connection)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Timed:
    """A socket as http.client wants one to read an answer from."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._reader = _ReplyReader(connection, deadline)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


class HttpSession:
    """A connection that is kept as long as the server keeps it. One that the server has closed meanwhile, as it may
    after each answer, is noticed before anything is sent, and opened again."""

    def __init__(self, endpoints: Sequence[Endpoint], access: Access, timeout: float, tls: bool) -> None:
        self._endpoints = endpoints
        self._access = access
        self._timeout = timeout
        self._tls = tls
        self._headers = _headers(access)
        self._connection = self._open()

    def _open(self) -> http.client.HTTPConnection:
        endpoint, stream = first_that_answers(
            self._endpoints, lambda endpoint: open_connection(endpoint, self._access, self._timeout, self._tls)
        )
        self.server = endpoint.name
        connection = http.client.HTTPConnection(endpoint.address, endpoint.port, timeout=self._timeout)
        connection.default_port = http.client.HTTPS_PORT if self._tls else http.client.HTTP_PORT
        connection.auto_open = 0  # which server answers is decided here
        connection.sock = stream
        return connection

    def _reuse_connection(self) -> http.client.HTTPConnection:
        if self._connection.sock is None or read_waiting(self._connection.sock) != b"":
            self.close()
            try:
                self._connection = self._open()
            except Unavailable as error:
                raise Unavailable(str(error)) from error  # all servers were asked: no reason to ask again
        return self._connection

    def ask(self, request: Request) -> str:
        """The body of the answer."""
        connection = self._reuse_connection()
        try:
            status, reason, body = self._read_reply(connection, request)
        except Unavailable:
            self.close()
            raise
        except TimeoutError as error:
            self.close()
            raise Unavailable(f"{request}: no whole answer within {self._timeout:g} s", lost=True) from error
        except (OSError, http.client.IncompleteRead) as error:
            self.close()
            raise Unavailable(f"{request}: the connection broke: {tls_reason(error)}", lost=True) from error
        except (http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unavailable(f"{request}: {type(error).__name__}: {error}") from error
        if status == http.client.NOT_FOUND:
            raise _NotFoundError(f"{request} answers {status} {reason}")
        if not 200 <= status < 300:
            raise Unavailable(f"{request} answers {status} {reason}")
        return body.decode(errors="replace")

    def _read_reply(self, connection: http.client.HTTPConnection, request: Request) -> tuple[int, str, bytes]:
        stream, deadline = connection.sock, Deadline(self._timeout)
        connection.response_class = lambda _socket, **options: http.client.HTTPResponse(  # type: ignore[assignment]
            _Timed(stream, deadline),  # type: ignore[arg-type]
            **options,
        )
        deadline.apply(stream)
        connection.request(
            request.method, request.path, None if request.body is None else request.body.encode(), self._headers
        )
        with connection.getresponse() as answer:
            body = answer.read(LIMIT + 1)
            if len(body) > LIMIT:
                raise Unavailable(f"{request}: the answer is longer than {LIMIT} bytes")
            answer.read()  # a body that ends short of its length is found here
        return answer.status, answer.reason, body

    def _request(self, operation: str, method: str) -> Request:
        given = self._access.http.get(operation)
        if not given:
            raise Unavailable(f"the product offers no request for this: access.http.{operation}")
        return Request.of(given, method)

    def read(self) -> None:
        self.ask(self._request("read", "GET"))

    def write(self, name: str) -> None:
        self.ask(self._request("write", "PUT").about(name=name))

    def names(self, prefix: str) -> set[str]:
        request = self._request("names", "GET").about(prefix=prefix)
        return {name for name in names_in(self.ask(request), str(request)) if name.startswith(prefix)}

    def remove(self, prefix: str) -> int:
        request = self._request("remove", "DELETE")
        gone: set[str] = set()
        # A server may list only some at a time, and may still list what is gone.
        while found := self.names(prefix) - gone:
            if "{prefix}" in request.path:
                self.ask(request.about(prefix=prefix))
            else:
                for name in sorted(found):
                    with contextlib.suppress(_NotFoundError):
                        self.ask(request.about(name=name))
            gone |= found
        return len(gone)

    def status(self) -> Observation:
        request = self._request("status", "GET")
        return observation(self.ask(request), str(request))

    def close(self) -> None:
        self._connection.close()


class Http:
    """http://address:port and, with the server's certificate verified, https://address:port."""

    def __init__(self, tls: bool) -> None:
        self._tls = tls

    def offers(self, access: Access) -> frozenset[str]:
        offered = {operation for operation in ("read", "write", "names", "status") if access.http.get(operation)}
        if access.http.get("remove") and "names" in offered:
            offered.add("remove")
        return frozenset(offered)

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation:
        session = HttpSession([endpoint], access, timeout, self._tls)
        offered = self.offers(access)
        try:
            if "read" in offered:
                session.read()
            return session.status() if "status" in offered else Observation()
        finally:
            session.close()

    def connect(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> Session:
        return HttpSession(endpoints, access, timeout, self._tls)


def _headers(access: Access) -> dict[str, str]:
    headers = {str(key): str(value) for key, value in (access.http.get("headers") or {}).items()}
    user, password = access.http.get("user") or access.user, access.http.get("password") or access.password
    if token := access.http.get("token"):
        headers["Authorization"] = f"Bearer {token}"
    elif user:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password or ''}".encode()).decode()
    return headers
