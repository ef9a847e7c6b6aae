# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of systemd that must run on a host, and that must start when it boots. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.services.failover_settings import deciding_units

WATCHDOG = "tiers-watchdog.service"
FIREWALL = ("tiers-firewall.service",)
NAMES = ("tiers-names.service", "tiers-names.path")


def runs_server(server: Mapping[str, Any], is_deployed: bool) -> bool:
    """Whether programs of a server run on the host. `server`: its slice, empty on a host without a server."""
    return bool(server) and server["state"] != "down" and is_deployed


def is_recorded(server: Mapping[str, Any], is_deployed: bool, is_client: bool, is_voter: bool) -> bool:
    """Whether a deployment has recorded the settings of the host. `is_client`, `is_voter`: a client, or a deployed
    voter of the arbiter, is on it."""
    return runs_server(server, is_deployed) or is_client or (is_voter and not server)


def running_units(server: Mapping[str, Any], is_deployed: bool) -> list[str]:
    """The units that must run and have no protocol of their own. The product and HAProxy are probed with theirs."""
    if not runs_server(server, is_deployed):
        return []
    return [WATCHDOG, *(deciding_units(server) if server["state"] == "active" else ())]


def boot_units(
    server: Mapping[str, Any],
    is_deployed: bool,
    is_voter: bool,
    product_unit: str,
    has_firewall: bool,
    has_names: bool,
) -> list[str]:
    """The units that must start at a boot.

    `is_voter`: a voter of the arbiter was deployed on the host. `has_firewall`, `has_names`: whether this collection
    writes those of the host.
    """
    units = [*(FIREWALL if has_firewall else ()), *(NAMES if has_names else ())]
    if runs_server(server, is_deployed) and server["state"] == "active":
        units += [*running_units(server, is_deployed), *(["haproxy.service"] if server["has_balancer"] else [])]
        if server["uses_product_role"]:
            # The failover agent starts the product of a cold backup.
            units += [] if server["cold"] else [product_unit]
            units += ["tiers-standby.service"] if server["active_standby"] else []
    return [*units, *(["etcd.service"] if is_voter else [])]
