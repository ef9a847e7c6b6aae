# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers go back to their previous release, by what their product says of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def roll_back(plan: Mapping[str, Any], releases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The servers to roll back (`todo`), what is `wrong`, and all as `text`.

    `releases`: of each server whose product was asked the release that runs (`from`), the one of the inventory
    (`wanted`), the previous one (`to`; without it `why` and `remedy`)."""
    asked = {
        name: releases[name] for name, server in plan["servers"].items() if server["runs_product"] and name in releases
    }
    todo = [name for name, release in asked.items() if release["from"] == release["wanted"]]
    stuck: dict[str, list[str]] = {}
    for name in todo:
        if not asked[name]["to"]:
            stuck.setdefault(asked[name]["why"], []).append(name)
    wrong = [f"{', '.join(names)}: {why}. {asked[names[0]]['remedy']}" for why, names in sorted(stuck.items())]
    return {"todo": todo, "wrong": wrong, "text": "\n".join(_line(name, asked[name]) for name in asked)}


def _line(name: str, release: Mapping[str, Any]) -> str:
    runs = release["from"]
    if runs == release["wanted"]:
        return f"{name}: {runs or 'what runs'} -> {release['to'] or 'no way back'}"
    return f"{name}: stays at {runs or 'nothing'}, which is not the release of the inventory ({release['wanted']})"
