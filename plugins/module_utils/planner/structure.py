# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The structure of a plan: what each part of it holds, of which type, and what it means.

handed.py reads plans of other runs by these types. docs/plan.md and docs/plan.schema.json are generated from them.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from ansible_collections.distributed.tiers.plugins.module_utils.planner import variables
from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import State
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server


@dataclass(frozen=True)
class AtLeast:
    """The smallest value of a number."""

    least: int


@dataclass(frozen=True)
class Matches:
    """A regular expression that a whole text matches."""

    pattern: str


PortNumber = Annotated[int, AtLeast(1)]
Count = Annotated[int, AtLeast(0)]
Digest = Annotated[str, Matches("^[0-9a-f]{64}$")]


class PlannedEndpoint(TypedDict):
    """The address and port of a server or of the pool."""

    name: Annotated[str, "Name of the server, or `pool`."]
    address: Annotated[str, "IP address."]
    port: Annotated[PortNumber, "Port."]


class PoolMember(TypedDict):
    """A member of a pool."""

    name: Annotated[str, "Name of the server."]
    address: Annotated[str, "IP address."]
    port: Annotated[PortNumber, "Port."]
    weight: Annotated[float, "Its share of the load."]
    state: Annotated[State, "The state that the inventory asks for."]
    backup: Annotated[PlannedEndpoint | None, "The server that replaces it while it is down."]


class CertificateNames(TypedDict):
    """Names of a certificate."""

    dns: Annotated[list[str], "Host names."]
    ip: Annotated[list[str], "IP addresses."]


class FirewallOpening(TypedDict):
    """One opening of a firewall."""

    port: NotRequired[Annotated[PortNumber, "Port; none with `vrrp`."]]
    protocol: Annotated[Literal["tcp", "udp", "vrrp"], "The protocol of the accepted packets."]
    sources: Annotated[list[str], "Networks it is open to."]
    why: Annotated[str, "The reason, for people."]


class MetricsEndpoint(TypedDict):
    """The endpoint of metrics for the hosts of the group `monitor`: over TLS, with the certificate of the host."""

    name: Annotated[str, "`node` for the host itself, `haproxy`, or the name of a port of the product."]
    port: Annotated[PortNumber, "Port."]
    path: Annotated[str, "Path of the metrics."]


class MonitorSlice(TypedDict):
    """A host that scrapes metrics."""

    name: Annotated[str, "Inventory name."]
    address: Annotated[str, "IP address it connects from."]
    site: Annotated[str, "The place it is at."]


class ProxyClients(TypedDict):
    """The clients of a proxy."""

    hosts: Annotated[list[str], "Inventory hosts."]
    names: Annotated[list[str], "Named clients."]
    weight: Annotated[Count, "Their connections."]


class Voter(TypedDict):
    """A voter as the others know it."""

    name: Annotated[str, "Inventory name of its host."]
    address: Annotated[str, "IP address."]
    client_port: Annotated[PortNumber, "The port at which it serves the nodes of pairs."]
    client_url: Annotated[str, "The URL at which it serves them."]
    peer_port: Annotated[PortNumber, "The port at which the other voters reach it."]
    peer_url: Annotated[str, "The URL at which they reach it."]
    site: Annotated[str, "The place it is at."]
    zone: Annotated[str | None, "Failure domain inside the site."]


class Arbiter(TypedDict):
    """The voters of the system: etcd, which grants the leases by which nodes of pairs serve."""

    voters: Annotated[list[Voter], "All voters, by name."]
    heartbeat_ms: Annotated[Count, "Milliseconds between two reports of the leader to the others."]
    election_ms: Annotated[Count, "Milliseconds of silence after which the voters elect another leader."]


class VoterSlice(TypedDict):
    """The slice of one voter: what the role `arbiter` needs to know on its host."""

    name: Annotated[str, "Inventory name of its host."]
    address: Annotated[str, "IP address it listens on."]
    client_port: Annotated[PortNumber, "The port at which it serves the nodes of pairs."]
    client_url: Annotated[str, "The URL at which it serves them."]
    peer_port: Annotated[PortNumber, "The port at which the other voters reach it."]
    peer_url: Annotated[str, "The URL at which they reach it."]
    voters: Annotated[list[Voter], "All voters, by name; itself among them."]
    heartbeat_ms: Annotated[Count, "Milliseconds between two reports of the leader to the others."]
    election_ms: Annotated[Count, "Milliseconds of silence after which the voters elect another leader."]
    only_votes: Annotated[bool, "Whether its host is no server, and does nothing else."]
    tls_names: Annotated[CertificateNames, "The names and addresses that its certificate must hold."]
    firewall: Annotated[list[FirewallOpening], "The connections that the firewall of its host accepts."]
    metrics: Annotated[list[MetricsEndpoint], "Where the metrics of its host are scraped, as of a server."]


