# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How writes travel: at which port each server takes them. Pure."""

from __future__ import annotations

from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import is_active_standby, is_cold
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import FORWARD, WRITE_PORT
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology


def write_port(topology: Topology, server: Server) -> int | None:
    """The port at which a server takes writes; None where it takes none."""
    product, work = topology.product_of(server), topology.serves_as(server)
    if product is None or work is None or work == "master" or product.writes == FORWARD:
        return server.port
    if has_own_write_port(topology, server):
        return product.write_port
    # HAProxy, nginx or a pooler forwards every request to the master.
    forwards = product.proxy_mode == "pooler" or not product.runs_on(work)
    return server.port if work == "proxy" and forwards else None


def has_own_write_port(topology: Topology, server: Server) -> bool:
    """Whether HAProxy on the server listens on a further port, for writes alone, and leads to the active master. Not on
    a cold backup that no failover starts."""
    product, work = topology.product_of(server), topology.serves_as(server)
    if product is None or product.writes != WRITE_PORT or work not in ("proxy", "distributor"):
        return False
    if work == "proxy" and product.proxy_mode == "pooler":
        return False
    return is_active_standby(topology, server) or not is_cold(topology, server)
