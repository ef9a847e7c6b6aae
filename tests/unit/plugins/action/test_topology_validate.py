# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action in real runs of ansible-playbook."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.distributed.tiers.plugins.action.topology_validate import ActionModule
from ansible_collections.distributed.tiers.plugins.plugin_utils.files import replace_file

REPOSITORY = Path(__file__).parents[4]
DEMO = REPOSITORY / "inventories" / "demo"
SECRETS = {"tiers_ca_passphrase": "x", "product_openldap_probe_password": "y"}
# Nobody has the password of this.
VAULTED = "!vault |\n" + "\n".join(" " * 6 + line for line in ["$ANSIBLE_VAULT;1.1;AES256", *["6162" * 20] * 4]) + "\n"
ONE_HOST = (
    "master: {hosts: {m1: {ansible_host: 192.0.2.1}}}\n"
    "all:\n  vars:\n    tiers_product: openldap\n    tiers_time_service: x\n"
)
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - distributed.tiers.topology_validate:
        plan_file: "{{ plan_file | default(omit) }}"
        plan: "{{ plan | default(omit) }}"
        digest: "{{ digest | default(omit) }}"
        part: "{{ part | default(omit) }}"
        brief: "{{ brief | default(omit) }}"
        write_plan: "{{ write_plan | default(omit) }}"
        write_findings: "{{ write_findings | default(omit) }}"
      run_once: true
      register: tiers_validation
