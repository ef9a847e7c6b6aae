# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real rows: written through one server, read through others, removed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.children import run_in_children
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import driver
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Session,
    Unavailable,
)

# Rows are numbered in five digits and looked up a hundred at a time: a server may limit how much it gives at once.
_DIGITS = 5
_TOGETHER = 2


def row(prefix: str, number: int) -> str:
    """The name of a numbered row."""
    return f"{prefix}-{number:0{_DIGITS}}"


def pages(names: Iterable[str]) -> set[str]:
    """Prefixes which together cover the names, each but few of them."""
    return {name[:-_TOGETHER] if name[-_DIGITS:].isdigit() else name for name in names}


def _session(endpoint: Endpoint, access: Access, timeout: float) -> Session:
    return driver(endpoint.protocol).connect([endpoint], access, timeout)


def find(endpoint: Endpoint, access: Access, timeout: float, names: Sequence[str], wait: float) -> dict[str, Any]:
    """Which of the rows a server has, looking again for missing ones until `wait` seconds are over."""
    began = time.monotonic()
    missing, why = set(names), ""
    while True:
        try:
            session = _session(endpoint, access, timeout)
            try:
                for prefix in pages(missing):
                    missing -= session.names(prefix)
                why = ""
            finally:
                session.close()
        except Unavailable as error:
            why = str(error)
        seconds = time.monotonic() - began
        if (not missing and not why) or seconds >= wait:
            return {
                "server": endpoint.name,
                "found": len(names) - len(missing),
                "missing": sorted(missing),
                "ms": round(seconds * 1000, 2),
                "ok": not missing and not why,
                "why": why or ("" if not missing else f"{len(missing)} of {len(names)} rows are missing"),
            }
        time.sleep(0.02)


def write(
    through: Endpoint, name: str, readers: Sequence[Endpoint], access: Access, timeout: float, wait: float
) -> dict[str, Any]:
    """Write a row through one server and read it through others: how long each of both took."""
    began = time.monotonic()
    try:
        session = _session(through, access, timeout)
        try:
            connected = time.monotonic()
            session.write(name)
            done = time.monotonic()
        finally:
            session.close()
    except Unavailable as error:
        return {"name": name, "server": through.name, "ok": False, "why": str(error), "readers": []}
    # A reader that hangs is reported by its own name, so its deadline comes before that of this write.
    seen = at_once(lambda reader: find(reader, access, timeout, [name], wait), readers, timeout + wait)
    return {
        "name": name,
        "server": through.name,
        "connect_ms": round((connected - began) * 1000, 2),
        "write_ms": round((done - connected) * 1000, 2),
        "readers": seen,
        "ok": all(reader["ok"] for reader in seen),
        "why": "; ".join(f"read through {reader['server']}: {reader['why']}" for reader in seen if not reader["ok"]),
    }


def remove(through: Sequence[Endpoint], prefix: str, access: Access, timeout: float) -> dict[str, Any]:
    """Remove the rows whose names begin with the prefix, through the first server that answers."""
    try:
        session = driver(through[0].protocol).connect(through, access, timeout)
        try:
            removed = session.remove(prefix)
        finally:
            session.close()
    except Unavailable as error:
        return {"server": through[0].name, "ok": False, "why": str(error), "removed": 0}
    return {"server": session.server, "ok": True, "why": "", "removed": removed}


def at_once(
    work: Callable[[Endpoint], dict[str, Any]], endpoints: Sequence[Endpoint], seconds: float
) -> list[dict[str, Any]]:
    """The same for several servers at the same time, each no longer than `seconds`."""
    done = run_in_children([partial(work, endpoint) for endpoint in endpoints], seconds)
    why = f"not done within {seconds:g} s"
    return [
        result or {"server": endpoint.name, "ok": False, "why": why, "ms": None}
        for endpoint, result in zip(endpoints, done, strict=True)
    ]
