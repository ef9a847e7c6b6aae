# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the voters of a running arbiter become those of the plan, and what `status` says of them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.membership import (
    MIB,
    describe_changes,
    plan_changes,
    rows_and_alerts,
)

DOWN = {"unreachable": True, "msg": "Connection timed out."}
EMPTY = {"has_data": False, "is_established": False, "token": "", "answers": False, "healthy": False, "why": "refused"}
STOPPED = {**EMPTY, "has_data": True, "is_established": True}


def plan(*names: str) -> dict[str, Any]:
    voters = [{"name": n, "peer_url": f"https://10.0.0.{ord(n)}:2380", "site": "x", "zone": None} for n in names]
    return {"arbiter": {"voters": voters}}


def member(letter: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"id-{letter}",
        "name": letter,
        "peer": f"https://10.0.0.{ord(letter)}:2380",
        "learner": False,
        **more,
    }


def healthy(name: str, *members: dict[str, Any], **more: Any) -> dict[str, Any]:
    state = {"id": f"id-{name}", "leader": "id-a", "learner": False, "version": "3.4.23", "size": MIB, "used": MIB}
    voter = {**state, "alarms": [], "members": list(members or map(member, "abc")), **more}
    return {**STOPPED, "answers": True, "healthy": True, "why": "", "voter": voter}


def running(*names: str, members: str = "abc") -> dict[str, Any]:
    return {name: healthy(name, *map(member, members)) for name in names}


def changes(plan_: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    found = plan_changes(plan_, seen)
    return {key: value for key, value in found.items() if value and key != "via"}


def test_a_new_cluster_begins_on_all_voters_when_none_has_data():
    assert changes(plan(*"abc"), dict.fromkeys("abc", EMPTY)) == {"bootstrap": ["a", "b", "c"]}


@pytest.mark.parametrize("c", [DOWN, None])
def test_no_cluster_begins_while_a_voter_cannot_be_asked(c):
    seen = {"a": EMPTY, "b": EMPTY} | ({"c": c} if c else {})
    found = changes(plan(*"abc"), seen)
    assert list(found) == ["wrong"]
    assert "c" in found["wrong"][0]


def test_no_second_cluster_begins_while_a_voter_of_the_first_has_data():
    found = changes(plan(*"abc"), {"a": STOPPED, "b": EMPTY, "c": EMPTY})
    assert list(found) == ["wrong"]
    assert "lost its majority" in found["wrong"][0]
    # A former voter counts, too.
    assert list(changes(plan(*"abc"), {**dict.fromkeys("abc", EMPTY), "d": STOPPED})) == ["wrong"]


def test_an_interrupted_first_start_goes_on_with_the_same_cluster():
    begun = {**EMPTY, "has_data": True, "token": "t1"}
    found = changes(plan(*"abc"), {"a": begun, "b": EMPTY, "c": EMPTY})
    assert found == {"bootstrap": ["a", "b", "c"], "token": "t1"}


def test_nothing_changes_while_the_voters_are_those_of_the_plan():
    assert changes(plan(*"abc"), running(*"abc")) == {}
    assert changes(plan(*"abc"), {**running(*"ab"), "c": DOWN}) == {}
    assert changes(plan(*"abc"), {**running(*"ab"), "c": STOPPED}) == {}
    assert changes({"arbiter": None}, {}) == {}


def test_a_rebuilt_voter_replaces_its_former_self():
    found = changes(plan(*"abc"), {**running(*"ab"), "c": EMPTY})
    assert found == {"joining": [{"name": "c", "wipe": False, "rebuilt": True}]}
    assert describe_changes(plan_changes(plan(*"abc"), {**running(*"ab"), "c": EMPTY})) == (
        "c rejoins the arbiter: its data are lost."
    )


@pytest.mark.parametrize(
    ("members", "seen", "wipe"),
    [
        # Not added yet, with or without data of a member that was removed
        ([member("a"), member("b")], EMPTY, False),
        ([member("a"), member("b")], STOPPED, True),
        # Added and not started
        ([member("a"), member("b"), member("c", name="")], EMPTY, False),
        # Started as a learner
        ([member("a"), member("b"), member("c", learner=True)], {**STOPPED, "is_established": False}, False),
    ],
)
def test_a_join_that_was_interrupted_goes_on(members, seen, wipe):
    voters = {name: healthy(name, *members) for name in "ab"}
    assert changes(plan(*"abc"), {**voters, "c": seen}) == {"joining": [{"name": "c", "wipe": wipe, "rebuilt": False}]}


def test_members_that_are_not_planned_leave_those_that_are_down_first():
    seen = running(*"abcd", members="abcde") | {"f": EMPTY}
    found = changes(plan("a", "b", "f"), seen)
    assert [one["name"] for one in found["joining"]] == ["f"]
    assert [(one["name"], one["up"]) for one in found["leaving"]] == [("e", False), ("d", True), ("c", True)]


def test_members_change_through_a_former_voter_where_no_planned_one_runs():
    assert plan_changes(plan(*"def"), {**running(*"abc"), **dict.fromkeys("def", EMPTY)})["via"] == "a"


def test_a_voter_that_is_down_is_a_row_and_an_alert_with_the_reason():
    text, alerts = rows_and_alerts(plan(*"abc"), {**running(*"ab"), "c": DOWN}, 256 * MIB)
    assert [line.split()[:3] for line in text.splitlines()[1:]] == [
        ["a", "x", "leader"],
        ["b", "x", "follower"],
        ["c", "x", "down"],
    ]
    assert alerts == ["voter c: Connection timed out. The others have a majority, and no more of them may fail."]


def test_five_voters_say_how_many_more_may_fail():
    five = {name: healthy(name, *map(member, "abcde")) for name in "abcd"}
    assert rows_and_alerts(plan(*"abcde"), {**five, "e": DOWN}, 256 * MIB)[1] == [
        "voter e: Connection timed out. The others have a majority, and 1 more may fail."
    ]


def test_a_lost_majority_is_one_alert_that_names_its_runbook():
    cut = {**healthy("a"), "healthy": False, "why": "it reaches no majority of the voters"}
    text, alerts = rows_and_alerts(plan(*"abc"), {"a": cut, "b": DOWN, "c": DOWN}, 256 * MIB)
    assert "without majority" in text
    assert len(alerts) == 1
    assert alerts[0].startswith("the arbiter has lost its majority, no lease can be granted (a: it reaches no majority")
    assert alerts[0].endswith("runbook 'Arbiter without a majority'")


def test_data_near_the_quota_and_alarms_are_alerts():
    seen = running(*"abc")
    seen["b"]["voter"].update(size=220 * MIB, alarms=["NOSPACE"])
    alerts = rows_and_alerts(plan(*"abc"), seen, 256 * MIB)[1]
    assert len(alerts) == 2
    assert "220 of 256 MiB" in alerts[0]
    assert alerts[1] == "voter b: alarm NOSPACE: runbook 'Full arbiter'"
