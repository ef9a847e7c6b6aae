# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group of a run that nobody makes is empty: anyone who reads it silently does nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TEXTS = {
    path: path.read_text(encoding="utf-8")
    for folder in ("playbooks", "roles")
    for path in sorted((REPOSITORY / folder).rglob("*.yml"))
}
READ = re.compile(r"groups(?:\.|\[')(tiers_\w+)|hosts: (tiers_[\w:&!]+)|'(tiers_\w+)' in group_names")
# A key or a parent of group_by, with what is computed in it
COMPUTED = re.compile(r"\{\{ (.*?) \}\}")
VALUES = {"__tiers_wave": r"wave_\d|clients", "__tiers_state": "running|fresh", "__tiers_restart_wave": r"\d"}
MADE = re.compile(r"^\s+(?:key:|-|parents:) *\[?\"?(tiers_[^\"\],]*?)\"?\]?$", re.MULTILINE)
# The groups that tasks/restart_order.yml makes
NAMED = re.compile(r"__tiers_restart_group: \"?(tiers_\w+)")


def read() -> dict[str, Path]:
    return {
        group: path
        for path, text in TEXTS.items()
        for match in READ.finditer(text)
        for group in re.split(r":[&!]?", next(filter(None, match.groups())))
    }


def made() -> list[re.Pattern[str]]:
    keys = [key for text in TEXTS.values() if "group_by" in text for key in MADE.findall(text)]
    keys += [name for text in TEXTS.values() for name in NAMED.findall(text)]
    return [re.compile(COMPUTED.sub(lambda computed: f"(?:{values(computed[1])})", key)) for key in keys]


def values(expression: str) -> str:
    """What an expression in the name of a group may give: what it says itself, or what is said here."""
    words = re.findall(r"'(\w+)'", expression)
    return "|".join(words) if words else VALUES[expression]


@pytest.mark.parametrize("group", read())
def test_every_group_that_is_read_is_made(group: str) -> None:
    assert any(pattern.fullmatch(group) for pattern in made()), f"{read()[group]} reads {group}, which nothing makes"
