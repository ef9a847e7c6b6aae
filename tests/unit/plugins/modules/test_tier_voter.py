# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A voter is read together with its files on the host; check mode predicts a change of the members and makes none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing.etcd import EtcdError, Member, VoterState
from ansible_collections.distributed.tiers.plugins.modules import tier_voter

PEER = "https://192.0.2.3:2380"


class Voter:
    """The etcd of a host with these members. Records each change of them."""

    def __init__(self, *members: Member) -> None:
        self.listed, self.changes = members, []

    def describe(self) -> VoterState:
        return VoterState(healthy=True, id="11", members=self.listed)

    def members(self) -> tuple[Member, ...]:
        return self.listed

    def add(self, peer: str, replace: bool) -> bool:
        self.changes.append(("add", peer, replace))
        return True

    def promote(self, peer: str) -> bool:
        self.changes.append(("promote", peer))
        return True

    def remove(self, peer: str) -> bool:
        self.changes.append(("remove", peer))
        return True


class Silent(Voter):
    def describe(self) -> VoterState:
        raise EtcdError("timed out")


def params(directory: Path, **more: Any) -> dict[str, Any]:
    paths = {"data": "etcd", "record": "tiers_voter.fact", "first_start": "first-start.env"}
    return {**{name: str(directory / path) for name, path in paths.items()}, "peer": PEER, "replace": False, **more}


def use(monkeypatch: pytest.MonkeyPatch, voter: Voter) -> Voter:
    monkeypatch.setattr(tier_voter, "connect", lambda _params: voter)
    return voter


def test_a_bare_host_has_no_voter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, Silent())
    assert tier_voter.read(params(tmp_path)) == {
        "has_data": False,
        "is_established": False,
        "token": "",
        "answers": False,
        "healthy": False,
        "why": "etcd does not answer: timed out",
    }


def test_the_files_of_a_voter_are_read_with_its_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "etcd/member").mkdir(parents=True)
    (tmp_path / "tiers_voter.fact").write_text("{}")
    (tmp_path / "first-start.env").write_text("# first\nETCD_INITIAL_CLUSTER_TOKEN=t1\nETCD_INITIAL_CLUSTER=a=b\n")
    use(monkeypatch, Voter(Member("11", "m1", PEER, False)))
    found = tier_voter.read(params(tmp_path))
    assert (found["has_data"], found["is_established"], found["token"]) == (True, True, "t1")
    assert (found["answers"], found["healthy"]) == (True, True)
    assert found["voter"]["members"] == ({"id": "11", "name": "m1", "peer": PEER, "learner": False},)


LEARNER, VOTES = Member("13", "m3", PEER, True), Member("13", "m3", PEER, False)


@pytest.mark.parametrize(
    ("state", "members", "more", "changed"),
    [
        ("learner", (), {}, True),
        ("learner", (LEARNER,), {}, False),
        ("learner", (VOTES,), {"replace": True}, True),
        ("promoted", (LEARNER,), {}, True),
        ("promoted", (VOTES,), {}, False),
        ("absent", (VOTES,), {}, True),
        ("absent", (), {}, False),
    ],
)
def test_check_mode_predicts_a_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, members: Any, more: dict[str, Any], changed: bool
) -> None:
    voter = use(monkeypatch, Voter(*members))
    assert tier_voter.change(params(tmp_path, state=state, **more), check_mode=True) is changed
    assert voter.changes == []


@pytest.mark.parametrize(
    ("state", "change"),
    [("learner", ("add", PEER, False)), ("promoted", ("promote", PEER)), ("absent", ("remove", PEER))],
)
def test_each_state_makes_its_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, change: Any) -> None:
    voter = use(monkeypatch, Voter())
    assert tier_voter.change(params(tmp_path, state=state), check_mode=False)
    assert voter.changes == [change]
