# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which server a backup is made, and when one may be restored."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.data_backups import (
    backup_name,
    choose_source,
    data_servers,
    describe_restored,
    list_rehearsal_refusals,
    list_restore_refusals,
    name_pattern,
)

NOW = "20260101120000.000000Z#000000#001#000000"
OLD = "20260101110000.000000Z#000000#001#000000"
ASKED = datetime(2026, 1, 1, 13, tzinfo=UTC)
FUTURE = "2026-01-01 13:00:01+00"
BACKUP = {"schema": 1, "system": "tiers", "product": "openldap", "sha256": "ab", "created": "2026-01-01T12:00:00Z"}


@pytest.fixture
def plan(judge: Any) -> dict[str, Any]:
    """The plan of the rules' example: masters m1 and m2, proxy px1, members p1 and p2, distributors d1 and d2."""
    outcome = judge()
    assert outcome.plan, outcome.errors
    found: dict[str, Any] = outcome.plan
    return found


def answer(plan: dict[str, Any], name: str, position: str = NOW, **more: Any) -> dict[str, Any]:
    """The result of tier_probe on a server about itself."""
    edge = {
        "name": name,
        "address": plan["servers"][name]["address"],
        "protocol": "ldaps",
        "reachable": True,
        "role": "provider",
        "position": {"001": position},
        "at": datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp(),
        "servers": {},
        "ok": True,
        "why": "",
    }
    return {"edges": [{**edge, **more}]}


def test_the_hot_backup_of_the_master_gives_the_data(plan: dict[str, Any]) -> None:
    found = choose_source(plan, {name: answer(plan, name) for name in ("m1", "m2")}, [])
    assert found["todo"] == ["m2"]
    assert "m2      its data are copied" in found["text"]


@pytest.mark.parametrize(
    "m2", [{"position": OLD}, {"reachable": False, "ok": False, "position": {}, "why": "connection refused"}]
)
def test_the_master_gives_the_data_if_its_backup_is_not_in_step(plan: dict[str, Any], m2: dict[str, Any]) -> None:
    position = m2.pop("position")
    answers = {"m1": answer(plan, "m1"), "m2": answer(plan, "m2", **m2)}
    answers["m2"]["edges"][0]["position"] = {"001": position} if isinstance(position, str) else position
    assert choose_source(plan, answers, [])["todo"] == ["m1"]


def test_a_backup_without_a_healthy_master_is_refused_with_the_reasons(plan: dict[str, Any]) -> None:
    found = choose_source(plan, {"m1": {"unreachable": True, "msg": "timed out"}}, [])
    assert found["todo"] == []
    assert found["wrong"] == ["m2: it does not answer.", "m1: host: timed out."]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["px1"], "px1 is no master of tiers, nor its backup."),
        (["m1", "m2"], "Name one server: one has all data."),
    ],
)
def test_the_operator_may_name_one_server_that_has_all_data(plan: dict[str, Any], asked: list[str], why: str) -> None:
    answers = {name: answer(plan, name) for name in ("m1", "m2")}
    assert choose_source(plan, answers, asked)["wrong"] == [why]
    assert choose_source(plan, answers, ["m1"])["todo"] == ["m1"]


def test_names_of_backups_sort_by_time_and_belong_to_one_system() -> None:
    first, second = (backup_name("my demo", datetime(2026, 1, day, tzinfo=UTC)) for day in (9, 10))
    assert first < second
    for extension in ("data", "json", "part"):
        assert re.search(name_pattern("my demo"), f"{first}.{extension}")
    assert not re.search(name_pattern("demo"), f"{first}.data")
    assert not re.search(name_pattern("my demo"), f"{first}.data.txt")


def refusals(plan: dict[str, Any], **changed: Any) -> list[str]:
    names = data_servers(plan)
    given = {"backup": BACKUP, "checksum": "ab", "time": "", "confirmed": "tiers", "taking_part": names, "unread": {}}
    given["now"] = ASKED
    return list_restore_refusals(plan, **{**given, **changed})


def test_a_confirmed_backup_of_this_system_may_be_restored(plan: dict[str, Any]) -> None:
    assert refusals(plan) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"backup": {}}, "tiers_restore_from must be a backup"),
        ({"checksum": ""}, "tiers_restore_from must be a backup"),
        ({"backup": {**BACKUP, "schema": 2}}, "Another release of this collection wrote this backup"),
        ({"backup": {**BACKUP, "system": "other"}}, "This is a backup of the system other, not of tiers."),
        ({"backup": {**BACKUP, "product": "service"}}, "This is a backup of the product service, not of openldap."),
        ({"checksum": "cd"}, "The backup is damaged: its checksum was ab and is cd."),
        ({"confirmed": "true"}, "This replaces all data of the system tiers"),
        ({"confirmed": ""}, "This replaces all data of the system tiers"),
        ({"unread": {"p1": "timed out"}}, "p1 cannot be read: timed out."),
    ],
)
def test_a_restore_is_refused_before_a_server_is_touched(plan: dict[str, Any], changed: Any, why: str) -> None:
    (found,) = refusals(plan, **changed)
    assert found.startswith(why)


