# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes that a text of the inventory stands for."""

from __future__ import annotations

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.escapes import bytes_of


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("PING\r\n", b"PING\r\n"),
        (r"PING\r\n", b"PING\r\n"),
        (r"\x00\xFf\0\t", b"\x00\xff\x00\t"),
        (r"C:\\new", rb"C:\new"),
        ("zürich", "zürich".encode()),
        ("", b""),
    ],
)
def test_escapes_stand_for_one_byte_each(text: str, sent: bytes) -> None:
    assert bytes_of(text) == sent


@pytest.mark.parametrize(("text", "named"), [(r"pass\word", r"'\w'"), ("pass\\", r"'\\'"[:2] + "'"), (r"\x4", r"'\x'")])
def test_an_unknown_escape_is_named_without_the_text(text: str, named: str) -> None:
    with pytest.raises(ValueError, match="is not a known escape") as error:
        bytes_of(text)
    assert named in str(error.value)
    assert "pass" not in str(error.value)
