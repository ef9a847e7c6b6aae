# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories of docs/guides/genesys.md: what the plan makes of them, and what their templates write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

INVENTORIES = Path(__file__).parents[3] / "inventories"
SECRETS = ("tiers_ca_passphrase", "genesys_database_password", "genesys_installer_password")
# What the role product_service adds.
SERVICE = {
    "name": "confserv",
    "release": "/opt/confserv/releases/8.5.101.20",
    "data": "/var/lib/confserv",
    "port": 2020,
    "timeouts": {"keepalive": 10},
}


@pytest.fixture
def plan(judge: Any, vault: Any) -> dict[str, Any]:
    outcome = judge(path=INVENTORIES / "genesys" / "hosts.yml", more=[vault(*SECRETS)])
    assert outcome.plan, outcome.errors
    found: dict[str, Any] = outcome.plan
    return found


def written(plan: dict[str, Any], name: str, file: str) -> str:
    system = yaml.safe_load((INVENTORIES / "genesys" / "group_vars" / "all" / "system.yml").read_text(encoding="utf-8"))
    text: str = template(
        "{{ lookup('ansible.builtin.template', path) }}",
        {
            **system,
            **dict.fromkeys(SECRETS, "secret"),
            "path": str(INVENTORIES / "genesys" / "templates" / file),
            "tiers_server": plan["servers"][name],
            "service": SERVICE,
        },
    )
    return text


def test_every_application_uses_its_regions_proxy(plan: dict[str, Any]) -> None:
    for region in ("emea", "amer"):
        endpoints = plan["clients"][f"apps-{region}"]["endpoints"]
        assert [endpoint["name"] for endpoint in endpoints] == [f"csproxy-{region}", f"csproxy-{region}-b"]


def test_proxies_load_one_after_another(plan: dict[str, Any]) -> None:
    sheets = [
        written(plan, f"csproxy-{region}{half}", "objects.txt.j2") for region in ("emea", "amer") for half in ("", "-b")
    ]
    delays = [line for sheet in sheets for line in sheet.splitlines() if line.startswith("[csproxy]")]
    assert delays == [
        "[csproxy] delay-reload = 0",
        "[csproxy] delay-reload-backup = 60",
        "[csproxy] delay-reload = 30",
        "[csproxy] delay-reload-backup = 90",
    ]


def test_the_sheet_says_what_the_objects_are_to_say(plan: dict[str, Any]) -> None:
    assert "Backup server           confserv-b" in written(plan, "confserv-p", "objects.txt.j2")
    proxy = written(plan, "csproxy-amer", "objects.txt.j2")
    assert "Connection to           confserv-p" in proxy
    assert "Local timeout         10" in proxy and "Remote timeout        15" in proxy


@pytest.mark.parametrize(("name", "host"), [("csproxy-amer", "192.0.2.11"), ("confserv-b", "192.0.2.11")])
def test_the_installer_gets_the_host_of_the_configuration_server(plan: dict[str, Any], name: str, host: str) -> None:
    answers = written(plan, name, "answers.ini.j2")
    assert f"Host={host}\n" in answers
    assert f"ApplicationName={name}\n" in answers


def test_master_and_backup_have_the_same_options(plan: dict[str, Any]) -> None:
    """Options of the log may differ; the first section bears the name of the Application object."""
    halves = [written(plan, name, "confserv.cfg.j2").split("[log]")[0] for name in ("confserv-p", "confserv-b")]
    assert "[confserv-p]" in halves[0] and "[confserv-b]" in halves[1]
    assert halves[0].replace("[confserv-p]", "[confserv-b]") == halves[1]
    assert "proxy-load-max = 1" in halves[0]
