# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's reader, the allocation, a survey and the pages give each setting the same bounds."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.filter import allocate_clients
from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation import AllocationError, allocate
from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import (
    CAPACITY,
    CLIENT_WEIGHT,
    POLICY,
    SERVER_WEIGHT,
    STATES,
    Bounds,
    integers,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import BadValueError
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME

# Values at the edges of all bounds.
EDGES: tuple[Any, ...] = (
    -1,
    0,
    0.5,
    0.99,
    0.995,
    1,
    1.5,
    2,
    100,
    100.5,
    101,
    10**11,
    10**12,
    2**53,
    2**53 + 1,
    math.inf,
)
EDGES += (-math.inf, math.nan)


def reader_takes(variable: str, value: Any) -> bool:
    try:
        BY_NAME[variable].read(value)  # type: ignore[misc]
    except BadValueError:
        return False
    return True


def allocation_takes(policy: dict[str, Any] | None = None, **proxy: Any) -> bool:
    try:
        allocate({"c": {"site": "x"}}, {"p": {"site": "x", **proxy}}, None, policy=policy)
    except AllocationError:
        return False
    return True


@pytest.mark.parametrize("value", EDGES)
@pytest.mark.parametrize("key", POLICY)
def test_reader_and_allocation_agree_on_the_policy(key: str, value: Any) -> None:
    assert reader_takes("tiers_allocation", {key: value}) == allocation_takes({key: value}) == (value in POLICY[key])


@pytest.mark.parametrize("value", EDGES)
def test_reader_and_allocation_agree_on_a_capacity(value: Any) -> None:
    assert reader_takes("tiers_capacity", value) == allocation_takes(capacity=value) == (value in CAPACITY)


@pytest.mark.parametrize("state", [*STATES, "Active", "off"])
def test_reader_and_allocation_agree_on_a_state(state: str) -> None:
    assert reader_takes("tiers_state", state) == allocation_takes(state=state) == (state in STATES)


def test_a_server_of_no_weight_is_refused_in_the_tiers_that_share_a_load(judge: Any) -> None:
    for tier, host in (("proxy", "px1"), ("parallel", "p1")):
        found = judge(f"{tier}: {{hosts: {{{host}: {{tiers_weight: 0}}}}}}").errors
        assert [(finding.host, finding.variable) for finding in found] == [(host, "tiers_weight")]
    assert not allocation_takes(weight=0) and 0 not in SERVER_WEIGHT


def test_client_hosts_and_named_clients_have_the_same_weights(judge: Any) -> None:
    texts = [
        judge("client: {hosts: {c1: {tiers_weight: 0.5}}}").errors[0].message,
        judge("all: {vars: {tiers_clients: [{name: a, site: berlin, weight: 0.5}]}}").errors[0].message,
    ]
    assert all(CLIENT_WEIGHT.text in text for text in texts), texts


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (Bounds(), "a number from 0 up"),
        (Bounds(0, 1, open_above=True), "a number from 0 to less than 1"),
        (SERVER_WEIGHT, "a number above 0"),
        (Bounds(0, 99.5), "a number from 0 to 99.5"),
        (integers(1, 65535), "a whole number from 1 to 65535"),
        (CAPACITY, "a whole number from 1 up"),
        (CLIENT_WEIGHT, "a whole number from 1 to 10^15"),
    ],
)
def test_bounds_are_described_in_words(bounds: Bounds, text: str) -> None:
    assert bounds.text == text


def test_a_flag_is_no_number() -> None:
    assert True not in CAPACITY and "1" not in CAPACITY


def test_pages_tell_the_bounds() -> None:
    documented = " ".join(str(yaml.safe_load(allocate_clients.DOCUMENTATION)).split())
    for key, bounds in POLICY.items():
        assert bounds.text in BY_NAME["tiers_allocation"].meaning
        assert f"V({key}), {bounds.text}" in documented
    assert f"V(capacity) (connections, {CAPACITY.text}" in documented
