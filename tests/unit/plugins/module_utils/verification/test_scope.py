# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment leaves out a host only if nothing of it changed since its last complete deployment."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.module_utils.verification.scope import (
    ALL,
    CHANGED,
    RecordedHost,
    describe,
    reasons,
    seal,
)

KEY = b"the key of the CA"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
INPUTS = {
    "variables": {"product_password": "secret-1", "server_drain_seconds": 5},
    "slice of the server": {"port": 636},
}
ENDS = {"certificate_ends": "Dec 31 23:59:59 2027 GMT"}
COMPLETE = RecordedHost(inputs=INPUTS, recorded={**seal(KEY, "m1", INPUTS), **ENDS}, renew_days=30)


def why(host: RecordedHost, key: bytes = KEY, name: str = "m1") -> list[str]:
    return reasons(host, seal(key, name, host.inputs), NOW)


def test_a_host_with_the_same_inputs_is_left_out() -> None:
    assert why(COMPLETE) == []
    assert why(replace(COMPLETE, renew_days=None, recorded=seal(KEY, "m1", INPUTS))) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"unread": "the host is unreachable"}, "the host is unreachable"),
        ({"lacks": ("as a server",)}, "it has no record of a deployment as a server"),
        ({"former_voter": True}, "it was a voter of the arbiter"),
        ({"closed": True}, "an interrupted run left it closed to clients"),
        ({"recorded": None}, "no complete deployment is recorded"),
        ({"recorded": "half a reco"}, "no complete deployment is recorded"),
        ({"recorded": {**COMPLETE.recorded, "schema": 0}}, "no complete deployment is recorded"),
        ({"incomparable": ("the variable x",)}, "it depends on what cannot be compared: the variable x"),
        ({"recorded": seal(KEY, "m1", INPUTS)}, "the end of its certificate is not recorded"),
        ({"recorded": {**COMPLETE.recorded, "digest": "0" * 64}}, "changed: its inputs"),
        (
            {"recorded": {**COMPLETE.recorded, "certificate_ends": "Dec 29 23:59:59 2026 GMT"}},
            "its certificate ends at 2026-12-29 23:59 UTC (host_certificate_renew_days: 30)",
        ),
        (
            {"inputs": {**INPUTS, "slice of the server": {"port": 389, "state": "active"}}},
            "changed: slice of the server: port, state",
        ),
        ({"inputs": {"variables": INPUTS["variables"]}}, "changed: slice of the server: port"),
        (
            {"inputs": {**INPUTS, "variables": {"product_password": "secret-2"}}},
            "changed: variables: product_password, server_drain_seconds",
        ),
    ],
)
def test_each_reason_to_touch_a_host_is_named(change: dict[str, Any], expected: str) -> None:
    assert why(replace(COMPLETE, **change)) == [expected]


def test_another_key_or_none_leaves_no_host_out() -> None:
    assert why(COMPLETE, key=b"another") == ["the key of the CA is another one, so digests cannot be compared"]
    assert reasons(COMPLETE, None, NOW) == ["the key of the CA is not on this controller, and digests need it"]


def test_the_record_of_another_host_does_not_count() -> None:
    assert why(COMPLETE, name="m2") != []


def test_a_host_that_is_not_of_the_system_is_left_out() -> None:
    assert reasons(RecordedHost(inputs={}), None, NOW) == []


values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(max_size=3), max_size=3)
inputs = st.dictionaries(st.text(max_size=3), st.dictionaries(st.text(max_size=3), values, max_size=3), max_size=3)


@given(inputs, inputs)
def test_hosts_are_left_out_exactly_if_their_inputs_are_equal(before: dict[str, Any], after: dict[str, Any]) -> None:
    recorded = {**seal(KEY, "m1", before), **ENDS}
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (not why(RecordedHost(inputs=after, recorded=recorded))) == (same or not after)


def test_neither_record_nor_message_holds_a_value() -> None:
    record = json.dumps(seal(KEY, "m1", INPUTS))
    text = describe({"m1": why(replace(COMPLETE, inputs={"variables": {"product_password": "secret-2"}}))}, CHANGED)
    assert "secret" not in record + text and "product_password" in text
    plain = seal(b"", "m1", INPUTS)
    assert not {*COMPLETE.recorded["inputs"]["variables"].values()} & {*plain["inputs"]["variables"].values()}


def test_the_report_has_each_host_with_its_reasons_and_what_is_not_looked_at() -> None:
    text = describe(
        {"m1": ["changed: variables: x", "an interrupted run left it closed to clients"], "m2": []}, CHANGED
    )
    assert text.splitlines()[1].split(maxsplit=1) == [
        "m1",
        "changed: variables: x; an interrupted run left it closed to clients",
    ]
    assert "1 host not touched" in text and "does not look at these hosts" in text
    assert "HOST" not in describe({"m2": []}, CHANGED)
    assert describe({"m1": ["changed"]}, ALL) == ""
