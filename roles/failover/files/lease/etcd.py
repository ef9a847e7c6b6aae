# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask etcd for the lease of a pair, over its JSON gateway and mutual TLS.

Every request ends by its deadline: connection, TLS handshake, and each read get only the time that is left. Endpoints
are addresses, so nothing waits for a name server. A connection is kept for the next request; after a failure the next
endpoint is tried.

The client knows as much of HTTP as etcd's gateway uses. `http.client` reads headers with the module `email`: twice the
processor time of a request, and 1.5 MB.
"""

from __future__ import annotations

import base64
import json
import math
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import Any

from lease import Answer, Record, Request, Switchover, View

# A longer answer is none of etcd's about a pair.
MAX_BYTES = 1 << 20


class Unanswered(Exception):
    """etcd did not answer in time. The request may have succeeded or not."""


class _Connection:
    """A connection over TLS that is kept for the next request. Everything ends by `end`, in the time of
    `time.monotonic`."""

    def __init__(self, address: str, port: int, tls: ssl.SSLContext) -> None:
        self.address, self.port, self.tls = address, port, tls
        host = f"[{address}]" if ":" in address else address
        self.headers = f"Host: {host}:{port}\r\nContent-Type: application/json\r\n"
        self.socket: ssl.SSLSocket | None = None
        self.end = 0.0
        self.received = b""

    def post(self, path: str, body: dict[str, Any], end: float) -> dict[str, Any]:
        """The answer to a request. ValueError: it is none that etcd gives to a request that it accepts."""
        self.end = end
        if self.socket is None:
            self.socket = self.connect()
        text = json.dumps(body)
        self.received = b""
        self.socket.settimeout(self.left())
        self.socket.sendall(f"POST {path} HTTP/1.1\r\n{self.headers}Content-Length: {len(text)}\r\n\r\n{text}".encode())
        status, content, is_kept = self.read_response()
        if not is_kept:
            self.close()
        if status != "200":
            raise ValueError(f"HTTP {status}: {content[:200].decode(errors='replace')}")
        found = json.loads(content)
        if not isinstance(found, dict):
            raise ValueError("the answer is no JSON object")
        return found

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection((self.address, self.port), timeout=self.left())
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(self.left())
            return self.tls.wrap_socket(plain, server_hostname=self.address)
        except BaseException:
            plain.close()
            raise

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket = None

    def left(self) -> float:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the request has passed")
        return left

    def read_response(self) -> tuple[str, bytes, bool]:
        """Status, content, and whether the server keeps the connection."""
        first, *lines = self.read_to(b"\r\n\r\n").decode("latin-1").split("\r\n")
        protocol, status, *_reason = first.split(" ")
        if protocol != "HTTP/1.1":
            raise ValueError(f"no answer of HTTP/1.1: {first[:80]}")
        headers = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            content = b"".join(self.read_chunks())
        else:
            content = self.read(int(headers["content-length"]))
        return status, content, headers.get("connection") != "close"

    def read_chunks(self) -> Iterator[bytes]:
        total, size = 0, -1
        while size != 0:
            size = int(self.read_to(b"\r\n").partition(b";")[0], 16)
            total += size
            if total > MAX_BYTES:
                raise ValueError("the answer is too long")
            yield self.read(size)
            # After the last chunk, too. etcd sends no trailer.
            if self.read(2) != b"\r\n":
                raise ValueError("a chunk of the answer has another length than its header says")

    def read_to(self, mark: bytes) -> bytes:
        """The bytes before a mark."""
        while mark not in self.received:
            self.receive()
        found, _mark, self.received = self.received.partition(mark)
        return found

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_BYTES:
            raise ValueError(f"the answer has an unusable length: {size}")
        while len(self.received) < size:
            self.receive()
        found, self.received = self.received[:size], self.received[size:]
        return found

    def receive(self) -> None:
        assert self.socket
        self.socket.settimeout(self.left())
        more = self.socket.recv(1 << 14)
        if not more:
            raise ConnectionError("the connection was closed before the end of the answer")
        self.received += more
        if len(self.received) > MAX_BYTES:
            raise ValueError("the answer is too long")


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
                granted = connection.post("/v3/lease/grant", {"TTL": str(seconds)}, end)
                request = request._replace(expiry=granted["ID"])
            reply = connection.post("/v3/kv/txn", build(self.prefix, request), end)
            return read_answer(self.prefix, reply)
        except (OSError, ValueError, KeyError, TypeError) as reason:
            connection.close()
            # The next request, not this one: it may have been sent, and must not take effect twice.
            self.first = (self.first + 1) % len(self.connections)
            raise Unanswered(f"{connection.address}: {reason}") from reason


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
