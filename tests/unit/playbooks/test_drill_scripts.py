# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of a drill on a server that it cannot switch off, with a systemctl and an ip that only log their
calls."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template as filled_in

TEMPLATES = Path(__file__).parents[3] / "playbooks/templates"
STUB = """#!/usr/bin/env bash
echo "${0##*/} $*" >> "$LOG"
case "$*" in
  '--quiet is-active '*) [[ " $ACTIVE " == *" ${*: -1} "* ]] ;;
  '--quiet is-enabled '*) [[ " $ENABLED " == *" ${*: -1} "* ]] ;;
  '-o address show to '*) printf '2: eth0    inet %s/32 scope global eth0\\\\       valid_lft forever\\n' "${*: -1}" ;;
esac
"""
Run = Callable[..., list[str]]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """In place of /run/systemd/system."""
    return tmp_path / "units"


@pytest.fixture
def run(tmp_path: Path, units: Path) -> Run:
    for name in ("systemctl", "ip"):
        (tmp_path / name).write_text(STUB)
        (tmp_path / name).chmod(0o755)

    def run(
        script: str, server: dict[str, Any], names: list[str], active: str = "", enabled: str = "", backup: Any = None
    ) -> list[str]:
        """All that was called but questions and daemon-reload."""
        log = tmp_path / "log"
        log.write_text("")
        variables = {
            "drill_experiment": {"target": "s"},
            "hostvars": {"s": {"tiers_server": server, "tiers_probe_units": names}},
            "tiers_plan": {"servers": {"b": backup}},
        }
        text = filled_in((TEMPLATES / script).read_text(encoding="utf-8"), variables)
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log), "ACTIVE": active, "ENABLED": enabled}
        text = text.replace("/run/systemd/system", str(units))
        subprocess.run(["bash", "-c", text], env=environment, check=True)
        asked = ("is-active", "is-enabled", "daemon-reload", "address show")
        return [line for line in log.read_text().splitlines() if not any(word in line for word in asked)]

    return run


SERVER: dict[str, Any] = {"virtual_address": None, "backup": None, "cold": False, "active_standby": False}


def test_running_units_are_killed_and_started_again(run: Run, units: Path) -> None:
    names = ["ledger.service", "nginx"]
    assert run("drill_off.sh.j2", SERVER, names, active="ledger haproxy") == [
        "systemctl kill --signal=SIGKILL ledger haproxy"
    ]
    kept_down = sorted(units.glob("*/*"))
    assert [path.parent.name for path in kept_down] == ["haproxy.service.d", "ledger.service.d"]
    assert {path.read_text() for path in kept_down} == {"[Service]\nRestart=no\n"}
    assert run("drill_on.sh.j2", SERVER, names) == [
        "systemctl reset-failed haproxy.service ledger.service",
        "systemctl start haproxy.service ledger.service",
    ]
    assert not list(units.glob("*/*"))


def test_no_other_file_of_the_unit_has_the_last_word(run: Run, units: Path) -> None:
    """systemd reads them in the order of their names, whatever directory they are in."""
    run("drill_off.sh.j2", SERVER, ["ledger"], active="ledger")
    (path,) = units.glob("*/*")
    assert path.name > "tiers.conf" and path.name > "override.conf"


def test_nothing_to_start_where_nothing_was_killed(run: Run) -> None:
    assert run("drill_on.sh.j2", SERVER, ["ledger"]) == []


def test_a_dead_host_holds_no_shared_address(run: Run) -> None:
    server = {**SERVER, "virtual_address": "10.0.0.9"}
    assert run("drill_off.sh.j2", server, [], active="haproxy keepalived")[1:] == [
        "ip address delete 10.0.0.9/32 dev eth0"
    ]


@pytest.mark.parametrize("primary", [True, False])
def test_an_election_decides_which_node_of_a_cold_pair_serves(run: Run, primary: bool) -> None:
    server = {**SERVER, "active_standby": True}
    server |= {"backup": "b"} if primary else {"cold": True}
    run("drill_off.sh.j2", server, ["ledger"], active="ledger keepalived")
    called = run("drill_on.sh.j2", server, ["ledger"], enabled="keepalived.service", backup={"cold": True})
    assert called[-1] == "systemctl start keepalived.service"


def test_all_units_of_a_hot_pair_are_started_again(run: Run) -> None:
    server = {**SERVER, "active_standby": True, "backup": "b"}
    run("drill_off.sh.j2", server, ["ledger"], active="ledger keepalived")
    called = run("drill_on.sh.j2", server, ["ledger"], backup={"cold": False})
    assert called[-1] == "systemctl start keepalived.service ledger.service"
