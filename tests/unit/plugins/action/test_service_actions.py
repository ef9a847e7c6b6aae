# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions of described services and certificates: what they return, and that each is documented as it is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.plugins.action.judging import run_action

ACTIONS = ("certificate_check", "installer_check", "service_failure", "service_manifest", "watchdog_settings")
PACKAGE = "ansible_collections.distributed.tiers.plugins"


def compare(documented: dict[str, Any], specified: dict[str, Any]) -> None:
    assert documented.keys() == specified.keys()
    for name, option in documented.items():
        spec = specified[name]
        for key, missing in (("type", "str"), ("required", False), ("elements", None)):
            assert option.get(key, missing) == spec.get(key, missing), (name, key)
        assert (option.get("default") or None) == (spec.get("default") or None), name
        assert ("suboptions" in option) == ("options" in spec), name
        compare(option.get("suboptions", {}), spec.get("options", {}))


@pytest.mark.parametrize("name", ACTIONS)
def test_each_option_is_documented_as_it_is_checked(name: str) -> None:
    documentation = yaml.safe_load(import_module(f"{PACKAGE}.modules.{name}").DOCUMENTATION)
    compare(documentation["options"], import_module(f"{PACKAGE}.action.{name}").OPTIONS)


def test_a_failure_masks_the_secrets_of_the_host_in_all_outputs() -> None:
    found = run_action(
        "service_failure",
        {
            "server": "m1",
            "unit": "x.service",
            "result": {"stderr": "refused: topsecret", "rc": 1},
            "log": "password topsecret",
            "secrets": ["topsecret"],
        },
    )
    assert found["reason"].startswith("m1: cannot serve: refused: ********\n")
    assert found["reason"].endswith("\npassword ********")


def test_a_failure_to_stage_names_its_task() -> None:
    options = {"server": "m1", "task": "Stage", "result": {"msg": "no pass"}, "is_hidden": False, "secrets": ["pass"]}
    reason = run_action("service_failure", options)["reason"]
    assert reason == 'm1: "Stage" failed. no ******** The running service was not touched.'


def test_the_output_of_an_installer_is_masked() -> None:
    options = {"run": {"rc": 3, "stderr": "licence topsecret"}, "result_file": {"rc": 1}, "secrets": ["topsecret"]}
    found = run_action("installer_check", options)
    assert (found["succeeded"], found["reason"]) == (False, "ended with 3.\nlicence ********")


def test_a_manifest_keeps_numbers_as_numbers() -> None:
    release = {"version": "1", "release": "", "link": "/l", "keep": "3", "unit": "x.service", "query": ["q"]}
    check = {"type": "tcp", "address": "127.0.0.1", "port": "80", "tls": "false", "tls_name": "m1.x", "status": "200"}
    found = run_action(
        "service_manifest",
        {
            "release": release,
            "files": [],
            "group": "x",
            "own_files": {},
            "check": {**check, "timeout": "60", "secret": True},
        },
    )["manifest"]
    assert (found["keep"], found["check"]["port"], found["check"]["tls"], found["check"]["timeout"]) == (
        3,
        80,
        False,
        60.0,
    )
