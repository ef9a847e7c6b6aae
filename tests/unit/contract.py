# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry points of a product role, as docs/products.md has them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/products.md"
OF_TIER = "configure_<tier>"


def contract(tiers: Iterable[str]) -> set[str]:
    """The entry points of a product that supports these tiers."""
    section = PAGE.read_text(encoding="utf-8").partition("## The contract\n")[2].partition("\n### Rules for all")[0]
    names = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    assert OF_TIER in names
    return (names - {OF_TIER}) | {OF_TIER.replace("<tier>", tier) for tier in tiers}
