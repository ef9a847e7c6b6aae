# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the program that writes the metrics of a host, from its slices of the plan. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

WATCHDOG_UNIT = "tiers-watchdog.service"
HAPROXY_UNIT, ETCD_UNIT = "haproxy.service", "etcd.service"
# What follows the elections or the lease of a pair, by `failover` of the slice
FAILOVER_UNITS = {"vrrp": "keepalived.service", "lease": "tiers-failover.service"}
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


def build_metrics_settings(
    server: Mapping[str, Any],
    voter: Mapping[str, Any],
    units: Sequence[str],
    access: Mapping[str, Any],
    position: Mapping[str, Any],
    check: Sequence[str],
    host: Mapping[str, str],
) -> dict[str, Any]:
    """The content of the settings file.

    `server`, `voter`: the slices of the host, empty if it is none. `units`: the units of the product. `access`: how its
    probes connect. `position`: its own command that prints how far its data are. `check`: its own command that prints
    findings. `host`: paths of files on the host.
    """
    about = server or voter
    return {
        "file": host["file"],
        "record": host["record"] if server else host["voter_record"],
        "drained": host["drained"],
        "active": host["active"] if server else "",
        "lease": host["lease"],
        "cannot_write": host["cannot_write"],
        "aside": host["aside"],
        "certificates": {"server": f"{host['tls']}/server.crt", "ca": f"{host['tls']}/ca.crt"},
        "tls": host["tls"],
        "units": list_units(server, voter, units),
        "client_ports": list(server["client_ports"]) if server else [],
        "connections": ["/proc/net/tcp", "/proc/net/tcp6"],
        "position": build_position(server, access, position),
        "check": list(check) if server and server["uses_product_role"] and server["kept_running"] else [],
        "checked": host["checked"],
        "voter": {"address": voter["address"], "port": voter["client_port"]} if voter else {},
        "info": {key: str(about.get(key) or "none") for key in ("serves_as", "redundancy", "product", "version")},
        "planned": build_planned(server),
    }


def list_units(server: Mapping[str, Any], voter: Mapping[str, Any], units: Sequence[str]) -> list[str]:
    """The units that must run at all times. The product of a cold backup does not."""
    found = [ETCD_UNIT] if voter else []
    if server:
        found.append(WATCHDOG_UNIT)
        if server["uses_product_role"] and server["kept_running"]:
            found += [unit if "." in unit else f"{unit}.service" for unit in units]
        if server["has_balancer"]:
            found.append(HAPROXY_UNIT)
        if unit := FAILOVER_UNITS.get(server["failover"] or ""):
            found.append(unit)
    return sorted(set(found))


def build_planned(server: Mapping[str, Any]) -> dict[str, list[Any]]:
    """{metric: [meaning, value]} of what the plan says of a server."""
    planned: dict[str, list[Any]] = {}
    if server and server["capacity"] is not None:
        planned["tiers_capacity_connections"] = ["Connections that this server can hold.", server["capacity"]]
    if server and server["clients"] is not None:
        meaning = "Connections of the clients that are assigned to this proxy."
        planned["tiers_assigned_connections"] = [meaning, server["clients"]["weight"]]
    return planned


def build_position(server: Mapping[str, Any], access: Mapping[str, Any], position: Mapping[str, Any]) -> dict[str, Any]:
    """The command that prints the position of the data; empty where there are none, or where no command prints it."""
    if not server or not server["holds_data"] or not server["kept_running"]:
        return {}
    if position:
        return dict(position)
    command = (access.get("commands") or {}).get("status")
    if not command:
        return {}
    known = {"address": server["address"], "port": str(server["port"]), "name": server["name"]}
    known |= {"user": str(access.get("user") or ""), "ca": str(access.get("ca_path") or "")}
    environment = {f"TIERS_{key.upper()}": value for key, value in known.items()}
    password = access["commands"].get("password") or access.get("password")
    if password:
        environment["TIERS_PASSWORD"] = str(password)
    words = [_PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), str(word)) for word in command]
    return {"command": words, "environment": environment}