"""


def run(tmp_path, inventory, *arguments, extra=None):
    """Run a play; returns its exit code and the result of its first task."""
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")
    # A plan is longer than one argument of a command may be.
    variables = tmp_path / "extra.json"
    variables.write_text(json.dumps(SECRETS if extra is None else extra), encoding="utf-8")
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, "-e", f"@{variables}"]
    done = subprocess.run(
        [*command, *arguments, playbook],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "results",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache" / "collections"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def test_the_demo_is_planned_in_seconds_without_a_change(tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    code, result = run(tmp_path, DEMO)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5  # 1 s here, and this machine may be busy
    assert code == 0
    assert result["changed"] is False
    assert len(result["plan"]["servers"]) == 10
    assert "px-paris" in result["report"]
    assert result["preview"][0]["lost"] > 0


def test_check_and_diff_mode(tmp_path):
    code, result = run(tmp_path, DEMO, "--check", "--diff")
    assert code == 0
    assert result["diff"][0]["prepared"] == "Nothing is deployed, or the deployed state was not read."
    assert result["diff"][0]["prepared"] in result["report"]


def test_limit_plans_the_whole(tmp_path):
    whole, part = run(tmp_path, DEMO)[1], run(tmp_path, DEMO, "--limit", "p1")[1]
    assert part["plan"] == whole["plan"]


def test_all_errors_come_at_once_and_no_plan(tmp_path):
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(
        """
        all: {vars: {tiers_product: openldap, tiers_capacty: 5}}
        master: {hosts: {m1: {ansible_host: 192.0.2.1}, m2: {ansible_host: 192.0.2.1, tiers_site: "{{ nowhere }}"}}}
        """,
        encoding="utf-8",
    )
    code, result = run(tmp_path, hosts, extra={})
    assert code == 2
    rules = {finding["rule"] for finding in result["findings"] if finding["severity"] == "error"}
    assert rules == {"one-master", "unique-address", "unknown-variable", "unreadable-value", "missing-secret"}
    assert all(rule in result["msg"] for rule in rules)
    assert "plan" not in result


@pytest.mark.parametrize("clients", ["nowhere.csv", "", 5, [{"name": "a"}], {"a": {"b": {}}}])
def test_wrong_clients_are_findings(tmp_path, clients):
    code, result = run(tmp_path, DEMO, extra={**SECRETS, "tiers_clients": clients})
    assert code == 2
    assert {finding["variable"] for finding in result["findings"] if finding["severity"] == "error"} == {
        "tiers_clients"
    }


def test_a_vaulted_secret_is_not_opened(tmp_path):
    """Whether it is there is all that counts; its password may be wrong or absent."""
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(
        f"{ONE_HOST}    product_openldap_probe_password: x\n    tiers_ca_passphrase: {VAULTED}",
        encoding="utf-8",
    )
    code, result = run(tmp_path, hosts, extra={})
    assert code == 0, result
    assert list(result["plan"]["servers"]) == ["m1"]


def test_a_vaulted_value_that_cannot_be_opened_is_a_finding(tmp_path):
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(f"{ONE_HOST}    tiers_site: {VAULTED}", encoding="utf-8")
    code, result = run(tmp_path, hosts)
    assert code == 2
    errors = [finding for finding in result["findings"] if finding["severity"] == "error"]
    assert [(finding["rule"], finding["variable"]) for finding in errors] == [("unreadable-value", "tiers_site")]


def test_a_run_that_fails_tells_what_is_off_too(tmp_path):
    hosts = tmp_path / "hosts.yml"
    rules = '{master-without-backup: {severity: "off", why: It is a copy.}}'
    hosts.write_text(f"{ONE_HOST}    tiers_capacty: 1\n    tiers_rules: {rules}\n", encoding="utf-8")
    code, result = run(tmp_path, hosts)
    assert code == 2
    assert [finding["rule"] for finding in result["findings"]] == ["unknown-variable"]
    assert result["msg"].endswith("\nRule master-without-backup is off, because: It is a copy.")


def test_a_template_in_tiers_groups(tmp_path):
    extra = {**SECRETS, "tiers_groups": {"client": "{{ nothing | default('none') }}"}, "tiers_expected": {"client": 0}}
    code, result = run(tmp_path, DEMO, extra=extra)
    assert code == 0, result
    assert result["plan"]["clients"] == {}


def test_a_slice_takes_the_plan_of_the_whole(tmp_path):
    whole = run(tmp_path, DEMO)[1]["plan"]
    (tmp_path / "plan.json").write_text(json.dumps(whole), encoding="utf-8")
    part = tmp_path / "slice.yml"
    part.write_text(
        """
        all: {vars: {tiers_name: demo, tiers_product: openldap, tiers_expected: {master: 1}}}
        proxy:
          vars: {tiers_site: paris, tiers_zone: rack-a, tiers_capacity: 2500}
          hosts: {px-paris: {ansible_host: 10.111.0.71}}
        """,
        encoding="utf-8",
    )
    for given in ({"plan_file": str(tmp_path / "plan.json")}, {"plan": whole}):
        code, result = run(tmp_path, part, extra={**SECRETS, **given, "part": True})
        assert code == 0, result
        assert result["plan"] == whole
        assert "1 of its hosts are in this inventory" in result["report"]
        code, result = run(tmp_path, part, extra={**SECRETS, **given})
        assert (code, {finding["rule"] for finding in result["findings"]}) == (2, {"handed-plan"})
    assert run(tmp_path, part)[0] == 2


def test_only_the_approved_plan_comes_out(tmp_path):
    digest = run(tmp_path, DEMO)[1]["plan"]["digest"]
    code, result = run(tmp_path, DEMO, extra={**SECRETS, "digest": digest})
    assert (code, result.get("plan", {}).get("digest")) == (0, digest)
    code, result = run(tmp_path, DEMO, extra={**SECRETS, "digest": digest, "tiers_domain": "other.example"})
    assert code == 2
    assert [(f["rule"], f["variable"]) for f in result["findings"]] == [("handed-plan", "tiers_plan_digest")]


def test_a_vaulted_option_is_not_opened(tmp_path):
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(
        f"{ONE_HOST}    tiers_active: both\n    product_openldap_suffix: {VAULTED}"
        "backup: {hosts: {m2: {ansible_host: 192.0.2.2, tiers_backup_of: m1}}}\n",
        encoding="utf-8",
    )
    code, result = run(tmp_path, hosts)
    assert code == 0, result
    assert result["findings"] == []


def test_brief_leaves_out_what_only_programs_want(tmp_path):
    code, result = run(tmp_path, DEMO, extra={**SECRETS, "brief": True})
    assert code == 0
    assert {"plan", "preview", "difference"}.isdisjoint(result)
    assert "px-paris" in result["report"]


@pytest.mark.parametrize("broken", [False, True])
def test_validate_writes_its_findings(tmp_path, broken):
    path = tmp_path / "findings.json"
    extra = {**SECRETS, "tiers_findings_file": str(path), **({"tiers_expected": {"proxy": 7}} if broken else {})}
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", DEMO, "-e", json.dumps(extra), REPOSITORY / "playbooks" / "validate.yml"),
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (2 if broken else 0), done.stdout
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["schema"] == 1
    assert {finding["rule"] for finding in found["findings"]} == {"loss-fits"} | (
        {"expected-hosts"} if broken else set()
    )
    told = {finding["rule"]: (finding["hosts"], finding["count"]) for finding in found["findings"]}
    assert told["loss-fits"] == (["px-tokyo"], 1)
    assert not broken or told["expected-hosts"] == ([], 0)


def test_the_plan_is_written_and_stays_as_it_is(tmp_path):
    path = tmp_path / "plan.json"
    extra = {**SECRETS, "write_plan": str(path), "brief": True}
    code, result = run(tmp_path, DEMO, "--check", extra=extra)
    assert (code, result["changed"], path.exists()) == (0, True, False)
    code, result = run(tmp_path, DEMO, extra=extra)
    assert (code, result["changed"]) == (0, True)
    assert len(json.loads(path.read_text(encoding="utf-8"))["servers"]) == 10
    assert run(tmp_path, DEMO, extra=extra)[1]["changed"] is False


def test_a_file_that_cannot_be_written_is_reported(tmp_path):
    path = tmp_path / "none" / "findings.json"
    code, result = run(tmp_path, DEMO, extra={**SECRETS, "write_findings": str(path)})
    assert code == 2
    assert f"write_findings: {path} cannot be written: No such file or directory." in result["msg"]


@pytest.mark.parametrize(
    ("path", "message"),
    [("/dev/null", "Is no regular file"), ("loop", "Symlink loop"), (".", "Is a directory"), ("a\0b", "null byte")],
)
def test_nothing_but_a_file_is_written(tmp_path, path, message):
    (tmp_path / "loop").symlink_to("loop")
    action = object.__new__(ActionModule)
    action._task = mock.Mock(check_mode=False)
    with pytest.raises(AnsibleActionFail) as caught:
        action.write("write_plan", str(tmp_path / path), {})
    assert f"cannot be written: {message}" in str(caught.value) or message in str(caught.value)
    assert not Path("/dev/null").is_file()


def test_a_plan_that_cannot_be_put_in_place_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("os.replace", mock.Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "plan.json", b"{}")
    assert list(tmp_path.iterdir()) == []


def test_characters_that_utf8_lacks_are_written_as_escapes_of_json(tmp_path):
    action = object.__new__(ActionModule)
    action._task = mock.Mock(check_mode=False)
    assert action.write("write_findings", str(tmp_path / "findings.json"), {"message": "\ud800 é"})
    assert json.loads((tmp_path / "findings.json").read_text(encoding="utf-8")) == {"message": "\ud800 é"}