REPOSITORY = """
    all:
      vars:
        tiers_product: postgresql
        product_postgresql_probe_password: p
        product_postgresql_backup_passphrase: p
        tiers_backup_repository: px1
        tiers_clients: !remove
    parallel: !remove
    distributor: !remove
    backup: {hosts: {d2: !remove }}
"""
NO_FILE: dict[str, Any] = {"backup": {}, "checksum": ""}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"time": "newest"}, None),
        ({"time": "2026-01-01 12:00:00+00"}, None),
        ({"time": "2026-01-01 14:00:00+02"}, None),
        ({"time": FUTURE}, f"tiers_restore_to is in the future: {FUTURE}. The clock of the controller shows"),
        ({"time": "2026-01-01 13:00:00-01"}, "tiers_restore_to is in the future: 2026-01-01 13:00:00-01."),
        ({"time": ""}, "tiers_restore_to must be newest, or a time with a time zone"),
        ({"time": "2026-01-01 12:00:00"}, "tiers_restore_to must be newest, or a time with a time zone"),
        ({"time": "yesterday"}, "tiers_restore_to must be newest, or a time with a time zone"),
        ({"time": "newest", "checksum": "ab"}, "The backups are in a repository: give tiers_restore_to"),
        ({"time": "newest", "confirmed": ""}, "This replaces all data of the system tiers on m1, m2"),
        ({"time": "newest", "unread": {"m2": "timed out"}}, "m2 cannot be read: timed out."),
    ],
)
def test_a_state_of_a_repository_needs_a_time_and_the_name_of_the_system(
    judge: Any, changed: dict[str, Any], why: str | None
) -> None:
    outcome = judge(REPOSITORY)
    assert outcome.plan, outcome.errors
    found = refusals(outcome.plan, **{**NO_FILE, **changed})
    assert [one[: len(why or "")] for one in found] == ([why] if why else [])


def test_a_system_without_a_repository_has_no_states_to_restore(plan: dict[str, Any]) -> None:
    assert refusals(plan, time="newest") == [
        "tiers has no repository of backups, so tiers_restore_to has no meaning. Give tiers_restore_from."
    ]


@pytest.mark.parametrize(
    ("has_repository", "time", "why"),
    [
        (True, "", None),
        (True, "2026-01-01 12:00:00+00", None),
        (True, FUTURE, "tiers_restore_to is in the future"),
        (True, "noon", "tiers_restore_to must be"),
        (False, "", "shop has no repository of backups."),
    ],
)
def test_a_rehearsal_needs_a_repository(has_repository: bool, time: str, why: str | None) -> None:
    found = list_rehearsal_refusals("shop", has_repository, time, ASKED)
    assert [one[: len(why or "")] for one in found] == ([why] if why else [])


def test_a_server_outside_the_run_would_bring_the_old_data_back(plan: dict[str, Any]) -> None:
    (why,) = refusals(plan, taking_part=["m1", "m2"])
    assert "p1, p2, px1" in why
    assert "Run this without --limit." in why


def test_distributors_have_no_data(plan: dict[str, Any]) -> None:
    assert data_servers(plan)[:2] == ["m1", "m2"]
    assert not {"d1", "d2"} & {*data_servers(plan)}


def test_restored_servers_must_have_equal_digests(plan: dict[str, Any]) -> None:
    def content(name: str, digest: str) -> dict[str, Any]:
        return answer(plan, name, digest=digest)

    same = {name: content(name, "x") for name in data_servers(plan)}
    text, wrong = describe_restored(plan, same)
    assert wrong == []
    assert text.count("  x") == len(same)
    _text, wrong = describe_restored(plan, {**same, "px1": content("px1", "y")})
    assert [why.partition(":")[0] for why in wrong] == ["px1"]
    assert wrong[0].endswith("at an equal position: y, there x.")
    _text, wrong = describe_restored(plan, {**same, "px1": answer(plan, "px1", ok=False, why="no answer")})
    assert wrong == ["px1: its content cannot be read: no answer."]
    _text, wrong = describe_restored(plan, {**same, "px1": {"failed": True, "msg": "the task failed"}})
    assert wrong == ["px1: its content cannot be read: the task failed."]
    _text, wrong = describe_restored(plan, {name: one for name, one in same.items() if name != "px1"})
    assert wrong == ["px1: its content cannot be read: no answer."]


def test_a_product_without_digests_is_not_compared(plan: dict[str, Any]) -> None:
    assert describe_restored(plan, {name: {"edges": []} for name in data_servers(plan)}) == ("", [])
