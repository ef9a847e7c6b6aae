# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of docs/runbooks.md is what `status` prints of the demo when nobody reaches its master."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome
from ansible_collections.distributed.tiers.plugins.module_utils.verification.status import report
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import own_edges

REPOSITORY = Path(__file__).parents[3]
LOST = "m1"
UNREACHABLE = {"unreachable": True, "msg": "Failed to connect to the host via ssh: Connection timed out"}


def answers(plan: dict[str, Any]) -> dict[str, Any]:
    """The answers of each server about itself: all as planned, except that HAProxy has found the lost one down."""
    seen = {}
    for name in plan["servers"]:
        edges = [
            {
                **edge,
                "reachable": edge.get("expect", "open") == "open",
                "role": edge.get("role"),
                "position": {"1": "20260101000000.000000Z#"} if edge.get("role") else {},
                "servers": {up: "DOWN" if up == LOST else "UP" for up in edge.get("up", ())},
                "ok": LOST not in edge.get("up", ()),
                "why": f"HAProxy reports {LOST} DOWN" if LOST in edge.get("up", ()) else "",
            }
            for edge in own_edges(plan, name)
        ]
        seen[name] = {"edges": edges}
    return {**seen, LOST: UNREACHABLE}


def test_the_table_shown_is_what_status_prints(judge: Callable[..., Outcome], vault: Callable[..., Path]) -> None:
    secrets = vault("tiers_ca_passphrase", "product_openldap_probe_password")
    outcome = judge(path=REPOSITORY / "inventories/demo/hosts.yml", more=[secrets])
    plan = outcome.plan
    assert plan, outcome.errors
    recorded = {
        name: {"plan_digest": plan["digest"], "clients": plan["allocation"]["proxies"].get(name, {}).get("clients", [])}
        for name in plan["servers"]
    }
    hosts = {name: {"findings": []} for name in plan["clients"]}
    text = report(plan, answers(plan), recorded, hosts=hosts)["text"]
    page = (REPOSITORY / "docs/runbooks.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(SERVER.*?)```", page, re.DOTALL)
    assert shown.rstrip("\n") == "\n".join(line.rstrip() for line in text.splitlines())


def runbooks() -> list[tuple[str, list[str]]]:
    """The title of each runbook, and the words at the head of the rows of its table."""
    page = (REPOSITORY / "docs/runbooks.md").read_text(encoding="utf-8")
    sections = re.split(r"^##+ ", page, flags=re.MULTILINE)[1:]
    tables = [
        (text.split("\n", 1)[0], re.search(r"^\| \| \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.M)) for text in sections
    ]
    return [(title, re.findall(r"^\| ([A-Z][a-z ]+) \|", table[1], re.M)) for title, table in tables if table]


RUNBOOKS = runbooks()


@pytest.mark.parametrize(("title", "rows"), RUNBOOKS, ids=[title for title, _rows in RUNBOOKS])
def test_a_runbook_goes_from_the_alert_to_the_way_back(title: str, rows: list[str]) -> None:
    assert rows[0] in ("You see", "You want")
    assert "It means" in rows or rows[0] == "You want"
    assert [row for row in rows if row in ("Do", "Interruption", "Way back")] == ["Do", "Interruption", "Way back"], (
        title
    )


def test_a_message_that_names_a_runbook_names_one_that_exists() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "plugins").rglob("*.py"))
    named = {*re.findall(r"runbook '([^']+)'", sources)}
    assert named
    assert named <= {title for title, _rows in RUNBOOKS}
