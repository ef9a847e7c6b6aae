# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill breaks, and the load that its clients make meanwhile."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
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

# The experiments of a drill that names none: patterns of their names. `tiers_drill_experiments` changes them.
DEFAULT = ("*_off",)
# Seconds that a fault lasts, and how much longer it would last without the controller.
SECONDS = 12.0
SPARE_SECONDS = 60.0
# Seconds that an experiment takes at most beyond its fault, with a repetition; and the shortest load of a drill.
_AROUND = 240.0
_SHORTEST_LOAD = 1200.0


@dataclass(frozen=True)
class Target:
    """A server that fails in an experiment, by what its failure may cost."""

    kind: str
    noun: str
    otherwise: str  # why there is none

    def fits(self, server: Mapping[str, Any], has_clients: bool) -> bool:
        tier, backup = server["tier"], bool(server["backup"])
        if self.kind == "proxy_alone":
            return tier == "proxy" and not backup and has_clients
        if self.kind == "proxy_backed":
            return tier == "proxy" and backup and has_clients
        if self.kind == "member":
            return bool(tier == "parallel")
        return tier == self.kind and backup


TARGETS = (
    Target("proxy_alone", "a proxy without a backup", "no proxy without a backup serves a client host"),
    Target("proxy_backed", "a proxy with a backup", "no proxy with a backup serves a client host"),
    Target("member", "a parallel member", "there is no pool of parallel members"),
    Target("distributor", "the distributor", "there is no distributor with a backup"),
    Target("master", "the master", "the master has no backup"),
)


@dataclass(frozen=True)
class ServerFault:
    """What is done to a server in an experiment."""

    name: str
    verb: str  # after the server's name
    done: str
    undone: str
    only: str = ""  # the kind of server that it is done to, else to all

    @property
    def leaves_host_on(self) -> bool:
        return self.name != "off"


_BY_THE_HOST = "by the host itself when the time is over, also without the controller"
FAULTS = (
    ServerFault("off", "fails", "the host is switched off, or its services are killed", "switched on by the drill"),
    ServerFault(
        "cut", "is cut off while alive", "nftables on the host drops all packets but those of the run", _BY_THE_HOST
    ),
    ServerFault(
        "cut_from_peer",
        "is cut off from its peer alone",
        "nftables on the host drops all packets to and from its peer",
        _BY_THE_HOST,
        only="master",
    ),
    ServerFault(
        "deaf",
        "sends but receives nothing",
        "nftables on the host drops all incoming packets but those of the run",
        _BY_THE_HOST,
        only="master",
    ),
    ServerFault(
        "mute",
        "receives but sends nothing",
        "nftables on the host drops all outgoing packets but those of the run",
        _BY_THE_HOST,
        only="master",
    ),
)
NAMES = tuple(
    f"{target.kind}_{fault.name}" for fault in FAULTS for target in TARGETS if fault.only in ("", target.kind)
)


def list_unknown(wanted: Iterable[str]) -> list[str]:
    """The patterns that match no name of an experiment."""
    return [pattern for pattern in wanted if not any(fnmatchcase(name, pattern) for name in NAMES)]


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


def experiments(
    plan: Mapping[str, Any],
    standing_by: Iterable[str] = (),
    wanted: Iterable[str] = DEFAULT,
    seconds: float = SECONDS,
) -> dict[str, list[dict[str, Any]]]:
    """One experiment for each wanted fault and each kind of server of the topology; and why others are skipped. If the
    primary of a pair is standby, its peer fails: the active node. `wanted`: patterns of names."""
    aside, patterns = set(standing_by), list(wanted)
    todo: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for fault in FAULTS:
        for target in TARGETS:
            name = f"{target.kind}_{fault.name}"
            if name not in NAMES or not any(fnmatchcase(name, pattern) for pattern in patterns):
                continue
            title = f"{target.noun} {fault.verb}"
            found = _choose_server(plan, target, aside)
            if found is None:
                skipped.append({"name": name, "kind": target.kind, "title": title, "why": target.otherwise})
                continue
            faults = _host_faults(plan, fault, found)
            if why := _explain_unknown_peers(faults):
                skipped.append({"name": name, "kind": target.kind, "title": title, "why": why})
                continue
            todo.append(
                {
                    "name": name,
                    "kind": target.kind,
                    "fault": fault.name,
                    "title": f"{title}: {found['target']}",
                    **found,
                    "seconds": seconds,
                    "lasts": seconds + SPARE_SECONDS,
                    "faults": faults,
                    "counts_missing": target.kind == "master" and fault.name != "cut_from_peer",
                    "done": fault.done,
                    "undone": fault.undone,
                }
            )
    return {"todo": todo, "skipped": skipped}


def load_seconds(planned: Iterable[Mapping[str, Any]]) -> float:
    """Seconds after which the load of a drill ends by itself."""
    return max(_SHORTEST_LOAD, sum(2 * float(one["seconds"]) + _AROUND for one in planned))


def list_own_clients(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """The client hosts of each server that is the first endpoint of one."""
    homes: dict[str, list[str]] = {}
    for name, client in sorted(plan["clients"].items()):
        if client["endpoints"]:
            homes.setdefault(client["endpoints"][0]["name"], []).append(name)
    return homes


def _choose_server(plan: Mapping[str, Any], target: Target, aside: set[str]) -> dict[str, Any] | None:
    """The server of this kind that fails, with its backup and its own client hosts."""
    servers: Mapping[str, Any] = plan["servers"]
    homes = list_own_clients(plan)
    fitting = sorted(
        name for name, server in servers.items() if server["state"] == "active" and target.fits(server, name in homes)
    )
    # Rather a server whose loss some client host can notice.
    fitting.sort(key=lambda name: name not in homes)
    if not fitting:
        return None
    server = servers[fitting[0]]
    name, backup = server["name"], server["backup"]
    if name in aside:
        name, backup = backup, name
    return {
        "target": name,
        "backup": backup,
        "pair": [one for one in (name, backup) if one],
        "own": homes.get(fitting[0], []),
        "virtual_address": server["virtual_address"],
    }


def _host_faults(plan: Mapping[str, Any], fault: ServerFault, found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each host of an experiment the fault that tier_fault causes there."""
    if not fault.leaves_host_on:
        return {}
    shared = [found["virtual_address"]] if found["virtual_address"] else []
    cut = {"kind": "cut", "peers": [], "direction": "both", "shared": shared}
    options = {
        "cut": cut,
        "cut_from_peer": {**cut, "peers": [plan["servers"][found["backup"]]["address"]] if found["backup"] else []},
        "deaf": {**cut, "direction": "in", "shared": []},
        "mute": {**cut, "direction": "out"},
    }
    return {found["target"]: options[fault.name]}


def _explain_unknown_peers(faults: Mapping[str, Mapping[str, Any]]) -> str:
    """Why packets cannot be told apart by their addresses, or nothing."""
    for fault in faults.values():
        for peer in fault["peers"]:
            try:
                ipaddress.ip_network(peer, strict=False)
            except ValueError:
                return f"{peer} is a name, and a cut needs IP addresses"
    return ""
