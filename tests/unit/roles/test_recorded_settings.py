# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the files that roles write on a server are compared later: see tier_files and tier_host."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.probing.host_checks import SETTINGS
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

ROLES = Path(__file__).parents[3] / "roles"
# Records change with every operation.
RECORDS = ("/etc/ansible/facts.d/*", "/etc/tmpfiles.d/*")


def written_files(role: str) -> Iterator[str]:
    """The paths below /etc that tasks of a role copy or template to, where the role alone names them."""
    known = yaml.safe_load((ROLES / role / "vars/main.yml").read_text(encoding="utf-8"))
    known |= {"role_path": str(ROLES / role), "ansible_facts": {"os_family": "Debian"}}
    for path in (ROLES / role / "tasks").glob("*.yml"):
        for task in flat(yaml.safe_load(path.read_text(encoding="utf-8")) or []):
            given = task.get("ansible.builtin.copy") or task.get("ansible.builtin.template") or {}
            if "_tls }}" in given.get("dest", ""):
                continue  # Certificates have a check of their own.
            loop = task.get("loop", [None])
            items = loop if isinstance(loop, list) else known.get(loop.strip("{} "), [])
            for item in items if isinstance(items, list) else ():
                names = {"dest": template(item["dest"], known)} if isinstance(item, dict) and "dest" in item else item
                found = str(template(given.get("dest", ""), {**known, "item": names}))
                if found.startswith("/etc/"):
                    yield found


def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part, []))


@pytest.mark.parametrize(
    ("role", "some"),
    [
        ("arbiter", {"/etc/tiers/arbiter/settings.env", "/etc/systemd/system/etcd.service"}),
        ("balancer", {"/etc/haproxy/haproxy.cfg"}),
        (
            "failover",
            {
                "/etc/keepalived/keepalived.conf",
                "/etc/systemd/system/keepalived.service.d/10-tiers.conf",
                "/etc/tiers/failover-agent",
                "/etc/tiers/lease/holder.py",
                "/etc/systemd/system/tiers-failover.service",
            },
        ),
        ("host", {"/etc/tiers/hosts", "/etc/tiers/active", "/etc/systemd/system/tiers-firewall.service"}),
        ("server", {"/etc/tiers/watchdog", "/etc/tiers/aside.nft", "/etc/systemd/system/tiers-watchdog.service"}),
    ],
)
def test_every_setting_that_a_deployment_writes_is_compared(role: str, some: set[str]) -> None:
    written = {path for path in written_files(role) if not any(fnmatch(path, record) for record in RECORDS)}
    assert some <= written
    # As glob does, and unlike fnmatch, a star does not match a slash.
    compared = {
        path
        for path in written
        for pattern in SETTINGS
        if fnmatch(path, pattern) and path.count("/") == pattern.count("/")
    }
    assert written - compared == set()


@pytest.mark.parametrize("path", ["server/tasks/start.yml", "client/tasks/main.yml"])
def test_the_settings_are_recorded_after_all_of_them_are_written(path: str) -> None:
    tasks = yaml.safe_load((ROLES / path).read_text(encoding="utf-8"))
    assert [place for place, task in enumerate(tasks) if "distributed.tiers.tier_files" in task] == [len(tasks) - 1]
    assert "when" not in tasks[-1]


def test_settings_of_a_host_that_only_votes_are_recorded_after_its_last_change() -> None:
    plays = yaml.safe_load((ROLES.parent / "playbooks/parts/arbiter.yml").read_text(encoding="utf-8"))
    places = [place for place, play in enumerate(plays) if "distributed.tiers.tier_files" in play["tasks"][0]]
    assert len(places) == 1
    assert {play["hosts"] for play in plays[places[0] + 1 :]} == {"tiers_former_voters"}
    condition = plays[places[0]]["tasks"][0]["when"]

    def is_recorded(only_votes: bool, client: dict[str, Any]) -> Any:
        return template(f"{{{{ {condition} }}}}", {"tiers_voter": {"only_votes": only_votes}, "tiers_client": client})

    # The last task of a server's or a client's deployment records the settings of its host.
    assert (is_recorded(True, {}), is_recorded(False, {}), is_recorded(True, {"name": "c1"})) == (True, False, False)
