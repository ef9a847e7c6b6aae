# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that judge an operation: what they return, and that each is documented as it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction
from ansible_collections.distributed.tiers.tests.unit.plugins.action.judging import PACKAGE, documented, run_action

TARGETED = (
    *("drain_check", "pause_check", "replace_check", "resync_check", "retire_check", "switch_over_check"),
    "undrain_check",
)
# Each action, with what it needs besides the plan
REQUIRED: dict[str, dict[str, Any]] = {
    **{
        action: {}
        for action in (*TARGETED, "content_check", "lag_check", "restart_order", "roll_back_check", "verify_rows")
    },
    "restart_check": {"server": "m1", "probes": [{"item": "m1"}]},
    "drill_aim": {"experiment": {"backup": None}},
    "drill_health": {"results": "probed"},
    "drill_plan": {"run": "r"},
    "drill_report": {"run": "r", "samples": "/nowhere", "record": {"experiments": [], "skipped": []}},
    "drill_rows": {"run": "r", "samples": "/nowhere"},
    "backup_check": {"directory": "backups"},
    "restore_check": {},
    "secrets_check": {},
    "upgrade_check": {},
    "rotation_check": {"authorities": {"current": "", "next": "", "given": False}, "hours": 24},
}
# Actions that need no plan
PLANLESS: dict[str, dict[str, Any]] = {
    **{action: {} for action in ("clock_check", "system_hosts")},
    "ca_check": {"system": "demo", "directory": "/nowhere", "passphrase_length": 0},
    "drill_check": {"clients": []},
}
ACTIONS = (*REQUIRED, *PLANLESS)
# What the operator must allow
ALLOWED = {action: {"confirmed": True} for action in ("replace_check", "resync_check", "retire_check")}
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
    """The result of tier_probe on a healthy server about itself."""
    address = plan["servers"][name]["address"]
    return {"changed": False, "edges": [edge(name, address=address), edge(name, "drained", reachable=False), *more]}


@pytest.mark.parametrize("action", ACTIONS)
def test_documentation_has_the_options_of_the_action(action: str) -> None:
    plugin = import_module(f"{PACKAGE}.action.{action}").ActionModule
    assert issubclass(plugin, JudgingAction)
    assert documented(action)["options"] == {*plugin.arguments}


@pytest.mark.parametrize("action", ACTIONS)
def test_unknown_options_are_refused(action: str, plan: dict[str, Any]) -> None:
    options = {"plan": plan, **REQUIRED[action]} if action in REQUIRED else PLANLESS[action]
    with pytest.raises(AnsibleError, match=f"Unsupported parameters for \\({action}\\) module: answers"):
        run_action(action, {**options, "answers": {}})


@pytest.mark.parametrize("action", REQUIRED)
def test_a_missing_plan_is_refused(action: str) -> None:
    with pytest.raises(AnsibleError, match="missing required arguments: plan"):
        run_action(action, REQUIRED[action])


@pytest.mark.parametrize("action", REQUIRED)
def test_every_result_is_documented_and_hosts_without_answers_are_no_error(action: str, plan: dict[str, Any]) -> None:
    for hosts in ({name: {} for name in plan["servers"]}, {}):
        found = run_action(action, {"plan": plan, **REQUIRED[action]}, hosts)
        assert {*found} - {"changed"} == documented(action)["results"]


@pytest.mark.parametrize("action", TARGETED)
def test_targets_that_are_no_names_are_refused(action: str, plan: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError, match="tiers_targets must be a list of words"):
        run_action(action, {"plan": plan, "targets": 7})


@pytest.mark.parametrize("action", TARGETED)
@pytest.mark.parametrize("targets", ["m9,", ["m9"]])
def test_every_unknown_name_is_refused(action: str, targets: Any, plan: dict[str, Any]) -> None:
    found = run_action(action, {"plan": plan, "targets": targets, **ALLOWED.get(action, {})})
    assert found["wrong"] == ["'m9' is no server of tiers."]
    assert found["forbidden"] == "No server was touched. 'm9' is no server of tiers."
    assert not found["todo"]


def probes(plan: dict[str, Any], **ill: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**ill.get(name, healthy(plan, name)), "item": name} for name in SERVERS]


