# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that keeps on a host what its service runs from."""

from __future__ import annotations

import grp
import http.server
import importlib.util
import json
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/product_service/files/service_tool.py"


class Host:
    """A host in a directory: its files, its releases, and what systemd and the package manager would say."""

    def __init__(self, root: Path, tool: ModuleType) -> None:
        self.root, self.tool = root, tool
        self.home = root / "home"
        self.home.mkdir()
        (root / "etc").mkdir()
        self.active, self.installed, self.restarts = "inactive", "", 0
        self.failed = "active"
        self.asked: list[str] = []

    def run(self, *command: str) -> str:
        self.asked.append(" ".join(command))
        if command[:2] == ("systemctl", "is-active"):
            return self.active
        if command[:2] == ("systemctl", "is-enabled"):
            return "enabled"
        if command[:2] == ("systemctl", "is-failed"):
            return self.failed
        if command[:2] == ("systemctl", "show"):
            return str(self.restarts)
        return self.installed if command[0] == "query" else ""

    def file(self, name: str) -> Path:
        return self.root / "etc" / name

    def prepare(self, version: str = "1", **files: str) -> None:
        """Write a new `next`, as the role does."""
        release = self.root / "opt/releases" / version
        release.mkdir(parents=True, exist_ok=True)
        manifest = {
            "version": version,
            "release": str(release),
            "link": str(self.root / "opt/current"),
            "keep": 2,
            "unit": "x.service",
            "packages": ["x"],
            "query": ["query"],
            "watched": [],
            "files": [
                {
                    "dest": str(self.file(name)),
                    "owner": pwd.getpwuid(os.getuid()).pw_name,
                    "group": grp.getgrgid(os.getgid()).gr_name,
                    "mode": "0640",
                    "reload": name.startswith("soft"),
                }
                for name in files
            ],
            "check": {"type": "command", "command": ["true"], "port": 1, "timeout": 0},
        }
        (self.home / "next/files").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (self.home / "next/files" / self.tool.staged(str(self.file(name)))).write_text(content)
        (self.home / "next/manifest.json").write_text(json.dumps(manifest))

    def serve(self) -> None:
        """Place what was prepared, start it, and let it pass its gate."""
        self.tool.place(self.home, "next")
        self.start()
        self.tool.keep(self.home)

    def start(self) -> None:
        self.active = "active"
        self.tool.main(["stamp"], self.home)

    def compare(self) -> Any:
        return self.tool.compare(self.home)

    @property
    def current(self) -> str:
        return Path(os.readlink(self.root / "opt/current")).name

    @property
    def releases(self) -> set[str]:
        return {path.name for path in (self.root / "opt/releases").iterdir()}


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("service_tool", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def host(tmp_path: Path, tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path, tool)
    monkeypatch.setattr(tool, "run", host.run)
    monkeypatch.setattr(tool, "STAMP", tmp_path / "stamp")
    return host


def test_nothing_is_touched_before_it_is_placed(host: Host) -> None:
    host.prepare("1", conf="a")
    host.serve()
    host.prepare("2", conf="b")
    assert {str(host.file("conf")), str(host.root / "opt/current")} <= {*host.compare()["place"]}
    assert host.file("conf").read_text() == "a"
    assert host.current == "1"


@pytest.mark.parametrize("umask", [0o027, 0o077])
def test_a_file_in_new_directories_can_be_reached_whatever_the_umask_is(host: Host, umask: int) -> None:
    before = os.umask(umask)
    try:
        host.prepare(**{"conf.d/more/one": "1"})
        host.tool.place(host.home, "next")
    finally:
        os.umask(before)
    placed = host.file("conf.d/more/one")
    assert [oct(path.stat().st_mode & 0o777) for path in (placed, placed.parent, placed.parents[1])] == [
        "0o640",
        "0o755",
        "0o755",
    ]


def test_a_placed_and_started_generation_needs_no_change(host: Host) -> None:
    host.prepare("1", conf="a")
    assert host.compare()["restart"]
    host.serve()
    found = host.compare()
    assert (found["place"], found["restart"], found["reload"], found["gated"]) == ([], False, False, True)


@pytest.mark.parametrize(
    ("files", "version", "restart", "reload"),
    [
        ({"conf": "b", "soft": "a"}, "1", True, False),
        ({"conf": "a", "soft": "b"}, "1", False, True),
        ({"conf": "a", "soft": "a"}, "2", True, False),
        ({"conf": "a"}, "1", True, False),
        ({"conf": "a", "soft": "a", "more": "x"}, "1", True, False),
    ],
    ids=["a file", "a file it reloads", "a release", "a file that goes", "a file that comes"],
)
def test_the_changed_files_decide_between_reload_and_restart(
    host: Host, files: dict[str, str], version: str, restart: bool, reload: bool
) -> None:
    host.prepare("1", conf="a", soft="a")
    host.serve()
    host.prepare(version, **files)
    found = host.compare()
    assert (found["restart"], found["reload"]) == (restart, reload)


def test_another_package_asks_for_a_restart(host: Host) -> None:
    host.installed = "x=1\n"
    host.prepare("1", conf="a")
    host.serve()
    host.installed = "x=2\n"
    assert host.compare()["restart"]


def test_a_start_that_was_broken_off_is_seen(host: Host) -> None:
    """Placed by a run that died before the restart: what runs still differs."""
    host.prepare("1", conf="a")
    host.serve()
    host.prepare("1", conf="b")
    host.tool.place(host.home, "next")
    found = host.compare()
    assert found["place"] == []
    assert found["restart"]


def test_a_change_by_hand_is_put_right_without_a_restart(host: Host) -> None:
    host.prepare("1", conf="a")
    host.serve()
    host.file("conf").chmod(0o666)
    found = host.compare()
    assert (found["place"], found["restart"]) == ([str(host.file("conf"))], False)
    assert host.tool.place(host.home, "next")
    assert host.file("conf").stat().st_mode & 0o777 == 0o640


def test_another_way_to_ask_is_placed_too(host: Host) -> None:
    host.prepare("1", conf="a")
    host.serve()
    path = host.home / "next/manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"check": manifest["check"] | {"command": ["false"]}}))
    found = host.compare()
    assert (found["place"], found["restart"]) == ([str(host.home / "placed.json")], False)
    assert host.tool.place(host.home, "next")
    assert host.tool.main(["check"], host.home) == 1
    assert host.compare()["place"] == []


def test_the_previous_generation_is_restored_completely(host: Host) -> None:
    host.file("brought").write_text("by a package")
    host.prepare("1", conf="a")
    host.serve()
    host.prepare("2", conf="b", more="new", brought="ours")
    host.tool.place(host.home, "next")
    assert (host.current, host.file("brought").read_text()) == ("2", "ours")
    host.tool.place(host.home, "good")
    assert (host.current, host.file("conf").read_text()) == ("1", "a")
    assert not host.file("more").exists()
    assert host.file("brought").read_text() == "by a package"


def test_a_return_goes_back_and_never_forward(host: Host) -> None:
    for version in "123":
        host.prepare(version, conf=version)
        host.serve()
    assert host.tool.before(host.home)["to"] == "2"
    host.tool.back(host.home)
    host.serve()
    assert (host.current, host.file("conf").read_text()) == ("2", "2")
    # Two are kept, so there is nothing before 2, and 3 is forgotten.
    assert host.tool.before(host.home)["to"] is None
    with pytest.raises(host.tool.Trouble, match="no release older than 2"):
        host.tool.back(host.home)
    assert host.releases == {"2"}


def test_as_many_releases_are_kept_as_wanted(host: Host) -> None:
    for version in "1234":
        host.prepare(version, conf=version)
        host.serve()
    assert host.releases == {"3", "4"}


def test_a_release_that_never_served_well_is_no_way_back(host: Host) -> None:
    host.prepare("1", conf="1")
    host.serve()
    host.prepare("2", conf="2")
    host.tool.place(host.home, "next")
    host.tool.place(host.home, "good")
    host.prepare("3", conf="3")
    host.serve()
    assert host.tool.before(host.home)["to"] == "1"
    assert host.releases == {"1", "3"}


def test_a_new_file_of_the_same_release_is_no_release(host: Host) -> None:
    host.prepare("1", conf="1")
    host.serve()
    host.prepare("1", conf="2")
    host.serve()
    assert host.tool.before(host.home)["to"] is None
    assert not host.tool.keep(host.home)


def test_packages_are_named_for_a_return_only_when_they_differ(host: Host) -> None:
    host.installed = "x=1\n"
    host.prepare("1")
    host.serve()
    assert host.tool.packages_before(host.home) == []
    host.installed = "x=2\n"
    assert host.tool.packages_before(host.home) == ["x=1"]


# ---- Asking


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()
        self.wfile.write(b'{"role": "provider"}')

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def check(kind: str, **more: Any) -> dict[str, Any]:
    check = {"type": kind, "address": "127.0.0.1", "port": 1, "tls": False, "tls_name": "m1", "path": "/ready"}
    return {**check, "status": 200, "body": "", "command": [], "timeout": 0, **more}


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({}, ""),
        ({"body": "provi.er"}, ""),
        ({"body": "replica"}, "nothing in it matches 'replica'"),
        ({"path": "/other"}, "answers 503"),
        ({"path": "/other", "status": 503}, ""),
    ],
)
def test_http_is_judged_by_status_and_body(tool: ModuleType, port: int, asked: dict[str, Any], wrong: str) -> None:
    said = tool.ask(check("http", port=port, **asked))
    assert wrong in said
    assert bool(said) == bool(wrong)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [(b"+PONG\r\n", ""), (b"-LOADING Redis is loading\r\n", "it answers '-LOADING Redis"), (b"", "it answers ''")],
)
def test_tcp_is_judged_by_what_is_answered(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, answer: bytes, wrong: str
) -> None:
    monkeypatch.setattr(tool, "ASK_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                assert connection.recv(100) == b"PING\r\n"
                connection.sendall(answer)
                connection.recv(100)

        threading.Thread(target=serve, daemon=True).start()
        asked = {"port": server.getsockname()[1], "send_hex": b"PING\r\n".hex(), "expect": r"\+PONG"}
        said = tool.ask(check("tcp", **asked))
    assert said.startswith(wrong) if wrong else said == ""


def test_a_port_without_a_listener_is_reported(tool: ModuleType) -> None:
    assert "ConnectionRefusedError" in tool.ask(check("tcp"))


def test_a_command_is_judged_by_its_end(tool: ModuleType) -> None:
    assert tool.ask(check("command", command=["true"])) == ""
    assert "ended with 3: no" in tool.ask(check("command", command=["sh", "-c", "echo no; exit 3"]))


def test_the_gate_opens_for_a_service_that_is_well(host: Host) -> None:
    host.prepare("1")
    host.serve()
    host.tool.wait(host.home)


def test_a_service_that_dies_is_not_waited_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.prepare("1")
    host.serve()
    host.active = "activating"
    monkeypatch.setattr(host.tool.time, "sleep", lambda _seconds: setattr(host, "restarts", host.restarts + 1))
    manifest = json.loads((host.home / "placed.json").read_text())
    manifest["check"]["timeout"] = 60
    (host.home / "placed.json").write_text(json.dumps(manifest))
    with pytest.raises(host.tool.Trouble, match="ended 3 times at start"):
        host.tool.wait(host.home)


def test_the_gate_names_who_took_the_port(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.prepare("1")
    host.serve()
    monkeypatch.setattr(host.tool, "listeners", lambda _port: iter([("nginx", 7)]))
    monkeypatch.setattr(host.tool, "belongs", lambda _pid, _unit: False)
    with pytest.raises(host.tool.Trouble, match=r"taken by another process: nginx \(pid 7\)"):
        host.tool.wait(host.home)


def test_bad_use_is_explained(tool: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert tool.main(["nonsense"], tmp_path) == 2
    assert "service compare" in capsys.readouterr().err
    assert tool.main(["place", "next"], tmp_path) == 1
    assert "there is no generation 'next'" in capsys.readouterr().err
