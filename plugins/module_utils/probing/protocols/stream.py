# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections for protocols that are spoken here without a library of the product: TCP, with or without TLS."""

from __future__ import annotations

import socket
import ssl
import time

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Unavailable,
    refusal,
)


def open_connection(endpoint: Endpoint, access: Access, timeout: float, tls: bool) -> socket.socket:
    """A connection that stands; with TLS the server's certificate is valid for the address or name."""
    try:
        plain = socket.create_connection((endpoint.address, endpoint.port), timeout)
    except OSError as error:
        raise Unavailable(refusal(error, endpoint.address, timeout)[1], lost=True) from error
    # A request goes out at once, not when the one before it is acknowledged.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return plain
    try:
        return _context(access).wrap_socket(plain, server_hostname=endpoint.address)
    except (OSError, ValueError) as error:
        plain.close()
        raise Unavailable(f"TLS: {tls_reason(error)}", lost=True) from error


def _context(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca_path)
        if access.certificate_path:
            context.load_cert_chain(access.certificate_path, access.key_path)
    except OSError as error:
        paths = ", ".join(filter(None, (access.ca_path, access.certificate_path, access.key_path)))
        raise Unavailable(f"TLS: {tls_reason(error)}: one of {paths}") from error
    return context


def tls_reason(error: Exception) -> str:
    """Without the place in OpenSSL's source where it happened."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)


def read_waiting(connection: socket.socket) -> bytes | None:
    """The bytes that a kept connection has received, without waiting for more. None: the server has closed it."""
    connection.settimeout(0)
    try:
        return connection.recv(65536) or None
    except (BlockingIOError, ssl.SSLWantReadError):
        return b""
    except OSError:
        return None


class Deadline:
    """A time by which a whole request must be over, however slowly the server talks."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def apply(self, connection: socket.socket) -> None:
        """Have the next step on the connection take no longer than what is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