class DataRepository(TypedDict):
    """The repository in which the product keeps its backups."""

    name: Annotated[str, "Inventory name of the server on whose host it is."]
    address: Annotated[str, "IP address of that host."]
    port: Annotated[PortNumber, "The port at which it and the servers that it backs up reach each other."]
    servers: Annotated[list[PlannedEndpoint], "The servers whose data it has, with that port."]


class ServerSlice(TypedDict):
    """The slice of one server: what its roles need to know."""

    name: Annotated[str, "Inventory name."]
    tier: Annotated[Literal["master", "proxy", "parallel", "distributor", "backup"], "The group it is in."]
    serves_as: Annotated[
        Literal["master", "proxy", "parallel", "distributor"],
        "The tier whose work it does: a backup does its primary's.",
    ]
    primary: Annotated[str | None, "The primary of a backup."]
    backup: Annotated[str | None, "Its backup."]
    redundancy: Annotated[Literal["cold", "warm", "hot"] | None, "Kind of a backup."]
    failback: Annotated[
        Literal["auto", "manual", "never"] | None, "How its pair fails back to the primary; null without a pair."
    ]
    leader_election: Annotated[
        bool,
        "Whether one node of its pair is chosen: the active node, the holder of their shared address, or both in one.",
    ]
    failover: Annotated[
        Literal["vrrp", "lease", "product"] | None,
        "What decides which node of its pair serves: `tiers_failover` for an active/standby pair, `vrrp` for another "
        "pair that shares an address, else null. `product`: see `product_election`.",
    ]
    failover_ttl: Annotated[
        float | None,
        "Seconds for which a node serves without an answer of the arbiter; null unless `failover` is `lease`.",
    ]
    arbiter_endpoints: Annotated[
        list[PlannedEndpoint],
        "The voters that a node of an active/standby pair asks, or a server with data of a product that elects by "
        "itself; empty for all other servers, and without an arbiter.",
    ]
    repository: Annotated[
        DataRepository | None,
        "The repository of backups, of the server on whose host it is and of those whose data it has; null for all "
        "others, and without `tiers_backup_repository`.",
    ]
    active_standby: Annotated[bool, "Whether one node of its pair serves at a time: the standby refuses clients."]
    product_election: Annotated[
        bool,
        "Whether the product itself elects, by the arbiter, which node of its pair accepts writes. The other node runs "
        "and accepts reads.",
    ]
    cold: Annotated[bool, "Whether it is a backup that is installed and stopped."]
    promotable: Annotated[
        bool, "Whether it can serve when its peer fails; false for a cold backup that no failover starts."
    ]
    kept_running: Annotated[bool, "Whether its service must run at all times: it is neither down nor a cold backup."]
    takes_clients: Annotated[bool, "Whether clients may be routed to it: it is active and no cold backup."]
    refuses_clients: Annotated[
        bool,
        "Whether it refuses new connections while its traffic is stopped. Members of the pool are disabled at the "
        "distributors instead, and a node of an active/standby pair steps down.",
    ]
    runs_product: Annotated[
        bool, "Whether the program of the product runs on it; HAProxy or nginx does the work of the others."
    ]
    holds_data: Annotated[bool, "Whether it has a copy of the product's data; a pooler has none."]
    uses_product_role: Annotated[
        bool,
        "Whether the product's role installs, starts and checks what serves on it: the product, or nginx as a cache.",
    ]
    watchable: Annotated[
        bool,
        "Whether its check gets an answer of the program, so that the watchdog notices one that hangs; false if the "
        "check is a TCP connection only, which the kernel accepts also for a program that hangs.",
    ]
    passes_through: Annotated[
        bool, "Whether it is a pass-through proxy: HAProxy alone, which forwards to the active master."
    ]
    has_relay: Annotated[bool, "Whether it reaches the active master through a HAProxy of its own on loopback."]
    has_balancer: Annotated[bool, "Whether HAProxy runs on it."]
    engines: Annotated[
        list[Literal["haproxy", "keepalived"]], "The programs that are installed on it beside that of the product."
    ]
    terminates_tls: Annotated[bool, "Whether HAProxy on it ends TLS for the product, which listens at `local_port`."]
    speaks_tls: Annotated[bool, "Whether it is spoken to over TLS."]
    replication_role: Annotated[
        Literal["provider", "replica"] | None,
        "The role it must report: `provider` if writes start at it, `replica` if it follows others; null where a "
        "pass-through, a pooler or a cache answers for the servers behind it, and where the product elects.",
    ]
    address: Annotated[str, "IP address others reach it by."]
    port: Annotated[PortNumber, "The port it serves on."]
    protocol: Annotated[str, "The protocol that it speaks."]
    tls: Annotated[
        Literal["product", "terminated", "none"],
        "The program that speaks TLS for the product: the product itself, HAProxy before it on the same host, or none.",
    ]
    local_port: Annotated[
        int | None,
        "The port on loopback on which the product listens; null unless HAProxy ends TLS for it (`terminates_tls`).",
    ]
    write_port: Annotated[
        int | None,
        "The port at which it takes writes: `port`, or the write port of a proxy or distributor, which leads to the "
        "active master; null where it takes none.",
    ]
    client_ports: Annotated[list[int], "The ports at which clients reach it."]
    listeners: Annotated[
        list[Literal["relay", "end_of_tls", "pass", "write_port"]],
        "The listeners of its HAProxy besides the pool of a distributor: its relay, the one that ends TLS for the "
        "product, the one of a pass-through proxy, and the write port.",
    ]
    proxy_mode: Annotated[
        Literal["product", "pooler", "pass", "cache"] | None,
        "The program that does a proxy's work: the product, a program of the product without data (`pooler`), HAProxy "
        "(`pass`), nginx (`cache`); null if it is no proxy.",
    ]
    site: Annotated[str, "The place it is at."]
    zone: Annotated[str | None, "Failure domain inside the site."]
    state: Annotated[State, "The state that the inventory asks for."]
    capacity: Annotated[int | None, "Connections it can hold; null is unlimited."]
    weight: Annotated[float, "Its share of the load."]
    version: Annotated[str | None, "Version of the product; null is the newest available one."]
    replication: Annotated[Literal["synchronous", "asynchronous", "none"], "How its data reach the other servers."]
    rejoin: Annotated[
        Literal["merge", "drop", "resync"],
        "What a former active node does with writes that its peer did not get: it gives them to the peer, drops them "
        "by itself, or must get a copy of the data first.",
    ]
    product: Annotated[str, "Short name of the product."]
    product_role: Annotated[str, "Full name of the product's role."]
    upstreams: Annotated[
        list[PlannedEndpoint],
        "Its upstream servers, in the order of preference. A pair that shares an address is listed once, under the "
        "name of its primary.",
    ]
    upstream_catches_up: Annotated[
        bool,
        "Whether its first upstream may answer before it has all data again: both nodes of that pair may serve.",
    ]
    peers: Annotated[
        list[PlannedEndpoint],
        "The other servers that do the same work, backups last, without its peer; empty where the product has"
        " no port for them.",
    ]
    pair: Annotated[PlannedEndpoint | None, "The peer in its pair."]
    pair_addresses: Annotated[list[str], "Its address, and that of the peer in its pair."]
    distributors: Annotated[list[str], "The distributors that route clients to a member of the pool."]
    members: Annotated[list[PoolMember], "The servers to which a distributor routes clients."]
    virtual_address: Annotated[str | None, "The address it shares with its peer."]
    virtual_router_id: Annotated[int | None, "The number VRRP knows its pair by; null without a leader election."]
    failure_detection: Annotated[
        float | None,
        "Seconds of silence after which it treats a peer as failed; 0 is never, null is the default of the product.",
    ]
    steps_aside_for: Annotated[
        str | None,
        "The peer that serves in its place while it cannot write; null: it stays, and writes fail in the "
        "product's own way.",
    ]
    free_percent: Annotated[
        float, "With less of the file system of its data free, a master counts as one that cannot write."
    ]
    watchdog_seconds: Annotated[
        float,
        "Seconds within which a program on it that runs but gives no answer is restarted; 0 switches this off. A "
        "product that is not `watchable` is not restarted.",
    ]
    reload_delay: Annotated[float | None, "Seconds it waits before it reloads from its master; null is no delay set."]
    reloads_at_once: Annotated[int | None, "Most proxies that reload at one time; null is unlimited."]
    tls_names: Annotated[CertificateNames, "The names and addresses that its certificate must hold."]
    firewall: Annotated[list[FirewallOpening], "The connections that its firewall accepts."]
    metrics: Annotated[list[MetricsEndpoint], "Where its metrics are scraped; empty without a group `monitor`."]
    clients: Annotated[ProxyClients | None, "The clients that a proxy serves; null for all other servers."]
    pool_address: Annotated[str | None, "The address at which clients reach the pool of a member."]
    wave: Annotated[Count, "The wave it starts in."]
    upgrade_wave: Annotated[Count, "The wave after which it is restarted for another release, where it runs already."]
    digest: Annotated[Digest, "SHA-256 of all that the plan has for this server: its slice, and its clients by name."]


