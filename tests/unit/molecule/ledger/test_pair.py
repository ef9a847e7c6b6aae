# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two nodes of the test application's master: what is acknowledged is on both, and a node that returns catches up."""

from __future__ import annotations

import json
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from ledger.app import MasterApplication
from ledger.lease import TERMS, Lease
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


def test_peer_stays_in_step_when_a_change_overtakes_its_status(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    wire, request = pair.wires["m1"], pair.wires["m1"].request
    changes = iter("a")

    def request_then_write(method: str, path: str, *given: Any, **options: Any) -> Answer:
        answer = request(method, path, *given, **options)
        if path == "/pair/status" and (name := next(changes, "")):
            pair.halves["m1"].write(name, "1")
        return answer

    monkeypatch.setattr(wire, "request", request_then_write)
    pair.halves["m1"].look()
    assert pair.rows("m2") == {"a": "1"}
    assert not pair.halves["m1"].alone
    pair.halves["m1"].write("b", "2")
    assert pair.rows("m2") == {"a": "1", "b": "2"}


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


def test_nodes_that_were_both_active_agree_on_the_newer_term(pair: Pair, tmp_path: Path) -> None:
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
    # What m2 changed since keeps its value. The other change of m1 is not lost.
    assert pair.rows("m1") == pair.rows("m2") == {"a": "of m2", "only m1": "x"}
    (dropped,) = tmp_path.glob("dropped-*.jsonl")
    assert [json.loads(line)["value"] for line in dropped.read_text().splitlines()] == ["of m1"]


@pytest.mark.parametrize("ahead", [0, 5])
def test_changes_that_a_node_made_alone_reach_its_peer_when_it_returns(pair: Pair, ahead: int) -> None:
    pair.halves["m1"].write("a", "1")
    pair.halves["m1"].write("b", "1")
    pair.cut(True)
    for row in "cdefg":
        pair.halves["m1"].write(row, "alone")
    pair.halves["m1"].write("b", None)
    pair.kill("m1")
    pair.halves["m2"].promote()
    for number in range(ahead):
        pair.halves["m2"].write(f"later {number}", "2")
    pair.cut(False)
    pair.start("m1")
    pair.halves["m2"].look()
    pair.halves["m2"].look()
    assert not pair.halves["m2"].alone
    alone = dict.fromkeys("cdefg", "alone")
    assert pair.rows("m1") == pair.rows("m2") == {"a": "1"} | alone | {f"later {n}": "2" for n in range(ahead)}


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


@pytest.mark.parametrize("path", ["/pair/status", "/pair/apply", "/pair/unknown", "/pair/step-down"])
def test_only_the_peer_may_connect(pair: Pair, path: str) -> None:
    wire = pair.wires["m1"]
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert wire.request("POST", path, json.dumps({}).encode(), headers).status == 403


# ---- With a lease


class Arbiter:
    """The failover agents of both nodes and their arbiter: what they publish when `renew` is called, and who is fit."""

    def __init__(self, pair: Pair, path: Path) -> None:
        self.pair, self.path = pair, path
        self.holder, self.epoch, self.published = "", 0, 0
        for name in ("m1", "m2"):
            (path / name).mkdir()

    def lease(self, name: str, patience: float = 0) -> Lease:
        return Lease(self.path / f"{name}.json", self.path / name, patience)

    def position(self, name: str) -> int:
        word, number = (self.path / name / "position").read_text().split()
        assert word == "term"
        return int(number)

    def is_fit(self, name: str) -> bool:
        return self.position(name) >= self.published

    def renew(self) -> None:
        """The holder publishes its position, and both agents write what the arbiter answered."""
        self.published = self.position(self.holder)
        self.answer()

    def answer(self) -> None:
        known = {"holder": self.holder, "epoch": self.epoch, "position": [["term", self.published]]}
        for name in ("m1", "m2"):
            (self.path / f"{name}.json").write_text(json.dumps(known | {"name": name}))

    def promote(self, name: str, force: bool = False) -> None:
        assert force or self.is_fit(name)
        self.holder, self.epoch, self.published = name, self.epoch + 1, self.position(name)
        self.answer()
        assert self.pair.halves[name].promote()
        assert (self.path / name / "acting").exists()
        self.renew()


@pytest.fixture
def leased(pair: Pair, tmp_path: Path) -> Arbiter:
    """m1 has the lease and acts, m2 is in step."""
    arbiter = Arbiter(pair, tmp_path)
    for name in ("m1", "m2"):
        pair.halves[name].demote()
        pair.start(name)
    for name in ("m1", "m2"):
        pair.halves[name]._lease = arbiter.lease(name)
        pair.halves[name]._record_term()
    arbiter.promote("m1")
    for _look in range(2):
        pair.halves["m1"].look()
    assert not pair.halves["m1"].alone and arbiter.is_fit("m2")
    return arbiter


def test_change_is_not_acknowledged_alone_before_the_lease_keeps_the_peer_from_promotion(
    pair: Pair, leased: Arbiter
) -> None:
    pair.halves["m1"].write("a", "1")
    pair.cut(True)
    with pytest.raises(NotActing):
        pair.halves["m1"].write("b", "2")
    assert leased.is_fit("m2")  # So nothing that was acknowledged is missing there.
    leased.renew()
    pair.halves["m1"].write("c", "3")
    assert not leased.is_fit("m2")
    assert pair.rows("m2") == {"a": "1"}


def test_peer_that_is_in_step_again_may_be_promoted(pair: Pair, leased: Arbiter) -> None:
    pair.cut(True)
    with pytest.raises(NotActing):
        pair.halves["m1"].write("a", "1")
    leased.renew()
    pair.halves["m1"].write("b", "2")
    pair.cut(False)
    for _look in range(2):
        pair.halves["m1"].look()
    assert leased.is_fit("m2")
    pair.kill("m1")
    leased.promote("m2")
    assert pair.rows("m2") == {"a": "1", "b": "2"}


def test_peer_that_took_changes_without_an_answer_is_left_behind_again(
    pair: Pair, leased: Arbiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, request = pair.wires["m1"], pair.wires["m1"].request

    def lose_answer(*given: Any, **options: Any) -> Answer:
        request(*given, **options)
        raise Away("the answer is lost")

    pair.cut(True)
    with pytest.raises(NotActing):
        pair.halves["m1"].write("a", "1")
    leased.renew()
    pair.cut(False)
    with monkeypatch.context() as lossy:
        status = wire.request("GET", "/pair/status", headers={"Authorization": "Bearer of the pair"})
        answers = iter([status, status])
        lossy.setattr(wire, "request", lambda *given, **options: next(answers, None) or lose_answer(*given, **options))
        pair.halves["m1"].look()
    assert leased.is_fit("m2")
    with pytest.raises(NotActing):
        pair.halves["m1"].write("b", "2")
    leased.renew()
    pair.halves["m1"].write("c", "3")
    assert not leased.is_fit("m2")


def test_write_right_after_a_restart_is_not_acknowledged_before_the_peer_is_in_step(
    pair: Pair, leased: Arbiter
) -> None:
    pair.halves["m1"].write("a", "1")
    again = pair.start("m1")
    again._lease = leased.lease("m1")
    with pytest.raises(NotActing):
        again.write("b", "2")
    again.look()
    again.write("c", "3")
    assert pair.rows("m2") == {"a": "1", "b": "2", "c": "3"}


def test_promoted_node_acknowledges_alone_as_soon_as_it_is_active(pair: Pair, leased: Arbiter) -> None:
    pair.kill("m1")
    leased.promote("m2")
    pair.halves["m2"].write("a", "1")
    assert not leased.is_fit("m1")


def test_term_of_a_promotion_by_force_is_newer_than_those_of_the_node_that_was_left_behind(
    pair: Pair, leased: Arbiter
) -> None:
    pair.cut(True)
    for name in "abc":
        with pytest.raises(NotActing):
            pair.halves["m1"]._term_is_private = False
            pair.halves["m1"].write(name, "1")
    leased.renew()
    assert not leased.is_fit("m2")
    leased.promote("m2", force=True)
    assert leased.position("m2") >= 2 * TERMS > leased.position("m1")
    assert not leased.is_fit("m1")


def test_node_that_was_active_when_it_failed_does_not_act_again_without_the_lease(pair: Pair, leased: Arbiter) -> None:
    pair.kill("m1")
    leased.promote("m2")
    again = pair.start("m1")
    again._lease, again._asked_to_act = leased.lease("m1"), True
    pair.halves["m2"].look()
    assert again.ready and not again.acting
    pair.cut(True)  # m2 hangs for a moment
    again.look()
    assert not again.acting
    pair.cut(False)
    pair.halves["m2"].look()
    assert pair.halves["m2"].acting


def test_pair_without_a_lease_acknowledges_alone(pair: Pair) -> None:
    pair.cut(True)
    pair.halves["m1"].write("a", "1")
    assert pair.rows("m1") == {"a": "1"} and pair.halves["m1"].alone


def test_new_term_is_acknowledged_when_the_agent_publishes_it_in_time(tmp_path: Path) -> None:
    answered = tmp_path / "lease.json"
    lease = Lease(answered, tmp_path, patience=5)
    assert lease.first_term == 0
    known = {"name": "m1", "holder": "m1", "epoch": 2, "position": [["term", 7]]}
    timer = threading.Timer(0.2, lambda: answered.write_text(json.dumps(known)))
    timer.start()
    assert lease.is_published(7)
    assert lease.first_term == 2 * TERMS
    timer.join()


def test_lease_of_the_peer_publishes_no_term(tmp_path: Path) -> None:
    known = {"name": "m1", "holder": "m2", "epoch": 2, "position": [["term", 7]]}
    (tmp_path / "lease.json").write_text(json.dumps(known))
    assert not Lease(tmp_path / "lease.json", tmp_path, patience=0).is_published(7)
