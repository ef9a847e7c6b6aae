# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rotation of the certificates is, and why it must not go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.rotation import (
    DROP,
    ISSUE,
    TRUST,
    Authorities,
    HostCertificates,
    describe,
    list_refusals,
    needed_hosts,
    rounds_of,
)

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
OLD = Authorities(begins=NOW - timedelta(days=400), has_next=False, given=False)
PLAN: dict[str, Any] = {
    "digest": "d1",
    "servers": {"m1": {"state": "active"}, "m2": {"state": "draining"}, "px1": {"state": "down"}},
    "clients": {"c1": {}, "desk-7": {}},
    "voters": {"v1": {}, "m1": {}},
}
RECORDED = {"m1": {"plan_digest": "d1"}, "m2": {"plan_digest": "d1"}}
NEEDED = ["m1", "m2", "c1", "v1"]


def test_hosts_need_certificates_and_named_clients_do_not() -> None:
    assert needed_hosts(PLAN, {"m1", "m2", "px1", "c1", "v1"}) == NEEDED


@pytest.mark.parametrize(
    ("ca", "replaces", "rounds"),
    [
        (OLD, False, [ISSUE]),
        (OLD, True, [TRUST, ISSUE, DROP]),
        # An interrupted rotation is completed, whatever the operator asks for.
        (Authorities(OLD.begins, True, False), False, [TRUST, ISSUE, DROP]),
        # The run was killed after the next CA had become the current one.
        (Authorities(NOW - timedelta(hours=23), False, False), True, [DROP]),
        (Authorities(NOW - timedelta(hours=24), False, False), True, [TRUST, ISSUE, DROP]),
        # Variables of the inventory cannot be exchanged by a run.
        (Authorities(OLD.begins, True, True), True, [TRUST, ISSUE]),
    ],
)
def test_the_rounds_follow_from_the_cas_that_exist(ca: Authorities, replaces: bool, rounds: list[str]) -> None:
    assert rounds_of(ca, replaces, NOW, 24) == rounds


def test_a_young_ca_is_replaced_if_no_hour_counts() -> None:
    young = Authorities(NOW - timedelta(minutes=1), has_next=False, given=False)
    assert rounds_of(young, True, NOW, 0) == [TRUST, ISSUE, DROP]


def test_a_rotation_of_deployed_hosts_that_all_answer_is_not_refused() -> None:
    assert list_refusals(PLAN, NEEDED, {*NEEDED}, {}, RECORDED, True) == []


def test_the_ca_is_not_replaced_without_every_host() -> None:
    (why,) = list_refusals(PLAN, NEEDED, {"m1", "c1"}, {}, RECORDED, True)
    assert why.startswith("The CA is replaced, and m2, v1 would not take part")
    assert list_refusals(PLAN, NEEDED, {"m1", "c1"}, {}, RECORDED, False) == []


@pytest.mark.parametrize(
    ("unread", "recorded", "why"),
    [
        ({"c1": "timed out."}, RECORDED, "c1 cannot be read: timed out. Start it"),
        ({}, {"m1": RECORDED["m1"]}, "m2 has never been deployed. Run deploy first."),
        ({}, {**RECORDED, "m2": {"plan_digest": "d0"}}, "m2 is deployed from another plan"),
    ],
)
def test_a_host_that_could_not_follow_is_named(unread: dict[str, str], recorded: Any, why: str) -> None:
    (found,) = list_refusals(PLAN, NEEDED, {*NEEDED}, unread, recorded, False)
    assert found.startswith(why)


def test_the_table_shows_what_each_host_has_and_the_rounds_of_the_run() -> None:
    states = {"m1": HostCertificates(NOW, NOW + timedelta(days=397), "next", ("current", "next"))}
    text = describe(states, [TRUST, ISSUE, DROP], 1, Authorities(OLD.begins, True, False))
    assert "m1    2026-01-02 12:00   2027-02-03  next       current and next" in text
    assert "A rotation of the CA was interrupted. This run completes it." in text
    assert "Round 3 of 3, on 1 host: Every host trusts the new CA alone." in text
    young = describe({}, [DROP], 2, Authorities(NOW, False, False))
    assert young.startswith("The CA was created at 2026-01-02 12:00 UTC and counts as rotated (tiers_rotate_hours).")
