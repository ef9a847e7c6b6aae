# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

from ansible_collections.distributed.tiers.plugins.action import tier_firewall

CONNECTION = "192.0.2.1 50000 192.0.2.21 2222"
LOADED = {"changed": True, "why": ["others"], "loaded": "digest", "connection": CONNECTION}


class Ssh(ConnectionBase):
    transport = "ssh"

    def __init__(self) -> None:
        self.options: dict[str, Any] = {"ssh_args": "-o ControlPersist=60s"}
        self.resets = 0

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        return self.options[option]

    def set_option(self, option: str, value: Any) -> None:
        self.options[option] = value

    def reset(self) -> None:
        self.resets += 1

    def _connect(self) -> Any: ...

    def exec_command(self, cmd: str, in_data: Any = None, sudoable: bool = True) -> Any: ...

    def put_file(self, in_path: str, out_path: str) -> None: ...

    def fetch_file(self, in_path: str, out_path: str) -> None: ...

    def close(self) -> None: ...


class Exec(Ssh):
    """A connection that has nothing to reset, such as podman's."""

    transport = "containers.podman.podman"
    reset = ConnectionBase.reset

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        raise KeyError(option)


def run(
    monkeypatch: pytest.MonkeyPatch, connection: Ssh, *answers: dict[str, Any] | Exception
) -> tuple[dict[str, Any], list[tuple[dict[str, Any], Any]]]:
    """The result, and for each call of the module its arguments and the ssh_args at that time."""
    calls: list[tuple[dict[str, Any], Any]] = []
    left = list(answers)
    clock = SimpleNamespace(now=0.0)

    def execute(_self: Any, *, module_args: dict[str, Any], **_arguments: Any) -> dict[str, Any]:
        calls.append((module_args, connection.options["ssh_args"]))
        answer = left.pop(0) if left else AnsibleConnectionFailure("no route")
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def sleep(_seconds: float) -> None:
        clock.now += 1

    monkeypatch.setattr(tier_firewall, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    action = tier_firewall.ActionModule.__new__(tier_firewall.ActionModule)
    action._task = SimpleNamespace(args={"content": "rules", "confirm_seconds": 10})
    action._connection = connection
    return action.run(None, {}), calls


def test_the_firewall_is_confirmed_over_a_new_ssh_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Ssh()
    result, calls = run(monkeypatch, connection, LOADED, {"answer": "confirmed"})
    assert result == {"changed": True, "why": ["others"]}
    (_load, kept), (confirmed, renewed) = calls
    assert (kept, renewed) == ("-o ControlPersist=60s", "-o ControlPath=none -o ControlPersist=60s")
    assert (confirmed["loaded"], confirmed["connection"]) == ("digest", CONNECTION)
    assert connection.options["ssh_args"] == kept and connection.resets == 1


@pytest.mark.parametrize("first", [{"changed": False, "why": []}, {"changed": True, "why": ["check mode"]}])
def test_nothing_is_confirmed_where_nothing_was_loaded(monkeypatch: pytest.MonkeyPatch, first: dict[str, Any]) -> None:
    connection = Ssh()
    result, calls = run(monkeypatch, connection, first)
    assert result == first and len(calls) == 1 and connection.resets == 0


def test_a_connection_that_is_none_of_ssh_is_not_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    # With connection local the ssh connection is the operator's own, on the controller.
    result, calls = run(monkeypatch, Exec(), LOADED, {"answer": "confirmed"})
    assert result["changed"] and calls[1][0]["connection"] == ""


def test_a_connection_that_fails_once_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    result, calls = run(monkeypatch, Ssh(), LOADED, AnsibleConnectionFailure("busy"), {"answer": "confirmed"})
    assert result["changed"] and len(calls) == 3


def test_a_firewall_that_shuts_the_run_out_fails_once_the_host_restored_the_previous(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = [AnsibleConnectionFailure("no route")] * 10
    result, _calls = run(monkeypatch, Ssh(), LOADED, *refused, {"answer": "restored"})
    assert result["failed"] and not result["changed"]
    for part in ("no route", "has restored", "from 192.0.2.1 to its port 2222", "host_firewall_ssh_sources"):
        assert part in result["msg"]


def test_a_host_that_stays_silent_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    result, calls = run(monkeypatch, Ssh(), LOADED)
    assert result["failed"] and "restores, 10 s after" in result["msg"]
    assert len(calls) < 40


def test_a_kept_connection_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _calls = run(monkeypatch, Ssh(), LOADED, {"answer": "same connection"})
    assert result["failed"] and "ControlPath none" in result["msg"]
