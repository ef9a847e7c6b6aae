# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of product_postgresql on a host: who creates a database, and who is the elected node."""

from __future__ import annotations

import http.server
import json
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import probe
from ansible_collections.distributed.tiers.tests.unit.roles.haproxy import make_certificate

ROLES = Path(__file__).parents[3] / "roles"
FILES = ROLES / "product_postgresql/files"
EDGE = {"name": "m1", "address": "192.0.2.1", "port": 5432, "protocol": "active"}


class Patroni(http.server.BaseHTTPRequestHandler):
    """Patroni's answer to the question for the primary."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/primary" else 404)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def is_leader(tmp_path: Path) -> Iterator[Path]:
    """The program, with its settings, beside a Patroni."""
    make_certificate(tmp_path, "localhost")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Patroni)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    program = tmp_path / "is-leader"
    program.write_text(f"#!{sys.executable}\n" + (FILES / "is_leader.py").read_text(encoding="utf-8"), encoding="utf-8")
    program.chmod(0o755)
    url = f"https://localhost:{server.server_port}/primary"
    Path(f"{program}.json").write_text(json.dumps({"url": url, "ca": str(tmp_path / "ca.crt")}), encoding="utf-8")
    yield program
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("status", "code", "word"), [(200, 0, "active"), (503, 1, "standby"), (500, 2, "unknown")])
def test_patroni_says_which_node_is_elected(
    is_leader: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: int, word: str
) -> None:
    monkeypatch.setattr(Patroni, "status", status)
    assert subprocess.run([is_leader], check=False, capture_output=True).returncode == code
    # The program that any user asks which node is active asks it, too.
    active = is_leader.with_name("active")
    shutil.copy(ROLES / "host/files/active.sh", active)
    is_leader.with_name("active.conf").write_text("one_serves=false\nrun=/nonexistent\n", encoding="utf-8")
    done = subprocess.run(["sh", active], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, f"{word}\n")


def test_a_probe_asks_the_product_which_node_is_elected(is_leader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_IS_LEADER", str(is_leader))

    def ask(expect: str) -> tuple[bool, bool]:
        seen = probe.probe(EDGE | {"expect": expect}, probe.Access(), 5)
        return seen["reachable"], seen["ok"]

    assert [ask(expect) for expect in ("open", "either", "refused")] == [(True, True), (True, True), (True, False)]
    monkeypatch.setattr(Patroni, "status", 503)
    assert [ask(expect) for expect in ("open", "either", "refused")] == [(False, False), (False, True), (False, True)]
    monkeypatch.setattr(Patroni, "status", 500)
    assert ask("either") == (False, False)


@pytest.fixture
def begin(tmp_path: Path) -> list[str]:
    """The command that creates a database, with an initdb that notes its directory."""
    initdb = tmp_path / "initdb"
    make = '--pgdata=*) mkdir "${word#*=}" && touch "${word#*=}/PG_VERSION";;'
    lines = ["#!/bin/sh", "for word; do", "case $word in", make, "esac", "done", ""]
    initdb.write_text("\n".join(lines), encoding="utf-8")
    initdb.chmod(0o755)
    program = str(FILES / "postgresql_begin.sh")
    return ["sh", program, f"{tmp_path}/mark", str(tmp_path), "C.UTF-8", "--scope=shop", f"--datadir={tmp_path}/tiers"]


def test_no_database_begins_without_the_permission_of_a_deployment(tmp_path: Path, begin: list[str]) -> None:
    done = subprocess.run(begin, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no other server of the system leads" in done.stderr
    assert not (tmp_path / "tiers").exists()


def test_a_database_appears_complete_and_names_its_system(tmp_path: Path, begin: list[str]) -> None:
    (tmp_path / "mark").write_text("shop", encoding="utf-8")
    (tmp_path / "tiers.new").mkdir()  # an interrupted beginning
    (tmp_path / "tiers").mkdir()
    subprocess.run(begin, check=True, capture_output=True)
    assert (tmp_path / "tiers/tiers-system").read_text(encoding="utf-8") == "shop"
    assert (tmp_path / "tiers/PG_VERSION").exists()
    assert not (tmp_path / "tiers.new").exists()
