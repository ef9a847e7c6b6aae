# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The voters of the arbiter: which hosts they are, and how long they wait for each other. Pure and deterministic.

Voters grant the lease by which one node of a pair serves. A majority of them must be up and reach each other, so they
must not fail together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import asks_arbiter
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology, VoterHost

# With three voters one may fail, with five two.
FEW, MANY = 3, 5
# Five voters cost five writes a renewal: only where that many places and a larger system make it worth it.
HOSTS_FOR_MANY = 9
# The release of etcd in each release of Debian. Voters of different ones are for an upgrade, not for operation.
ETCD_OF_DEBIAN = {"12": "3.4", "13": "3.5"}
# etcd's own defaults, for voters on one site, in milliseconds; between sites of which no latency is given, twice that.
HEARTBEAT_ON_ONE_SITE, HEARTBEAT_BETWEEN_SITES = 100, 200
# etcd's manual: a heartbeat of one to one and a half round trips, and ten heartbeats of silence before an election.
ROUND_TRIPS, HEARTBEATS, LONGEST_ELECTION = 1.5, 10, 50_000

# Seconds that a lease lasts at least, and for how many elections of the voters.
LEASE_SECONDS, ELECTIONS_PER_LEASE = 3.0, 3

Host: TypeAlias = "Server | VoterHost"


@dataclass(frozen=True, slots=True)
class Timing:
    """How often the leader reports, and after how much silence the voters elect another one, in milliseconds."""

    heartbeat: int
    election: int


def wants_voters(topology: Topology) -> bool:
    """Whether something needs voters: pairs with a lease, a product that elects by itself, or the inventory."""
    return topology.failover == "lease" or bool(topology.arbiter_group) or bool(users_of(topology))


def choose_voters(topology: Topology) -> tuple[Host, ...]:
    """The hosts that vote, by name; none where no arbiter is wanted or there are fewer than three hosts for it.

    All hosts of the group `arbiter`, else servers: the former voters as long as each has a zone of its own, then in
    the order of `_select`.
    """
    if not wants_voters(topology):
        return ()
    hosts = candidates(topology)
    if topology.arbiter_group:
        return tuple(hosts) if len(hosts) >= FEW else ()
    former = former_voters(topology)
    chosen = _select(topology, hosts, former)
    if versions_differ(topology, chosen):
        versions = sorted({etcd_version(host) for host in hosts} - {None}, key=str)
        of_one_version = [
            _select(topology, [host for host in hosts if etcd_version(host) in (version, None)], former)
            for version in versions
        ]
        enough = [voters for voters in of_one_version if len(voters) >= FEW]
        chosen = max(enough, key=lambda voters: _spread(topology, voters, former), default=chosen)
    return tuple(sorted(chosen, key=lambda host: host.name)) if len(chosen) >= FEW else ()


def candidates(topology: Topology) -> list[Host]:
    """The hosts that may vote: those of the group `arbiter`, else the servers that are not down."""
    if topology.arbiter_group:
        known: dict[str, Host] = {**topology.servers, **topology.voter_hosts}
        return [known[name] for name in sorted(topology.arbiter_group) if name in known]
    return [server for _name, server in sorted(topology.servers.items()) if server.state != "down"]


def all_hosts(topology: Topology) -> list[Host]:
    """The hosts that could vote if they were asked to: all but the clients."""
    return [*topology.servers.values(), *topology.voter_hosts.values()]


def former_voters(topology: Topology) -> set[str]:
    """The voters of the last deployment, as at least half of the hosts that have a record of it name them."""
    records = [host.voters for host in all_hosts(topology) if host.voters]
    named = Counter(name for record in records for name in set(record))
    return {name for name, number in named.items() if 2 * number >= len(records)}


