# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures are legible on light and dark pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
PICTURES = sorted(REPOSITORY.glob("docs/pictures/*.svg"))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_every_colour_of_a_picture_has_a_dark_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    light, _media, dark = text.partition("@media (prefers-color-scheme:dark){")
    coloured = re.compile(r"([\w.,]+)\{[^{}]*(?:fill|stroke):#")
    assert {*coloured.findall(light)} == {*coloured.findall(dark)}
    assert re.findall(r'(?:fill|stroke)="#\w+"', text) == [], "a colour that no style can change"
