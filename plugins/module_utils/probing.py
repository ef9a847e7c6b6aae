# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One edge probed: what was asked, what was seen, and whether that is what was expected."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.protocols import driver
from ansible_collections.distributed.tiers.plugins.module_utils.protocols.base import (
    Access,
    Endpoint,
    Unavailable,
    knock,
)

# Options that every module which speaks a product's protocol takes; documented in doc_fragments/probing.py.
ACCESS_SPEC: dict[str, Any] = {
    "access": {
        "type": "dict",
        "default": {},
        "options": {
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "base": {"type": "str"},
            "rows": {"type": "str"},
            "ca_path": {"type": "path"},
            "certificate_path": {"type": "path"},
            "key_path": {"type": "path", "no_log": False},
        },
    },
    "timeout": {"type": "float", "default": 5},
}


def behind(position: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The writing servers whose changes up to the wanted position are not all there."""
    return sorted(sid for sid, csn in wanted.items() if position.get(sid, "") < csn)


def probe(edge: Mapping[str, Any], access: Access, timeout: float) -> dict[str, Any]:
    """One attempt along one edge."""
    endpoint = Endpoint.of(edge)
    seen: dict[str, Any] = {
        "name": endpoint.name,
        "address": endpoint.address,
        "port": endpoint.port,
        "protocol": endpoint.protocol,
        "expect": edge["expect"],
        "reachable": True,
        "refused_by": None,
        "role": None,
        "position": {},
        "servers": {},
        "at": None,
        "connect_ms": None,
        "latency_ms": None,
    }
    if endpoint.protocol == "address":
        return {**seen, **_held(endpoint.address, edge["expect"] == "open")}
    if not endpoint.local:
        refused_by, why, connect_ms = knock(endpoint, timeout)
        seen["connect_ms"] = round(connect_ms, 2)
        if refused_by:
            seen.update(reachable=False, refused_by=refused_by)
            if edge["expect"] == "open":
                return {**seen, "ok": False, "why": why}
            by = edge.get("refused_by") or []
            if not by or refused_by in by:
                return {**seen, "ok": True, "why": why}
            return {**seen, "ok": False, "why": f"refused, but not by {' or '.join(by)}: {why}"}
    if edge["expect"] == "refused":
        return {**seen, "ok": False, "why": "the port is open, nobody refuses"}

    began = time.monotonic()
    try:
        observed = driver(endpoint.protocol).observe(endpoint, access, timeout)
    except Unavailable as error:
        return {**seen, "reachable": False, "refused_by": "service", "ok": False, "why": str(error)}
    seen.update(
        role=observed.role,
        position=dict(observed.position),
        at=round(time.time(), 3),
        servers=dict(observed.servers),
        latency_ms=round((time.monotonic() - began) * 1000, 2),
    )
    wanted = edge.get("role")
    if wanted and observed.role and wanted != observed.role:
        return {**seen, "ok": False, "why": f"it serves as {observed.role}, planned is {wanted}"}
    if late := behind(observed.position, edge.get("at_least") or {}):
        return {**seen, "ok": False, "why": f"its data is behind the writes of server id {', '.join(late)}"}
    if down := [
        f"{name} {observed.servers.get(name, 'unknown')}"
        for name in edge.get("up") or []
        if observed.servers.get(name) != "UP"
    ]:
        return {**seen, "ok": False, "why": f"it does not give to {', '.join(down)}"}
    return {**seen, "ok": True, "why": ""}


def _held(address: str, wanted: bool) -> dict[str, Any]:
    """Whether this host holds an address, such as the shared one of a pair."""
    texts = [
        path.read_text() if path.exists() else "" for path in (Path("/proc/net/fib_trie"), Path("/proc/net/if_inet6"))
    ]
    here = ipaddress.ip_address(address) in map(ipaddress.ip_address, local_addresses(*texts))
    why = "" if here == wanted else f"this host {'does not hold' if wanted else 'holds'} the address"
    return {"reachable": here, "ok": here == wanted, "why": why}


def probe_all(
    edges: Sequence[Mapping[str, Any]], access: Access, timeout: float, wait: float, concurrency: int
) -> list[dict[str, Any]]:
    """All edges at the same time; those not as expected again, until they are or `wait` seconds are over."""
    deadline = time.monotonic() + wait
    seen: list[dict[str, Any]] = [{"ok": False} for _edge in edges]
    with ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(edges)))) as pool:
        while True:
            again = [index for index, result in enumerate(seen) if not result["ok"]]
            for index, result in zip(
                again, pool.map(lambda index: probe(edges[index], access, timeout), again), strict=True
            ):
                seen[index] = result
            if all(result["ok"] for result in seen) or time.monotonic() >= deadline:
                return seen
            time.sleep(0.25)


def local_addresses(fib_trie: str, if_inet6: str) -> set[str]:
    """The addresses this host holds, from /proc/net/fib_trie and /proc/net/if_inet6."""
    held: set[str] = set()
    leaf = ""
    for line in fib_trie.splitlines():
        words = line.split()
        if "|--" in words:
            leaf = words[-1]
        elif words[1:] == ["host", "LOCAL"]:
            held.add(leaf)
    for line in if_inet6.splitlines():
        digits = line.split()[0]
        held.add(":".join(digits[i : i + 4] for i in range(0, 32, 4)))
    return held
