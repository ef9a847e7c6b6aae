# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that judge an operation: what they return, and that each is documented as it is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction
from ansible_collections.distributed.tiers.tests.unit.plugins.action.judging import PACKAGE, documented, run_action

ACTIONS = ("restart_check",)
ILL = {"failed": True, "msg": "Task failed.", "module_stderr": "OSError: [Errno 28] No space left on device"}
DOWN = {"unreachable": True, "msg": "no route to host"}
# Those that serve while m1 restarts, or know which do
SERVERS = ["m1", "m2", "p1", "p2", "px1", "px2"]
AWX = {"awx_job_template_name": "demo deploy"}


@pytest.fixture
def plan(judge: Any) -> dict[str, Any]:
    """The plan of the rules' example: masters m1 and m2, proxy px1, members p1 and p2, distributors d1 and d2."""
    outcome = judge()
    assert outcome.plan, outcome.errors
    found: dict[str, Any] = outcome.plan
    return found


def edge(name: str, protocol: str = "ldaps", **more: Any) -> dict[str, Any]:
    base = {"name": name, "address": name, "protocol": protocol, "reachable": True, "role": None, "position": {}}
    return {**base, "servers": {}, "ok": True, "why": "", **more}


def healthy(plan: dict[str, Any], name: str, *more: dict[str, Any]) -> dict[str, Any]:
    """What tier_probe returns on a healthy server about itself."""
    address = plan["servers"][name]["address"]
    return {"changed": False, "edges": [edge(name, address=address), edge(name, "drained", reachable=False), *more]}


@pytest.mark.parametrize("action", ACTIONS)
def test_documentation_has_the_options_of_the_action(action: str) -> None:
    plugin = import_module(f"{PACKAGE}.action.{action}").ActionModule
    assert issubclass(plugin, JudgingAction)
    assert documented(action)["options"] == {"plan", *plugin.arguments}


@pytest.mark.parametrize("action", ACTIONS)
def test_unknown_options_and_a_missing_plan_are_refused(action: str, plan: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError, match=r"missing required arguments:.* plan"):
        run_action(action, {})
    with pytest.raises(AnsibleError, match=f"Unsupported parameters for \\({action}\\) module: answers"):
        run_action(action, {"plan": plan, "server": "m1", "answers": {}})


def probes(plan: dict[str, Any], **ill: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**ill.get(name, healthy(plan, name)), "item": name} for name in SERVERS]


def test_restart_check_names_the_servers_to_probe_first(plan: dict[str, Any]) -> None:
    found = run_action("restart_check", {"plan": plan, "server": "m1"})
    assert found == {"changed": False, "servers": SERVERS}


def test_restart_is_allowed_while_others_serve(plan: dict[str, Any]) -> None:
    found = run_action("restart_check", {"plan": plan, "server": "m1", "probes": probes(plan)})
    assert (found["lost"], found["missing"], found["forbidden"]) == ([], [], "")
    assert {*found} - {"changed"} == documented("restart_check")["results"]


@pytest.mark.parametrize(("ill", "why"), [(ILL, "No space left on device"), (DOWN, "no route to host")])
def test_restart_is_forbidden_while_the_peer_does_not_serve(
    plan: dict[str, Any], ill: dict[str, Any], why: str
) -> None:
    options = {"plan": plan, "server": "m1", "probes": probes(plan, m2=ill)}
    found = run_action("restart_check", options)
    assert found["forbidden"].startswith("m1 was not touched. No master would accept writes without m1. m2: ")
    assert why in found["forbidden"]
    assert found["forbidden"].endswith("or accept the loss: -e tiers_restart_confirm=true.")
    assert "in the survey" in run_action("restart_check", options, **AWX)["forbidden"]
    confirmed = run_action("restart_check", {**options, "loss_confirmed": True})
    assert confirmed["forbidden"] == "" and confirmed["lost"] == found["lost"]
