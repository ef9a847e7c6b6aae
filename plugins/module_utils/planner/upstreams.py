# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way up: which servers a server funnels to."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import WRITE_PORT
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology


def upstreams(topology: Topology, server: Server) -> tuple[str, ...]:
    """The names of the servers a proxy, a member or a backup of one funnels to, best first. A distributor forwards
    writes if the product has a port for them."""
    primary = topology.servers.get(server.primary or "")
    given = server.upstream if server.upstream is not None else primary.upstream if primary else None
    if given is not None:
        return given
    if topology.serves_as(server) == "master":
        return (primary.name,) if primary else ()
    if topology.serves_as(server) not in ("proxy", "parallel") and not forwards_writes(topology, server):
        return ()
    master = next(iter(topology.tier("master")), None)
    if master is None:
        return ()
    backup = topology.backup_of(master.name)
    return (master.name, backup.name) if backup else (master.name,)


def forwards_writes(topology: Topology, server: Server) -> bool:
    product = topology.product_of(server)
    return product is not None and product.writes == WRITE_PORT and topology.serves_as(server) == "distributor"


def paths(topology: Topology) -> Mapping[str, tuple[str, ...]]:
    """The ways up, of everyone who has one."""
    below = [s for s in topology.servers.values() if topology.serves_as(s) in ("proxy", "parallel")]
    return {server.name: upstreams(topology, server) for server in below}
