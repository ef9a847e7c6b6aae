# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host itself says on which ports administrators reach it."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import ssh
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Unavailable
from ansible_collections.distributed.tiers.plugins.module_utils.probing.sockets import read_listeners

CONNECTION = "192.0.2.1 50000 192.0.2.21 2222"


class Proc:
    """Processes as the kernel shows them under /proc."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sockets: list[str] = []
        (path / "net").mkdir()

    def add(self, pid: int, parent: int, name: str = "sh", environ: str = "", inodes: tuple[int, ...] = ()) -> None:
        process = self.path / str(pid)
        (process / "fd").mkdir(parents=True)
        (process / "stat").write_text(f"{pid} (a ) b) S {parent} 1 1")
        (process / "comm").write_text(f"{name}\n")
        (process / "environ").write_bytes(environ.encode())
        for number, inode in enumerate(inodes):
            (process / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    def listen(self, address: str, port: int, inode: int, state: str = "0A") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        packed = socket.inet_pton(family, address)
        words = struct.unpack(f"={len(packed) // 4}I", packed)
        text = "".join(f"{word:08X}" for word in words)
        line = f" 0: {text}:{port:04X} 0:0 {state} 0:0 0:0 0 0 0 {inode} 1"
        self._sockets.append(line)
        name = "tcp6" if ":" in address else "tcp"
        previous = (self.path / "net" / name).read_text() if (self.path / "net" / name).exists() else "header"
        (self.path / "net" / name).write_text(f"{previous}\n{line}")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_connection_is_found_above_a_sudo_that_removed_it_from_the_environment(proc: Proc) -> None:
    proc.add(1, 0)
    proc.add(10, 1, "sshd")
    proc.add(11, 10, "sh", environ=f"HOME=/home/deploy\0SSH_CONNECTION={CONNECTION}\0")
    proc.add(12, 11, "sudo", environ="HOME=/root\0")
    proc.add(13, 12, "python3")
    assert ssh.read_connection(proc.path, 13) == CONNECTION


def test_a_process_outside_ssh_has_no_connection(proc: Proc) -> None:
    proc.add(1, 0)
    proc.add(13, 1, "python3", environ="SSH_CONNECTION=broken\0")
    assert ssh.read_connection(proc.path, 13) == ""


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.21", "::", "2001:db8::21"])
def test_port_of_a_listening_server_is_found(proc: Proc, address: str) -> None:
    proc.add(1, 0, "systemd")
    proc.add(10, 1, "sshd", inodes=(7, 8))
    proc.listen(address, 2222, 8)
    proc.listen(address, 636, 9)
    assert ssh.listening_ports(read_listeners(proc.path)) == {2222}


def test_forwardings_of_a_session_and_local_ports_stay_closed(proc: Proc) -> None:
    proc.add(1, 0, "systemd")
    proc.add(10, 1, "sshd", inodes=(7, 8))
    proc.add(11, 10, "sshd", inodes=(9,))
    proc.add(12, 10, "sshd-session", inodes=(10,))
    proc.listen("127.0.0.1", 2022, 7)
    proc.listen("::1", 2023, 8)
    proc.listen("0.0.0.0", 8080, 9)
    proc.listen("::", 8081, 10)
    assert ssh.listening_ports(read_listeners(proc.path)) == set()


def test_configured_ports_are_those_of_every_address_but_loopback() -> None:
    settings = (
        "port 22\nport 2222\nlistenaddress 127.0.0.1:22\nlistenaddress 192.0.2.21:2222\nlistenaddress [::]:2022\n"
    )
    assert ssh.configured_ports(settings) == {2222, 2022}


def test_ports_of_active_socket_units_only() -> None:
    shown = (
        "Listen=0.0.0.0:22 (Stream)\nListen=[::]:2222 (Stream)\nListen=/run/x (Stream)\nActiveState=active\n\n"
        "Listen=0.0.0.0:2022 (Stream)\nActiveState=inactive\n"
    )
    assert ssh.socket_ports(shown) == {22, 2222}


def test_port_of_the_connection_stays_open_where_nothing_else_can_be_read(
    monkeypatch: pytest.MonkeyPatch, proc: Proc
) -> None:
    def missing(*_arguments: object) -> tuple[int, str, str]:
        raise Unavailable("sshd cannot be run")

    monkeypatch.setattr(ssh, "PROC", proc.path)
    monkeypatch.setattr(ssh, "execute", missing)
    assert ssh.read_ports(CONNECTION, 1) == [2222]
    assert ssh.read_ports("", 1) == []
