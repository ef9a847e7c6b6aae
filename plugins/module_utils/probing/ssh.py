# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How administrators reach this host: the ssh connection of the running task, and the ports of its ssh server.

The port in an inventory may be that of a gateway which forwards it, and a port in the configuration of the ssh client
is in no inventory. Only the host knows on which port it is reached."""

from __future__ import annotations

import ipaddress
import os
import re
import struct
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Unavailable
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.command import execute

PROC = Path("/proc")
_VARIABLE = "SSH_CONNECTION"
_SERVERS = ("sshd", "dropbear")
# OpenSSH 9.8 has a program of its own for each session. Its listening sockets are forwardings of its user.
_SESSIONS = (*_SERVERS, "sshd-session", "sshd-auth")
_SOCKETS = ["systemctl", "show", "--property=ActiveState,Listen", "ssh.socket", "sshd.socket"]
_LISTENING = "0A"


def read_connection(proc: Path = PROC, pid: int | None = None) -> str:
    """`client address, client port, server address, server port` of the ssh connection that this process belongs to,
    as sshd gave it to the login. sudo removes it from the environment, so the parents are asked as well. Empty if it
    is no ssh connection."""
    looked_at, current = set(), os.getpid() if pid is None else pid
    while current > 0 and current not in looked_at:
        looked_at.add(current)
        try:
            environment = (proc / str(current) / "environ").read_bytes().split(b"\0")
        except OSError:
            environment = []
        for entry in environment:
            name, _equals, value = entry.decode(errors="replace").partition("=")
            if name == _VARIABLE and len(value.split()) == 4:
                return value
        current = _parent(proc / str(current))
    return ""


def read_ports(connection: str, timeout: float) -> list[int]:
    """Ports that must stay open for ssh: the port of the connection, and the ports that ssh servers listen on or are
    configured for. Without the ports that are reached on this host alone."""
    found = {int(connection.split()[3])} if connection else set()
    found |= listening_ports(PROC)
    for command, parse in ((["sshd", "-T"], configured_ports), (_SOCKETS, socket_ports)):
        try:
            _code, output, _errors = execute(command, {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, timeout)
        except Unavailable:
            continue
        found |= parse(output)
    return sorted(found)


def configured_ports(settings: str) -> set[int]:
    """Ports in the settings that `sshd -T` prints. It prints the port of every address it listens on."""
    sockets = re.findall(r"^listenaddress (\S+):(\d+)$", settings, re.MULTILINE)
    return {int(port) for address, port in sockets if not _is_local(address)}


def socket_ports(shown: str) -> set[int]:
    """Ports of the active socket units that `systemctl show` prints, one block each."""
    active = (block for block in shown.split("\n\n") if "ActiveState=active" in block.splitlines())
    listens = (found for block in active for found in re.findall(r"^Listen=(\S+) \(Stream\)$", block, re.MULTILINE))
    sockets = (listen.rpartition(":") for listen in listens)
    return {int(port) for address, _colon, port in sockets if port.isdigit() and not _is_local(address)}


def listening_ports(proc: Path) -> set[int]:
    """Ports on which ssh servers listen, whatever their configuration says now."""
    sockets = dict(_listening(proc))
    if not sockets:
        return set()
    servers = (path for path in proc.iterdir() if path.name.isdigit() and _is_server(path, proc))
    return {sockets[inode] for server in servers for inode in _inodes(server) if inode in sockets}


def _listening(proc: Path) -> Iterable[tuple[str, int]]:
    """(inode, port) of each TCP socket that listens for other hosts."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for words in map(str.split, lines):
            address, port = words[1].split(":")
            if words[3] == _LISTENING and not _is_local(_address(address)):
                yield words[9], int(port, 16)


def _address(text: str) -> str:
    """An address as the kernel lists it: words of 32 bits in the byte order of the machine."""
    words = (int(text[start : start + 8], 16) for start in range(0, len(text), 8))
    return str(ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words)))


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_server(process: Path, proc: Path) -> bool:
    return _name(process) in _SERVERS and _name(proc / str(_parent(process))) not in _SESSIONS


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _parent(process: Path) -> int:
    try:
        # The name of the program, in brackets, may hold blanks and brackets itself.
        return int((process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _inodes(process: Path) -> Iterable[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except OSError:
                continue
            if target.startswith("socket:["):
                yield target[len("socket:[") : -1]
    except OSError:
        return
