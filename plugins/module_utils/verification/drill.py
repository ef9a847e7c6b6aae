# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of a drill, and the load of its clients meanwhile."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
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

    @property
    def is_server(self) -> bool:
        return self.kind not in ("site", "voter", "voters")

    def fits(self, server: Mapping[str, Any], has_clients: bool) -> bool:
        tier, backup = server["tier"], bool(server["backup"])
        if self.kind == "proxy_alone":
            return tier == "proxy" and not backup and has_clients
        if self.kind == "proxy_backed":
            return tier == "proxy" and backup and has_clients
        if self.kind == "member":
            return bool(tier == "parallel")
        if self.kind == "standby":
            return tier == "master" and backup and _waits_for_standby(server)
        return tier == self.kind and backup


def _waits_for_standby(server: Mapping[str, Any]) -> bool:
    """Whether a write is acknowledged only when the standby has it, so that its failure may delay writes."""
    has_standby = server.get("active_standby") or server.get("product_election")
    return bool(has_standby) and server.get("replication") == "synchronous"


TARGETS = (
    Target("proxy_alone", "a proxy without a backup", "no proxy without a backup serves a client host"),
    Target("proxy_backed", "a proxy with a backup", "no proxy with a backup serves a client host"),
    Target("member", "a parallel member", "there is no pool of parallel members"),
    Target("distributor", "the distributor", "there is no distributor with a backup"),
    Target("master", "the master", "the master has no backup"),
    Target("standby", "the standby of the master", "no master waits for a standby before it acknowledges a write"),
    Target("site", "a site", "no site without a master has a proxy that serves a client host"),
    Target("voter", "a voter of the arbiter", "there is no arbiter"),
    Target("voters", "most voters of the arbiter", "there is no arbiter"),
)


@dataclass(frozen=True)
class ServerFault:
    """The fault of a server in an experiment."""

    name: str
    verb: str  # after the server's name
    done: str
    undone: str
    only: str = ""  # the kind of server that it is done to, else to all
    seconds: float | None = None  # how long it lasts, else as long as the drill says

    @property
    def leaves_host_on(self) -> bool:
        return self.name != "off"

    def concerns(self, target: Target) -> bool:
        return self.only == target.kind or (not self.only and target.is_server)


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
    ServerFault(
        "stopped_5",
        "has its program stopped for 5 s",
        "SIGSTOP to all processes of the product",
        _BY_THE_HOST,
        only="master",
        seconds=5,
    ),
    ServerFault(
        "stopped_60",
        "has its program stopped for 60 s",
        "SIGSTOP to all processes of the product",
        _BY_THE_HOST,
        only="master",
        seconds=60,
    ),
    ServerFault(
        "disk_full",
        "has a full disk",
        "one file without a name fills the file system of the data",
        _BY_THE_HOST,
        only="master",
        seconds=30,
    ),
    ServerFault(
        "lossy",
        "loses 20 % of the packets that it receives",
        "nftables on the host drops every fifth incoming packet by chance",
        _BY_THE_HOST,
        only="master",
    ),
    ServerFault(
        "slow",
        "answers 200 ms later",
        "netem on the host delays all outgoing packets by 200 ms",
        _BY_THE_HOST,
        only="master",
    ),
    ServerFault(
        "cut",
        "is cut off",
        "nftables on each of its hosts drops all packets to and from other sites but those of the run",
        _BY_THE_HOST,
        only="site",
    ),
    ServerFault(
        "cut_from_master",
        "is cut off from the site of the master alone",
        "nftables on each of its hosts drops all packets to and from the site of the master but those of the run",
        _BY_THE_HOST,
        only="site",
    ),
    ServerFault(
        "down", "is down", "etcd on its host is killed, and systemd does not restart it", _BY_THE_HOST, only="voter"
    ),
    ServerFault(
        "down",
        "are down, so the arbiter has no majority",
        "etcd on their hosts is killed, and systemd does not restart it",
        _BY_THE_HOST,
        only="voters",
    ),
)
NAMES = tuple(f"{target.kind}_{fault.name}" for fault in FAULTS for target in TARGETS if fault.concerns(target))


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
    possible: Mapping[str, Mapping[str, str]] | None = None,
    is_every_server: bool = False,
) -> dict[str, list[dict[str, Any]]]:
    """One experiment for each wanted fault and each kind of server of the topology; and why others are skipped. If the
    primary of a pair is standby, its peer fails: the active node. `wanted`: patterns of names; `possible`: by host and
    kind of fault why it cannot be caused there, as tier_fault returned it; `is_every_server`: one experiment for each
    server of the kind, not for one of them."""
    aside, patterns = set(standing_by), list(wanted)
    todo: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for fault in FAULTS:
        for target in TARGETS:
            name = f"{target.kind}_{fault.name}"
            if not fault.concerns(target) or not any(fnmatchcase(name, pattern) for pattern in patterns):
                continue
            title = f"{target.noun} {fault.verb}"
            choices = _choose(plan, target, aside)
            choices = choices if is_every_server or target.kind == "voter" else choices[:1]
            if not choices:
                skipped.append({"name": name, "kind": target.kind, "title": title, "why": target.otherwise})
            for found in choices:
                faults = _host_faults(plan, fault, found)
                if why := _explain_unknown_peers(faults) or _explain_impossible(faults, possible or {}):
                    skipped.append({"name": name, "kind": target.kind, "title": title, "why": why})
                    continue
                lasts = fault.seconds or seconds
                todo.append(
                    {
                        "name": f"{name}:{found['target']}" if len(choices) > 1 else name,
                        "experiment": name,
                        "kind": target.kind,
                        "fault": fault.name,
                        "title": f"{title}: {found['what']}",
                        **found,
                        "seconds": lasts,
                        # The host itself ends a stopped program in time, however slow the controller is.
                        "lasts": lasts if fault.name.startswith("stopped") else lasts + SPARE_SECONDS,
                        "faults": faults,
                        "counts_missing": target.kind == "master" and fault.name in _LOST_TO_CLIENTS,
                        "done": fault.done,
                        "undone": fault.undone,
                    }
                )
    return {"todo": todo, "skipped": skipped}


