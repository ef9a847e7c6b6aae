# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The description of a product in meta/product.yml of its role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten
from ansible_collections.distributed.tiers.plugins.module_utils.text import did_you_mean

COLLECTION = "distributed.tiers"
TIERS = ("master", "proxy", "parallel", "distributor")
REDUNDANCY = ("cold", "warm", "hot")
FAILBACK = ("auto", "manual", "never")
# What decides which node of an active/standby pair serves.
FAILOVER = ("vrrp", "lease")
REPLICATION = ("synchronous", "asynchronous", "none")
TLS = ("product", "terminated", "none")
ACTIVE = ("both", "one")
# What the former active node of a pair does with writes that its peer did not get before it was promoted: it gives
# them to its peer, drops them by itself, or must get a copy of the data first.
GIVES_WRITES, DROPS_WRITES, NEEDS_RESYNC = "merge", "drop", "resync"
REJOINS = (GIVES_WRITES, DROPS_WRITES, NEEDS_RESYNC)
PROXY_MODES = ("product", "pooler", "pass", "cache")
# How a write that reaches a replica gets to the master.
FORWARD, WRITE_PORT, NO_WRITES = "forward", "port", "none"
WRITES = (FORWARD, WRITE_PORT, NO_WRITES)
# What elects, of a master and its backup, the node that accepts writes.
ELECTIONS = ("tiers", "product")
TRANSPORTS = ("tcp", "udp")
# Protocols in which a server shows its certificate.
TLS_PROTOCOLS = ("ldaps", "https", "tls")
# What a probe reports of a server that holds data: writes start there, or it follows others.
PROVIDER, REPLICA = "provider", "replica"
# Inventory variables that describe a product of the operator's own.
DESCRIPTIONS = ("tiers_service",)
NO_PORT = 0


@dataclass(frozen=True, slots=True)
class Port:
    """One more port between hosts: who listens, and who connects."""

    name: str
    port: int
    protocol: str
    # Tiers.
    to: tuple[str, ...]
    # Tiers, `pair` for the peer of a pair, `client` for the clients of the server.
    sources: tuple[str, ...]
    # The path of its metrics for Prometheus, over TLS with the certificate of the host; empty if it has none.
    metrics: str = ""


SOURCES = (*TIERS, "pair", "client")
# Where a server tells its peer whether it can write.
WATCHDOG = Port("watchdog", 8405, "tcp", (), ())
# Where hosts of the group `monitor` scrape the metrics of a host, and those of its HAProxy.
NODE_METRICS = Port("node", 9100, "tcp", (), (), "/metrics")
BALANCER_METRICS = Port("haproxy", 8406, "tcp", (), (), "/metrics")
# Where HAProxy's monitor and the relay listen, on loopback, unless variables of the roles say otherwise.
MONITOR_PORT = 8404
RELAY_PORT = 10636
# What the collection itself, and ssh, listen on.
RESERVED_PORTS = {
    22: "ssh",
    MONITOR_PORT: "the balancer's monitor",
    WATCHDOG.port: "the watchdog",
    BALANCER_METRICS.port: "the metrics of HAProxy",
    RELAY_PORT: "the local relay",
}


