# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One edge probed: what was asked, what was seen, and whether that is what was expected."""

from __future__ import annotations

import ipaddress
import os
import re
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing import pair, traffic
from ansible_collections.distributed.tiers.plugins.module_utils.probing.children import run_in_children
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import driver
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Digesting,
    Endpoint,
    Unavailable,
    knock,
)
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.command import execute

# What an edge may be that is no protocol of a server: see tier_probe.
LOCAL_CHECKS = ("port", "address", "active", "drained", "writes")
# Where it shows which node of a pair serves, if only one does.
_FAILOVER_AGENT = "/etc/tiers/failover-agent"
# Where a product that elects by itself shows it: exit code 0 on the node that accepts writes, 1 on the other.
_IS_LEADER = "/etc/tiers/is-leader"
# Seconds after which a probe is ended, whatever holds it up.
DEADLINE = 10.0
# Why the server cannot write, as its watchdog found, and what follows. Not there while it can.
_CANNOT_WRITE = Path("/run/tiers/cannot-write")


def find_behind(position: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The writing servers whose changes up to the wanted position are not all there."""
    return sorted(sid for sid, csn in wanted.items() if position.get(sid, "") < csn)


def _blank_result(edge: Mapping[str, Any]) -> dict[str, Any]:
    """The result of an edge before anything is known of it."""
    endpoint = Endpoint.of(edge)
    return {
        "name": endpoint.name,
        "address": endpoint.address,
        "port": endpoint.port,
        "protocol": endpoint.protocol,
        "expect": edge["expect"],
        "reachable": True,
        "refused_by": None,
        "role": None,
        "position": {},
        "digest": None,
        "servers": {},
        "at": None,
        "connect_ms": None,
        "latency_ms": None,
        "traffic": None,
        "lease": None,
    }


def probe(edge: Mapping[str, Any], access: Access, timeout: float) -> dict[str, Any]:
    """One attempt along one edge."""
    endpoint = Endpoint.of(edge)
    seen = _blank_result(edge)
    if endpoint.protocol == "address":
        return {**seen, **_check_address(endpoint.address, edge["expect"])}
    if endpoint.protocol == "active":
        return {**seen, **_check_active(edge["expect"], timeout)}
    if endpoint.protocol == "drained":
        return {**seen, **_check_drained(edge["expect"], timeout)}
    if endpoint.protocol == "writes":
        return {**seen, **_check_writes(edge["expect"])}
    # Some products log an error for a connection that asks nothing. Where there is a question, it is asked at once.
    asked_first = edge["expect"] != "refused" and endpoint.protocol in ("tcp", "tls") and bool(access.tcp.get("expect"))
    if not endpoint.local and not asked_first and _knock(edge, endpoint, timeout, seen):
        return seen
    service_may = edge["expect"] != "open" and "service" in (edge.get("refused_by") or [])
    if edge["expect"] == "refused" and not service_may:
        return {**seen, "ok": False, "why": "the port is open, but the plan expects a refusal"}
    if endpoint.protocol == "port":
        return {**seen, "ok": True, "why": ""}

    began = time.monotonic()
    try:
        speaks = driver(endpoint.protocol)
        if edge.get("digest") and isinstance(speaks, Digesting):
            observed = speaks.digest(endpoint, access, timeout, edge["digest"] == "whole")
        else:
            observed = speaks.observe(endpoint, access, timeout)
    except Unavailable as error:
        if asked_first and _knock(edge, endpoint, timeout, seen):
            return seen
        return {**seen, "reachable": False, "refused_by": "service", "ok": service_may, "why": str(error)}
    if edge["expect"] == "refused":
        return {**seen, "ok": False, "why": "it serves, but the plan expects a refusal"}
    seen.update(
        role=observed.role,
        position=dict(observed.position),
        digest=observed.digest,
        at=round(time.time(), 3),
        servers=dict(observed.servers),
        latency_ms=round((time.monotonic() - began) * 1000, 2),
    )
    wanted = edge.get("role")
    if wanted and observed.role and wanted != observed.role:
        return {**seen, "ok": False, "why": f"it serves as {observed.role}, planned is {wanted}"}
    if late := find_behind(observed.position, edge.get("at_least") or {}):
        return {**seen, "ok": False, "why": f"its data is behind the writes of server id {', '.join(late)}"}
    up = {name for name, state in observed.servers.items() if state == "UP"}
    if down := [f"{name} {observed.servers.get(name, 'unknown')}" for name in edge.get("up") or [] if name not in up]:
        return {**seen, "ok": False, "why": f"HAProxy reports {', '.join(down)}"}
    for names in edge.get("one_up_of") or []:
        if (here := sorted(up & set(names))) and len(here) != 1:
            return {
                **seen,
                "ok": False,
                "why": f"HAProxy routes to {' and '.join(here)}, of which one must serve at a time",
            }
        if not here:
            return {**seen, "ok": False, "why": f"HAProxy routes to none of {', '.join(names)}"}
    return {**seen, "ok": True, "why": ""}


def _knock(edge: Mapping[str, Any], endpoint: Endpoint, timeout: float, seen: dict[str, Any]) -> bool:
    """Whether the connection itself is refused. Fills in who refused it, and whether the edge expects that."""
    refused_by, why, connect_ms = knock(endpoint, timeout)
    seen["connect_ms"] = round(connect_ms, 2)
    if not refused_by:
        return False
    if refused_by == "closed" and _is_held(endpoint.address):
        why = "a program listens on the port, and the host refuses the connection: it is a standby or drained"
        if not is_listened_on(endpoint.port, *_read_files("/proc/net/tcp", "/proc/net/tcp6")):
            why = "the host answers, and nothing listens on the port"
    by = edge.get("refused_by") or []
    expected = edge["expect"] != "open"
    ok = expected and (not by or refused_by in by)
    if expected and not ok:
        why = f"refused, but not by {' or '.join(by)}: {why}"
    seen.update(reachable=False, refused_by=refused_by, ok=ok, why=why)
    return True


def _judge_presence(there: bool, expect: str, what: str, what_not: str) -> dict[str, Any]:
    """The verdict about something that is there or not."""
    ok = expect == "either" or there == (expect == "open")
    return {"reachable": there, "ok": ok, "why": "" if ok else f"this host {what if there else what_not}"}


def _check_writes(expect: str) -> dict[str, Any]:
    """Whether this server can write, by its watchdog."""
    try:
        why = _CANNOT_WRITE.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return {"reachable": True, "ok": True, "why": ""}
    return {"reachable": False, "ok": expect != "open", "why": why}


def _check_address(address: str, expect: str) -> dict[str, Any]:
    """Whether this host holds an address, such as the shared one of a pair."""
    return _judge_presence(_is_held(address), expect, "holds the address", "does not hold the address")


def _is_held(address: str) -> bool:
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError:
        return False
    return wanted in map(
        ipaddress.ip_address, local_addresses(*_read_files("/proc/net/fib_trie", "/proc/net/if_inet6"))
    )


def _read_files(*paths: str) -> list[str]:
    """The contents of files of the kernel; empty for one that it does not have."""
    return [path.read_text() if path.exists() else "" for path in map(Path, paths)]


def is_listened_on(port: int, *tables: str) -> bool:
    """Whether a program listens on a port, by /proc/net/tcp and /proc/net/tcp6."""
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    return any(len(row) > 3 and row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) == port for row in rows)


def _check_active(expect: str, timeout: float) -> dict[str, Any]:
    """Whether this node of a pair serves. `expect: either`: exactly one of both must serve, and this node must know
    which."""
    if Path(_IS_LEADER).exists():
        return _check_leader(expect, timeout)
    lease = pair.read_lease()
    try:
        serves = execute([_FAILOVER_AGENT, "is-active"], os.environ, timeout)[0] == 0
        clear = serves or expect != "either" or execute([_FAILOVER_AGENT, "is-settled"], os.environ, timeout)[0] == 0
    except Unavailable as error:
        return {"reachable": False, "refused_by": "service", "ok": False, "why": str(error)}
    if not clear:
        return {"reachable": False, "ok": False, "why": pair.unsettled(), "lease": lease}
    if not serves and expect == "either" and (why := pair.promotion_failed()):
        return {"reachable": False, "ok": False, "why": why, "lease": lease}
    verdict = _judge_presence(serves, expect, "is active, planned is its peer", "is standby, its peer may be active")
    return {**verdict, "lease": lease}


def _check_leader(expect: str, timeout: float) -> dict[str, Any]:
    """Whether the product elected this node, as its own program says."""
    try:
        code, _output, errors = execute([_IS_LEADER], os.environ, timeout)
    except Unavailable as error:
        return {"reachable": False, "refused_by": "service", "ok": False, "why": str(error)}
    if code not in (0, 1):
        return {"reachable": False, "ok": False, "why": errors.strip() or f"{_IS_LEADER} ended with {code}"}
    return _judge_presence(code == 0, expect, "is active, planned is its peer", "is standby, its peer may be active")


def _check_drained(expect: str, timeout: float) -> dict[str, Any]:
    """Whether the traffic of this host is stopped, by a drain or by what an interrupted run left."""
    try:
        found = traffic.read(timeout)
    except Unavailable as error:
        return {"reachable": False, "refused_by": "service", "ok": False, "why": str(error)}
    stopped = found.state not in (traffic.OPEN, traffic.NOT_DEPLOYED)
    verdict = _judge_presence(stopped, expect, "", "is not drained")
    return {**verdict, "traffic": found.state, "why": found.why or verdict["why"]}


def _judge_one_open(edges: Sequence[Mapping[str, Any]], seen: list[dict[str, Any]]) -> None:
    """Mark all edges with the same `one_of` as not as expected unless exactly one of them is open."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for edge, result in zip(edges, seen, strict=True):
        if edge.get("one_of"):
            groups.setdefault(str(edge["one_of"]), []).append(result)
    for results in groups.values():
        serving = [result["name"] for result in results if result["reachable"]]
        if len(serving) == 1:
            continue
        names = " and ".join(serving or [result["name"] for result in results])
        for result in results:
            if result["ok"]:
                why = f"{'both' if serving else 'neither'} of {names} serve{'' if serving else 's'}, exactly one must"
                result.update(ok=False, why=why)


def probe_all(
    edges: Sequence[Mapping[str, Any]],
    access: Access,
    timeout: float,
    wait: float,
    concurrency: int,
    deadline: float = DEADLINE,
) -> list[dict[str, Any]]:
    """All edges at the same time, each no longer than `deadline` seconds; those not as expected again, until they are
    or `wait` seconds are over."""
    end = time.monotonic() + wait
    seen: list[dict[str, Any]] = [{"ok": False} for _edge in edges]
    while True:
        again = [index for index, result in enumerate(seen) if not result["ok"]]
        calls = [partial(probe, edges[index], access, timeout) for index in again]
        for index, result in zip(again, run_in_children(calls, deadline, concurrency), strict=True):
            seen[index] = result or _unanswered(edges[index], deadline)
        _judge_one_open(edges, seen)
        if all(result["ok"] for result in seen) or time.monotonic() >= end:
            return seen
        time.sleep(0.25)


def _unanswered(edge: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The result of an edge whose probe was ended after `seconds`."""
    ok = edge["expect"] != "open" and "service" in (edge.get("refused_by") or [])
    why = f"no answer within {seconds:g} s"
    return {**_blank_result(edge), "reachable": False, "refused_by": "service", "ok": ok, "why": why}


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
        held.add(":".join(re.findall("....", digits)))
    return held
