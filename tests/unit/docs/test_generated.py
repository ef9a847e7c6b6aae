# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marked places of the pages hold what the code says."""

from __future__ import annotations

import ast
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


PAGES = generator().pages()
LONGEST_TEXT = 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_is_up_to_date(page):
    text = page.read_text(encoding="utf-8")
    assert text == generator().fill(text), "run `make docs`"


def test_every_generated_text_has_a_place():
    written = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {*re.findall(r"<!-- generated: ([\w ]+) -->", written)} == {*generator().GENERATED}


def test_prose_is_written_in_the_pages_and_not_in_the_generator():
    tree = ast.parse((DOCS / "generate.py").read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    docstring = ast.get_docstring(tree, clean=False)
    assert [text for text in texts if len(text) > LONGEST_TEXT and text != docstring] == []


def test_every_playbook_says_what_operators_ask_first():
    """Anyone who starts it wants to know what it does, how long service is away, how it is run, and the way back."""
    for path in sorted(PLAYBOOKS.glob("*.yml")):
        assert [*generator().header(path.stem)] == ["What it does", "Downtime", "Run", "Way back"], path


@pytest.mark.parametrize("page", ["docs/inventory.md", "docs/site/index.md", "README.md"])
def test_the_inventory_shown_is_sound(page, judge, tmp_path):
    text = (DOCS.parent / page).read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(all:.*?)```", text, flags=re.DOTALL)
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(shown, encoding="utf-8")
    # Its secrets are in a vault that the page does not show.
    errors = judge(path=hosts).errors
    assert {finding.rule for finding in errors} == {"missing-secret"}
    assert len(errors) == 2
