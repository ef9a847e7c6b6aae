# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain TCP and TLS: for products whose own protocol is not spoken here. With `send` and `expect` a read is what is
sent and an answer that matches; with `expect` alone it is what the server says to who connects.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Observation,
    Session,
    Unavailable,
    first_that_answers,
)
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.stream import (
    Deadline,
    open_connection,
    read_waiting,
    tls_reason,
)

# A server without a match after so many bytes does not speak the expected protocol.
LIMIT = 65536


class StreamSession:
    """One connection."""

    def __init__(self, endpoints: Sequence[Endpoint], access: Access, timeout: float, tls: bool) -> None:
        self._endpoints = endpoints
        self._access = access
        self._timeout = timeout
        self._tls = tls
        self._send = _bytes_to_send(access)
        self._expect = _compile_pattern(access.tcp.get("expect"))
        self._connection = self._open()

    def _open(self) -> socket.socket:
        endpoint, connection = first_that_answers(
            self._endpoints, lambda endpoint: open_connection(endpoint, self._access, self._timeout, self._tls)
        )
        self.server = endpoint.name
        self._used = False
        return connection

    def _reconnect(self) -> None:
        """A server greets once: what only expects has to connect for every read."""
        self.close()
        try:
            self._connection = self._open()
        except Unavailable as error:
            raise Unavailable(str(error)) from error  # all servers were asked: no reason to ask again

    def read(self) -> None:
        if self._expect is None:
            raise Unavailable("a read over plain TCP or TLS needs an answer to expect (access.tcp.expect)")
        if self._used and not self._send:
            self._reconnect()
        deadline = Deadline(self._timeout)
        got = b""
        try:
            if self._used and read_waiting(self._connection) is None:
                raise Unavailable("the server has closed the connection", lost=True)
            deadline.apply(self._connection)
            self._connection.sendall(self._send)
            while not self._expect.search(got):
                if len(got) >= LIMIT:
                    raise Unavailable(f"no answer that matches in {LIMIT} bytes, but {got[:60]!r}")
                deadline.apply(self._connection)
                more = self._connection.recv(LIMIT - len(got))
                if not more:
                    raise Unavailable(f"the server closed the connection after {_show_bytes(got)}", lost=True)
                got += more
        except TimeoutError as error:
            raise Unavailable(
                f"no answer that matches within {self._timeout:g} s, but {_show_bytes(got)}", lost=not got
            ) from error
        except OSError as error:
            raise Unavailable(f"the connection broke: {tls_reason(error)}", lost=True) from error
        self._used = True

    def write(self, name: str) -> None:
        raise Unavailable("rows cannot be written over plain TCP or TLS")

    def names(self, prefix: str) -> set[str]:
        raise Unavailable("rows cannot be read over plain TCP or TLS")

    def remove(self, prefix: str) -> int:
        raise Unavailable("rows cannot be removed over plain TCP or TLS")

    def close(self) -> None:
        self._connection.close()


class Tcp:
    """Without anything to expect, a port that accepts a connection is all there is to see."""

    tls = False

    def offers(self, access: Access) -> frozenset[str]:
        return frozenset({"read"} if access.tcp.get("expect") else ())

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation:
        session = self.connect([endpoint], access, timeout)
        try:
            if "read" in self.offers(access):
                session.read()
        finally:
            session.close()
        return Observation()

    def connect(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> Session:
        return StreamSession(endpoints, access, timeout, self.tls)


class Tls(Tcp):
    """The server's certificate must be valid for the address."""

    tls = True


def _bytes_to_send(access: Access) -> bytes:
    try:
        coded = bytes.fromhex(access.tcp.get("send_secret") or access.tcp.get("send_hex") or "")
    except ValueError as error:
        raise Unavailable(f"access.tcp.send_hex is no hexadecimal text: {error}") from error
    return coded or str(access.tcp.get("send") or "").encode()


def _compile_pattern(expect: str | None) -> re.Pattern[bytes] | None:
    try:
        return re.compile(expect.encode()) if expect else None
    except re.error as error:
        raise Unavailable(f"access.tcp.expect is no regular expression: {error}") from error


def _show_bytes(got: bytes) -> str:
    return repr(got[:60]) if got else "nothing"
