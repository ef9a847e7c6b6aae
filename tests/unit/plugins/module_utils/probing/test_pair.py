# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe names the reason why a node of a pair is neither active nor a standby."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import pair


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """The directory of a failover agent that runs."""
    with (tmp_path / "watch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield tmp_path


def write(path: Path, text: str, age: float) -> None:
    path.write_text(f"{text} {pair.read_uptime() - age:.2f}\n")


@pytest.mark.parametrize(
    ("state", "age", "failed", "unsettled", "why"),
    [
        ("promoting", 12, None, 12, "a failover is under way, ask again: its promotion has taken 12 s so far"),
        ("stepping-down", 3, None, 3, "a failover is under way, ask again: its demotion has taken 3 s so far"),
        ("standby", 2, None, 2, "a failover is under way, ask again: it went standby 2 s ago"),
        (
            "standby",
            4,
            4,
            95,
            "it has been neither active nor a settled standby for 95 s: its promotion failed 4 s ago. "
            "See `journalctl -t tiers-failover`",
        ),
        (
            "promoting",
            80,
            None,
            80,
            "it has been neither active nor a settled standby for 80 s: its promotion has taken 80 s so far. "
            "See `journalctl -t tiers-failover`",
        ),
        (
            "standby",
            4,
            500,
            95,
            "it has been neither active nor a settled standby for 95 s: it went standby 4 s ago. "
            "See `journalctl -t tiers-failover`",
        ),
    ],
)
def test_after_a_minute_a_failover_is_reported_as_failed(
    agent: Path, state: str, age: float, failed: float | None, unsettled: float, why: str
) -> None:
    write(agent / "state", state, age)
    write(agent / "unsettled", "", unsettled)
    if failed is not None:
        write(agent / "failed", "", failed)
    assert pair.unsettled(agent) == why


def test_a_node_without_an_election_reports_it(agent: Path) -> None:
    assert "it has not been elected or refused since its start" in pair.unsettled(agent)


def test_a_node_without_its_agent_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair, "RELOAD_SECONDS", 0.0)
    assert pair.unsettled(tmp_path).startswith("its failover agent does not run")
    (tmp_path / "watch.lock").touch()
    assert pair.unsettled(tmp_path).startswith("its failover agent does not run")


@pytest.mark.parametrize(
    ("age", "why"), [(70, "its promotion failed 70 s ago. See `journalctl -t tiers-failover`"), (500, "")]
)
def test_a_standby_reports_a_promotion_that_failed_just_now(agent: Path, age: float, why: str) -> None:
    write(agent / "failed", "", age)
    assert pair.promotion_failed(agent) == why


def test_lease_is_read_with_the_time_since_the_arbiter_answered(tmp_path: Path) -> None:
    assert pair.read_lease(tmp_path) is None
    read = f'{{"holder": "m1", "paused": false, "ttl": 3.0, "read": {pair.read_uptime() - 7:.2f}}}'
    (tmp_path / "lease.json").write_text(read)
    found = pair.read_lease(tmp_path)
    assert found and found["holder"] == "m1" and 6.9 <= found["age"] <= 8
    assert (found["left"], found["needs_resync"], found["lacks_writes"], found["paused_until"]) == (0, False, False, 0)
    (tmp_path / "serves-until").write_text(f"{pair.read_uptime() + 2:.2f}\n")
    found = pair.read_lease(tmp_path)
    assert found and 1 <= found["left"] <= 2


GATE = """table inet tiers_lease {
    set lease_7000_41 {
        type inet_service
        flags timeout
        elements = { 636 timeout 2s920ms expires 2s100ms }
    }

    set lease_7000_42 {
        type inet_service
        flags timeout
    }

    chain lease_in {
        tcp dport @lease_7000_41 accept
    }

    chain lease_out {
        tcp sport @lease_7000_41 accept
    }
}
""".replace("    ", "\t")


@pytest.mark.parametrize(
    ("table", "gate"),
    [
        (GATE, "open"),
        # Its countdown has ended.
        (GATE.replace("@lease_7000_41", "@lease_7000_42"), "closed"),
        (GATE.replace("tcp dport @lease_7000_41 accept", ""), "closed"),
        ("", "closed"),
    ],
)
def test_gate_is_open_only_while_its_rule_names_a_countdown_that_runs(table: str, gate: str) -> None:
    assert pair.judge_gate(table) == gate
