# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the watchdog of one server: the programs it checks, and when the server steps aside. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.escapes import bytes_of

LOOPBACK = "127.0.0.1"
# At this port the nodes of a pair ask each other whether they can write.
PEER_PORT = 8405
HAPROXY = "haproxy.service"
MONITOR_PATH = "/healthz"
RELAY = "upstream"


def build_settings(
    server: Mapping[str, Any],
    domain: str,
    check: Mapping[str, Any],
    changes: Mapping[str, Any],
    unit: str,
    data_paths: Sequence[str],
    can_write: Sequence[str],
    monitor_port: int,
    session_seconds: float,
    aside_seconds: float,
    host: Mapping[str, str],
) -> dict[str, Any]:
    """The content of the settings file of the watchdog.

    `server`: its slice. `check`: the health check of the product for HAProxy. `changes`: the parts of it that the
    watchdog does differently. `unit`: the unit of the product. `data_paths`, `can_write`: directories of its data, and
    its own command that checks whether it can write. `host`: paths of files and programs on the host.
    """
    product = build_check(server, check, changes) if server["watchable"] else None
    units = [{"unit": unit, "check": product}] if product else []
    balancer: dict[str, Any] = {}
    if server["has_balancer"]:
        monitor = {"type": "http", "address": LOOPBACK, "port": monitor_port, "path": MONITOR_PATH, "tls": False}
        units.append({"unit": HAPROXY, "check": monitor})
        # HAProxy repeats a failed connection at another server. After this time, sessions that were still connecting
        # to the failed server have moved.
        balancer = {"socket": host["haproxy_socket"], "after": session_seconds}
    # Only servers that accept writes step aside: replicas can serve reads with a full disk.
    is_master = server["serves_as"] == "master"
    return {
        "within": float(server["watchdog_seconds"]),
        "resting": [host["drained"]],
        "units": units,
        "balancer": balancer,
        "writing": {
            "after": aside_seconds,
            "free_percent": float(server["free_percent"]),
            "peer": build_peer(server, domain),
            "address": server["address"],
            "port": PEER_PORT,
            "tls": host["tls"],
            "paths": list(data_paths) if is_master else [],
            "command": list(can_write) if is_master else [],
            "relay": RELAY if server["serves_as"] == "proxy" and server["has_relay"] else "",
            "socket": host["haproxy_socket"],
            "nft": host["nft"],
            # In an active/standby pair the failover agent promotes the peer instead.
            "rules": "" if server["active_standby"] else host["rules"],
            "table": "tiers_aside",
            # The peer asks: a server whose traffic is stopped, or whose product does not answer, takes no clients.
            "drain_table": "tiers_drain",
            "check": product or {},
            "flag": host["flag"],
            "note": host["note"],
        },
    }


def build_peer(server: Mapping[str, Any], domain: str) -> dict[str, str]:
    """The peer that serves while this server cannot write; empty without one."""
    if not server["steps_aside_for"]:
        return {}
    pair = server["pair"]
    return {"name": pair["name"], "address": pair["address"], "tls_name": f"{pair['name']}.{domain}"}


def build_check(
    server: Mapping[str, Any], check: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any] | None:
    """How the product is asked: on loopback if HAProxy terminates TLS for it, else at the address of the server.

    None for a port to which nothing can be sent: the kernel accepts connections for a program that hangs. ValueError
    for a text with an escape that does not exist.
    """
    on_loopback = server["terminates_tls"]
    asked = {
        "type": check["type"],
        "path": check.get("path") or "/",
        "send": check.get("send") or "",
        "expect": check.get("expect") or "",
        "address": LOOPBACK if on_loopback else server["address"],
        "port": int(server["local_port"] or server["port"]),
        "tls": server["speaks_tls"] and not on_loopback,
        **changes,
    }
    if asked["type"] == "tcp" and not (asked["send"] or asked["expect"] or asked["tls"]):
        return None
    return {"send_hex": bytes_of(str(asked.pop("send"))).hex(), **asked}
