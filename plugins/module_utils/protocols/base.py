# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every protocol driver takes, gives and raises, and the look at the bare TCP port that all of them share."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

_ARP = Path("/proc/net/arp")


@dataclass(frozen=True)
class Access:
    """How a product lets probes in. `rows` is where they may write."""

    user: str | None = None
    password: str | None = None
    base: str = ""
    rows: str = ""
    ca_path: str | None = None
    certificate_path: str | None = None
    key_path: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Access:
        known = {name: (options or {}).get(name) for name in cls.__dataclass_fields__}
        return cls(**{name: value for name, value in known.items() if value is not None})


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
    """What a server told: its role, how far its data is (a position for each writing server), and the state of the
    servers it gives to. None and empty: its protocol does not tell.
    """

    role: str | None = None
    position: Mapping[str, str] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)


class Unavailable(Exception):
    """The server did not do what was asked."""

    def __init__(self, why: str, lost: bool = False) -> None:
        super().__init__(why)
        self.lost = lost  # the connection is gone: the same request may succeed on another one


class Session(Protocol):
    """One connection."""

    server: str

    def read(self) -> None: ...

    def write(self, name: str) -> None: ...

    def names(self, prefix: str) -> set[str]: ...

    def remove(self, prefix: str) -> int: ...

    def close(self) -> None: ...


class Driver(Protocol):
    """One protocol. `connect` takes the first endpoint that answers, in order, as the product's own client does."""

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation: ...

    def connect(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> Session: ...


def _refused_on_the_way(error: OSError, address: str) -> bool:
    """Whether a firewall answered. IPv4 has one error for that and for a host that nobody finds on the link, whose
    entry in the ARP table is then empty (flags 0x0)."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return True
    if error.errno != errno.EHOSTUNREACH or ":" in address:
        return False
    table = _ARP.read_text(encoding="ascii") if _ARP.exists() else ""
    neighbours = {line.split()[0]: line.split()[2] for line in table.splitlines()[1:]}
    return neighbours.get(address) != "0x0"


def knock(endpoint: Endpoint, timeout: float) -> tuple[str | None, str, float]:
    """Open and close a TCP connection: (who refused, why, milliseconds). Nobody refused: the port is open."""
    began = time.monotonic()
    try:
        socket.create_connection((endpoint.address, endpoint.port), timeout).close()
        refused_by, why = None, ""
    except TimeoutError:
        refused_by, why = "timeout", f"no answer within {timeout:g} s"
    except ConnectionRefusedError:
        refused_by, why = "closed", "the host answers, nothing listens on the port"
    except socket.gaierror as error:
        refused_by, why = "name", f"{endpoint.address} does not resolve: {error.strerror}"
    except OSError as error:
        if _refused_on_the_way(error, endpoint.address):
            refused_by, why = "firewall", "a firewall refuses the connection"
        else:
            refused_by, why = "network", f"{error.strerror or error}"
    return refused_by, why, (time.monotonic() - began) * 1000
