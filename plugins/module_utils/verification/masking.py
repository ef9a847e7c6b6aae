# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes secrets from texts that leave the system. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

MASK = "(masked)"
# A shorter text occurs everywhere by chance.
SHORTEST = 4
# Variables whose values are secrets, whatever role they belong to.
SECRET_NAME = re.compile(r"(?i)pass(word|phrase|wd)|secret|token|credential|private_key|_key$|^vault_|_pass$")
# Characters that a URL may hold as they are
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
# A setting whose name says that its value is a secret, in the forms of common configuration files.
_SETTING = re.compile(
    r"""(?im)^(?P<name>(?:[^\n#]*?(?:password|passwd|passphrase|secret|token|auth_pass|rootpw)["']?[ \t]*[=:]"""
    r"""|[ \t]*(?:password|auth_pass|rootpw)[ \t])[ \t]*)(?P<value>\S.*)$"""
)


def is_secret_name(name: str, declared: Collection[str]) -> bool:
    """Whether the values of a variable are secrets. `declared`: names that products and the collection declare."""
    return name in declared or bool(SECRET_NAME.search(name))


def texts_of(value: Any) -> Iterator[str]:
    """All texts in a value of a variable that are long enough to be masked."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, (list, tuple, set)):
        for one in value:
            yield from texts_of(one)
    elif not isinstance(value, bool) and value is not None and len(str(value).strip()) >= SHORTEST:
        yield str(value).strip()


def written_forms(secret: str) -> set[str]:
    """How a secret may be written in files and messages."""
    raw = secret.encode()
    return {
        secret,
        json.dumps(secret)[1:-1],
        "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in raw),
        raw.hex(),
        raw.hex().upper(),
        base64.b64encode(raw).decode(),
        *(line for line in secret.splitlines() if len(line) >= 2 * SHORTEST and "-----" not in line),
    }


def mask(text: str, secrets: Iterable[str]) -> str:
    """A text without these secrets, without private keys, and without values of settings that are named as secrets."""
    forms = {form for secret in secrets for form in written_forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    text = _PRIVATE_KEY.sub(MASK, text)
    return _SETTING.sub(lambda found: f"{found['name']}{MASK}", text)