class ClientEndpoint(TypedDict):
    """An endpoint and its role for the client."""

    name: Annotated[str, "Name of the server, or `pool`."]
    address: Annotated[str, "IP address."]
    port: Annotated[PortNumber, "Port."]
    role: Annotated[Literal["proxy", "backup", "pool", "master"], "The kind of server that it is for the client."]


class ClientSlice(TypedDict):
    """The part of the plan that one client host receives: its servers, and where it writes."""

    name: Annotated[str, "Inventory name."]
    site: Annotated[str, "The place it is at."]
    address: Annotated[str, "IP address it connects from."]
    endpoints: Annotated[
        list[ClientEndpoint],
        "Its servers, best first. A pair that shares an address is there once, under the name of its primary.",
    ]
    pool: Annotated[list[PlannedEndpoint], "The endpoints of the pool; empty without a pool."]
    write_endpoints: Annotated[
        list[ClientEndpoint],
        "Where its servers take writes, in the order of `endpoints`; without those that take none.",
    ]
    write_pool: Annotated[
        list[PlannedEndpoint], "Where the endpoints of the pool take writes; empty if the pool takes none."
    ]
    product: Annotated[str, "Short name of the product."]
    product_role: Annotated[str, "Full name of the product's role."]
    protocol: Annotated[str, "The protocol that its servers speak."]
    tls_names: Annotated[CertificateNames, "The names and addresses that its certificate must hold."]


