# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of docs/guides/postgresql.md is planned without an error, as the guide describes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[3]
INVENTORY = REPOSITORY / "inventories/postgresql"
GUIDE = REPOSITORY / "docs/guides/postgresql.md"


def plan_of_the_guide(judge: Callable[..., Any], tmp_path: Path) -> dict[str, Any]:
    secrets = tmp_path / "secrets.yml"
    names = yaml.safe_load((INVENTORY / "secrets.example.yml").read_text(encoding="utf-8"))
    secrets.write_text(yaml.safe_dump({"all": {"vars": dict.fromkeys(names, "secret")}}), encoding="utf-8")
    outcome = judge(path=INVENTORY / "hosts.yml", more=[secrets])
    assert outcome.errors == []
    return dict(outcome.plan)


def test_the_guide_describes_the_servers_and_the_voters(judge: Callable[..., Any], tmp_path: Path) -> None:
    plan = plan_of_the_guide(judge, tmp_path)
    assert {*plan["voters"]} == {"m1", "m2", "px1", "px2", "px3"}
    tiers = {name: server["tier"] for name, server in plan["servers"].items()}
    rows = [line.split(" | ") for line in GUIDE.read_text(encoding="utf-8").splitlines() if " | " in line]
    described = {row[0].strip("| "): row[1].split()[0] for row in rows}
    assert {name: described[name] for name in tiers} == tiers


def test_a_client_writes_through_its_proxies_and_reads_at_the_pool(judge: Callable[..., Any], tmp_path: Path) -> None:
    client = plan_of_the_guide(judge, tmp_path)["clients"]["c1"]
    assert [point["name"] for point in client["write_endpoints"]] == ["px1", "px2"]
    assert [(point["name"], point["port"]) for point in client["pool"]] == [("pool", 5432)]
    assert [(point["name"], point["port"]) for point in client["write_pool"]] == [("pool", 5433)]


def test_a_replica_follows_both_nodes_and_may_be_asked_for_its_health(
    judge: Callable[..., Any], tmp_path: Path
) -> None:
    plan = plan_of_the_guide(judge, tmp_path)
    assert [up["name"] for up in plan["servers"]["p1"]["upstreams"]] == ["m1", "m2"]
    assert plan["servers"]["p1"]["arbiter_endpoints"]
    edges = {(edge["from"], edge["to"], edge["port"]) for edge in plan["edges"]}
    assert {("d1", "p1", 8008), ("d2", "m2", 8008), ("p1", "m2", 5432)} <= edges
    assert ("c1", "p1", 5432) not in edges
