# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification import content, status, verify
from ansible_collections.distributed.tiers.tests.unit.slices import Slice

TIERS = {"m": "master", "mb": "backup", "x": "proxy", "y": "proxy"}
PLAN: dict[str, Any] = {"servers": {name: {"tier": tier} for name, tier in TIERS.items()}}


def held(digest: str | None, position: str = "5") -> dict[str, Any]:
    return {"edges": [{"digest": digest, "position": {"1": position}}]}


def test_equal_content_is_no_finding() -> None:
    answers = {name: held("a") for name in TIERS}
    assert content.differing(PLAN, answers) == []
    assert content.is_compared(answers)
    assert content.count_equal(PLAN, answers) == (4, 4)


def test_the_server_that_differs_from_most_others_is_named() -> None:
    answers = {"m": held("b"), "mb": held("a"), "x": held("a"), "y": held("a")}
    assert content.differing(PLAN, answers) == [
        ("m", "its content differs from mb and x and y at an equal position: b, there a")
    ]
    assert content.count_equal(PLAN, answers) == (3, 4)


@pytest.mark.parametrize("master", ["a", "b"])
def test_the_content_of_the_master_counts_as_right_against_one_other(master: str) -> None:
    plan = {"servers": {name: {"tier": "master" if name == master else "backup"} for name in ("a", "b")}}
    (other,) = {"a", "b"} - {master}
    assert [name for name, _why in content.differing(plan, {"a": held("y"), "b": held("z")})] == [other]


@pytest.mark.parametrize(
    ("answers", "settled", "equal"),
    [
        ({"m": held("a"), "mb": held("b", "4")}, False, (0, 2)),  # on its way
        ({"m": held("a"), "mb": held(None)}, True, (0, 2)),  # written to while it was read, or the product has none
        ({"m": held("a"), "mb": {"msg": "no answer"}, "x": {}}, True, (0, 1)),
        ({"m": {"edges": []}}, True, (0, 0)),
    ],
)
def test_content_at_other_positions_is_no_difference(answers: Any, settled: bool, equal: tuple[int, int]) -> None:
    assert content.differing(PLAN, answers) == []
    assert content.is_compared(answers) is settled
    assert content.count_equal(PLAN, answers) == equal


def server(**more: Any) -> Slice:
    base = {"name": "s", "address": "a", "port": 636, "protocol": "ldaps", "state": "active", "redundancy": None}
    return Slice({**base, "serves_as": "proxy", "tier": "proxy", **more})


@pytest.mark.parametrize(
    ("more", "protocol", "edge"),
    [
        ({}, None, ("ldapi", "quick")),
        ({"protocol": "https"}, None, ("https", "quick")),
        ({"protocol": "tls"}, "command", ("command", "quick")),
        ({"state": "down"}, None, None),
        ({"redundancy": "cold"}, None, None),
        ({"serves_as": "distributor"}, None, None),
        ({"proxy_mode": "pass"}, None, None),
        ({"replication": "none"}, None, None),
    ],
)
def test_servers_that_hold_content_are_asked(more: Any, protocol: str | None, edge: tuple[str, str] | None) -> None:
    edges = verify.content_edges({"servers": {"s": server(**more)}}, "s", protocol=protocol)
    assert [(one["protocol"], one["digest"]) for one in edges] == ([edge] if edge else [])
    assert verify.content_edges({"servers": {}}, "c") == []


def test_status_and_verify_name_the_server() -> None:
    answers = {"m": held("z"), "mb": held("a")}
    plan = {"digest": "d", "clients": {}, "edges": [], "servers": {}}
    servers = {"m": server(name="m", tier="master"), "mb": server(name="mb", tier="backup")}
    results = {name: {"content": answer} for name, answer in answers.items()}
    found = verify.report({**plan, "servers": servers}, results)
    assert [f["host"] for f in found["findings"] if f["what"] == "content"] == ["mb"]
    assert "servers with the same content as others" in found["text"]
    missing = dict.fromkeys(("primary", "backup", "virtual_address", "clients", "failback", "site"))
    full = {name: Slice({**missing, "upstreams": [], "members": [], **one}) for name, one in servers.items()}
    alerts = status.report({**plan, "servers": full}, {}, {}, content=answers)["alerts"]
    assert "mb: its content differs from m at an equal position: a, there z" in alerts


def test_verify_says_that_the_content_of_a_product_without_digests_is_not_measured() -> None:
    answers = {"m": held(None), "mb": held(None)}
    servers = {"m": server(name="m", tier="master"), "mb": server(name="mb", tier="backup")}
    plan = {"digest": "d", "clients": {}, "edges": [], "servers": servers}
    text = verify.report(plan, {name: {"content": answer} for name, answer in answers.items()})["text"]
    line = next(line for line in text.splitlines() if line.startswith("servers with the same content"))
    assert line.split("  ")[1].strip() == "-"
    assert line.endswith("  not measured: the product gives no digest of its content")