def _select(topology: Topology, hosts: Collection[Host], former: Collection[str]) -> list[Host]:
    """As many voters as the system takes, one after the other: on a machine and in a zone of its own, a former voter,
    on a site with few voters, a master or its backup."""
    zones = {zone_of(host) for host in hosts}
    grown = len(hosts) >= HOSTS_FOR_MANY or sum(host.name in former for host in hosts) >= MANY
    number = MANY if len(zones) >= MANY and grown else FEW
    chosen: list[Host] = []
    left = list(hosts)
    while left and len(chosen) < number:
        machines, used_zones = {host.address for host in chosen}, {zone_of(host) for host in chosen}
        on_site = Counter(host.site for host in chosen)

        def cost(host: Host) -> tuple[bool, bool, bool, int, bool, bool, str]:
            return (
                host.address in machines,  # noqa: B023 - used before the next round
                zone_of(host) in used_zones,  # noqa: B023
                host.name not in former,
                on_site[host.site],  # noqa: B023
                not _is_master(topology, host),
                host.tier == "backup",
                host.name,
            )

        chosen.append(min(left, key=cost))
        left.remove(chosen[-1])
    return chosen


def _spread(topology: Topology, voters: Collection[Host], former: Collection[str]) -> tuple[int, ...]:
    """The key by which choices of voters are compared: the larger, the better."""
    return (
        len({zone_of(host) for host in voters}),
        sum(host.name in former for host in voters),
        len({host.site for host in voters}),
        sum(_is_master(topology, host) for host in voters),
    )


def _is_master(topology: Topology, host: Host) -> bool:
    return isinstance(host, Server) and topology.serves_as(host) == "master"


def zone_of(host: Server | VoterHost) -> tuple[str, str]:
    """The failure domain of a host: its zone within its site, without one the host itself."""
    return host.site, host.zone or host.name


def etcd_version(host: Host) -> str | None:
    """The release of etcd that the host's Debian has. None as long as the Debian of the host is unknown."""
    return ETCD_OF_DEBIAN.get(host.debian, f"that of Debian {host.debian}") if host.debian else None


def versions_differ(topology: Topology, voters: Iterable[Host]) -> bool:
    """Whether voters have different releases of etcd, other than while the system is being upgraded."""
    versions = {version for host in voters if (version := etcd_version(host))}
    return len(versions) > 1 and not topology.upgrading


def majority(number: int) -> int:
    return number // 2 + 1


def majorities(topology: Topology, voters: Collection[Host]) -> Iterator[tuple[str, str, list[str]]]:
    """The zones and sites that hold a majority of the voters, though the system has others: kind, name, voters."""
    hosts = all_hosts(topology)
    for site, names in _grouped((host.site, host.name) for host in voters).items():
        if len(names) >= majority(len(voters)) and len({host.site for host in hosts}) > 1:
            yield "site", site, names
    for (site, zone), names in _grouped((zone_of(host), host.name) for host in voters).items():
        if len(names) >= majority(len(voters)) and len({zone_of(host) for host in hosts}) > 1:
            yield "zone", f"{site}/{zone}", names


def lease_seconds(topology: Topology, voters: Collection[Host]) -> float:
    """How long a lease lasts that is not renewed: long enough for the voters to elect another leader meanwhile."""
    if topology.failover_ttl is not None:
        return topology.failover_ttl
    return max(LEASE_SECONDS, ELECTIONS_PER_LEASE * timing(topology, voters).election / 1000)


def _grouped(pairs: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
    found: dict[Any, list[str]] = {}
    for key, name in pairs:
        found.setdefault(key, []).append(name)
    return found


def users_of(topology: Topology) -> list[Server]:
    """The servers that ask the arbiter."""
    return [server for server in topology.servers.values() if asks_arbiter(topology, server)]


def timing(topology: Topology, voters: Collection[Host]) -> Timing:
    """From the longest latency between two voters, rounded up to 10 ms; never less than etcd's own defaults."""
    known = topology.latency or {}
    heartbeat = HEARTBEAT_ON_ONE_SITE
    for one, other in combinations(sorted({host.site for host in voters}), 2):
        given = [row for row in (known.get(one, {}).get(other), known.get(other, {}).get(one)) if row is not None]
        needed = math.ceil(ROUND_TRIPS * max(given) / 10) * 10 if given else HEARTBEAT_BETWEEN_SITES
        heartbeat = max(heartbeat, needed)
    heartbeat = min(heartbeat, LONGEST_ELECTION // HEARTBEATS)
    return Timing(heartbeat, HEARTBEATS * heartbeat)
