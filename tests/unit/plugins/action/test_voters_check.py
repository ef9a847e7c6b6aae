# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`deploy` decides which voters begin, join or leave, through which voter, and why nothing may change."""

from __future__ import annotations

from typing import Any

from ansible_collections.distributed.tiers.plugins.action.voters_check import ActionModule

NAMES = ("m1", "m2", "v1")
BARE = {"has_data": False, "is_established": False, "token": "", "answers": False, "healthy": False, "why": "refused"}


def voter(name: str) -> dict[str, Any]:
    address = f"192.0.2.{NAMES.index(name) + 1}"
    return {"name": name, "address": address, "client_port": 2379, "peer_url": f"https://{address}:2380"}


def judge(seen: dict[str, Any]) -> dict[str, Any]:
    """`seen`: what tier_voter returned on the hosts of the run; the others are outside its limit."""
    plan = {"arbiter": {"voters": [voter(name) for name in NAMES]}, "voters": {name: voter(name) for name in NAMES}}
    hostvars = {name: {"tiers_voter_probed": answer} for name, answer in seen.items()}
    action = ActionModule.__new__(ActionModule)
    return action.judge({"plan": plan}, {"groups": {"tiers_voters": list(seen)}, "hostvars": hostvars})


def healthy(name: str, *members: str) -> dict[str, Any]:
    listed = [{"id": one, "name": one, "peer": voter(one)["peer_url"], "learner": False} for one in members]
    return {**BARE, "has_data": True, "answers": True, "healthy": True, "voter": {"id": name, "members": listed}}


def test_a_new_arbiter_has_a_token_of_its_own() -> None:
    first, second = judge(dict.fromkeys(NAMES, BARE)), judge(dict.fromkeys(NAMES, BARE))
    assert first["changes"] == dict.fromkeys(NAMES, "new")
    assert first["token"] and first["token"] != second["token"]
    assert first["forbidden"] == ""


def test_a_new_arbiter_does_not_begin_without_a_voter() -> None:
    found = judge(dict.fromkeys(("m1", "m2"), BARE))
    assert found["changes"] == {}
    assert "Not reached, or not in it: v1." in found["forbidden"]


def test_a_voter_joins_through_a_healthy_one() -> None:
    seen = {"m1": BARE, "m2": healthy("m2", "m2", "v1"), "v1": healthy("v1", "m2", "v1")}
    found = judge(seen)
    assert found["changes"] == {"m1": "join"}
    assert found["via"] == {"name": "m2", "address": "192.0.2.2", "client_port": 2379}
    assert found["text"] == "m1 joins the arbiter."
