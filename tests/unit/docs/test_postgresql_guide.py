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


def test_the_three_servers_of_the_guide_also_vote(judge: Callable[..., Any], tmp_path: Path) -> None:
    plan = plan_of_the_guide(judge, tmp_path)
    assert {*plan["voters"]} == {"m1", "m2", "px1"}
    tiers = {name: server["tier"] for name, server in plan["servers"].items()}
    rows = [line.split(" | ") for line in GUIDE.read_text(encoding="utf-8").splitlines() if " | " in line]
    described = {row[0].strip("| "): row[1].split()[0] for row in rows}
    assert {name: described[name] for name in tiers} == tiers


def test_the_client_writes_through_its_proxy(judge: Callable[..., Any], tmp_path: Path) -> None:
    client = plan_of_the_guide(judge, tmp_path)["clients"]["c1"]
    assert [point["name"] for point in client["write_endpoints"]] == ["px1"]
