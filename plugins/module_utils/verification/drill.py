# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill breaks, and the load that its clients make meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS

HOME_READS = ("home reads", "home reads, new connections")
HOME_WRITES = ("home writes",)
HOME = (*HOME_READS, *HOME_WRITES)
POOL_READS = ("pool reads", "pool reads, new connections")
# Asks often and gives up soon: tells when the address answers again, not when a client's time-out ends.
POOL_WATCH = "pool address"
POOL = (*POOL_READS, POOL_WATCH)
_WATCH = {"connection": "new", "timeout": 0.5}

# Requests a second of each client, by what it does. `tiers_drill_rates` changes them.
RATES: dict[str, float] = {"read": 5, "connect": 2, "write": 3, "pool_read": 5, "pool_connect": 2, "watch": 2}
# Rows that nobody could remove are not written.
WRITES = {"write", "remove"}

# A program that asks more often in a second is several.
_A_WORKER = 10


def streams(
    client: Mapping[str, Any],
    rates: Mapping[str, float],
    run: str,
    protocol: str | None = None,
    offers: Iterable[str] = OPERATIONS,
) -> list[dict[str, Any]]:
    """The programs that a client host runs, for tier_load: of what the product offers to probes."""
    offered = set(offers)
    rates = {**RATES, **{f"pool_{key}": rates[key] for key in ("read", "connect") if key in rates}, **rates}

    def program(name: str, kind: str, servers: Sequence[Mapping[str, Any]], rate: str, **more: Any) -> None:
        wanted = ("name", "address", "port")
        speaks = protocol or client["protocol"]
        if servers and rates[rate] > 0:
            programs.append(
                {
                    "name": name,
                    "kind": kind,
                    "servers": [{**{key: server[key] for key in wanted}, "protocol": speaks} for server in servers],
                    "rate": rates[rate],
                    "workers": math.ceil(rates[rate] / _A_WORKER),
                    **more,
                }
            )

    programs: list[dict[str, Any]] = []
    if "read" in offered:
        program(HOME_READS[0], "read", client["endpoints"], "read")
        program(HOME_READS[1], "read", client["endpoints"], "connect", connection="new")
        program(POOL_READS[0], "read", client["pool"], "pool_read")
        program(POOL_READS[1], "read", client["pool"], "pool_connect", connection="new")
        program(POOL_WATCH, "read", client["pool"], "watch", **_WATCH)
    if offered >= WRITES:
        program(HOME_WRITES[0], "write", client["write_endpoints"], "write", prefix=f"{run}-{client['name']}")
    return programs


def experiments(plan: Mapping[str, Any], standing_by: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """One experiment for each promise that the topology makes; and why others are skipped. Of a pair whose
    primary is standby, the peer fails: the active node."""
    aside = set(standing_by)
    servers: Mapping[str, Any] = plan["servers"]
    homes: dict[str, list[str]] = {}
    for name, client in sorted(plan["clients"].items()):
        if client["endpoints"]:
            homes.setdefault(client["endpoints"][0]["name"], []).append(name)

    todo: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []

    def consider(kind: str, title: str, fits: Callable[[Mapping[str, Any]], bool], otherwise: str) -> None:
        fitting = sorted(name for name, server in servers.items() if server["state"] == "active" and fits(server))
        # Rather a server whose loss some client host can notice.
        fitting.sort(key=lambda name: not homes.get(name))
        if not fitting:
            skipped.append({"kind": kind, "title": title, "why": otherwise})
            return
        server = servers[fitting[0]]
        target, backup = server["name"], server["backup"]
        if target in aside:
            target, backup = backup, target
        todo.append(
            {
                "kind": kind,
                "title": f"{title}: {target}",
                "target": target,
                "backup": backup,
                "own": homes.get(fitting[0], []),
                "virtual_address": server["virtual_address"],
            }
        )

    consider(
        "proxy_alone",
        "a proxy without a backup fails",
        lambda server: server["tier"] == "proxy" and not server["backup"] and bool(homes.get(server["name"])),
        "no proxy without a backup serves a client host",
    )
    consider(
        "proxy_backed",
        "a proxy with a backup fails",
        lambda server: server["tier"] == "proxy" and bool(server["backup"]) and bool(homes.get(server["name"])),
        "no proxy with a backup serves a client host",
    )
    consider(
        "member",
        "a parallel member fails",
        lambda server: server["tier"] == "parallel",
        "there is no pool of parallel members",
    )
    consider(
        "distributor",
        "the distributor fails",
        lambda server: server["tier"] == "distributor" and bool(server["backup"]),
        "there is no distributor with a backup",
    )
    consider(
        "master",
        "the master fails",
        lambda server: server["tier"] == "master" and bool(server["backup"]),
        "the master has no backup",
    )
    return {"todo": todo, "skipped": skipped}
