# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.secret_rotation import check_rotation
from ansible_collections.distributed.tiers.tests.unit.slices import Slice

PLAN: dict[str, Any] = {
    "digest": "d",
    "servers": {
        "m1": Slice({"name": "m1", "serves_as": "master", "state": "active", "address": "m1", "redundancy": None}),
        "px1": Slice({"name": "px1", "serves_as": "proxy", "state": "active", "address": "px1", "redundancy": None}),
        "px2": Slice({"name": "px2", "serves_as": "proxy", "state": "down", "address": "px2", "redundancy": None}),
    },
}
DEPLOYED = {name: {"plan_digest": "d"} for name in PLAN["servers"]}


def answer(name: str, up: bool = True) -> dict[str, Any]:
    edge = {
        "name": name,
        "address": name,
        "protocol": "ldaps",
        "reachable": up,
        "ok": up,
        "why": "" if up else "refused",
    }
    return {"edges": [{**edge, "role": None, "position": {}, "servers": {}}]}


def check(names: list[str], accepted: list[str], **changes: Any) -> dict[str, Any]:
    answers = {name: answer(name) for name in ("m1", "px1")} | changes.pop("answers", {})
    found = check_rotation(PLAN, answers, DEPLOYED | changes.pop("recorded", {}), names, accepted)
    assert found["hosts"] == ["m1", "px1"]
    return found


def test_secret_of_which_all_servers_accept_two_values_is_rotated() -> None:
    found = check(["password"], ["password", "other"])
    assert found["wrong"] == []
    assert found["text"].splitlines()[1].split() == [
        "password",
        "both",
        "values,",
        "then",
        "the",
        "next",
        "one",
        "2",
        "servers",
    ]


@pytest.mark.parametrize(
    ("names", "changes", "wrong"),
    [
        ([], {}, "No secret has a next value."),
        (["single"], {}, "Servers of this product do not accept two values of single at a time,"),
        (["password"], {"recorded": {"px1": {"plan_digest": "e"}}}, "px1 is deployed from another plan,"),
        (["password"], {"recorded": {"px1": {}}}, "px1 is deployed from another plan,"),
        (["password"], {"answers": {"px1": {"msg": "no route"}}}, "px1: host: no route. Repair it,"),
        (["password"], {"answers": {"px1": answer("px1", up=False)}}, "px1: refused. Repair it,"),
        (["password"], {"answers": {"px1": None}}, "px1 would not take part,"),
    ],
)
def test_rotation_that_would_cost_service_is_refused(names: list[str], changes: dict[str, Any], wrong: str) -> None:
    (why,) = check(names, ["password"], **changes)["wrong"]
    assert why.startswith(wrong)
