# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to another server of the system, over a connection that each thread keeps."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Away(Exception):
    """The other server did not answer."""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)
        return data


class Remote:
    """One server by its address. Its certificate must be signed by `ca` and bear the name in the address."""

    def __init__(self, url: str, ca: str | None, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"{url}: not a URL with host and port")
        self._host, self._port = parts.hostname, parts.port
        self._tls = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        self._timeout = timeout
        self._local = threading.local()

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)

    def request(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Make a request, again over a new connection if a reused one was closed. Every request may be repeated."""
        reused: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        for connection in [reused, None] if reused else [None]:
            connection = connection or self._connect()
            try:
                connection.request(method, path, body or None, dict(headers or {}))
                answer = connection.getresponse()
                result = Answer(answer.status, dict(answer.getheaders()), answer.read())
            except TimeoutError as error:
                connection.close()
                self._local.connection = None
                raise Away(f"{self._host}:{self._port} did not answer within {self._timeout:g} s") from error
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._local.connection = None
                reason = error
            else:
                self._local.connection = connection
                return result
        raise Away(f"{self._host}:{self._port}: {reason or type(reason).__name__}")
