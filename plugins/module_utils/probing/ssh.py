# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How administrators reach this host: the ssh connection of the running task, and the ports of its ssh server.

The port in an inventory may be that of a gateway which forwards it, and a port in the configuration of the ssh client
is in no inventory. Only the host knows on which port it is reached."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Unavailable
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.command import execute
from ansible_collections.distributed.tiers.plugins.module_utils.probing.sockets import (
    PROC,
    Listener,
    is_local,
    read_listeners,
    read_parent,
)

_VARIABLE = "SSH_CONNECTION"
_SERVERS = ("sshd", "dropbear")
# OpenSSH 9.8 has a program of its own for each session. Its listening sockets are forwardings of its user.
_SESSIONS = (*_SERVERS, "sshd-session", "sshd-auth")
_SOCKETS = ["systemctl", "show", "--property=ActiveState,Listen", "ssh.socket", "sshd.socket"]


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
        current = read_parent(proc / str(current))
    return ""


def read_ports(connection: str, timeout: float) -> list[int]:
    """Ports that must stay open for ssh: the port of the connection, and the ports that ssh servers listen on or are
    configured for. Without the ports that are reached on this host alone."""
    found = {int(connection.split()[3])} if connection else set()
    found |= listening_ports(read_listeners(PROC))
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
    return {int(port) for address, port in sockets if not is_local(address)}


def socket_ports(shown: str) -> set[int]:
    """Ports of the active socket units that `systemctl show` prints, one block each."""
    active = (block for block in shown.split("\n\n") if "ActiveState=active" in block.splitlines())
    listens = (found for block in active for found in re.findall(r"^Listen=(\S+) \(Stream\)$", block, re.MULTILINE))
    sockets = (listen.rpartition(":") for listen in listens)
    return {int(port) for address, _colon, port in sockets if port.isdigit() and not is_local(address)}


def listening_ports(listeners: Iterable[Listener]) -> set[int]:
    """Ports on which ssh servers listen, whatever their configuration says now."""
    return {one.port for one in listeners if one.program in _SERVERS and one.parent not in _SESSIONS}
