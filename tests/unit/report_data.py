# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input of reports, for the tests: two real systems, one with hostile names, and a very large one.

`demo.json` has the plan, the state and the drill of the demo's thirteen hosts; `six_hosts.json` those of six hosts, of
which one was killed and the program of another stopped.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.reporting.excerpt import PlanExcerpt, make_excerpt
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.page import ReportData

RECORDED = Path(__file__).parent / "plugins/module_utils/reporting"
MADE = "2026-11-30 08:45 UTC"
# Ends every place that a text may stand in: an element, an attribute, a style, a script, a comment; and turns its line.
HOSTILE = "<script>alert(1)</script>\"' onload=alert(1) x='</style></title><!-- ]]> {{ 7*7 }} \u202e\x00&amp;"


def recorded(name: str) -> ReportData:
    """The data of a real system, by the name of its file."""
    data = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return ReportData(data["plan"], data["status"], data["drill"], MADE)


def hostile() -> ReportData:
    """The demo, every text of it hostile but for the words that the report looks up."""
    words = {
        *("tier", "serves_as", "state", "health", "severity", "redundancy"),
        *("system", "off", "off_begin", "on", "whole"),
    }

    def spoil(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoil(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [spoil(one, key) for one in value]
        return f"{HOSTILE}{value}" if isinstance(value, str) and key not in words else value

    data = recorded("demo")
    plan, status, drill = (spoil(part) for part in (data.plan, data.status, data.drill))
    return ReportData({**plan, "system": HOSTILE}, status, drill, MADE)


def large(servers: int = 1000, clients: int = 1_000_000, sites: int = 50) -> PlanExcerpt:
    """The excerpt of a plan with many servers and clients; as many sites have proxies, the first one a pool, too."""
    proxies = servers - 22
    names = [f"px-{number:04}" for number in range(proxies)]
    slices = [_slice("m1", "master", "site-00"), _slice("m2", "backup", "site-00", serves_as="master", primary="m1")]
    slices += [_slice(f"p{number:02}", "parallel", "site-00") for number in range(20)]
    slices += [_slice(name, "proxy", f"site-{number % sites:02}", capacity=2000) for number, name in enumerate(names)]
    population = {f"desk-{number}": {"site": f"site-{number % sites:02}"} for number in range(clients)}
    everyone = list(population)
    shares = {name: everyone[number::proxies] for number, name in enumerate(names)}
    moves = [{"client": one, "from": names[0], "to": names[1], "why": "its proxy is full"} for one in shares[names[1]]]
    plan: dict[str, Any] = {
        "system": "large",
        "digest": "0" * 64,
        "servers": {server["name"]: server for server in slices},
        "sites": {f"site-{number:02}": {"clients": clients // sites} for number in range(sites)},
        "allocation": {
            "proxies": {name: {"clients": share, "weight": len(share)} for name, share in shares.items()},
            "unplaced": {},
            "moves": moves,
        },
        "arbiter": None,
    }
    topology: Any = SimpleNamespace(clients={}, population=population, unread=())
    change: dict[str, Any] = {"new": names, "changed": {}, "retired": {}, "unseen": [], "same": 22, "clients": []}
    return make_excerpt(topology, plan, [], change, [])


def _slice(name: str, tier: str, site: str, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = dict.fromkeys(("primary", "backup", "capacity"))
    base |= {"name": name, "tier": tier, "serves_as": tier, "site": site, "zone": "rack-a", "state": "active"}
    base |= {"address": "192.0.2.1", "port": 636, "redundancy": "hot" if tier == "backup" else None, "product": "x"}
    return {**base, "members": [], "upstreams": [{"name": "m1"}] if tier != "master" else [], **more}