PlannedEdge = TypedDict(
    "PlannedEdge",
    {
        "from": Annotated[str, "The host that connects."],
        "to": Annotated[str, "To which server."],
        "address": Annotated[str, "At which address of it."],
        "port": Annotated[PortNumber, "Port."],
        "port_name": Annotated["str | None", "Name of the port; null for the port that the server serves on."],
        "protocol": Annotated[Literal["tcp", "udp"], "The transport."],
        "why": Annotated[str, "The reason, for people."],
    },
)
PlannedEdge.__doc__ = "One planned connection."


class SiteSummary(TypedDict):
    """One site."""

    clients: Annotated[Count, "Number of its clients."]
    weight: Annotated[Count, "Their connections."]
    servers: Annotated[list[str], "Its servers."]


class ProxyShare(TypedDict):
    """One proxy's clients."""

    clients: Annotated[list[str], "Their names."]
    weight: Annotated[Count, "Their connections."]
    capacity: Annotated[int | None, "Connections the proxy can hold; null is unlimited."]
    share: Annotated[float, "Its portion of the load by capacity and weight, from 0 to 1."]


ClientMove = TypedDict(
    "ClientMove",
    {
        "client": Annotated[str, "Name of the client."],
        "from": Annotated["str | None", "The proxy before."],
        "to": Annotated["str | None", "The proxy now."],
        "forced": Annotated[
            bool, "Whether it cannot stay: the rules forbid it, or others need the room. Other moves gain enough."
        ],
        "why": Annotated[str, "The reason, for people."],
    },
)
ClientMove.__doc__ = "One client that changes its proxy."


class Survival(TypedDict):
    """The outcome if a proxy fails."""

    ok: Annotated[bool, "Whether every client finds a place."]
    left_over_weight: Annotated[Count, "Connections that find none."]


