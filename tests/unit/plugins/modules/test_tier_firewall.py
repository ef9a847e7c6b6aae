# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A firewall is kept only if a new connection gets through it. Else a timer on the host restores the previous one."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks, ssh
from ansible_collections.distributed.tiers.plugins.modules import tier_firewall
from ansible_collections.distributed.tiers.plugins.modules.tier_firewall import Firewall, confirm, load

FIRST = "192.0.2.1 50000 192.0.2.21 22"
SECOND = "192.0.2.1 50001 192.0.2.21 22"
HEAD = "table inet tiers\ndelete table inet tiers\n"


class Killed(Exception):
    pass


class Host:
    """Its kernel's table, its timer, and the connection by which the module was started."""

    def __init__(self) -> None:
        self.table: str | None = None
        self.timer: str | None = None
        self.connection = FIRST
        self.refuses = ""
        self.killed_at = ""

    def read(self, path: str) -> str | None:
        return Path(path).read_text().removeprefix(HEAD) or None

    def run_command(self, command: Sequence[str]) -> tuple[int, str, str]:
        words = " ".join(command)
        if self.killed_at and words.startswith(self.killed_at):
            self.killed_at = ""
            raise Killed
        if "--check" in command:
            text = Path(command[-1]).read_text()
            return (1, "", "syntax error") if self.refuses and self.refuses in text else (0, "", "")
        if "list" in command:
            return (1, "", "No such file") if self.table is None else (0, self.table, "")
        if command[:2] == ["nft", "--file"]:
            self.table = self.read(command[-1])
        elif command[0] == "systemd-run":
            assert self.timer is None, "systemd refuses a unit that is there"
            self.timer = command[-1]
        elif command[1] == "is-active":
            return 3 if self.timer is None else 0, "", ""
        elif command[1] == "stop":
            self.timer = None
        return 0, "", ""

    def wait(self) -> None:
        """Until the timer has elapsed."""
        if self.timer:
            self.table, self.timer = self.read(self.timer), None


class Module:
    def __init__(self, host: Host, path: Path, **params: Any) -> None:
        self.params = {"confirm_seconds": 60, "keep_former": "none", "loaded": "", "connection": "", **params}
        self.check_mode = params.pop("check", False)
        self.run_command = host.run_command
        self.tmpdir = str(path)

    def get_bin_path(self, name: str, **_arguments: Any) -> str | None:
        return name

    def atomic_move(self, source: str, target: str) -> None:
        Path(source).replace(target)

    def fail_json(self, msg: str) -> None:
        raise RuntimeError(msg)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    host = Host()
    monkeypatch.setattr(tier_firewall, "CANDIDATE", tmp_path / "candidate")
    monkeypatch.setattr(tier_firewall, "PREVIOUS", tmp_path / "previous")
    monkeypatch.setattr(host_checks, "FIREWALL", tmp_path / "etc/firewall.nft")
    monkeypatch.setattr(host_checks, "check_firewall", lambda _timeout: [] if is_deployed(host) else ["changed"])
    monkeypatch.setattr(ssh, "read_connection", lambda: host.connection)
    return host


def is_deployed(host: Host) -> bool:
    return host_checks.FIREWALL.exists() and host.read(str(host_checks.FIREWALL)) == host.table


def deploy(host: Host, rules: str, connection: str = SECOND, **params: Any) -> dict[str, Any]:
    """Both steps, as the action plugin calls them, the second one over another connection."""
    path = host_checks.FIREWALL.parent.parent
    host.connection = FIRST
    loaded = load(Module(host, path, content=HEAD + rules, **params), Firewall(Module(host, path)))  # type: ignore[arg-type]
    if "loaded" not in loaded:
        return loaded
    host.connection = connection
    given = {"content": HEAD + rules, "loaded": loaded["loaded"], "connection": loaded["connection"]}
    module: Any = Module(host, path, **given)
    return confirm(module, Firewall(module))


def test_a_confirmed_firewall_is_kept_and_loaded_at_every_boot(host: Host) -> None:
    assert deploy(host, "planned") == {"changed": True, "answer": "confirmed", "connection": SECOND}
    host.wait()
    assert host.table == "planned" and is_deployed(host)
    assert not tier_firewall.PREVIOUS.exists() and not tier_firewall.CANDIDATE.exists()
    assert deploy(host, "planned") == {"changed": False, "why": [], "former": []}


def rules(*edges: str) -> str:
    return "".join(
        ("        # planned edges\n", *edges, "        # end of the planned edges\n", "        operator's own rule\n")
    )