def test_restart_check_names_the_servers_to_probe_first(plan: dict[str, Any]) -> None:
    found = run_action("restart_check", {"plan": plan, "server": "m1"})
    assert found == {"changed": False, "servers": SERVERS}


def test_restart_is_allowed_while_others_serve(plan: dict[str, Any]) -> None:
    found = run_action("restart_check", {"plan": plan, "server": "m1", "probes": probes(plan)})
    assert (found["lost"], found["missing"], found["forbidden"]) == ([], [], "")


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


def seen(plan: dict[str, Any], **other: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables of the hosts after all servers were probed. `other`: those of hosts that are not healthy."""
    return {name: other.get(name, {"tiers_probed": healthy(plan, name)}) for name in plan["servers"]}


# A host that could not be read at all, one that went down since, and one that left no result
AWAY = {
    "unread": (
        {"tiers_record_read": ILL, "tiers_probed": {"skipped": True}},
        "host: OSError: [Errno 28] No space left on device",
    ),
    "down": ({"tiers_probed": DOWN}, "host: no route to host"),
    "silent": ({}, "host: it was not probed"),
}


@pytest.mark.parametrize(("variables", "why"), AWAY.values(), ids=[*AWAY])
def test_drain_names_the_host_that_cannot_be_drained_and_why(
    plan: dict[str, Any], variables: dict[str, Any], why: str
) -> None:
    found = run_action("drain_check", {"plan": plan, "targets": "m1,px2"}, seen(plan, px2=variables))
    assert found["todo"] == ["m1"]
    assert found["wrong"] == [f"px2: {why}. A host that cannot be reached cannot be drained."]
    assert found["forbidden"] == f"No server was touched. {found['wrong'][0]}"


def test_drain_is_forbidden_where_service_would_be_lost_unless_the_loss_is_confirmed(plan: dict[str, Any]) -> None:
    options, hosts = {"plan": plan, "targets": "m1"}, seen(plan, m2={})
    found = run_action("drain_check", options, hosts)
    assert found["lost"] == ["No server would accept writes without m1."]
    remedy = "Make another server ready first, or accept the loss: "
    assert found["forbidden"] == f"No server was touched. {found['lost'][0]} {remedy}-e tiers_drain_confirm=true."
    in_awx = run_action("drain_check", options, hosts, **AWX)["forbidden"]
    assert in_awx.endswith(f'{remedy}answer "Drain confirm" in the survey with true.')
    confirmed = run_action("drain_check", {**options, "loss_confirmed": True}, hosts)
    assert (confirmed["forbidden"], confirmed["todo"], confirmed["lost"]) == ("", ["m1"], found["lost"])


def test_a_server_that_caught_up_at_its_second_probe_serves_meanwhile(plan: dict[str, Any]) -> None:
    def answer(name: str, position: str) -> dict[str, Any]:
        found = healthy(plan, name)
        found["edges"][0] |= {"position": {"1": position}}
        return found

    for name in ("m1", "m2"):
        plan["servers"][name]["replication"] = "multi"
    hosts = seen(plan) | {
        "m1": {"tiers_probed": answer("m1", "000900")},
        "m2": {"tiers_probed": answer("m2", "000100")},
    }
    options = {"plan": plan, "targets": "m1"}
    assert run_action("drain_check", options, hosts)["lost"] == ["m2, which must serve without m1, lags behind."]
    assert run_action("lag_check", {"plan": plan}, hosts)["late"] == {"m2": {"1": "000900"}}
    hosts["m2"]["tiers_probed_again"] = answer("m2", "000900")
    assert run_action("drain_check", options, hosts)["lost"] == []


def test_drain_counts_the_members_that_the_pool_needs(plan: dict[str, Any]) -> None:
    options = {"plan": plan, "targets": ["p1"]}
    assert run_action("drain_check", options, seen(plan))["lost"] == []
    assert run_action("drain_check", {**options, "min_online": 2}, seen(plan))["lost"] == [
        "The pool would not serve without p1."
    ]


def stopped(plan: dict[str, Any], **traffic: str) -> dict[str, dict[str, Any]]:
    """The variables of the hosts after it was read which traffic is stopped."""
    shut = {"address": "", "ok": False, "why": "closed"}
    return {
        name: {"tiers_traffic": {"edges": [edge(name, "drained", traffic=traffic[name], **shut)]}}
        for name in plan["servers"]
        if name in traffic
    }


def test_undrain_finds_drained_and_interrupted_servers_and_healing_only_these(plan: dict[str, Any]) -> None:
    hosts = {**stopped(plan, px1="interrupted", m1="drained"), "px2": {"tiers_traffic": DOWN}, "m2": {}}
    assert run_action("undrain_check", {"plan": plan}, hosts)["todo"] == ["m1", "px1"]
    assert run_action("undrain_check", {"plan": plan, "targets": "m1"}, hosts)["todo"] == ["m1"]
    healed = run_action("undrain_check", {"plan": plan, "interrupted_only": True}, hosts)
    assert (healed["todo"], healed["forbidden"]) == (["px1"], "")


def deployed(digest: str) -> dict[str, Any]:
    return {"ansible_facts": {"ansible_local": {"tiers": {"plan_digest": digest}}}}


def test_retire_takes_no_record_of_a_host_that_this_run_could_not_read(plan: dict[str, Any]) -> None:
    """A fact cache has one."""
    plan["servers"]["px2"]["state"] = "down"
    hosts = {name: deployed(plan["digest"]) for name in plan["servers"]}
    options = {"plan": plan, "targets": "px2"}
    assert run_action("retire_check", {**options, "confirmed": True}, hosts)["forbidden"] == ""
    assert run_action("retire_check", options, hosts)["forbidden"] == (
        "No server was touched. This removes a server from its host. Allow it: -e tiers_retire_confirm=true."
    )
    hosts["p1"]["tiers_record_read"] = DOWN
    found = run_action("retire_check", {**options, "confirmed": True}, hosts)
    assert found["wrong"] == ["p1 may still depend on them: deploy first, then retire."]
    hosts["px2"]["tiers_record_read"] = DOWN
    assert run_action("retire_check", options, hosts)["todo"] == []


def test_replace_takes_a_machine_without_a_record_and_asks_for_a_confirmation(plan: dict[str, Any]) -> None:
    for name in ("m1", "m2"):
        plan["servers"][name]["replication"] = "multi"
    hosts = {name: {**deployed(plan["digest"]), **variables} for name, variables in seen(plan).items()}
    hosts["px1"] = {"tiers_probed": {"edges": [edge("px1", reachable=False, ok=False, why="closed")]}}
    options = {"plan": plan, "targets": "px1"}
    found = run_action("replace_check", options, hosts)
    assert (found["todo"], found["wrong"]) == (["px1"], [])
    assert found["forbidden"].startswith("No server was touched. Make sure that each old machine is switched off")
    assert run_action("replace_check", {**options, "confirmed": True}, hosts)["forbidden"] == ""
    hosts["c1"] = {"tiers_old_machine_probed": {"edges": [edge("px1", "port")]}}
    found = run_action("replace_check", {**options, "confirmed": True}, hosts)
    assert found["forbidden"].startswith("No server was touched. px1 still serves: c1 can connect to it.")
    hosts["px1"] = {"tiers_record_read": DOWN, "ansible_facts": deployed("x")["ansible_facts"]}
    del hosts["c1"]
    (wrong,) = run_action("replace_check", options, hosts)["wrong"]
    assert wrong == "px1: the host is unreachable. Install the new machine, and let Ansible connect to it."


def test_switch_over_tells_the_active_node_from_its_peer(judge: Any) -> None:
    plan = judge(
        """
        distributor: {hosts: {d1: {tiers_virtual_address: 192.0.2.99}}}
        backup: {hosts: {d2: {tiers_failback: manual}}}
        """
    ).plan
    hosts = {
        name: {"tiers_probed": healthy(plan, name, edge(name, "address", reachable=name == "d2"))}
        for name in plan["servers"]
    }
    found = run_action("switch_over_check", {"plan": plan, "targets": "d1"}, hosts)
    assert (found["forbidden"], found["promoted"], [*found["todo"]]) == ("", ["d1"], ["d2"])
    assert found["todo"]["d2"]["to"] == "d1" and found["todo"]["d2"]["edge"]["expect"] == "open"
    hosts["d1"] = AWAY["unread"][0]
    found = run_action("switch_over_check", {"plan": plan, "targets": "d1"}, hosts)
    assert found["wrong"] == [f"d1 cannot be promoted: {AWAY['unread'][1]}."]
    assert (found["todo"], found["promoted"]) == ({}, [])


def test_resync_asks_and_names_the_loss(plan: dict[str, Any]) -> None:
    for name in ("m1", "m2"):
        plan["servers"][name]["replication"] = "multi"
    hosts = {
        name: {"tiers_probed": {"edges": [{**one, "position": {"1": "a"}} for one in healthy(plan, name)["edges"]]}}
        for name in plan["servers"]
    }
    options = {"plan": plan, "targets": "m2"}
    asked = run_action("resync_check", options, hosts)
    assert asked["todo"] == {"m2": {"name": "m1", "address": plan["servers"]["m1"]["address"]}}
    assert asked["forbidden"] == (
        "No server was touched. This replaces the data of a server. Allow it: -e tiers_resync_confirm=true."
    )
    assert run_action("resync_check", {**options, "confirmed": True}, hosts)["forbidden"] == ""
    hosts["m1"] = AWAY["down"][0]
    alone = run_action("resync_check", {**options, "confirmed": True}, hosts)
    assert alone["wrong"] == ["m2 is the only healthy master: no other master is up and in service."]
    hosts["m1"], hosts["p2"] = hosts["m2"], {}
    lost = run_action("resync_check", {**options, "targets": "p1"}, hosts)
    assert lost["lost"] == ["The pool would not serve without p1."]
    assert lost["forbidden"].endswith(
        "The pool would not serve without p1. Make another server ready first, or accept the loss: "
        "-e tiers_drain_confirm=true. This replaces the data of a server. Allow it: -e tiers_resync_confirm=true."
    )


def test_clocks_that_are_wrong_end_the_run_and_are_all_named() -> None:
    hosts = {
        "m": {"tiers_clock_read": {"clock": {"least": 40, "most": 41}}},
        "x": {"tiers_clock_read": {"clock": {"least": 0, "most": 1}}},
        "y": {"tiers_clock_read": {"clock": {"least": -99, "most": -98}}},
        "down": {"tiers_clock_read": DOWN},
        "silent": {},
    }
    found = run_action("clock_check", {}, hosts)
    assert found["failed"] is True
    assert [line.partition(":")[0] for line in found["wrong"]] == ["m", "y"]
    assert found["msg"].startswith("No host was changed. m: its clock is 40.5 s (± 0.5 s) ahead of the controller's")
    assert "tiers_clock_refuse: 30 s" in found["msg"] and "; y: " in found["msg"]
    assert run_action("clock_check", {"limit": "100"}, hosts) == {"changed": False, "wrong": []}


def test_digests_that_differ_or_cannot_be_compared_are_read_again(plan: dict[str, Any]) -> None:
    def settled(**digests: tuple[str, str]) -> bool:
        hosts: dict[str, dict[str, Any]] = {
            "px1": {"tiers_record_read": DOWN, "tiers_content": {"skipped": True}},
            "p1": {},
        }
        for name, (position, digest) in digests.items():
            hosts[name] = {"tiers_content": {"edges": [edge(name, position={"1": position}, digest=digest)]}}
        return bool(run_action("content_check", {"plan": plan}, hosts)["settled"])

    assert settled(m1=("a", "x"), m2=("a", "x"))
    assert not settled(m1=("a", "x"), m2=("a", "y"))
    assert not settled(m1=("a", "x"), m2=("b", "x"))


def test_restarts_take_the_standby_before_the_active_node_and_a_rollback_the_reverse(plan: dict[str, Any]) -> None:
    hosts = {"m2": {"tiers_serving": True}, "px1": {}, "m1": {"tiers_serving": False}, "c1": {}}
    order = run_action("restart_order", {"plan": plan}, hosts)["order"]
    assert order == ["px1", "m1", "m2"]
    assert run_action("restart_order", {"plan": plan, "back": True}, hosts)["order"] == order[::-1]


class Templates:
    """A templar that fills nothing in."""

    def copy_with_new_env(self) -> Templates:
        return self

    def template(self, value: Any) -> Any:
        return value


def test_servers_outside_the_run_are_found_and_other_hosts_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JudgingAction, "_templar", Templates(), raising=False)
    hosts: dict[str, dict[str, Any]] = {name: {} for name in ("m1", "px1", "c1", "other")}
    groups = {"all": [*hosts], "master": ["m1"], "proxy": ["px1"], "client": ["c1"]}
    found = run_action("system_hosts", {}, hosts, groups=groups, ansible_play_hosts_all=["c1", "m1", "other"])
    assert (found["hosts"], found["outside"]) == (dict.fromkeys(("m1", "px1", "c1"), True), ["px1"])
    found = run_action("system_hosts", {}, hosts, groups=groups, ansible_play_hosts_all=["other"])
    assert (found["hosts"], found["outside"]) == ({}, [])
    assert {*found} - {"changed"} == documented("system_hosts")["results"]


def test_deployment_scope_selects_all_hosts_or_those_that_changed(
    plan: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, str] = {}
    monkeypatch.setattr(JudgingAction, "_templar", Templates(), raising=False)
    monkeypatch.setattr(JudgingAction, "_loader", None, raising=False)
    monkeypatch.setattr(f"{PACKAGE}.action.deployment_scope.load_extra_vars", lambda _loader: asked)
    (tmp_path / "ca.key").write_text("key", encoding="utf-8")
    options = {"plan": plan, "authorities": {"given": False, "directory": str(tmp_path)}}
    hosts: dict[str, dict[str, Any]] = {name: {"host_certificate": "x"} for name in (*plan["servers"], "other")}

    def run(scope: str = "changed") -> dict[str, Any]:
        asked["tiers_scope"] = scope
        return run_action("deployment_scope", {**options, "scope": scope}, hosts, inventory_hostname="m1")

    found = run("all")
    assert (found["hosts"], found["text"]) == ([*plan["servers"]], "")
    assert {*found} - {"changed", "_ansible_verbose_override"} == documented("deployment_scope")["results"]
    assert documented("deployment_scope")["options"] == {"plan", "scope", "authorities", "renew_days"}
    for name, record in found["records"].items():
        hosts[name]["ansible_facts"] = {"ansible_local": {"tiers": {"schema": 1}, "tiers_inputs": record}}
    assert run()["hosts"] == []
    hosts["m1"]["tiers_record_read"] = DOWN
    hosts["p1"]["ansible_facts"]["ansible_local"]["tiers_drained"] = {"operation": "restart", "complete": False}
    hosts["p2"]["ansible_facts"]["ansible_local"]["tiers_drained"] = {"operation": "drain", "complete": True}
    hosts["other"]["ansible_facts"] = {"ansible_local": {"tiers_voter": {"system": plan["system"]}}}
    hosts["px1"]["server_drain_seconds"] = 1
    del hosts["d1"]["ansible_facts"]["ansible_local"]["tiers"]
    assert {*run()["hosts"]} == {"m1", "p1", "px1", "d1", "other"}
    hosts["m2"] |= {"host_certificate": "", "host_certificate_renew_days": 7}
    assert "the end of its certificate is not recorded" in run()["reasons"]["m2"]
    (tmp_path / "ca.key").unlink()
    assert run()["hosts"] == [*plan["servers"], "other"], "without a key, no host is left out"


def test_a_scope_that_the_inventory_sets_is_refused(plan: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JudgingAction, "_loader", None, raising=False)
    monkeypatch.setattr(f"{PACKAGE}.action.deployment_scope.load_extra_vars", lambda _loader: {})
    with pytest.raises(AnsibleError, match="tiers_scope is set in the inventory"):
        run_action(
            "deployment_scope",
            {"plan": plan, "scope": "changed", "authorities": {}},
            {"m1": {"tiers_scope": "changed"}},
            inventory_hostname="m1",
        )


def probed(plan: dict[str, Any], **more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables of all hosts of a product that offers rows."""
    base = {"tiers_probe_operations": ["read", "write", "names", "remove"], "tiers_probe_driver": ""}
    return {name: {**base, **more.get(name, {})} for name in (*plan["servers"], *plan["clients"])}


def test_rows_go_through_no_standby_and_nowhere_without_offers(plan: dict[str, Any]) -> None:
    standby = {"verify_probed": {"edges": [edge("m1", "active", reachable=False)]}}
    written = {"rows": [{"name": "r1", "write_ms": 3}, {"name": "r2", "why": "refused"}]}
    hosts = probed(
        plan,
        m1=standby,
        px1={"verify_written": written},
        px2={"tiers_probe_operations": ["read"]},
        p1=AWAY["unread"][0],
    )
    hosts["m2"] = {"verify_written": DOWN}
    found = run_action("verify_rows", {"plan": plan}, hosts)
    assert (found["standby"], found["names"]) == (["m1"], ["r1"])
    assert {name for name in plan["servers"] if not found["places"][name]} == {"m1", "m2", "px2", "d1", "d2"}
    for name, client in plan["clients"].items():
        endpoints = [endpoint["name"] for endpoint in client["endpoints"]]
        assert [place["name"] for place in found["places"][name]][: len(endpoints)] == endpoints


def test_protocol_of_the_product_goes_before_that_of_the_plan(plan: dict[str, Any]) -> None:
    (name, *_others) = plan["clients"]
    hosts = probed(plan, **{name: {"tiers_probe_driver": "command"}})
    found = run_action("verify_rows", {"plan": plan}, hosts)
    assert {place["protocol"] for place in found["places"][name]} == {"command"}
    streams = run_action("drill_plan", {"plan": plan, "run": "r"}, hosts)["streams"][name]
    assert {server["protocol"] for stream in streams for server in stream["servers"]} == {"command"}


def test_drill_names_what_is_degraded_and_which_nodes_are_standby(plan: dict[str, Any]) -> None:
    late = {"edges": [edge("m1", "active", reachable=False, ok=False, why="late", position={"1": "b"})]}
    hosts: dict[str, dict[str, Any]] = {"m1": {"gate": late}, "px1": {"gate": DOWN}, "px2": {}}
    hosts["m2"] = {"gate": {"edges": [edge("m2", position={"1": "a", "2": "c"})]}}
    found = run_action("drill_health", {"plan": plan, "results": "gate"}, hosts)
    assert found["degraded"] == ["px1: no route to host", "px2: it was not probed", "m1: late"]
    assert found["standby"] == ["m1"]
    assert found["position"] == {"1": "b", "2": "c"}


def test_drill_is_planned_judged_and_its_writes_are_searched(plan: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "c1.jsonl").write_text('["home writes",1,1,"x",1,7,"",0]\n')
    hosts = probed(plan)
    planned = run_action("drill_plan", {"plan": plan, "run": "r", "rates": {"write": 0}}, hosts)
    assert len(planned["todo"]) + len(planned["skipped"]) == 6
    assert planned["streams"]["c1"] and all(stream["kind"] != "write" for stream in planned["streams"]["c1"])
    drill = {"plan": plan, "samples": str(tmp_path), "run": "r"}
    assert run_action("drill_rows", drill, hosts)["names"] == ["r-c1-00007"]
    assert run_action("drill_rows", {**drill, "before": "1.5"}, hosts)["names"] == []
    record = {"experiments": planned["todo"], "skipped": planned["skipped"]}
    report = run_action("drill_report", {**drill, "record": record}, hosts)
    assert report["ok"] is False and report["disturbed"] is False
    assert "it was not begun" in report["text"]
    hosts["px1"]["drill_lasting"] = DOWN
    hosts["d1"]["drill_lasting"] = {"skipped": True}
    ended = run_action("drill_report", {**drill, "record": record}, hosts)["report"]
    assert ended != report["report"] and "px1" in str(ended) and "no answer" in str(ended)


def test_samples_that_cannot_be_read_are_an_error(plan: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "c1.jsonl").write_bytes(b'["\xff')
    with pytest.raises(AnsibleError, match="samples in "):
        run_action("drill_rows", {"plan": plan, "samples": str(tmp_path), "run": "r"})


def test_rollback_names_all_servers_that_have_no_way_back(plan: dict[str, Any]) -> None:
    def release(runs: str, to: str, **more: str) -> dict[str, Any]:
        return {"tiers_earlier": {"from": runs, "wanted": "2", "to": to, "why": "", "remedy": "", **more}}

    kept = {"why": "its data has one format", "remedy": "Restore a dump."}
    hosts: dict[str, dict[str, Any]] = {"m1": release("2", "", **kept), "m2": release("2", "", **kept)}
    hosts |= {"px1": release("2", "1"), "p1": release("1", ""), "p2": release("2", "", why="nothing is kept"), "d1": {}}
    found = run_action("roll_back_check", {"plan": plan}, hosts)
    assert sorted(found["todo"]) == ["m1", "m2", "p2", "px1"]
    assert found["forbidden"] == (
        "No server was touched. m1, m2: its data has one format. Restore a dump. p2: nothing is kept. "
    )
    lines = found["text"].splitlines()
    assert "px1: 2 -> 1" in lines and "m1: 2 -> no way back" in lines
    assert "p1: stays at 1, which is not the release of the inventory (2)" in lines
    assert not any(line.startswith("d1") for line in lines)
    assert run_action("roll_back_check", {"plan": plan}, {"px1": hosts["px1"]})["forbidden"] == ""


def test_a_drill_needs_a_confirmation_and_a_client_host() -> None:
    allowed = {"confirmed": True, "clients": ["c1"]}
    assert run_action("drill_check", allowed)["forbidden"] == ""
    ask = "No server was touched. A drill breaks servers on purpose. Allow it: "
    assert run_action("drill_check", {"clients": ["c1"]})["forbidden"] == f"{ask}-e tiers_drill_confirm=true."
    in_job = run_action("drill_check", {"clients": ["c1"]}, **AWX)["forbidden"]
    assert in_job == f'{ask}answer "Drill confirm" in the survey with true.'
    assert "needs a host in the group of clients" in run_action("drill_check", allowed | {"clients": []})["forbidden"]


def test_a_ca_is_created_only_where_it_lasts_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("1 0 0:60 / / rw - overlay overlay rw\n2 1 8:1 /x /runner/ca rw - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(import_module(f"{PACKAGE}.plugin_utils.lifetime"), "MOUNTS", mounts)
    options = {"system": "demo", "directory": str(tmp_path / "ca"), "passphrase_length": 12}
    job = {"awx_job_id": 7, **AWX}

    def refused(variables: dict[str, Any], **more: Any) -> str:
        found = run_action("ca_check", options | more, **variables)
        assert found.get("failed", False) is ("msg" in found)
        return str(found.get("msg", ""))

    assert refused({}) == ""
    assert refused(job).startswith(f"No host was changed. The CA of demo would be created in {tmp_path}/ca, which AWX")
    assert refused(job, directory="/runner/ca/demo") == refused(job, given=True) == ""
    assert refused({}, may_create=False).endswith("Or issue all certificates again: -e host_ca_make=true.")
    assert refused(job, may_create=False).endswith("set host_ca_make to true in the variables of the template.")
    assert refused({}, passphrase_length=1).startswith(
        "No host was changed. tiers_ca_passphrase has 1 character. It must"
    )
    assert refused({}, passphrase_length=0) == refused({}, passphrase_length=8) == ""
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca/ca.crt").touch()
    assert refused(job, may_create=False) == ""


def test_a_backup_is_not_written_where_awx_removes_it(
    plan: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("1 0 0:60 / / rw - overlay overlay rw\n2 1 8:1 /x /runner/kept rw - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(import_module(f"{PACKAGE}.plugin_utils.lifetime"), "MOUNTS", mounts)
    lost = "AWX removes tiers_backup_dir after this job"
    in_job = {"plan": plan, "directory": str(tmp_path)}
    assert lost in run_action("backup_check", in_job, awx_job_id=7)["forbidden"]
    assert lost not in run_action("backup_check", in_job)["forbidden"]
    assert lost not in run_action("backup_check", {**in_job, "directory": "/runner/kept"}, awx_job_id=7)["forbidden"]
