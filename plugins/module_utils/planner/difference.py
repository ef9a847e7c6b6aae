# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes that a plan makes to the deployed system, by host and by move of clients."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Deployed, Topology

Difference = dict[str, Any]


def difference(topology: Topology, plan: Plan) -> Difference:
    """`servers` by what becomes of them, `clients` as counts by from and to (null: new, or gone).

    Only servers that this run has looked at count: with the plan of a larger inventory, those at hand.
    """
    servers = {name: server for name, server in topology.servers.items() if name in plan["servers"]}
    deployed = {name: server.deployed for name, server in servers.items() if server.deployed}
    changed = {name: changes(record, plan["servers"][name]) for name, record in deployed.items()}
    return {
        "new": [name for name, server in servers.items() if server.seen and not server.deployed],
        "changed": {name: keys for name, keys in changed.items() if keys},
        "retired": {
            name: {"tier": record.tier, "clients": len(record.clients)} for name, record in topology.retired.items()
        },
        "unseen": [name for name, server in servers.items() if not server.seen],
        "same": sum(1 for keys in changed.values() if not keys),
        "clients": moves(topology, plan),
    }


def changes(record: Deployed, planned: dict[str, Any]) -> dict[str, list[Any]]:
    """{setting: [as deployed, as planned]} of those that differ."""
    before = {"tier": record.tier, "serves_as": record.serves_as, "version": record.version, **record.settings}
    return {key: [value, planned[key]] for key, value in before.items() if key in planned and value != planned[key]}


def moves(topology: Topology, plan: Plan) -> list[dict[str, Any]]:
    """How many clients go from where to where, most first."""
    serving = {**{s.name: s.deployed for s in topology.servers.values() if s.deployed}, **topology.retired}
    before = {client: name for name, record in serving.items() if record.tier == "proxy" for client in record.clients}
    after = {client: name for name, share in plan["allocation"]["proxies"].items() for client in share["clients"]}
    counts: Counter[tuple[str | None, str | None]] = Counter(
        (name, after.get(client)) for client, name in before.items() if after.get(client) != name
    )
    # A part of the inventory does not see all who are served now.
    if not topology.handed_from and any(server.seen for server in topology.servers.values()):
        counts.update((None, name) for client, name in after.items() if client not in before)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1] or ""))
    return [{"from": source, "to": target, "clients": number} for (source, target), number in ordered]
