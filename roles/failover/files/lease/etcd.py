# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask etcd for the lease of a pair, over its JSON gateway and mutual TLS.

Every request ends by its deadline: connection, TLS handshake, and each read get only the time that is left. Endpoints
are addresses, so nothing waits for a name server. A connection is kept for the next request; after a failure the next
endpoint is tried.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import math
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any

from lease import Answer, Record, Request, Switchover, View


class Unanswered(Exception):
    """etcd did not answer in time. The request may have succeeded or not."""


class _Timed(io.RawIOBase):
    """A socket for reading, each time only for as long as the deadline leaves."""

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert self.connection.sock
        self.connection.limit()
        return int(self.connection.sock.recv_into(buffer))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: _Reading, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)  # type: ignore[arg-type]


class _Reading:
    """The object that http.client uses as a socket when it reads a response."""

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self.connection))


class _Connection(http.client.HTTPConnection):
    """A connection over TLS whose operations all end by `end`, in the time of `time.monotonic`."""

    sock: ssl.SSLSocket | None

    def __init__(self, address: str, port: int, tls: ssl.SSLContext) -> None:
        super().__init__(address, port)
        self.tls = tls
        self.end = 0.0
        self.response_class = self._respond  # type: ignore[assignment]

    def _respond(self, _sock: socket.socket, *args: Any, **options: Any) -> http.client.HTTPResponse:
        return _Response(_Reading(self), *args, **options)

    def left(self) -> float:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the request has passed")
        return left

    def limit(self) -> None:
        assert self.sock
        self.sock.settimeout(self.left())

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), timeout=self.left())
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(self.left())
            self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.limit()
        super().send(data)


class Store:
    """The keys of one pair: `lease`, `switchover` and `paused`, below one prefix."""

    def __init__(self, endpoints: Sequence[tuple[str, int]], prefix: str, tls: ssl.SSLContext) -> None:
        self.connections = [_Connection(address, port, tls) for address, port in endpoints]
        self.prefix = prefix.rstrip("/") + "/"
        self.first = 0

    def ask(self, request: Request) -> Answer:
        """The answer of etcd within `request.deadline` seconds, from whichever endpoint gives one."""
        end = time.monotonic() + request.deadline
        connection = self.connections[self.first]
        try:
            if request.kind == "pause" and request.paused_until and not request.expiry:
                seconds = max(1, math.ceil(request.paused_until - time.time()))
                granted = self._post(connection, end, "/v3/lease/grant", {"TTL": str(seconds)})
                request = request._replace(expiry=granted["ID"])
            reply = self._post(connection, end, "/v3/kv/txn", build(self.prefix, request))
            return read_answer(self.prefix, reply)
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as reason:
            connection.close()
            # The next request, not this one: it may have been sent, and must not take effect twice.
            self.first = (self.first + 1) % len(self.connections)
            raise Unanswered(f"{connection.host}: {reason}") from reason

    @staticmethod
    def _post(connection: _Connection, end: float, path: str, body: dict[str, Any]) -> dict[str, Any]:
        connection.end = end
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise ValueError(f"HTTP {response.status}: {text[:200].decode(errors='replace')}")
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("the answer is no JSON object")
        return found


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def build(prefix: str, request: Request) -> dict[str, Any]:
    """The transaction for a request. Whether it succeeds or not, it ends with a read of all keys."""
    everything = {"request_range": {"key": encode(prefix), "range_end": encode(prefix[:-1] + chr(ord(prefix[-1]) + 1))}}
    if request.kind == "read":
        return {"success": [everything], "failure": []}
    if request.kind == "pause":
        value = encode(json.dumps({"until": request.paused_until}))
        put = {"key": encode(prefix + "paused"), "value": value, "lease": request.expiry or "0"}
        return {"success": [{"request_put": put}, everything], "failure": []}
    if request.kind == "resume":
        return {"success": [{"request_delete_range": {"key": encode(prefix + "paused")}}, everything], "failure": []}
    written = request.switchover if request.kind in ("confirm", "ask") else request.record
    assert written is not None
    key = "switchover" if request.kind in ("confirm", "ask") else "lease"
    # The revision of a key that does not exist is 0.
    conditions: list[dict[str, Any]] = [
        {"key": encode(prefix + key), "target": "MOD", "result": "EQUAL", "mod_revision": str(request.revision)}
    ]
    if request.only_unpaused:
        conditions.append({"key": encode(prefix + "paused"), "target": "VERSION", "result": "EQUAL", "version": "0"})
    writes: list[dict[str, Any]] = [
        {"request_put": {"key": encode(prefix + key), "value": encode(json.dumps(written._asdict()))}}
    ]
    if request.kind == "acquire":
        writes.append({"request_delete_range": {"key": encode(prefix + "switchover")}})
    return {"compare": conditions, "success": [*writes, everything], "failure": [everything]}


def read_answer(prefix: str, reply: dict[str, Any]) -> Answer:
    found = {}
    for item in reply["responses"][-1]["response_range"].get("kvs", []):
        name = base64.b64decode(item["key"]).decode()[len(prefix) :]
        found[name] = (int(item["mod_revision"]), base64.b64decode(item.get("value", "")).decode())
    revision, record = found.get("lease", (0, ""))
    switchover_revision, switchover = found.get("switchover", (0, ""))
    _revision, paused = found.get("paused", (0, ""))
    view = View(
        revision,
        read_record(json.loads(record)) if record else None,
        Switchover(**json.loads(switchover)) if switchover else None,
        switchover_revision,
        "paused" in found,
        json.loads(paused)["until"] if paused else 0.0,
    )
    return Answer(bool(reply.get("succeeded")), view)


def read_record(found: dict[str, Any]) -> Record:
    """The record that a node wrote, maybe with a later release: what this one does not know is ignored."""
    position = found.get("position")
    known = {name: value for name, value in found.items() if name in Record._fields}
    return Record(**known | {"position": None if position is None else tuple((name, n) for name, n in position)})


def client_context(authority: str, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
