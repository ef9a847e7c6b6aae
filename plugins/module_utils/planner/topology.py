# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an inventory to a topology: who is what, in which tier, with which settings. No input makes it raise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.module_utils.planner import variables
from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import CLIENT_WEIGHT
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import (
    DESCRIPTIONS,
    NO_PORT,
    TIERS,
    Product,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import (
    NOTHING,
    apart,
    first_difference,
    shorten,
    shown,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import (
    ARBITER,
    GROUPS,
    MONITOR,
    BadValueError,
    address,
    groups,
    number,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME
from ansible_collections.distributed.tiers.plugins.module_utils.text import ended, enumerate_names, with_hint

DEFAULT_NAME = "tiers"
# Characters that the subject of a certificate takes for a name
LONGEST_NAME = 64
# Connections for which ansible_host and ansible_port say where Ansible logs in
SSH = ("ssh", "ansible.builtin.ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.paramiko_ssh")
DEFAULT_DOMAIN = "tiers.internal"
DEFAULT_SITE = "default"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a value that could not be had: an undefined variable inside a template, a vault without a key."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deployed:
    """The deployment record of a server: its local fact."""

    tier: str
    serves_as: str
    version: str | None
    clients: tuple[str, ...]
    backups: Mapping[str, tuple[str, ...]]
    # Values of its slice of the plan, by the plan's own keys.
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    tier: str
    address: str
    port: int
    site: str
    product: str
    zone: str | None = None
    region: str | None = None
    tags: tuple[str, ...] = ()
    state: str = "active"
    capacity: int | None = None
    weight: float = 1.0
    version: str | None = None
    primary: str | None = None
    redundancy: str | None = None
    failback: str | None = None
    upstream: tuple[str, ...] | None = None
    virtual_address: str | None = None
    data_version: str | None = None
    network: str | None = None
    failure_detection: float | None = None
    watchdog_seconds: float = 20.0
    free_percent: float = 5.0
    reload_delay: float | None = None
    time_service: str | None = None
    starts_after: tuple[str, ...] = ()
    # Names and addresses its own certificate is good for, if it has one.
    certificate_for: tuple[str, ...] | None = None
    # Fingerprints of the product's options, of nodes of pairs.
    options: Mapping[str, str] = field(default_factory=dict)
    # Values of the product's variables that rules compare: of a list, the number of its entries.
    numbers: Mapping[str, float] = field(default_factory=dict)
    missing_secrets: tuple[str, ...] = ()
    # Values that the planner only hands on, by their keys in the slice.
    handed_on: Mapping[str, Any] = field(default_factory=dict)
    # Where Ansible logs in, if the inventory says so.
    login: str | None = None
    # Whether this run has looked what is deployed on it, and what it found.
    seen: bool = False
    deployed: Deployed | None = None
    # Its release of Debian, the voters of the last deployment, and its own ports in it by their variables, as far as
    # this run has read them.
    debian: str | None = None
    voters: tuple[str, ...] = ()
    voter_ports: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class VoterHost:
    """A host of the group `arbiter` that is in no tier: it votes, and does nothing else."""

    name: str
    address: str
    site: str
    zone: str | None = None
    missing_secrets: tuple[str, ...] = ()
    login: str | None = None
    debian: str | None = None
    voters: tuple[str, ...] = ()
    voter_ports: tuple[tuple[str, int], ...] = ()

    tier: ClassVar[str] = ARBITER


@dataclass(frozen=True, slots=True)
class MonitorHost:
    """A host of the group `monitor` that is in no tier: it scrapes metrics. No playbook connects to it."""

    name: str
    address: str
    site: str
    login: str | None = None

    tier: ClassVar[str] = MONITOR
    missing_secrets: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """An inventory host of the group client."""

    name: str
    address: str
    site: str
    product: str
    weight: int = 1
    pin: str | None = None
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] | None = None
    spread: str | None = None
    direct: bool = False
    missing_secrets: tuple[str, ...] = ()
    login: str | None = None

    def demand(self) -> dict[str, Any]:
        """The client as the allocation wants it."""
        settings = {"pin": self.pin, "allow": self.allow, "deny": self.deny, "spread": self.spread}
        lists = {key: list(v) if isinstance(v, tuple) else v for key, v in settings.items() if v is not None}
        return {"site": self.site, "weight": self.weight, **lists}


@dataclass(frozen=True)
class Topology:
    name: str = DEFAULT_NAME
    domain: str = DEFAULT_DOMAIN
    servers: Mapping[str, Server] = field(default_factory=dict)
    clients: Mapping[str, Client] = field(default_factory=dict)
    # Hosts that are voters and nothing else.
    voter_hosts: Mapping[str, VoterHost] = field(default_factory=dict)
    # Hosts that scrape metrics and are in no tier.
    monitor_hosts: Mapping[str, MonitorHost] = field(default_factory=dict)
    # The hosts of the group `monitor`.
    monitor_group: tuple[str, ...] = ()
    # The hosts of the group `arbiter`; empty where the planner chooses the voters.
    arbiter_group: tuple[str, ...] = ()
    # Named clients that are no inventory hosts, as the allocation wants them.
    population: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    products: Mapping[str, Product] = field(default_factory=dict)
    group_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Groups that hold hosts of no tier: {group: these hosts}.
    unread_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Hosts that Ansible made of the lines of a file that is no inventory: {file: these hosts}.
    made_of_lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Hosts of other systems among those of the run, by what tells the systems apart.
    other_systems: tuple[tuple[str, ...], ...] = ()
    # Servers whose deployment record this run tried to read in vain, and why: {server: why}.
    unread: Mapping[str, str] = field(default_factory=dict)
    # Servers of this system that are in no tier any more.
    retired: Mapping[str, Deployed] = field(default_factory=dict)
    # Hosts that are in more than one tier: {host: tiers}.
    several_tiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expected: Mapping[str, int] | None = None
    latency: Mapping[str, Mapping[str, float]] | None = None
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    policy: Mapping[str, float | None] = field(default_factory=dict)
    lowered: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    min_online: int = 1
    client_timeout: float | None = None
    reloads_at_once: int | None = None
    upgrading: bool = False
    # As the inventory says; None leaves it to each pair.
    failover: str | None = None
    active: str = "one"
    failover_ttl: float | None = None
    arbiter_client_port: int = 2379
    arbiter_peer_port: int = 2380
    # The server on whose host the product keeps its backups; empty if it keeps none.
    backup_repository: str = ""
    resolve: bool = False
    # The loss that was asked for, as selectors of servers.
    loss: tuple[str, ...] = ()
    # How many rows a table of the report may have, where the operator says so.
    report_rows: int | None = None
    # A plan that was made before and the file it came from. Then this inventory may be a part of the planned one.
    handed: Mapping[str, Any] | None = None
    handed_from: str = ""
    # What could not be read, by the rule that tells it.
    problems: tuple[Problem, ...] = ()

    @cached_property
    def _by_tier(self) -> dict[str, list[Server]]:
        by_tier: dict[str, list[Server]] = {}
        for server in self.servers.values():
            by_tier.setdefault(server.tier, []).append(server)
        return by_tier

    @cached_property
    def _backups(self) -> dict[str | None, Server]:
        # The first by name, where there are several: another rule tells that.
        return {server.primary: server for server in reversed(self.tier("backup"))}

    def tier(self, *tiers: str) -> list[Server]:
        return [server for tier in tiers for server in self._by_tier.get(tier, ())]

    def hosts(self) -> list[Server | Client | VoterHost | MonitorHost]:
        return [
            *self.servers.values(),
            *self.clients.values(),
            *self.voter_hosts.values(),
            *self.monitor_hosts.values(),
        ]

    def monitors(self) -> list[Server | Client | VoterHost | MonitorHost]:
        """The hosts that scrape metrics, by name."""
        scraping = set(self.monitor_group)
        return sorted((host for host in self.hosts() if host.name in scraping), key=lambda host: host.name)

    def with_product(self) -> list[Server | Client]:
        """The hosts that have a product: all but those that only vote or scrape metrics."""
        return [*self.servers.values(), *self.clients.values()]

    def is_read(self) -> bool:
        """Whether a server answered that was asked what is deployed on it. True if none was asked."""
        return not self.unread or any(server.seen for server in self.servers.values())

    def backup_of(self, name: str) -> Server | None:
        return self._backups.get(name)

    def serves_as(self, server: Server) -> str | None:
        """The tier whose work a server does: a backup does its primary's. None for a backup of nothing sensible."""
        if server.tier != "backup":
            return server.tier
        primary = self.servers.get(server.primary or "")
        return primary.tier if primary and primary.tier in TIERS else None

    def selected(self, selector: str) -> list[str]:
        """The servers a selector of a loss means: a name, `site:x`, `zone:x` or `zone:site/x`."""
        kind, colon, place = selector.partition(":")
        if not colon:
            return [selector] if selector in self.servers else []
        found = []
        for server in self.servers.values():
            zones = (server.zone, f"{server.site}/{server.zone}")
            if place in {"server": (server.name,), "site": (server.site,), "zone": zones}.get(kind, ()):
                found.append(server.name)
        return found

    def product_of(self, host: Server | Client) -> Product | None:
        return self.products.get(host.product)


SERVER_FIELDS = frozenset(item.name for item in dataclasses.fields(Server))
TOPOLOGY_FIELDS = frozenset(item.name for item in dataclasses.fields(Topology))

Hostvars = Mapping[str, Mapping[str, Any]]
# A population as written in the inventory -> clients by name, and what is wrong with it.
PopulationReader = Callable[[Any], tuple[Mapping[str, Mapping[str, Any]], list[str]]]


class _VariableReader:
    """Reads values host by host and keeps what went wrong."""

    def __init__(self, hostvars: Hostvars) -> None:
        self.hostvars = hostvars
        self.problems: list[Problem] = []
        self.unknown: dict[str, str] = {}
        self.of_servers = [v for v in variables.TABLE if v.field and not v.systemwide]

    def problem(self, rule: str, host: str | None, variable: str | None, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(host, variable, message, remedy, rule))

    def value(self, host: str, name: str, default: Any = None) -> Any:
        """The value of a variable on a host; the default where there is none or it cannot be used."""
        raw = self.hostvars.get(host, {}).get(name)
        return default if raw is None else self.convert(host, name, raw, default)

    def convert(self, host: str | None, name: str, raw: Any, default: Any) -> Any:
        if isinstance(raw, Unreadable):
            self.problem("unreadable-value", host, name, ended(f"The value cannot be had: {raw.reason}"))
            return default
        read = BY_NAME[name].read
        try:
            return read(raw) if read else raw
        except BadValueError as error:
            self.problem("bad-value", host, name, ended(f"'{shorten(raw)}' {error}"))
            return default

    def fields_of_server(self, host: str, tier: str) -> dict[str, Any]:
        """The values of the variables that are a field of a server each. One that is not given keeps its default."""
        known, handed_on = {}, {}
        for variable in self.of_servers:
            if variable.where == "backup" and tier != "backup":
                continue
            value = self.value(host, variable.name)
            if variable.field not in SERVER_FIELDS:
                handed_on[variable.field] = value
            elif value is not None:
                known[variable.field] = value
        return {**known, "handed_on": handed_on} if handed_on else known

    def fields_of_topology(self, hosts: list[str]) -> dict[str, Any]:
        """The values of the systemwide variables that have a field. Others than the topology's are only compared."""
        found = {v.field: self.systemwide(hosts, v.name) for v in variables.TABLE if v.systemwide and v.field}
        return {key: value for key, value in found.items() if value is not None and key in TOPOLOGY_FIELDS}

    def systemwide(self, hosts: list[str], name: str, default: Any = None) -> Any:
        """A value that must be the same wherever it is given: that of most hosts counts."""
        kinds: list[tuple[Any, list[str]]] = []
        for host in hosts:
            raw = self.hostvars.get(host, {}).get(name)
            if raw is None:
                continue
            for known, having in kinds:
                # Group variables are one object for all their hosts: `is` spares comparing long lists.
                if known is raw or known == raw:
                    having.append(host)
                    break
            else:
                kinds.append((raw, [host]))
        if not kinds:
            return default
        raw, having = max(kinds, key=lambda kind: len(kind[1]))
        if len(kinds) > 1:
            others, closed = enumerate_names(having), self.is_closed(having, name, raw)
            for other, odd in kinds:
                if other is not raw:
                    message = differing(other, raw, others, closed or self.is_closed(odd, name, other))
                    for host in odd:
                        self.problem("setting-differs", host, name, message)
        return self.convert(None, name, raw, default)

    def is_closed(self, hosts: list[str], name: str, value: Any) -> bool:
        """Whether a value is not to be shown: something in it may be a secret, or it cannot be had."""
        unseen = name in DESCRIPTIONS or isinstance(value, Unreadable)
        return unseen or any(name in self.hostvars.get(host, {}).get(variables.OPENED, ()) for host in hosts)

    def names(self, host: str) -> None:
        """Report unknown variables with the prefix of this collection, and a host that certificates and
        configurations cannot name."""
        try:
            address(host)
            if len(host) > LONGEST_NAME:
                raise BadValueError(f"must have {LONGEST_NAME} characters at most: its certificate carries it")
        except BadValueError as error:
            # The text of it is for a person: on one line and not too long.
            message, remedy = f"The name of a host {error}.", "Rename the host."
            self.problems.append(Problem(shorten(host), None, message, remedy, "bad-value", (host,)))
        for name in self.hostvars.get(host, {}):
            if name.startswith(variables.PREFIX) and name not in BY_NAME and name not in variables.MADE_IN_RUNS:
                # Most often a name stands in a group, for thousands of hosts.
                if name not in self.unknown:
                    self.unknown[name] = with_hint("No variable of this name is known", name, BY_NAME)
                self.problem("unknown-variable", host, name, self.unknown[name])

    def address(self, host: str) -> str:
        held = self.hostvars.get(host, {})
        names = ("tiers_address", variables.ANSIBLE_HOST, variables.ANSIBLE_SSH_HOST)
        name = next((one for one in names if held.get(one) is not None), variables.ANSIBLE_HOST)
        raw = held.get(name)
        if raw is None:
            return host
        if isinstance(raw, Unreadable):
            self.problem("unreadable-value", host, name, ended(f"The value cannot be had: {raw.reason}"))
            return host
        try:
            return address(raw)
        except BadValueError as error:
            self.problem("bad-value", host, name, ended(f"'{shorten(raw)}' {error}"))
            return host

    def numbers(self, host: str, product: Product) -> dict[str, float]:
        """The values of the product's variables that rules compare; the default of one that cannot be used."""
        found = dict(product.numbers)
        for name, raw in self.hostvars.get(host, {}).get(variables.NUMBERS, {}).items():
            if isinstance(raw, Unreadable):
                self.problem("unreadable-value", host, name, ended(f"The value cannot be had: {raw.reason}"))
            elif isinstance(raw, list):
                found[name] = len(raw)
            else:
                try:
                    found[name] = number()(raw)
                except BadValueError as error:
                    self.problem("bad-value", host, name, ended(f"'{shorten(raw)}' {error}"))
        return found

    def login(self, host: str) -> str | None:
        """The ssh login of a host as Ansible uses it: host, port and the options that may lead elsewhere. None for
        other connections: only their plugin knows what distinguishes two hosts."""
        held = self.hostvars.get(host, {})
        where = held.get(variables.ANSIBLE_HOST) or held.get(variables.ANSIBLE_SSH_HOST)
        connection = held.get(variables.ANSIBLE_CONNECTION) or SSH[0]
        if not isinstance(where, str) or connection not in SSH:
            return None
        port = held.get(variables.ANSIBLE_PORT) or held.get(variables.ANSIBLE_SSH_PORT) or 22
        way = " ".join(str(held[name]) for name in variables.ANSIBLE_SSH_ARGS if held.get(name))
        return f"{shorten(where.strip())} port {shorten(port)}" + (f" by {shorten(way)}" if way else "")

    def missing(self, host: str, names: tuple[str, ...]) -> tuple[str, ...]:
        held = self.hostvars.get(host, {})
        return tuple(name for name in names if name not in held or held[name] in (None, "", False))

    def missing_ca_secret(self, host: str) -> tuple[str, ...]:
        """The passphrase of the CA, where a host without a certificate of its own lacks it."""
        own = variables.OWN_CERTIFICATE in self.hostvars.get(host, {})
        return () if own else self.missing(host, (variables.UNLOCKS_CA,))

    def server(self, name: str, tier: str, products: Mapping[str, Product]) -> Server:
        product_name = self.value(name, "tiers_product", "")
        product = products.get(product_name)
        secrets = product.secrets if product else ()
        if product and self.hostvars.get(name, {}).get("tiers_backup_repository"):
            secrets += product.repository_secrets
        if variables.OWN_CERTIFICATE not in self.hostvars.get(name, {}):
            secrets = (variables.UNLOCKS_CA, *secrets)
        return Server(
            name=name,
            tier=tier,
            address=self.address(name),
            port=self.value(name, "tiers_port", product.port if product else NO_PORT),
            site=self.value(name, "tiers_site", DEFAULT_SITE),
            product=product_name,
            version=self.value(name, "tiers_version", product.version if product else None),
            **self.fields_of_server(name, tier),
            certificate_for=self.hostvars.get(name, {}).get(variables.CERTIFICATE_FOR),
            options=self.hostvars.get(name, {}).get(variables.OPTIONS, {}),
            numbers=self.numbers(name, product) if product else {},
            missing_secrets=self.missing(name, secrets),
            login=self.login(name),
            seen=variables.LOCAL_FACT in self.hostvars.get(name, {}),
            deployed=read_fact(self.hostvars.get(name, {}).get(variables.LOCAL_FACT)),
            debian=self.hostvars.get(name, {}).get(variables.DEBIAN),
            voters=read_voters(self.hostvars.get(name, {}).get(variables.VOTER_FACT)),
            voter_ports=read_voter_ports(self.hostvars.get(name, {}).get(variables.VOTER_FACT)),
        )

    def voter_host(self, name: str) -> VoterHost:
        return VoterHost(
            name=name,
            address=self.address(name),
            site=self.value(name, "tiers_site", DEFAULT_SITE),
            zone=self.value(name, "tiers_zone"),
            login=self.login(name),
            missing_secrets=self.missing_ca_secret(name),
            debian=self.hostvars.get(name, {}).get(variables.DEBIAN),
            voters=read_voters(self.hostvars.get(name, {}).get(variables.VOTER_FACT)),
            voter_ports=read_voter_ports(self.hostvars.get(name, {}).get(variables.VOTER_FACT)),
        )

    def monitor_host(self, name: str) -> MonitorHost:
        return MonitorHost(
            name=name,
            address=self.address(name),
            site=self.value(name, "tiers_site", DEFAULT_SITE),
            login=self.login(name),
        )

    def client(self, name: str) -> Client:
        weight = self.value(name, "tiers_weight", 1.0)
        if weight != int(weight) or int(weight) not in CLIENT_WEIGHT:
            message = f"'{weight:g}' must be {CLIENT_WEIGHT.text} for a client."
            self.problem("bad-value", name, "tiers_weight", message)
            weight = 1
        return Client(
            name=name,
            address=self.address(name),
            site=self.value(name, "tiers_site", DEFAULT_SITE),
            product=self.value(name, "tiers_product", ""),
            weight=int(weight),
            pin=self.value(name, "tiers_pin"),
            allow=self.value(name, "tiers_allow"),
            deny=self.value(name, "tiers_deny"),
            spread=self.value(name, "tiers_spread"),
            direct=self.value(name, "tiers_direct", False),
            login=self.login(name),
            missing_secrets=self.missing_ca_secret(name),
        )


def differing(mine: Any, its: Any, others: str, closed: bool) -> str:
    """A sentence that says where a value first differs from that of other hosts. `closed`: it must not be shown."""
    place, mine, its = first_difference(mine, its)
    if mine is NOTHING:
        return f"The value has nothing{place}, unlike that of {others}."
    if its is NOTHING:
        return f"The value has something{place}, unlike that of {others}."
    if closed:
        return f"The value{place} differs from that of {others}."
    here, there = apart(mine, its)
    return f"The value {here}{place} differs from {there} of {others}."


def read_fact(fact: Any) -> Deployed | None:
    """The local fact of a server. One that is half-written counts as none: the server is set up again."""
    if not isinstance(fact, Mapping) or fact.get("schema") != 1:
        return None
    clients, backups, settings = fact.get("clients") or (), fact.get("backups") or {}, fact.get("settings")
    if not isinstance(clients, (list, tuple)) or not isinstance(backups, Mapping):
        return None
    return Deployed(
        tier=as_text(fact.get("tier", "")),
        serves_as=as_text(fact.get("serves_as", "")),
        version=None if fact.get("version") is None else as_text(fact["version"]),
        clients=tuple(as_text(name) for name in clients),
        backups={as_text(k): tuple(as_text(n) for n in v) for k, v in backups.items() if isinstance(v, (list, tuple))},
        settings={as_text(k): v for k, v in settings.items()} if isinstance(settings, Mapping) else {},
    )


def read_voters(fact: Any) -> tuple[str, ...]:
    """The voters that the record of one of them names."""
    voters = fact.get("voters") if isinstance(fact, Mapping) and fact.get("schema") == 1 else None
    return tuple(as_text(name) for name in voters) if isinstance(voters, (list, tuple)) else ()


def read_voter_ports(fact: Any) -> tuple[tuple[str, int], ...]:
    """The ports in the record of a voter, by the variables that set them."""
    if not isinstance(fact, Mapping) or fact.get("schema") != 1:
        return ()
    kinds = (("tiers_arbiter_client_port", "client_port"), ("tiers_arbiter_peer_port", "peer_port"))
    return tuple((variable, fact[key]) for variable, key in kinds if isinstance(fact.get(key), int))


def as_text(value: Any) -> str:
    return str(value) if isinstance(value, str) else shown(value)


def group_names(value: Any) -> tuple[dict[str, tuple[str, ...]], Problem | None]:
    """{tier: inventory groups} as `tiers_groups` says; a tier it does not name is the group of its own name."""
    names: dict[str, tuple[str, ...]] = {tier: (tier,) for tier in GROUPS}
    if value is None:
        return names, None
    if isinstance(value, Unreadable):
        return names, Problem(
            None, "tiers_groups", ended(f"The value cannot be had: {value.reason}"), rule="unreadable-value"
        )
    try:
        return names | groups(value), None
    except BadValueError as error:
        return names, Problem(None, "tiers_groups", ended(f"'{shorten(value)}' {error}"), rule="bad-value")


def members(groups: Mapping[str, Any], names: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """{host: its tiers}, of every host that is in a tier, sorted by name. A server may be in the group of the voters,
    too; a client may not. Any host may be in the group of those that scrape metrics."""
    found: dict[str, list[str]] = {}
    for tier, of_tier in names.items():
        for group in of_tier:
            for host in groups.get(group) or ():
                tiers = found.setdefault(str(host), [])
                has_another = tier == ARBITER and tiers and tiers != ["client"]
                if tier not in tiers and not has_another and not (tier == MONITOR and tiers):
                    tiers.append(tier)
    return dict(sorted(found.items()))


def unread(
    groups: Mapping[str, Any], names: Mapping[str, tuple[str, ...]], known: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Groups none of whose hosts is in a tier. Other systems' groups are theirs when the names were mapped."""
    read = {group for of_tier in names.values() for group in of_tier}
    lost = {}
    for group, hosts in groups.items():
        meant = group not in read and group not in ("all", "ungrouped")
        if meant and hosts and not any(str(host) in known for host in hosts):
            lost[str(group)] = tuple(str(host) for host in hosts)
    return lost


def read_topology(
    groups: Mapping[str, Any],
    hostvars: Hostvars,
    products: Mapping[str, Product],
    read_population: PopulationReader,
    tiers_groups: Any = None,
) -> Topology:
    """The topology of the system whose groups `tiers_groups` names. Its `problems` name every value that cannot be
    read."""
    reading = _VariableReader(hostvars)
    names, problem = group_names(tiers_groups)
    if problem:
        reading.problems.append(problem)
    tiers_of = members(groups, names)
    hosts = list(tiers_of)

    for host in hosts:
        reading.names(host)
    servers = {
        h: reading.server(h, tiers[0], products)
        for h, tiers in tiers_of.items()
        if tiers[0] not in ("client", ARBITER, MONITOR)
    }
    clients = {h: reading.client(h) for h, tiers in tiers_of.items() if tiers[0] == "client"}

    voter_hosts = {h: reading.voter_host(h) for h, tiers in tiers_of.items() if tiers[0] == ARBITER}
    monitor_hosts = {h: reading.monitor_host(h) for h, tiers in tiers_of.items() if tiers[0] == MONITOR}
    monitor_group = {str(host) for group in names[MONITOR] for host in groups.get(group) or ()}
    arbiter_group = {str(host) for group in names[ARBITER] for host in groups.get(group) or ()}

    # Their content is in the products they describe.
    for variable in DESCRIPTIONS:
        reading.systemwide(hosts, variable)

    population: Mapping[str, Mapping[str, Any]] = {}
    source = reading.systemwide(hosts, "tiers_clients")
    if source is not None:
        population, wrong = read_population(source)
        for text in wrong:
            reading.problem("bad-population", None, "tiers_clients", ended(text))
    for twice in sorted(set(population) & set(tiers_of)):
        reading.problem("bad-population", twice, "tiers_clients", f"'{twice}' is a named client and an inventory host.")

    fields = reading.fields_of_topology(hosts)
    return Topology(
        servers=servers,
        clients=clients,
        voter_hosts=voter_hosts,
        monitor_hosts=monitor_hosts,
        monitor_group=tuple(sorted(monitor_group)),
        arbiter_group=tuple(sorted(arbiter_group)),
        population={name: client for name, client in population.items() if name not in tiers_of},
        products=products,
        group_names=names,
        unread_groups=unread(groups, names, tiers_of),
        several_tiers={host: tuple(tiers) for host, tiers in tiers_of.items() if len(tiers) > 1},
        **fields,
        problems=tuple(reading.problems),
    )


def product_names(groups: Mapping[str, Any], hostvars: Hostvars, tiers_groups: Any = None) -> list[str]:
    """The products the hosts of the system ask for."""
    names, _problem = group_names(tiers_groups)
    asked = [hostvars.get(host, {}).get("tiers_product") for host in members(groups, names)]
    return sorted({str(name) for name in asked if isinstance(name, str) and name})
