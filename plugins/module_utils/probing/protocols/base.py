# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of the protocol drivers, their errors, and the check of the TCP port that all of them share."""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

_ARP = Path("/proc/net/arp")
_T = TypeVar("_T")

# What a product may offer to probes. `names` and `remove` are about the rows that `write` made.
OPERATIONS = ("read", "write", "names", "remove", "status")
ROLES = ("provider", "replica")
# Positions are compared as texts, so a number gets as many digits as any may have.
_DIGITS = 20


@dataclass(frozen=True)
class Access:
    """How a product lets probes in. `rows` is where they may write. `http`, `commands` and `tcp` say what a read, a
    write and so on are where the protocol itself does not.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    base: str = ""
    rows: str = ""
    ca_path: str | None = None
    certificate_path: str | None = None
    key_path: str | None = None
    http: Mapping[str, Any] = field(default_factory=dict, repr=False)
    commands: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tcp: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Access:
        known = {name: (options or {}).get(name) for name in cls.__dataclass_fields__}
        return cls(**{name: value for name, value in known.items() if value is not None})

    def hide(self, text: str) -> str:
        """A text for reports, in which no password shows."""
        ways = self.http, self.commands
        for secret in (self.password, *(way.get(key) for way in ways for key in ("password", "token"))):
            text = text.replace(secret, "********") if secret else text
        return text


@dataclass(frozen=True)
class Endpoint:
    """One place to connect to."""

    name: str
    address: str
    port: int
    protocol: str

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Endpoint:
        return cls(
            str(options["name"]),
            str(options.get("address") or ""),
            int(options.get("port") or 0),
            str(options["protocol"]),
        )

    @property
    def local(self) -> bool:
        """A socket in the file system instead of a port."""
        return self.protocol == "ldapi"


@dataclass(frozen=True)
class Observation:
    """A server's report: its role, its position (one for each writing server), a digest that is equal where the content
    is, and the state of the servers it routes to. None and empty: its protocol does not report it.
    """

    role: str | None = None
    position: Mapping[str, str] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)
    digest: str | None = None


class Unavailable(Exception):
    """The server did not do what was asked."""

    def __init__(self, why: str, lost: bool = False) -> None:
        super().__init__(why)
        self.lost = lost  # the connection is gone: the same request may succeed on another one


class Session(Protocol):
    """One connection."""

    server: str

    def read(self) -> None:
        """Read something, whatever it is."""

    def write(self, name: str) -> None:
        """Write a row, and come back once it is acknowledged."""

    def names(self, prefix: str) -> set[str]:
        """Names of the rows that begin so."""

    def remove(self, prefix: str) -> int:
        """Remove these rows; how many there were."""

    def close(self) -> None:
        """End it."""


class Driver(Protocol):
    """One protocol. `connect` takes the first endpoint that answers, in order, as the product's own client does."""

    def offers(self, access: Access) -> frozenset[str]:
        """The operations that are possible with such an access."""

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation:
        """The server's report about itself. `timeout` in seconds."""

    def connect(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> Session:
        """A connection to the first endpoint that answers."""


@runtime_checkable
class Digesting(Protocol):
    """A protocol whose digest costs more than a look, so that it is asked for apart."""

    def digest(self, endpoint: Endpoint, access: Access, timeout: float, whole: bool) -> Observation:
        """A digest of the content, and the position that belongs to it."""


def first_that_answers(endpoints: Sequence[Endpoint], opening: Callable[[Endpoint], _T]) -> tuple[Endpoint, _T]:
    """The first endpoint that can be opened, in order, and what came of it."""
    reasons: list[str] = []
    for endpoint in endpoints:
        try:
            return endpoint, opening(endpoint)
        except Unavailable as error:
            reasons.append(f"{endpoint.name}: {error}" if len(endpoints) > 1 else str(error))
    raise Unavailable("; ".join(reasons), lost=True)


def observation(text: str, source: str) -> Observation:
    """The observation in a status `{"role": "provider", "position": {"m1": "17"}, "digest": "9f86d0"}`, each key
    left out if unknown. Unavailable if it is malformed."""
    status = _json(text, source)
    if not isinstance(status, dict):
        raise Unavailable(f"{source}: the status is no JSON object")
    role, position = status.get("role"), status.get("position")
    if role is not None and role not in ROLES:
        raise Unavailable(f"{source}: the role must be {' or '.join(ROLES)}, not {_short(role)}")
    if position is None:
        position = {}
    if not isinstance(position, dict) or not all(_is_text(k) and _sortable(v) for k, v in position.items()):
        raise Unavailable(f"{source}: the position is to give each writer a text or a number, not {_short(position)}")
    digest = status.get("digest")
    if digest is not None and not _sortable(digest):
        raise Unavailable(f"{source}: the digest must be a text or a number, not {_short(digest)}")
    positions = {writer: _position(value) for writer, value in position.items()}
    return Observation(role, positions, digest=None if digest is None else str(digest))


def names_in(text: str, source: str) -> set[str]:
    """Names of rows: a JSON list of texts."""
    names = _json(text, source)
    if not isinstance(names, list) or not all(map(_is_text, names)):
        raise Unavailable(f"{source}: the names must be a JSON list of texts, not {_short(names)}")
    return set(names)


def _json(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unavailable(f"{source}: no JSON: {_short(text)}") from None


def _is_text(value: Any) -> bool:
    """JSON may hold lone surrogates, which no encoding can write."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _sortable(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _position(value: str | int) -> str:
    return value if isinstance(value, str) else f"{value:0{_DIGITS}}"


def _short(value: Any) -> str:
    return repr(value)[:60]


def _refused_on_the_way(error: OSError, address: str) -> bool:
    """Whether a firewall answered. IPv4 has one error for that and for a host that is not found on the link, whose
    entry in the ARP table is then empty (flags 0x0)."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return True
    if error.errno != errno.EHOSTUNREACH or ":" in address:
        return False
    table = _ARP.read_text(encoding="ascii") if _ARP.exists() else ""
    neighbours = {line.split()[0]: line.split()[2] for line in table.splitlines()[1:]}
    return neighbours.get(address) != "0x0"


def refusal(error: OSError, address: str, timeout: float) -> tuple[str, str]:
    """The refuser of a connection (`closed`, `firewall`, `service`, …), and the reason."""
    if isinstance(error, TimeoutError):
        return "timeout", f"no answer within {timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "closed", "the host refuses the connection: nothing listens on the port, or it is a standby or drained"
    if isinstance(error, ConnectionResetError):
        return "service", "the connection is taken, and ended at once"
    if isinstance(error, socket.gaierror):
        return "name", f"{address} does not resolve: {error.strerror}"
    if _refused_on_the_way(error, address):
        return "firewall", "a firewall refuses the connection"
    return "network", str(error.strerror or error)


def knock(endpoint: Endpoint, timeout: float) -> tuple[str | None, str, float]:
    """Open and close a TCP connection: (refuser, reason, milliseconds). No refuser: the port is open."""
    began = time.monotonic()
    refused_by, why = None, ""
    try:
        socket.create_connection((endpoint.address, endpoint.port), timeout).close()
    except OSError as error:
        refused_by, why = refusal(error, endpoint.address, timeout)
    return refused_by, why, (time.monotonic() - began) * 1000
