# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fault is caused only while its unit runs, and is undone if anything fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import faults
from ansible_collections.distributed.tiers.plugins.modules import tier_fault


class Module:
    """Records the commands of the module. `fails`: the first word of a command that fails."""

    def __init__(self, fails: str = "", active: tuple[str, ...] = ("slapd.service",)) -> None:
        self.active = set(active)
        self.fails = fails
        self.commands: list[list[str]] = []
        self.data: list[str] = []
        self.run_command_environ_update: dict[str, str] = {}

    def run_command(self, command: list[str], data: str | None = None) -> tuple[int, str, str]:
        if command[:3] == ["systemctl", "--quiet", "is-active"]:
            return (0 if command[3] in self.active else 3), "", ""
        self.commands.append(command)
        self.data.append(data or "")
        if command[0] == self.fails:
            return 1, "", "no"
        if command[0] == "systemd-run":
            self.active.add(faults.UNIT)
        if command[:2] == ["systemctl", "stop"]:
            self.active.discard(command[2])
        return 0, "", ""


FAULT: dict[str, Any] = {
    "kind": "cut",
    "seconds": 30,
    "peers": [],
    "direction": "both",
    "shared": [],
    "percent": 20,
    "milliseconds": 200,
    "units": [],
    "path": None,
}


def begin(module: Module, **more: Any) -> list[str]:
    tier_fault.begin(tier_fault.FaultRunner(module), {**FAULT, **more})  # type: ignore[arg-type]
    return [command[0] for command in module.commands]


def test_unit_that_undoes_the_fault_starts_before_the_fault() -> None:
    module = Module()
    assert begin(module) == ["systemd-run", "nft"]
    assert module.data[1].startswith("table inet tiers_drill {")
    assert faults.UNIT in module.active


def test_a_fault_that_fails_midway_is_undone() -> None:
    module = Module(fails="nft")
    with pytest.raises(RuntimeError, match="nft -f -: no"):
        begin(module)
    assert module.commands[-1] == ["systemctl", "stop", faults.UNIT]
    assert faults.UNIT not in module.active


def test_nothing_is_caused_without_the_unit_that_undoes_it() -> None:
    module = Module(fails="systemd-run")
    with pytest.raises(RuntimeError):
        begin(module)
    assert [command[0] for command in module.commands] == ["systemd-run"]


def test_an_earlier_fault_is_undone_first() -> None:
    module = Module(active=(faults.UNIT,))
    assert begin(module)[0] == "systemctl"
    assert module.commands[0] == ["systemctl", "stop", faults.UNIT]


def test_only_units_that_run_are_stopped() -> None:
    module = Module()
    begin(module, kind="stopped", units=["slapd", "nginx"])
    assert module.commands[-2] == ["systemctl", "kill", "--signal=SIGSTOP", "slapd.service"]


def test_a_host_without_the_program_has_no_fault() -> None:
    with pytest.raises(RuntimeError, match="none of the units runs"):
        begin(Module(active=()), kind="stopped", units=["slapd"])


def test_killed_units_are_not_started_by_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tier_fault, "_DROPINS", tmp_path)
    module = Module()
    begin(module, kind="down", units=["slapd"])
    assert (tmp_path / "slapd.service.d/zz-tiers-drill.conf").read_text() == "[Service]\nRestart=no\n"
    assert module.commands[-2:] == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "kill", "--signal=SIGKILL", "slapd.service"],
    ]


def test_file_system_that_holds_more_than_the_data_is_not_filled(tmp_path: Path) -> None:
    module = Module()
    assert "share a file system" in tier_fault.explain_full("/var/lib")
    with pytest.raises(RuntimeError):
        begin(module, kind="full", path=str(tmp_path / "missing"))
    assert module.commands == []


@pytest.mark.parametrize(("state", "fails"), [("T (stopped)", False), ("S (sleeping)", True)])
def test_program_must_be_stopped_in_the_eyes_of_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, fails: bool
) -> None:
    monkeypatch.setattr(tier_fault, "_STOP_SECONDS", 0.05)
    (tmp_path / "42").mkdir()
    (tmp_path / "42/status").write_text(f"Name:\tslapd\nState:\t{state}\n")
    module = Module()
    monkeypatch.setattr(module, "run_command", lambda command, data=None: (0, "42\n", ""))
    runner = tier_fault.FaultRunner(module)  # type: ignore[arg-type]
    if fails:
        with pytest.raises(RuntimeError, match="is not stopped"):
            tier_fault.wait_until_stopped(runner, ["slapd.service"], tmp_path)
    else:
        tier_fault.wait_until_stopped(runner, ["slapd.service"], tmp_path)
