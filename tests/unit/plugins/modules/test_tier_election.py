# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of a pair steps down and rejoins by the unit that is deployed on it, and waits for the end of the election."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.modules import tier_election

KEEPALIVED, AGENT = "keepalived.service", "tiers-failover.service"


class Node:
    """A node of a pair: its files, its unit, and the answers of its failover agent, the last of which lasts."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, state: str = "active") -> None:
        self.state, self.answers, self.error = state, [0], ""
        self.asked: list[str] = []
        for name in ("AGENT", "LEASE_UNIT", "RECORD"):
            path = home / getattr(tier_election, name).name
            monkeypatch.setattr(tier_election, name, path)
            path.touch()
        self.lease_unit, self.agent, self.record = home / AGENT, home / "failover-agent", home / "tiers.fact"
        self.marks = [home / "acting", home / "relieved"]
        monkeypatch.setattr(tier_election, "MARKS", tuple(self.marks))
        clock = itertools.count()
        monkeypatch.setattr(tier_election.time, "monotonic", lambda: float(next(clock)))
        monkeypatch.setattr(tier_election.time, "sleep", lambda _seconds: None)

    def run_command(self, command: Sequence[str]) -> tuple[int, str, str]:
        if command[1] == "show":
            return 0, f"{self.state}\n", ""
        self.asked.append(" ".join(command[1:]))
        if command[0] == "systemctl":
            self.state = "active" if command[1] == "start" else "inactive"
            return int(bool(self.error)), "", self.error
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]), "", ""

    def run(self, state: str, check_mode: bool = False, **params: Any) -> bool:
        """Whether the module changed anything."""
        module = Module(self, {"state": state, "wait": True, "wait_timeout": 5, **params}, check_mode)
        return bool(tier_election.run(module)["changed"])  # type: ignore[arg-type]


class Module:
    def __init__(self, node: Node, params: dict[str, Any], check_mode: bool) -> None:
        self.run_command, self.params, self.check_mode = node.run_command, params, check_mode

    def get_bin_path(self, name: str, required: bool) -> str:
        return name

    def fail_json(self, msg: str) -> None:
        raise RuntimeError(msg)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


@pytest.mark.parametrize(("has_lease", "unit"), [(True, AGENT), (False, KEEPALIVED)])
def test_the_unit_that_is_deployed_is_stopped_and_started(node: Node, has_lease: bool, unit: str) -> None:
    """The plan may name the other one already: a deployment changes over, no other operation."""
    if not has_lease:
        node.lease_unit.unlink()
    assert node.run("left")
    assert node.run("joined")
    assert node.asked == [f"stop {unit}", f"start {unit}", "is-settled"]


def test_a_node_that_left_or_joined_before_is_not_changed(node: Node) -> None:
    assert not node.run("joined")
    node.state = "inactive"
    assert not node.run("left")
    assert node.asked == ["is-settled"]


def test_a_node_that_joins_may_be_elected_again(node: Node) -> None:
    node.marks[1].touch()
    assert node.run("joined")
    assert not node.marks[1].exists()


def test_a_unit_that_is_being_stopped_is_waited_for(node: Node) -> None:
    node.state = "deactivating"
    assert node.run("left")
    assert node.asked == [f"stop {AGENT}"]


def test_a_node_that_joins_waits_until_its_role_is_certain(node: Node) -> None:
    node.answers = [1, 1, 0]
    node.run("joined")
    assert node.asked == ["is-settled"] * 3
    node.answers = [1]
    node.run("joined", wait=False)
    with pytest.raises(RuntimeError, match="After 5 s this node is neither active nor standby: "):
        node.run("settled")


def test_a_node_that_does_not_become_active_in_time_is_reported(node: Node) -> None:
    node.answers = [1, 0]
    assert not node.run("active")
    node.answers = [1]
    with pytest.raises(RuntimeError, match="This node is not active after 5 s"):
        node.run("active")


@pytest.mark.parametrize("missing", ["agent", "record"])
def test_a_node_that_is_not_deployed_to_its_end_is_not_waited_for(node: Node, missing: str) -> None:
    getattr(node, missing).unlink()
    node.answers = [1]
    assert not node.run("active")
    assert node.asked == []


def test_check_mode_changes_nothing_and_does_not_wait(node: Node) -> None:
    node.marks[0].touch()
    node.answers = [1]
    assert node.run("left", check_mode=True)
    assert node.run("joined", check_mode=True)
    assert not node.run("settled", check_mode=True)
    assert not node.run("active", check_mode=True)
    assert node.asked == []
    assert node.marks[0].exists()


def test_a_unit_that_cannot_be_stopped_fails(node: Node) -> None:
    node.error = "Unit is masked."
    with pytest.raises(RuntimeError, match=rf"{AGENT}: stop failed: Unit is masked\."):
        node.run("left")
