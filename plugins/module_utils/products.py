# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a product role says about its product in meta/product.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.findings import did_you_mean

COLLECTION = "distributed.tiers"
TIERS = ("master", "proxy", "parallel", "distributor")
REDUNDANCY = ("cold", "warm", "hot")
FAILBACK = ("auto", "manual")
REPLICATION = ("synchronous", "asynchronous", "none")


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


@dataclass(slots=True)
class _Reader:
    """Takes values out of the file and collects everything that is wrong with them."""

    data: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)

    def words(self, key: str, allowed: tuple[str, ...] = (), default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        return self.word_list(key, self.data.get(key, default), allowed)

    def word_list(self, key: str, value: Any, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
            self.problems.append(f"'{key}' is to be a list of words")
            return ()
        for word in value:
            if allowed and word not in allowed:
                self.problems.append(f"'{key}' holds '{word}', allowed are {', '.join(allowed)}")
        return tuple(str(word) for word in value)

    def word(self, key: str, allowed: tuple[str, ...] = (), default: str | None = None) -> str:
        value = self.data.get(key, default)
        if not isinstance(value, str) or (allowed and value not in allowed):
            self.problems.append(f"'{key}' is to be " + (f"one of {', '.join(allowed)}" if allowed else "a word"))
            return ""
        return str(value)

    def seconds(self, key: str) -> float | None:
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            self.problems.append(f"'{key}' is to be a number of seconds")
            return None
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            self.problems.append(f"'{key}' is to be true or false")
        return bool(value)

    def ranges(self, key: str) -> tuple[tuple[int, int], ...]:
        value: Any = self.data.get(key, [])
        found: list[tuple[int, int]] = []
        for pair in value if isinstance(value, list) else [None]:
            if (
                not isinstance(pair, list)
                or len(pair) != 2
                or not all(isinstance(port, int) and not isinstance(port, bool) for port in pair)
            ):
                pair = [0, 0]
            if not 0 < pair[0] <= pair[1] < 65536:
                self.problems.append(f"'{key}' is to be a list of ranges like [1024, 65535]")
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
)


def role_of(product: str) -> str:
    """`openldap` is a role of this collection, `my.collection.product_x` is taken as it is."""
    return product if product.count(".") >= 2 else f"{COLLECTION}.product_{product}"


def parse_product(name: str, data: Any) -> tuple[Product | None, list[str]]:
    """The product of a role's meta/product.yml, or everything that is wrong with that file."""
    if not isinstance(data, Mapping):
        return None, ["the file holds no mapping"]
    read = _Reader(data)
    for key in sorted(str(key) for key in data):
        if key not in KEYS:
            read.problems.append(f"unknown key '{key}' {did_you_mean(key, KEYS)}".rstrip())
    port = data.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        read.problems.append("'port' is to be a number from 1 to 65535")
        port = 1
    redundancy = data.get("redundancy", {})
    if not isinstance(redundancy, Mapping):
        read.problems.append("'redundancy' is to map tiers to lists of cold, warm and hot")
        redundancy = {}
    for tier in redundancy:
        if tier not in TIERS:
            read.problems.append(f"'redundancy' holds '{tier}', allowed are {', '.join(TIERS)}")
    product = Product(
        name=read.word("name", default=name),
        role=role_of(name),
        port=port,
        protocol=read.word("protocol"),
        tiers=read.words("tiers", TIERS),
        redundancy={str(t): read.word_list(f"redundancy.{t}", v, REDUNDANCY) for t, v in redundancy.items()},
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
    )
    return (None, read.problems) if read.problems else (product, [])
