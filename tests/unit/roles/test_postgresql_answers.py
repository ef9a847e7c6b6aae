# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question of the watchdog to Patroni and PostgreSQL: it ends unless one of them hangs."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.distributed.tiers.tests.unit.roles.haproxy import make_certificate

PROGRAM = Path(__file__).parents[3] / "roles/product_postgresql/files/postgresql_answers.py"
SECONDS = 3


class Host:
    """A Patroni and a PostgreSQL. One that hangs accepts connections, as the kernel does for a stopped program."""

    def __init__(self, directory: Path) -> None:
        make_certificate(directory, "localhost")
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(directory / "server.crt", directory / "server.key")
        self.listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in ("patroni", "postgresql")}
        self.program = directory / "postgresql-answers"
        self.program.write_text(PROGRAM.read_text(encoding="utf-8"), encoding="utf-8")
        ports = {name: listener.getsockname()[1] for name, listener in self.listeners.items()}
        Path(f"{self.program}.json").write_text(json.dumps({"address": "127.0.0.1", **ports}), encoding="utf-8")

    def answer(self, name: str) -> None:
        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _address = self.listeners[name].accept()
                connection = self.tls.wrap_socket(connection, server_side=True) if name == "patroni" else connection
                with connection:
                    connection.recv(100)
                    connection.sendall(b"S")

        threading.Thread(target=serve, daemon=True).start()

    def ask(self) -> int | None:
        """The exit code of the program. None: it did not end."""
        try:
            return subprocess.run([sys.executable, self.program], check=False, timeout=SECONDS).returncode
        except subprocess.TimeoutExpired:
            return None


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    for listener in made.listeners.values():
        listener.close()


def test_it_ends_if_both_answer(host: Host) -> None:
    host.answer("patroni")
    host.answer("postgresql")
    assert host.ask() == 0


@pytest.mark.parametrize("answering", ["patroni", "postgresql"])
def test_it_does_not_end_if_one_hangs(host: Host, answering: str) -> None:
    host.answer(answering)
    assert host.ask() is None


def test_a_program_that_does_not_run_is_not_the_work_of_the_watchdog(host: Host) -> None:
    host.listeners["postgresql"].close()
    host.answer("patroni")
    assert host.ask() == 0
