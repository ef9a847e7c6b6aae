# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated pages are what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
PLAYBOOKS = DOCS.parent / "playbooks"


def generator():
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["rules.md", "inventory.md", "plan.md", "operations.md", "figures.md", "awx.md"])
def test_the_page_is_up_to_date(name):
    assert (DOCS / name).read_text(encoding="utf-8") == generator().PAGES[name](), "run `make docs`"


def test_every_playbook_says_what_operators_ask_first():
    """Anyone who starts it wants to know what it does, how long service is away, how it is run, and the way back."""
    for path in sorted(PLAYBOOKS.glob("*.yml")):
        assert [*generator().header(path.stem)] == ["What it does", "Downtime", "Run", "Way back"], path


def test_the_inventory_shown_is_sound(judge, tmp_path):
    (shown,) = re.findall(
        r"```yaml\n(all:.*?)```", (DOCS / "inventory.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(shown, encoding="utf-8")
    # Its secrets are in a vault that the page does not show.
    assert {finding.rule for finding in judge(path=hosts).errors} == {"missing-secret"}