def test_a_client_that_moves_is_let_in_until_it_has_its_new_endpoints(host: Host) -> None:
    stays, moves, comes = (
        f'        ip saddr 192.0.2.{number} tcp dport 389 accept comment "a client is served"\n' for number in (1, 2, 3)
    )
    deploy(host, rules(stays, moves))
    planned = rules(stays.replace("served", "at home"), comes)
    first = deploy(host, planned, keep_former="all", check=True)
    assert first["former"] == [moves.strip()]
    deploy(host, planned, keep_former="all")
    kept = host.table
    assert kept == planned.replace("        # end", f"{host_checks.FORMER_EDGES}{moves}        # end")
    assert "left out hosts" in host_checks.check_former_edges()[0]
    # A run that was killed here, and the next one, which keeps the rule too.
    assert deploy(host, planned, keep_former="all") == {"changed": False, "why": [], "former": [moves.strip()]}
    assert host.table == kept
    deploy(host, planned)
    assert host.table == planned and host_checks.check_former_edges() == []
    assert deploy(host, planned, keep_former="all") == {"changed": False, "why": [], "former": []}


def test_named_clients_are_let_in_until_the_next_deployment(host: Host) -> None:
    moves = '        ip saddr 192.0.2.9 tcp dport 389 accept comment "a client is served"\n'
    desks = '        ip saddr 192.0.2.64/26 tcp dport 389 accept comment "named clients of lab"\n'
    deploy(host, rules(moves, desks))
    planned = rules()
    deploy(host, planned, keep_former="all")
    deploy(host, planned, keep_former="named_clients")
    assert host.table == planned.replace("        # end", f"{host_checks.NAMED_EDGES}{desks}        # end")
    (why,) = host_checks.check_former_edges()
    assert "Distribute their new endpoints, then run deploy" in why
    deploy(host, planned, keep_former="all")
    assert host.table == planned and host_checks.check_former_edges() == []


def test_the_kept_connection_confirms_nothing(host: Host) -> None:
    deploy(host, "first")
    assert deploy(host, "second", connection=FIRST)["answer"] == "same connection"
    assert host.timer
    host.wait()
    assert host.table == "first" and is_deployed(host)


def test_a_late_connection_does_not_bring_a_restored_firewall_back(host: Host, tmp_path: Path) -> None:
    deploy(host, "first")
    module: Any = Module(host, tmp_path, content=f"{HEAD}second")
    loaded = load(module, Firewall(module))["loaded"]
    host.wait()
    host.connection = SECOND
    module = Module(host, tmp_path, content=f"{HEAD}second", loaded=loaded, connection=FIRST)
    assert confirm(module, Firewall(module))["answer"] == "restored"
    assert host.table == "first" and is_deployed(host)


@pytest.mark.parametrize("before", [None, "first"])
@pytest.mark.parametrize("at", ["systemd-run", "nft --file", "systemctl stop tiers-firewall-undo.timer", "nowhere"])
def test_a_run_killed_at_any_step_is_undone_by_the_host_and_finished_by_the_next(
    host: Host, before: str | None, at: str
) -> None:
    if before:
        deploy(host, before)
    host.killed_at = at
    with contextlib.suppress(Killed):
        deploy(host, "second", connection=SECOND if "stop" in at else FIRST)
    host.killed_at = ""
    host.wait()
    assert host.table == before
    assert deploy(host, "second")["answer"] == "confirmed"
    assert host.table == "second" and is_deployed(host)


def test_a_run_that_follows_at_once_keeps_the_way_back_to_what_was_confirmed(host: Host) -> None:
    deploy(host, "first")
    deploy(host, "second", connection=FIRST)
    assert deploy(host, "third", connection=FIRST)["answer"] == "same connection"
    host.wait()
    assert host.table == "first" and is_deployed(host)


def test_check_mode_reports_the_change_and_touches_nothing(host: Host) -> None:
    deploy(host, "first")
    result = deploy(host, "second", check=True)
    assert result["changed"] and result["diff"]["after"] == f"{HEAD}second"
    assert host.table == "first" and host.timer is None and is_deployed(host)
    assert not deploy(host, "first", check=True)["changed"]


@pytest.mark.parametrize("what", ["second", "first"], ids=["the new rules", "the rules to restore"])
def test_rules_that_nft_refuses_are_not_loaded(host: Host, what: str) -> None:
    deploy(host, "first")
    host.refuses = what
    with pytest.raises(RuntimeError, match="syntax error"):
        deploy(host, "second")
    assert host.table == "first" and host.timer is None


def test_a_flushed_table_is_loaded_again(host: Host) -> None:
    deploy(host, "first")
    host.table = None
    assert deploy(host, "first")["answer"] == "confirmed"
    assert host.table == "first"


def test_the_way_back_replaces_the_table_or_removes_it() -> None:
    assert tier_firewall.way_back(None) == HEAD
    assert tier_firewall.way_back("table inet tiers {\n}\n") == f"{HEAD}table inet tiers {{\n}}\n"