class AllocationStats(TypedDict):
    """How good an allocation is."""

    clients: NotRequired[Annotated[int, "Number of clients."]]
    weight: NotRequired[Annotated[int, "Their connections."]]
    unplaced_weight: NotRequired[Annotated[int, "Connections without a proxy."]]
    unplaced_bound: NotRequired[Annotated[int, "The fewest connections that any allocation leaves without a proxy."]]
    cost_ms: NotRequired[Annotated[float, "Milliseconds over all connections."]]
    latency_ms: NotRequired[Annotated[float, "Latency of all connections together, in milliseconds."]]
    bound_ms: NotRequired[Annotated[float, "The least that `cost_ms` can be."]]
    gap: NotRequired[Annotated[float | None, "The most by which that is above the least possible, as a share of it."]]
    moved: NotRequired[Annotated[int, "Clients that change their proxy."]]
    forced: NotRequired[Annotated[int, "Those of them that cannot stay."]]
    held_back: NotRequired[Annotated[bool, "Whether `move_budget` holds moves back that the next run may make."]]
    spare_without_largest: NotRequired[
        Annotated[int, "Capacity left when the largest proxy fails, in connections; negative if it does not suffice."]
    ]


class ClientAllocation(TypedDict):
    """How the clients are assigned; docs/allocation.md explains it."""

    proxies: Annotated[dict[str, ProxyShare], "Each proxy's share."]
    backups: Annotated[
        dict[str, dict[str, list[str]]], "For each proxy: the servers its clients go to when it fails, and which."
    ]
    unplaced: Annotated[dict[str, str], "Clients without a proxy, and why."]
    moves: Annotated[list[ClientMove], "Clients that change their proxy."]
    survives: Annotated[dict[str, Survival], "For each proxy: whether the others can take its clients."]
    stats: Annotated[AllocationStats, "Figures about the allocation, for people. There may be more of them."]
    digest: Annotated[str, "The same for the same allocation."]


class PlanFinding(TypedDict):
    """One finding."""

    rule: Annotated[str, "Name of the rule, docs/rules.md."]
    severity: Annotated[Literal["warning"], "Its severity."]
    host: Annotated[str | None, "The hosts it is about, as a person is told; null for the whole system."]
    hosts: Annotated[
        list[str], "The names of these hosts, or of clients of a population, sorted: the first 1,000 of `count`."
    ]
    count: Annotated[int, "Number of hosts or clients that it is about; 0 for the whole system."]
    variable: Annotated[str | None, "The variable it is about."]
    message: Annotated[str, "What is wrong."]
    remedy: Annotated[str, "How to repair it."]
    why: NotRequired[Annotated[str, "The operator's reason, where the rule was lowered."]]


class PlanData(TypedDict):
    """All that was computed from an inventory."""

    schema: Annotated[int, "Version of this structure. A plan of another version is refused."]
    system: Annotated[str, "Name of the system, `tiers_name`."]
    domain: Annotated[str, "Domain under which the servers know each other."]
    digest: Annotated[
        Digest,
        "SHA-256 of everything but `findings` and what of `allocation` depends on the state before (`moves`, "
        "`stats`, `digest`).",
    ]
    servers: Annotated[dict[str, ServerSlice], "Each server by its inventory name."]
    clients: Annotated[dict[str, ClientSlice], "Each host of the group `client`."]
    arbiter: Annotated[Arbiter | None, "The voters that grant leases to nodes of pairs; null without an arbiter."]
    voters: Annotated[dict[str, VoterSlice], "Each voter by the inventory name of its host."]
    monitors: Annotated[dict[str, MonitorSlice], "Each host of the group `monitor`."]
    edges: Annotated[list[PlannedEdge], "Every planned connection between two hosts of the inventory."]
    waves: Annotated[list[list[str]], "The servers in the order they start, one list a wave."]
    upgrade_order: Annotated[
        list[str],
        "The servers in the order a running one is restarted for another release. A rollback takes the reverse.",
    ]
    sites: Annotated[dict[str, SiteSummary], "Servers and clients of each site."]
    recorded_settings: Annotated[
        list[str],
        "The keys of a server that the deployment record keeps, so that a later plan can show what it changes.",
    ]
    allocation: Annotated[ClientAllocation, "The client allocation: which server serves which clients."]
    findings: Annotated[list[PlanFinding], "The findings that are no errors."]


