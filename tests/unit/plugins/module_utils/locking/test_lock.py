# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several runs has the lock of a server."""

from __future__ import annotations

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.locking.lock import lock_servers, release, take

HOUR = 3600.0


def run(name: str, **settings: Any) -> dict[str, Any]:
    return {"id": name, "playbook": "deploy", "shared": "", "since": "noon", **settings}


def taken(name: str, now: float, **settings: Any) -> Any:
    return take({}, run(name, **settings), now, HOUR, now).lock


def test_free_lock_is_taken() -> None:
    assert taken("a", 100)["holders"] == [{**run("a"), "taken": 100, "expires": 3700}]


def test_second_run_is_refused_by_the_first() -> None:
    answer = take(taken("a", 100), run("b"), 200, HOUR, 200)
    assert answer.lock is None
    assert answer.refused_by and answer.refused_by["id"] == "a"


def test_holder_renews_its_lock_and_keeps_what_it_was_taken_for() -> None:
    lock = take(taken("a", 100), run("a", playbook=""), 200, HOUR, 100).lock
    assert lock == {"holders": [{**run("a"), "taken": 100, "expires": 3800}], "last": None}


def test_expired_lock_is_taken_over() -> None:
    lock = taken("a", 100)
    assert take(lock, run("b"), 3699, HOUR, 3699).refused_by
    assert [one["id"] for one in take(lock, run("b"), 3700, HOUR, 3700).lock["holders"]] == ["b"]  # type: ignore[index]


def test_lock_of_a_run_that_has_ended_is_taken_over() -> None:
    answer = take(taken("a", 100), run("b"), 101, HOUR, 101, ended={"a"})
    assert answer.lock and [one["id"] for one in answer.lock["holders"]] == ["b"]


def test_run_whose_lock_was_taken_over_is_refused_when_it_renews() -> None:
    lock = take(taken("a", 100), run("b"), 101, HOUR, 101, ended={"a"}).lock
    assert lock
    answer = take(lock, run("a"), 102, HOUR, 90)
    assert answer.refused_by and answer.refused_by["id"] == "b"
    # Also once the other run is over: what this one has planned from is no longer so.
    answer = take(release(lock, "b", 103), run("a"), 104, HOUR, 90)
    assert answer.outdated_by and answer.outdated_by["id"] == "b"


def test_run_that_planned_before_another_one_ended_is_refused() -> None:
    lock = release(taken("a", 100), "a", 200)
    assert take(lock, run("b"), 205, HOUR, began=190).outdated_by
    assert take(lock, run("b"), 205, HOUR, began=201).lock
    # Several playbooks of one command are one run.
    assert take(lock, run("a"), 205, HOUR, began=90).lock


def test_release_leaves_the_lock_of_another_run() -> None:
    lock = taken("a", 100)
    assert release(lock, "b", 200) == lock
    assert release({}, "b", 200) == {}
    assert release(lock, "a", 200)["holders"] == []


def test_slices_of_one_job_hold_the_lock_together() -> None:
    lock = taken("a", 100, shared="clients of workflow job 7")
    both = take(lock, run("b", shared="clients of workflow job 7"), 200, HOUR, 50).lock
    assert both and [one["id"] for one in both["holders"]] == ["a", "b"]
    assert take(both, run("c"), 300, HOUR, 300).refused_by
    assert take(both, run("c", shared="clients of workflow job 8"), 300, HOUR, 300).refused_by
    # The second begins before the first has ended, which is no reason to refuse it.
    assert take(release(lock, "a", 200), run("b", shared="clients of workflow job 7"), 210, HOUR, 50).lock


WAVES = {"d1": 3, "m1": 0, "p1": 2, "m2": 1, "p2": 2}
PLAN = {"servers": {name: {"name": name, "wave": wave} for name, wave in WAVES.items()}}
ALL = frozenset(PLAN["servers"])


def test_first_servers_of_the_plan_are_locked_masters_first() -> None:
    assert lock_servers(PLAN, ALL, ALL, ALL) == ["m1", "m2", "p1"]


def test_servers_that_do_not_answer_are_passed_over() -> None:
    assert lock_servers(PLAN, ALL, ALL - {"m1"}, ALL) == ["m2", "p1", "p2"]


def test_limited_run_locks_the_same_servers_and_one_that_answers() -> None:
    assert lock_servers(PLAN, ALL, {"d1"}, {"d1"}) == ["m1", "m2", "p1", "d1"]


def test_server_that_is_not_in_the_inventory_is_not_locked() -> None:
    assert lock_servers(PLAN, {"p2", "client"}, {"p2", "client"}, {"p2", "client"}) == ["p2"]
    assert lock_servers(PLAN, {"client"}, {"client"}, {"client"}) == []
