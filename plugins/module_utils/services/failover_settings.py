# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover of one node of a pair: the settings of its agent, and the units that run on it. Pure.

`server`: the slice of the node. `host`: directories and files on it, by their names in FILES.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

FILES = ("etc", "run", "lasting", "hooks", "tls", "nft", "lease_unit", "keepalived_config", "drop_in")
AGENT = "tiers-failover.service"
KEEPALIVED = "keepalived.service"
# What the agent with a lease imports, and what a deployment before 0.1.0 left in /etc/tiers
LEASE_MODULES = ("lease", "etcd", "gate", "holder")
FORMER_FILES = ("turn", "turn.d", "answers")
# Seconds instead of no end: JSON and templates of ansible-core 2.18 have no infinity.
FOREVER = 1e9

Slice = Mapping[str, Any]


def has_lease(server: Slice) -> bool:
    """Whether the lease of the arbiter decides which node serves, instead of the elections of keepalived."""
    return bool(server["failover"] == "lease")


def runs_keepalived(server: Slice) -> bool:
    """With a lease it runs only to move an address that the pair shares."""
    return not has_lease(server) or bool(server.get("virtual_address"))


def deciding_units(server: Slice) -> list[str]:
    """The units that decide which node serves, or that move the address of the pair; none without an election."""
    if not server["leader_election"]:
        return []
    return [*([AGENT] if has_lease(server) else ()), *([KEEPALIVED] if runs_keepalived(server) else ())]


def agent_settings(
    server: Slice,
    host: Mapping[str, str],
    times: Mapping[str, float],
    limits: Mapping[str, float],
    system: str,
    port: int,
    cold_units: Iterable[str],
) -> dict[str, Any]:
    """The content of the settings file of the agent.

    `times`: its times in seconds. `limits`: how far a standby may be behind to be promoted, and how long one that is
    behind waits, negative: as long as it is behind. `port`: the port that must answer on the node. `cold_units`: the
    units that the agent starts and stops if the node is cold.
    """
    return {
        "run": host["run"],
        "lasting": host["lasting"],
        "log": "/dev/log",
        "hooks": host["hooks"],
        "port": port,
        "nft": host["nft"],
        "rules": f"{host['etc']}/standby.nft",
        "table": "tiers_standby",
        "cold_units": list(cold_units) if server["cold"] else [],
        # A primary that stays out once its backup has been promoted
        "stays_out": server["tier"] != "backup" and server["failback"] == "never",
        **times,
        "lease": lease_settings(server, host["tls"], system, limits) if has_lease(server) else None,
    }


def lease_settings(server: Slice, tls: str, system: str, limits: Mapping[str, float]) -> dict[str, Any]:
    """How the agent asks the arbiter for the lease of its pair."""
    # A node that votes asks itself first: it needs no other host to hear of a failure.
    endpoints = sorted(server["arbiter_endpoints"], key=lambda one: bool(one["name"] != server["name"]))
    return {
        "name": server["name"],
        "is_primary": server["tier"] != "backup",
        "failback": server["failback"],
        "ttl": float(server["failover_ttl"]),
        **limits,
        "behind_seconds": FOREVER if limits["behind_seconds"] < 0 else limits["behind_seconds"],
        "rejoin": server["rejoin"],
        "port": int(server["port"]),
        "peer": server["pair"]["address"] if server["pair"] else "",
        "prefix": f"/tiers/{system}/{server.get('primary') or server['name']}",
        "endpoints": [[one["address"], one["port"]] for one in endpoints],
        "authority": f"{tls}/ca.crt",
        "certificate": f"{tls}/server.crt",
        "key": f"{tls}/server.key",
    }


def agent_files(server: Slice, etc: str) -> list[str]:
    """The program of the agent, its settings, and what it starts or imports."""
    modules = [f"{etc}/lease/{name}.py" for name in LEASE_MODULES] if has_lease(server) else []
    return [f"{etc}/failover-agent", f"{etc}/failover-agent.json", f"{etc}/check-electable", *modules]


def failover_units(server: Slice, host: Mapping[str, str], stays_out: bool) -> list[dict[str, Any]]:
    """The units that decide which node serves, in the order of their start: name, state, and the files that each reads.

    `stays_out`: the node is drained, or stepped down, and does not serve until it rejoins.
    """
    etc, state = host["etc"], "stopped" if stays_out else "started"
    config = [host["keepalived_config"], host["drop_in"]]
    if has_lease(server):
        # The agent goes on with the program and the settings that it began with, until a reload.
        files = [*agent_files(server, etc), host["lease_unit"], f"{host['tls']}/server.crt", f"{host['tls']}/ca.crt"]
        agent = {"name": AGENT, "files": files, "state": state}
        # keepalived follows the agent, so it also runs while the node stays out.
        follower = {"name": KEEPALIVED, "files": config, "state": "started"}
        return [agent, follower] if runs_keepalived(server) else [agent]
    watched = [*agent_files(server, etc), f"{etc}/standby.nft"] if server["active_standby"] else [f"{etc}/check-port"]
    return [{"name": KEEPALIVED, "files": [*config, *watched], "state": state}]


def unused_files(server: Slice, host: Mapping[str, str]) -> list[str]:
    """Files that this node no longer uses."""
    former = [f"{host['etc']}/{name}" for name in FORMER_FILES]
    return former if runs_keepalived(server) else [*former, host["keepalived_config"], host["drop_in"]]
