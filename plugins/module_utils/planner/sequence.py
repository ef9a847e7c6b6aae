# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which running servers are restarted for another release of their product."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import accumulate
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import is_cold
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology

MASTER, BACKUP = "master", "backup"
# The tiers in the order in which they start. The master's backup starts from the master's data, so it has a wave of its
# own.
WAVES = ((MASTER,), (f"{BACKUP} of {MASTER}",), ("proxy", "parallel"), ("distributor",))


def start_wave(topology: Topology, server: Server) -> int | None:
    """The wave a server starts in. None for a backup of nothing sensible."""
    work = topology.serves_as(server)
    if work == MASTER and server.tier == BACKUP:
        work = f"{BACKUP} of {work}"
    return next((number for number, works in enumerate(WAVES) if work in works), None)


def upgrade_order(topology: Topology, allocation: Mapping[str, Any]) -> list[str]:
    """The servers as `upgrade_order` of their product sorts them, within a tier those first whose failure costs least.

    Servers that run no program of the product come last. A cold backup follows its primary: it is stopped, so a broken
    release would show only when its primary steps down for it. The other way round it can serve with the old release.
    """
    shares = allocation.get("proxies", {})

    def cost(server: Server) -> tuple[bool, bool, bool, float]:
        """A server without clients, then a backup, then a server with a backup, then the smallest share."""
        behind = topology.backup_of(server.name)
        share = shares[server.name]["weight"] if server.name in shares else server.weight
        return server.state == "active", server.primary is None, behind is None or behind.state != "active", share

    def position(server: Server) -> tuple[float, int]:
        product, work = topology.product_of(server), topology.serves_as(server) or server.tier
        return tier_position(product, work, server.primary is not None)

    names = [s.name for s in sorted(topology.servers.values(), key=lambda s: (position(s), cost(s), s.name))]
    for server in topology.servers.values():
        if server.primary in names and is_cold(topology, server):
            names.remove(server.name)
            names.insert(names.index(server.primary) + 1, server.name)
    return names


def tier_position(product: Product | None, work: str, is_backup: bool) -> tuple[float, int]:
    """The position of the servers of a tier in the product's `upgrade_order`. A tier that it does not name follows the
    master.

    `backup` in `upgrade_order` is the master's backup. That of another server belongs to the tier of its primary.
    """
    order = product.upgrade_order if product else ()
    if product is None or not product.runs_on(work):
        return len(order) + 1, 1
    if work == MASTER and is_backup:
        if BACKUP in order:
            return order.index(BACKUP), 0
        return tier_position(product, MASTER, False)[0] + 0.5, 0
    if work in order:
        return order.index(work), 0
    return (-1 if work == MASTER else len(order)), 0


def upgrade_waves(order: Iterable[str], waves: Mapping[str, int]) -> dict[str, int]:
    """{server: the wave after which it may be restarted for another release}: not before any server that the order
    names earlier has been configured, or, if it is new, started."""
    names = list(order)
    return dict(zip(names, accumulate((waves[name] for name in names), max), strict=True))


def restart_order(plan: Mapping[str, Any], due: Collection[str], serving: Collection[str], back: bool) -> list[str]:
    """The servers that are `due` for a restart, in the plan's order; `back`: reversed, as a rollback takes them.

    If the backup of an active/standby pair serves now (`serving`), it and its primary change places: the standby comes
    first. The primary of a cold backup runs as a standby, too, so a new release is proved there first.
    """
    order = list(plan["upgrade_order"])
    place = {name: number for number, name in enumerate(order)}
    for name in order:
        primary, cold = plan["servers"][name]["primary"], plan["servers"][name]["cold"]
        if primary in place and name in serving and primary not in serving and (back or not cold):
            place[name], place[primary] = place[primary], place[name]
    return sorted((name for name in due if name in place), key=place.__getitem__, reverse=back)
