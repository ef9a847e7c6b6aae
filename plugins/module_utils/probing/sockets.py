# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs of this host listen for other hosts, as the kernel lists it under /proc."""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_LISTENING = "0A"


@dataclass(frozen=True)
class Listener:
    """A TCP port that a program listens on, and the program's parent."""

    port: int
    program: str
    parent: str


def read_listeners(proc: Path = PROC) -> list[Listener]:
    """Each listener whose address is not loopback."""
    sockets = dict(_sockets(proc))
    if not sockets:
        return []
    found = set()
    for process in proc.iterdir():
        if process.name.isdigit():
            ports = {sockets[inode] for inode in _inodes(process) if inode in sockets}
            if ports:
                parent = read_name(proc / str(read_parent(process)))
                found |= {Listener(port, read_name(process), parent) for port in ports}
    return sorted(found, key=lambda one: (one.port, one.program, one.parent))


def is_local(address: str) -> bool:
    """Whether only this host reaches an address."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def read_name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def read_parent(process: Path) -> int:
    try:
        # The name of the program, in brackets, may hold blanks and brackets itself.
        return int((process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _sockets(proc: Path) -> Iterator[tuple[str, int]]:
    """(inode, port) of each TCP socket that listens for other hosts."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for words in map(str.split, lines):
            address, port = words[1].split(":")
            if words[3] == _LISTENING and not is_local(_address(address)):
                yield words[9], int(port, 16)


def _address(text: str) -> str:
    """An address as the kernel lists it: words of 32 bits in the byte order of the machine."""
    words = (int("".join(digits), 16) for digits in zip(*[iter(text)] * 8, strict=True))
    return str(ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words)))


def _inodes(process: Path) -> Iterable[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:  # it has ended
        return
    for descriptor in descriptors:
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")
