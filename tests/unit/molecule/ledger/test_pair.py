# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two nodes of the test application's master: what is acknowledged is on both, and a node that returns catches up."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from ledger.app import MasterApplication
from ledger.pair import Master, NotActing
from ledger.remote import Answer, Away
from ledger.store import Point, Store


class Wire:
    """Between two nodes, without a network; can be cut."""

    def __init__(self) -> None:
        self.other: MasterApplication | None = None
        self.cut = False

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        if self.cut or self.other is None:
            raise Away("cut")
        said: list[Any] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": (headers or {}).get("Authorization", ""),
            "wsgi.input": BytesIO(body),
        }
        answer = b"".join(self.other(environ, lambda status, headers: said.append(status)))
        return Answer(int(said[0].split()[0]), {}, answer)


class Pair:
    """Nodes m1 and m2 on two disks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wires = {"m1": Wire(), "m2": Wire()}
        self.halves: dict[str, Master] = {}
        self.stores: dict[str, Store] = {}

    def start(self, name: str, hold: float = 0) -> Master:
        other = "m2" if name == "m1" else "m1"
        store = self.stores[name] = Store(self.path / f"{name}.db")
        half = Master(store, self.wires[name], "of the pair", second=name == "m2", hold=hold)  # type: ignore[arg-type]
        self.halves[name] = half
        self.wires[other].other = MasterApplication(name, store, half, "user", "password", "of the pair")
        half.find_out(impatient=True)
        return half

    def kill(self, name: str) -> None:
        other = "m2" if name == "m1" else "m1"
        self.wires[other].other = None

    def cut(self, cut: bool) -> None:
        for wire in self.wires.values():
            wire.cut = cut

    def rows(self, name: str) -> dict[str, str | None]:
        store = self.stores[name]
        return {row: entry.value for row in store.names() if (entry := store.get(row))}


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """m1 acts, m2 is in step."""
    pair = Pair(tmp_path)
    pair.start("m1").promote()
    pair.start("m2")
    pair.halves["m1"].look()
    pair.halves["m1"].look()
    assert not pair.halves["m1"].alone
    return pair


def test_a_write_is_on_both_nodes_when_it_is_acknowledged(pair: Pair) -> None:
    pair.halves["m1"].write("a", "1")
    assert pair.rows("m1") == pair.rows("m2") == {"a": "1"}
    assert pair.stores["m1"].point == pair.stores["m2"].point


def test_the_standby_refuses_writes(pair: Pair) -> None:
    with pytest.raises(NotActing):
        pair.halves["m2"].write("a", "1")
    assert pair.rows("m2") == {}


def test_a_new_backup_gets_all_and_is_ready_only_then(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.start("m1").promote()
    pair.halves["m1"].write("a", "1")
    pair.wires["m2"].cut = True  # it cannot ask, but is told
    half = Master(Store(tmp_path / "m2.db"), pair.wires["m2"], "of the pair", second=True)  # type: ignore[arg-type]
    assert not half.ready
    pair.stores["m2"] = Store(tmp_path / "m2.db")
    pair.wires["m1"].other = MasterApplication("m2", pair.stores["m2"], half, "user", "password", "of the pair")
    pair.halves["m1"].look()
    assert half.ready
    assert pair.rows("m2") == {"a": "1"}


@pytest.mark.parametrize(
    "changes", [{"b": "2"}, {"a": "2"}, {"a": None}, {}], ids=["new", "changed", "deleted", "none"]
)
def test_a_node_that_was_away_catches_up(pair: Pair, changes: dict[str, str | None]) -> None:
    pair.halves["m1"].write("a", "1")
    pair.kill("m2")
    for name, value in changes.items():
        pair.halves["m1"].write(name, value)
    assert pair.halves["m1"].alone or not changes
    pair.start("m2")
    pair.halves["m1"].look()
    pair.halves["m1"].look()
    assert pair.rows("m1") == pair.rows("m2")
    assert not pair.halves["m1"].alone
    pair.halves["m1"].write("c", "3")
    assert pair.rows("m2")["c"] == "3"


def test_the_backup_takes_over_and_gives_back(pair: Pair) -> None:
    pair.halves["m1"].write("a", "1")
    pair.kill("m1")
    assert pair.halves["m2"].promote()
    pair.halves["m2"].write("b", "2")
    m1 = pair.start("m1")
    assert not m1.acting  # it did act when it died
    pair.halves["m2"].look()
    assert pair.rows("m1") == {"a": "1", "b": "2"}
    assert m1.promote()
    assert not pair.halves["m2"].acting
    m1.write("c", "3")
    m1.look()
    m1.look()
    assert pair.rows("m2") == pair.rows("m1") == {"a": "1", "b": "2", "c": "3"}


def test_a_node_that_lacks_changes_fetches_them_before_it_is_active(pair: Pair) -> None:
    pair.halves["m1"].write("a", "1")
    # Each believes something else: m2 goes on alone, m1 has been in step.
    pair.halves["m2"].promote()
    pair.halves["m2"].look()
    pair.wires["m2"].cut = True
    pair.halves["m2"].write("b", "2")
    pair.halves["m2"].write("a", None)
    assert pair.halves["m2"].alone and pair.halves["m1"].ready
    assert pair.halves["m1"].promote()
    assert pair.rows("m1") == pair.rows("m2") == {"b": "2"}
    pair.wires["m2"].cut = False
    pair.halves["m1"].write("c", "3")
    pair.halves["m1"].look()
    assert pair.rows("m1") == pair.rows("m2") == {"b": "2", "c": "3"}


def test_if_both_nodes_were_active_the_promoted_one_is_brought_in_step_first(pair: Pair) -> None:
    pair.cut(True)
    pair.halves["m1"].write("a", "of m1")
    pair.halves["m2"].promote()
    pair.halves["m2"].write("a", "of m2")
    pair.halves["m1"].demote()
    pair.cut(False)
    assert not pair.halves["m1"].promote()
    # Its check fails, so it is not elected any more, and the other one acts again.
    assert not pair.halves["m1"].ready and not pair.halves["m1"].acting
    pair.halves["m2"].look()
    assert pair.halves["m2"].acting
    pair.halves["m2"].look()
    assert pair.halves["m1"].ready
    assert pair.rows("m1") == pair.rows("m2") == {"a": "of m2"}


def test_a_node_that_stepped_down_does_not_become_active_by_itself(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    m1, m2 = pair.start("m1", hold=60), pair.start("m2", hold=60)
    m1.promote()
    m1.look()
    # What m2 does first when it is told to act; m1 is told later that it is not to.
    m1.step_down({"written": list(pair.stores["m2"].written)})
    m1.look()
    assert not m1.acting
    assert m2.promote()
    assert m2.acting


def test_nodes_that_were_both_active_agree_on_the_newer_term(pair: Pair) -> None:
    pair.halves["m1"].write("a", "1")
    pair.cut(True)
    pair.halves["m1"].write("a", "of m1")
    pair.halves["m1"].write("only m1", "x")
    pair.halves["m2"].promote()
    pair.halves["m2"].write("a", "of m2")
    pair.cut(False)
    with pytest.raises(NotActing):
        pair.halves["m1"]._other_in_step = True
        pair.halves["m1"].write("late", "x")
    pair.halves["m1"].look()
    assert not pair.halves["m1"].acting
    pair.halves["m2"].look()
    assert pair.rows("m1") == pair.rows("m2") == {"a": "of m2"}


def test_a_promoted_node_is_active_once_its_peer_has_stepped_down(pair: Pair) -> None:
    pair.halves["m2"].promote()  # told late, when m1 had been elected already
    pair.halves["m1"].look()
    assert pair.halves["m2"].acting and not pair.halves["m1"].acting
    pair.halves["m2"].demote()
    pair.halves["m2"].look()
    pair.halves["m1"].look()
    assert pair.halves["m1"].acting and not pair.halves["m2"].acting


def test_node_that_is_demoted_while_it_asks_its_peer_does_not_act_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def request(*_given: Any, **_options: Any) -> Answer:
        pair.halves["m1"].demote()
        raise Away("cut")

    monkeypatch.setattr(pair.wires["m1"], "request", request)
    pair.halves["m1"].look()
    assert not pair.halves["m1"].acting


def test_a_restarted_active_node_stays_active(pair: Pair) -> None:
    pair.halves["m1"].write("a", "1")
    term = pair.stores["m1"].point.term
    again = pair.start("m1")
    assert again.acting and again.ready
    assert pair.stores["m1"].point.term == term
    again.write("b", "2")
    again.look()
    assert pair.rows("m2") == {"a": "1", "b": "2"}


def test_terms_of_two_nodes_are_never_equal(pair: Pair) -> None:
    pair.cut(True)
    pair.halves["m2"].promote()
    pair.halves["m1"].demote()
    pair.halves["m1"].promote()
    assert pair.stores["m1"].point.term != pair.stores["m2"].point.term


def test_a_master_without_a_peer_is_active(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.db")
    master = Master(store)
    master.write("a", "1")
    assert master.acting and master.ready and not master.alone
    assert Store(tmp_path / "rows.db").names() == ["a"]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.db")
    with pytest.raises(RuntimeError), store.transaction():
        store.write("a", "1")
        raise RuntimeError
    assert store.names() == []
    assert store.point == Point(0, 0)


@pytest.mark.parametrize("path", ["/pair/status", "/pair/apply", "/pair/step-down"])
def test_only_the_peer_may_connect(pair: Pair, path: str) -> None:
    wire = pair.wires["m1"]
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert wire.request("POST", path, json.dumps({}).encode(), headers).status == 403