@dataclass(frozen=True, slots=True)
class Product:
    """A server software, as far as the plan has to know it."""

    name: str
    role: str
    port: int
    protocol: str
    tiers: tuple[str, ...]
    redundancy: Mapping[str, tuple[str, ...]]
    failback: tuple[str, ...] = ("auto",)
    stateful: bool = True
    replication: str = "none"
    upgrade_order: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    notes: str = ""
    # Ranges of ports it may bind; none is every port.
    ports: tuple[tuple[int, int], ...] = ()
    # Tiers whose servers vote on who leads.
    votes: tuple[str, ...] = ()
    # Seconds of silence until a server, or a client, counts a peer as lost.
    failure_detection: float | None = None
    client_timeout: float | None = None
    # Whether it relies on clocks that agree.
    clocks: bool = False
    # Options in which primary and backup may differ.
    may_differ: tuple[str, ...] = ()
    # Who does TLS, and where the program itself listens if it does not.
    tls: str = "product"
    local_port: int | None = None
    # Whether both nodes of a pair may serve at the same time.
    active: str = "both"
    # Tiers of which, with a lease, one node of a pair serves at a time, although both may (`active`).
    leased: tuple[str, ...] = ()
    # What a former active node does with writes that its peer did not get.
    rejoin: str = DROPS_WRITES
    # Whether the product itself elects which of a master and its backup accepts writes, by the arbiter.
    election: str = "tiers"
    proxy_mode: str = "product"
    # How writes travel, and where proxies and distributors take them if replicas are read-only.
    writes: str = FORWARD
    write_port: int | None = None
    # Whether its check gets an answer of the program: the kernel accepts connections also for one that hangs.
    watched: bool = True
    more_ports: tuple[Port, ...] = ()
    # The port of its repository of backups, and of the servers that it backs up; None if it has no such repository.
    repository_port: int | None = None
    # Secrets that a system needs only with a repository.
    repository_secrets: tuple[str, ...] = ()
    # What runs where the inventory says no version.
    version: str | None = None
    # Variables of the role whose values rules compare, with their defaults.
    numbers: Mapping[str, float] = field(default_factory=dict)
    # The variable of the inventory that describes it, and what stands there, checked.
    described_by: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)

    def runs_on(self, tier: str) -> bool:
        """Whether the servers of a tier run the program itself; HAProxy or nginx does the work of the others."""
        return runs_product(tier, self.proxy_mode)


def runs_product(tier: str, proxy_mode: str | None) -> bool:
    return tier != "distributor" and (tier != "proxy" or proxy_mode in ("product", "pooler"))


@dataclass(slots=True)
class _MetadataReader:
    """Takes values out of the file and collects everything that is wrong with them."""

    data: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)

    def words(self, key: str, allowed: tuple[str, ...] = (), default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        return self.word_list(key, self.data.get(key, default), allowed)

    def word_list(self, key: str, value: Any, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
            self.problems.append(f"'{key}' must be a list of words")
            return ()
        for word in value:
            if allowed and word not in allowed:
                self.problems.append(f"'{key}' holds '{shorten(word)}', allowed are {', '.join(allowed)}")
        return tuple(str(word) for word in value)

    def word(self, key: str, allowed: tuple[str, ...] = (), default: str | None = None) -> str:
        value = self.data.get(key, default)
        if not isinstance(value, str) or (allowed and value not in allowed):
            self.problems.append(f"'{key}' must be " + (f"one of {', '.join(allowed)}" if allowed else "a word"))
            return ""
        return str(value)

    def port(self, key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
            self.problems.append(f"'{key}' must be a number from 1 to 65535")
            return NO_PORT
        return value

    def more_ports(self, key: str) -> tuple[Port, ...]:
        value: Any = self.data.get(key, [])
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, Mapping) for item in value):
            self.problems.append(f"'{key}' must be a list of mappings with name, port, protocol, to and from")
            return ()
        found = []
        for number, item in enumerate(value):
            read = _MetadataReader(item)
            found.append(
                Port(
                    read.word("name"),
                    read.port("port", item.get("port")),
                    read.word("protocol", TRANSPORTS, "tcp"),
                    read.words("to", TIERS),
                    read.words("from", SOURCES),
                    read.word("metrics", default=""),
                )
            )
            self.problems += [f"'{key}[{number}]': {text}" for text in read.problems]
        return tuple(found)

    def seconds(self, key: str) -> float | None:
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            self.problems.append(f"'{key}' must be a number of seconds")
            return None
        return float(value)

    def numbers(self, key: str) -> dict[str, float]:
        value: Any = self.data.get(key, {})
        given = value.values() if isinstance(value, Mapping) else [None]
        if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in given):
            self.problems.append(f"'{key}' must map variables to numbers")
            return {}
        return {str(name): one for name, one in value.items()}

    def flag(self, key: str, default: bool) -> bool:
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            self.problems.append(f"'{key}' must be true or false")
        return bool(value)

    def ranges(self, key: str) -> tuple[tuple[int, int], ...]:
        value: Any = self.data.get(key, [])
        found: list[tuple[int, int]] = []
        for given in value if isinstance(value, list) else [None]:
            pair: list[Any] = given if isinstance(given, list) and len(given) == 2 else [0, 0]
            if any(isinstance(port, bool) or not isinstance(port, int) for port in pair):
                pair = [0, 0]
            if not 0 < pair[0] <= pair[1] < 65536:
                self.problems.append(f"'{key}' must be a list of ranges like [1024, 65535]")
                return ()
            found.append((pair[0], pair[1]))
        return tuple(found)


