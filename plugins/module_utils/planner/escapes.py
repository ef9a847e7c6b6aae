# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes that a text of the inventory stands for when it is sent to a server. Pure."""

from __future__ import annotations

import re

_BYTES = {"\\r": b"\r", "\\n": b"\n", "\\t": b"\t", "\\0": b"\0", "\\\\": b"\\"}
_ESCAPE = re.compile(r"(\\x[0-9A-Fa-f]{2}|\\.|\\$)", re.DOTALL)


def bytes_of(text: str) -> bytes:
    r"""The text as UTF-8, with `\r`, `\n`, `\t`, `\0`, `\\` and `\xHH` as one byte each.

    So `PING\r\n` is the same with and without double quotes in YAML. ValueError for any other escape: its message names
    the escape and not the text, which may hold a password.
    """
    return b"".join(_byte(part) if part.startswith("\\") else part.encode() for part in _ESCAPE.split(text))


def _byte(escape: str) -> bytes:
    if escape in _BYTES:
        return _BYTES[escape]
    if escape.startswith("\\x") and len(escape) == 4:
        return bytes.fromhex(escape[2:])
    raise ValueError(f"'{escape}' is not a known escape; known are \\r, \\n, \\t, \\0, \\xHH, and \\\\ for a backslash")