# By the kind of the variable; all others are texts.
HANDED_ON_TYPES: dict[str, Any] = {"number": float, "flag": bool, "list": list[str]}

DEFINITIONS = {
    "server": ServerSlice,
    "client": ClientSlice,
    "arbiter": Arbiter,
    "voter": Voter,
    "repository": DataRepository,
    "voter_slice": VoterSlice,
    "endpoint": PlannedEndpoint,
    "role_endpoint": ClientEndpoint,
    "member": PoolMember,
    "tls_names": CertificateNames,
    "opening": FirewallOpening,
    "metrics": MetricsEndpoint,
    "monitor": MonitorSlice,
    "served": ProxyClients,
    "edge": PlannedEdge,
    "site": SiteSummary,
    "allocation": ClientAllocation,
    "stats": AllocationStats,
    "share": ProxyShare,
    "move": ClientMove,
    "survival": Survival,
    "finding": PlanFinding,
}


@dataclass(frozen=True)
class PlanField:
    """One key of an object: its type without the markers, its limits and its meaning."""

    kind: Any
    meaning: str
    limit: AtLeast | Matches | None
    required: bool


def read_fields(part: Any) -> dict[str, PlanField]:
    """The keys of a part of the plan, in their order."""
    fields = {}
    for key, hint in get_type_hints(part, include_extras=True).items():
        optional = get_origin(hint) is NotRequired
        fields[key] = PlanField(*split_annotation(get_args(hint)[0] if optional else hint), not optional)
    if part is ServerSlice:
        fields |= handed_on_fields(fields)
    return fields


def handed_on_fields(known: Mapping[str, PlanField]) -> dict[str, PlanField]:
    """The keys of a server's slice for variables that the planner does not read, from their entries in TABLE."""
    server_fields = {field.name for field in dataclasses.fields(Server)}
    return {
        variable.field: PlanField(HANDED_ON_TYPES.get(variable.kind, str) | None, variable.meaning, None, True)
        for variable in variables.TABLE
        if variable.field and not variable.systemwide and variable.field not in {*known, *server_fields}
    }


def split_annotation(hint: Any) -> tuple[Any, str, AtLeast | Matches | None]:
    """The bare type, the meaning and the limit of an annotated type."""
    kind, notes = (get_args(hint)[0], hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())
    meaning = next((note for note in notes if isinstance(note, str)), "")
    limit = next((note for note in notes if isinstance(note, (AtLeast, Matches))), None)
    return kind, meaning, limit


def choices_of(kind: Any) -> tuple[Any, ...]:
    """The alternatives of a type, itself if it has none."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def json_schema(version: int) -> dict[str, Any]:
    """The structure as JSON Schema 2020-12, for programs that read plans."""
    schema = _object_schema(PlanData)
    schema["properties"]["schema"] = {"description": schema["properties"]["schema"]["description"], "const": version}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Plan of a tiered system, schema {version}",
        **schema,
        "$defs": {name: _object_schema(part) for name, part in DEFINITIONS.items()},
    }


def _object_schema(part: Any) -> dict[str, Any]:
    fields = read_fields(part)
    properties = {}
    for key, field in fields.items():
        limit = {AtLeast: "minimum", Matches: "pattern"}
        value = _type_schema(field.kind)
        if field.limit is not None:
            value[limit[type(field.limit)]] = next(iter(vars(field.limit).values()))
        properties[key] = {"description": field.meaning, **value}
    return {
        "description": part.__doc__,
        "type": "object",
        "properties": properties,
        "required": [key for key, field in fields.items() if field.required],
        "additionalProperties": False,
    }


def _type_schema(kind: Any) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    choices = choices_of(kind)
    if len(choices) > 1:
        schemas = [_type_schema(choice) for choice in choices]
        if any("enum" in schema for schema in schemas):
            return {"enum": [value for schema in schemas for value in schema.get("enum", [None])]}
        if all(set(schema) == {"type"} for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": schemas}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _type_schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type_schema(arguments[1])}
    if is_typeddict(kind):
        return {"$ref": f"#/$defs/{next(name for name, part in DEFINITIONS.items() if part is kind)}"}
    return {"type": JSON_TYPES[kind]}