KEYS = (
    "name",
    "port",
    "protocol",
    "tiers",
    "redundancy",
    "failback",
    "stateful",
    "replication",
    "upgrade_order",
    "secrets",
    "notes",
    "ports",
    "votes",
    "failure_detection",
    "client_timeout",
    "clocks",
    "may_differ",
    "tls",
    "local_port",
    "active",
    "leased",
    "rejoin",
    "election",
    "proxy_mode",
    "writes",
    "write_port",
    "watched",
    "more_ports",
    "repository_port",
    "repository_secrets",
    "version",
    "numbers",
    "described_by",
)


def role_of(product: str) -> str:
    """`openldap` is a role of this collection, `my.collection.product_x` is taken as it is."""
    return product if product.count(".") >= 2 else f"{COLLECTION}.product_{product}"


def parse_product(name: str, data: Any) -> tuple[Product | None, list[str]]:
    """The product of a role's meta/product.yml, or everything that is wrong with that file."""
    if not isinstance(data, Mapping):
        return None, ["the file holds no mapping"]
    read = _MetadataReader(data)
    for key in sorted(shorten(key) for key in data):
        if key not in KEYS:
            read.problems.append(f"unknown key '{key}' {did_you_mean(key, KEYS)}".rstrip())
    described = data.get("described_by") is not None
    redundancy = data.get("redundancy", {})
    if not isinstance(redundancy, Mapping):
        read.problems.append("'redundancy' must map tiers to lists of cold, warm and hot")
        redundancy = {}
    for tier in redundancy:
        if tier not in TIERS:
            read.problems.append(f"'redundancy' holds '{shorten(tier)}', allowed are {', '.join(TIERS)}")
    product = Product(
        name=read.word("name", default=name),
        role=role_of(name),
        port=NO_PORT if described and "port" not in data else read.port("port", data.get("port")),
        protocol=read.word("protocol", default="" if described else None),
        tiers=read.words("tiers", TIERS),
        redundancy={
            shorten(t): read.word_list(f"redundancy.{shorten(t)}", v, REDUNDANCY) for t, v in redundancy.items()
        },
        failback=read.words("failback", FAILBACK, ("auto",)),
        stateful=read.flag("stateful", True),
        replication=read.word("replication", REPLICATION, "none"),
        upgrade_order=read.words("upgrade_order", (*TIERS, "backup"), ()),
        secrets=read.words("secrets", default=()),
        notes=read.word("notes", default=""),
        ports=read.ranges("ports"),
        votes=read.words("votes", TIERS, ()),
        failure_detection=read.seconds("failure_detection"),
        client_timeout=read.seconds("client_timeout"),
        clocks=read.flag("clocks", False),
        may_differ=read.words("may_differ", default=()),
        tls=read.word("tls", TLS, "product"),
        local_port=read.port("local_port", data["local_port"]) if data.get("local_port") is not None else None,
        active=read.word("active", ACTIVE, "both"),
        leased=read.words("leased", TIERS, ()),
        rejoin=read.word("rejoin", REJOINS, DROPS_WRITES),
        election=read.word("election", ELECTIONS, "tiers"),
        proxy_mode=read.word("proxy_mode", PROXY_MODES, "product"),
        writes=read.word("writes", WRITES, FORWARD),
        write_port=read.port("write_port", data["write_port"]) if data.get("write_port") is not None else None,
        watched=read.flag("watched", True),
        more_ports=read.more_ports("more_ports"),
        repository_port=read.port("repository_port", data["repository_port"])
        if data.get("repository_port") is not None
        else None,
        repository_secrets=read.words("repository_secrets", default=()),
        version=read.word("version") if data.get("version") is not None else None,
        numbers=read.numbers("numbers"),
        described_by=read.word("described_by", DESCRIPTIONS) if described else None,
    )
    return (None, read.problems) if read.problems else (product, [])


def beside_its_primary(server: Mapping[str, Any]) -> tuple[int, str, bool]:
    """To sort servers by: tier by tier, and a backup follows its primary whatever their names."""
    return TIERS.index(server["serves_as"]), server["primary"] or server["name"], server["primary"] is not None
