# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers in threads for tests of the drivers: one that keeps rows, and ones that do as a script says."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Store:
    """The data and behaviour of a product behind HTTP. `paths` maps a path to a status and a body."""

    rows: set[str] = field(default_factory=set)
    paths: dict[str, tuple[int, str]] = field(default_factory=dict)
    page: int = 1000
    closes: bool = False
    connections: int = 0
    requests: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)


ROWS = {
    "read": "/ready",
    "write": {"method": "PUT", "path": "/rows/{name}", "body": '{"name": "{name}"}'},
    "names": "/rows?prefix={prefix}",
    "remove": "DELETE /rows/{name}",
    "status": "/status",
}


def handler(store: Store) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            store.connections += 1
            super().setup()

        def _serve(self) -> None:
            store.requests.append(f"{self.command} {self.path}")
            store.headers = dict(self.headers)
            store.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
            url = urlsplit(self.path)
            name = unquote(url.path.removeprefix("/rows/"))
            status, body = 200, ""
            if url.path in store.paths:
                status, body = store.paths[url.path]
            elif url.path == "/rows" and self.command == "GET":
                prefix = parse_qs(url.query)["prefix"][0]
                body = json.dumps(sorted(row for row in store.rows if row.startswith(prefix))[: store.page])
            elif self.command == "PUT":
                store.rows.add(name)
                status = 201
            elif self.command == "DELETE" and url.query:
                store.rows = {row for row in store.rows if not row.startswith(parse_qs(url.query)["prefix"][0])}
            elif self.command == "DELETE":
                status = 204 if name in store.rows else 404
                store.rows.discard(name)
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(body.encode())))
            if store.closes:
                self.send_header("Connection", "close")
            self.end_headers()
            if status != 204:
                self.wfile.write(body.encode())

        do_GET = do_PUT = do_DELETE = do_HEAD = _serve

        def log_message(self, *_args: Any) -> None:
            pass

    return Handler


class _Server(http.server.ThreadingHTTPServer):
    """Cuts its connections when it is closed, as a server that dies does."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        self.open: list[socket.socket] = []
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.append(connection)
        return connection, address

    def handle_error(self, *_args: Any) -> None:
        pass


@contextlib.contextmanager
def http_server(store: Store, context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), handler(store))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        for connection in server.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        thread.join(5)


Script = Callable[[socket.socket], None]


@contextlib.contextmanager
def scripted(*scripts: Script, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Every new connection is served by the next of the scripts, the last of them by all that follow."""
    over = threading.Event()

    def serve(connection: socket.socket, script: Script) -> None:
        with connection, contextlib.suppress(OSError):
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            script(connection)
            connection.close()

    def accept(server: socket.socket) -> None:
        number = 0
        server.settimeout(0.05)
        while not over.is_set():
            try:
                connection, _address = server.accept()
            except TimeoutError:
                continue
            connection.settimeout(5)
            script = scripts[min(number, len(scripts) - 1)]
            number += 1
            threading.Thread(target=serve, args=(connection, script), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, args=(server,), daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join(5)


def answering(*answers: bytes, then: Script | None = None) -> Script:
    """Waits for something before each answer; afterwards does as told, else closes."""

    def script(connection: socket.socket) -> None:
        for answer in answers:
            if not connection.recv(65536):
                return
            connection.sendall(answer)
        if then:
            then(connection)

    return script


def whole_request(connection: socket.socket) -> None:
    """Waits for one HTTP request: its body may come in a packet of its own."""
    seen = b""
    while more := connection.recv(65536):
        seen += more
        head, blank, body = seen.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if blank and len(body) >= int(length[1] if length else 0):
            return


def silent(connection: socket.socket) -> None:
    """Takes everything, says nothing."""
    while connection.recv(65536):
        pass


def certificates(directory: Path) -> dict[str, str]:
    """A throw-away authority, and a server's certificate for 127.0.0.1 and `there.example` that it has signed."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def sign(subject: str, key: Any, *extensions: tuple[Any, bool]) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=name("ca"), subject_name=name(subject), public_key=key.public_key()
        )
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(hours=1))
        # Who verifies strictly, as Python does from 3.13 on, looks for these.
        identifiers = (
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        )
        for extension, critical in (*identifiers, *extensions):
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority, hashes.SHA256())

    def write(file: str, *things: bytes) -> str:
        (directory / file).write_bytes(b"".join(things))
        return str(directory / file)

    def pem(thing: Any) -> bytes:
        if isinstance(thing, x509.Certificate):
            return thing.public_bytes(serialization.Encoding.PEM)
        plain = serialization.NoEncryption()
        found: bytes = thing.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        return found

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("there.example")]
    )
    may_sign = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    ca = sign("ca", authority, (x509.BasicConstraints(ca=True, path_length=None), True), (may_sign, True))
    return {
        "ca": write("ca.crt", pem(ca)),
        "certificate": write("server.crt", pem(sign("server", key, (names, False)))),
        "key": write("server.key", pem(key)),
    }


def server_context(files: dict[str, str], client_ca: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["certificate"], files["key"])
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
