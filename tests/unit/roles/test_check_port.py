# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health check of keepalived for a pair of which both nodes may serve."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

CHECK_PORT = Path(__file__).parents[3] / "roles/failover/files/check_port.sh"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def check(*arguments: object) -> int:
    command = ["bash", str(CHECK_PORT), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode


def test_port_that_accepts_connections_is_good(port: int) -> None:
    assert check(port) == 0


def test_port_without_a_program_is_not() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert check(unused.getsockname()[1]) == 1


@pytest.mark.parametrize(("path", "code"), [("/healthz", 0), ("/other", 1)])
def test_path_must_be_answered_with_200(port: int, path: str, code: int) -> None:
    assert check(port, path) == code


def test_program_that_does_not_answer_the_path_is_not_good() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert check(silent.getsockname()[1], "/healthz") != 0
