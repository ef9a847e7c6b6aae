# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices of a plan for tests that write down only what they are about: the planner adds the fields that follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.traits import listeners, traits

PLAIN = {"serves_as": "master", "state": "active", "redundancy": None, "active_standby": False, "proxy_mode": None}
PLAIN |= {"product_election": False}
PLAIN |= {"tls": "product", "protocol": "tcp", "watched": True}


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """The slice with the fields that follow from those given."""
    known = {"proxy_mode": "product" if given.get("serves_as") == "proxy" else None, **given}
    derived = traits(**{key: known.get(key, value) for key, value in PLAIN.items()})
    port, addresses = known.get("port"), [known.get("address"), (known.get("pair") or {}).get("address")]
    derived |= {"leader_election": False, "failover": None, "write_port": port, "client_ports": [port]}
    derived |= {"pair_addresses": [address for address in addresses if address], "distributors": []}
    has_write_port = len(known.get("client_ports", ())) > 1
    return {**derived, "listeners": [*listeners(derived, has_write_port)], **known}


class Slice(dict[str, Any]):
    """A slice whose derived fields follow when a test changes the others."""

    def __missing__(self, key: str) -> Any:
        return complete(self)[key]


class ClientSlice(dict[str, Any]):
    """The slice of a client that writes where it reads, unless a test says otherwise."""

    def __missing__(self, key: str) -> Any:
        return self[{"write_endpoints": "endpoints", "write_pool": "pool"}[key]]