# Faults after which no client reaches the server, so that its peer has all that will ever be acknowledged there
_LOST_TO_CLIENTS = ("off", "cut", "deaf", "mute")


def _choose(plan: Mapping[str, Any], target: Target, aside: set[str]) -> list[dict[str, Any]]:
    """The servers of this kind that fail, one for each experiment."""
    if target.kind == "site":
        found = _choose_site(plan)
    elif target.kind in ("voter", "voters"):
        return _choose_voters(plan, target.kind)
    else:
        return _choose_servers(plan, target, aside)
    return [found] if found else []


def _choose_site(plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """A site without a master, with a proxy that serves a client host; rather one that serves clients of its own."""
    servers, clients, homes = plan["servers"], plan["clients"], list_own_clients(plan)
    masters = {server["site"] for server in servers.values() if server["serves_as"] == "master"}
    fitting = [
        (not any(clients[client]["site"] == server["site"] for client in homes[name]), server["site"], name)
        for name, server in sorted(servers.items())
        if server["tier"] == "proxy" and server["state"] == "active" and name in homes and server["site"] not in masters
    ]
    if not fitting:
        return None
    _alien, site, name = min(fitting)
    inside = {host for host, (_address, place) in _list_hosts(plan).items() if place == site}
    return {
        "target": name,
        "what": site,
        "backup": None,
        "pair": [name],
        "own": homes[name],
        "virtual_address": None,
        "site": site,
        "hosts": sorted(inside),
        "master_site": min(masters),
    }


def _list_hosts(plan: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Address and site of each host of the plan that is not planned as down."""
    found = {
        name: (one["address"], one["site"])
        for name, one in (*plan["servers"].items(), *plan["clients"].items())
        if one.get("state") != "down"
    }
    voters = [voter for slice_ in plan["voters"].values() for voter in slice_["voters"]]
    return {**{voter["name"]: (voter["address"], voter["site"]) for voter in voters}, **found}


def _choose_voters(plan: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Each voter, or the fewest voters without which the others have no majority."""
    names = sorted(plan["voters"])
    groups = [[name] for name in names] if kind == "voter" else [names[: (len(names) + 1) // 2]] if names else []
    empty: dict[str, Any] = {"backup": None, "pair": [], "own": [], "virtual_address": None}
    return [{**empty, "target": group[0], "what": ", ".join(group), "hosts": group} for group in groups]


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


def _choose_servers(plan: Mapping[str, Any], target: Target, aside: set[str]) -> list[dict[str, Any]]:
    """The servers of this kind, each with its backup and its own client hosts."""
    servers: Mapping[str, Any] = plan["servers"]
    homes = list_own_clients(plan)
    fitting = sorted(
        name for name, server in servers.items() if server["state"] == "active" and target.fits(server, name in homes)
    )
    # Rather a server whose loss some client host can notice.
    fitting.sort(key=lambda name: name not in homes)
    found = []
    for primary in fitting:
        name, backup = _order_pair(target.kind, primary, servers[primary]["backup"], aside)
        found.append(
            {
                "target": name,
                "backup": backup,
                "what": name,
                "pair": [one for one in (name, backup) if one],
                "own": homes.get(primary, []),
                "virtual_address": servers[primary]["virtual_address"],
            }
        )
    return found


def _order_pair(kind: str, name: str, peer: str | None, aside: Collection[str]) -> tuple[str, str | None]:
    """The node of a pair that fails in an experiment, and its peer. A node that is standby takes the place of its peer
    only where the standby is to fail."""
    if kind == "standby":
        return (name, peer) if name in aside or peer is None else (peer, name)
    return (peer, name) if name in aside and peer is not None else (name, peer)


def aim(experiment: Mapping[str, Any], plan: Mapping[str, Any], standing_by: Iterable[str]) -> dict[str, Any]:
    """An experiment with the node of its pair that serves now. An earlier experiment may have made the other one the
    active node, and not every pair fails back by itself."""
    if not experiment["backup"]:
        return dict(experiment)
    name, peer = _order_pair(experiment["kind"], experiment["target"], experiment["backup"], set(standing_by))
    target = next(one for one in TARGETS if one.kind == experiment["kind"])
    fault = next(one for one in FAULTS if one.name == experiment["fault"] and one.concerns(target))
    found = {**experiment, "target": name, "backup": peer, "what": name, "pair": [one for one in (name, peer) if one]}
    return {**found, "title": f"{target.noun} {fault.verb}: {name}", "faults": _host_faults(plan, fault, found)}


def _host_faults(plan: Mapping[str, Any], fault: ServerFault, found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each host of an experiment the fault that tier_fault causes there."""
    if not fault.leaves_host_on:
        return {}
    shared = [found["virtual_address"]] if found["virtual_address"] else []
    cut = {"kind": "cut", "peers": [], "direction": "both", "shared": shared}
    if "hosts" in found and "site" not in found:
        return {host: {"kind": "down", "units": ["etcd"]} for host in found["hosts"]}
    if "site" in found:
        peers = [
            address
            for host, (address, place) in sorted(_list_hosts(plan).items())
            if host not in found["hosts"] and (fault.name == "cut" or place == found["master_site"])
        ]
        return {host: {**cut, "peers": list(dict.fromkeys(peers))} for host in found["hosts"]}
    options: dict[str, dict[str, Any]] = {
        "stopped_5": {"kind": "stopped"},
        "stopped_60": {"kind": "stopped"},
        "disk_full": {"kind": "full"},
        "lossy": {"kind": "loss", "percent": 20},
        "slow": {"kind": "delay", "milliseconds": 200},
        "cut": cut,
        "cut_from_peer": {**cut, "peers": [plan["servers"][found["backup"]]["address"]] if found["backup"] else []},
        "deaf": {**cut, "direction": "in", "shared": []},
        "mute": {**cut, "direction": "out"},
    }
    return {found["target"]: options[fault.name]}


def _explain_unknown_peers(faults: Mapping[str, Mapping[str, Any]]) -> str:
    """The reason why packets cannot be distinguished by their addresses; empty if they can."""
    for fault in faults.values():
        for peer in fault.get("peers", ()):
            try:
                ipaddress.ip_network(peer, strict=False)
            except ValueError:
                return f"{peer} is a name, and a cut needs IP addresses"
    return ""


def _explain_impossible(faults: Mapping[str, Mapping[str, Any]], possible: Mapping[str, Mapping[str, str]]) -> str:
    """Why a host of the experiment cannot have its fault, or nothing."""
    reasons = (
        possible.get(host, {}).get(fault["kind"]) and f"{host}: {possible[host][fault['kind']]}"
        for host, fault in faults.items()
    )
    return next((why for why in reasons if why), "")
