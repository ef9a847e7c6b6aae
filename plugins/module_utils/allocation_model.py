# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the allocation is computed from: checked, canonical, and grouped into demand classes.

A million clients are some hundreds of classes: clients of one site with the same restrictions are the same to
every proxy. Everything after this file works on classes; names are touched again only when they are handed out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import repeat
from typing import Any, TypeAlias

ACTIVE = "active"
STATES = (ACTIVE, "draining", "down")
CLIENT_KEYS = frozenset(("site", "weight", "pin", "allow", "deny", "spread", "name"))
PROXY_KEYS = frozenset(("site", "zone", "region", "capacity", "state", "weight", "tags", "backup", "name"))
POLICY_KEYS = frozenset(("move_cost", "move_budget", "balance", "headroom", "rebalance"))
SELECTORS = ("site", "region", "zone", "tag")

# Latencies are whole microseconds inside, so that sums are exact and no order of adding them matters.
MICROSECONDS = 1000
SHOWN_PROBLEMS = 20
LARGEST_WEIGHT = 10**15

Restriction: TypeAlias = "tuple[str | None, tuple[str, ...], tuple[str, ...]]"  # pin, allow, deny
Runs = dict[int, list[str]]  # weight -> sorted names


class AllocationError(ValueError):
    """The input cannot be planned from. ``problems`` holds every reason, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        shown = self.problems[:SHOWN_PROBLEMS]
        if len(self.problems) > len(shown):
            shown.append(f"and {len(self.problems) - len(shown)} more")
        super().__init__("; ".join(shown))


@dataclass(frozen=True)
class Policy:
    """How much a move must gain, how many there may be, and how much room stays free."""

    move_cost: float = 20.0
    move_budget: int | None = None
    balance: float | None = None
    headroom: float = 0.0
    rebalance: float = 0.0


@dataclass(frozen=True)
class Proxy:
    """One proxy as given, and the most weight it may take under the policy (``limit``, in units)."""

    name: str
    site: str
    zone: str | None
    region: str | None
    capacity: int | None
    state: str
    weight: float
    tags: frozenset[str]
    backup: str | None

    @property
    def domain(self) -> tuple[str, str, str]:
        """The failure domain: a zone of its site, or the proxy by itself where no zone is told."""
        return (self.site, "", self.name) if self.zone is None else (self.site, self.zone, "")


@dataclass
class Demand:
    """One class of clients: the same site and restrictions, and so the same to every proxy."""

    site: str
    reach: frozenset[int] | None  # indices of the active proxies they may use; None: all
    backup_reach: frozenset[int] | None  # the same without the pin, which binds the proxy and not the backup
    restriction: Restriction
    siblings: int = 0  # spread classes: so many members of each group are in this class
    free: Runs = field(default_factory=dict)  # who has no proxy to stay at
    stays: dict[int, Runs] = field(default_factory=dict)  # proxy -> who is there and may stay
    weight: int = 0  # of all of them, in units
    groups: int = 0  # spread classes: the number of groups

    def runs(self) -> Iterator[tuple[int, list[str]]]:
        """Weight and names of everyone, wherever they are."""
        for runs in (self.free, *self.stays.values()):
            yield from runs.items()


@dataclass
class Problem:
    """Everything the solver needs, in canonical order."""

    policy: Policy
    proxies: list[Proxy]  # all of them, by name
    active: list[Proxy]  # index here is a proxy's number everywhere after
    limits: list[int]  # capacity less headroom, the balance bound applied; units
    capacities: list[int]  # whole capacity; units; unlimited is the total weight
    shares: list[float]  # capacity x weight
    demands: list[Demand]
    latency: Latency
    previous: Mapping[str, str]
    previous_backups: Mapping[str, str]
    crowded: set[str]  # clients whose proxy a sibling of their spread group keeps
    group_of: dict[str, str]  # client -> spread group
    unit: int  # greatest common divisor of all weights
    total: int  # weight of all clients, units
    clients: int
    digest: str
    unchanged: bool = False  # the input is the one that was deployed, and so is what came of it


class Latency:
    """Microseconds between a client's site and a proxy's."""

    def __init__(self, matrix: Mapping[str, Mapping[str, float]] | None) -> None:
        self._matrix = {
            site: {other: round(ms * MICROSECONDS) for other, ms in row.items()} for site, row in (matrix or {}).items()
        }
        self._missing = (1000 if self._matrix else 1) * MICROSECONDS

    def between(self, site: str, other: str) -> int:
        known = self._matrix.get(site, {}).get(other)
        if known is not None:
            return known
        return 0 if site == other else self._missing

    def canonical(self) -> list[Any]:
        return [[site, sorted(row.items())] for site, row in sorted(self._matrix.items())]


def build(clients: Any, proxies: Any, latency: Any, previous: Any, previous_backups: Any, policy: Any) -> Problem:
    """Check everything, then group. Raises AllocationError with all problems at once."""
    problems: list[str] = []
    rules = _read_policy(policy, problems)
    servers = _read_proxies(proxies, problems)
    matrix = _read_latency(latency, problems)
    deployed = _read_previous(previous, problems)
    backups = _read_backups(previous_backups, problems)
    names = {server.name for server in servers}
    grouped = _group(clients, names, problems)
    if problems or grouped is None:
        raise AllocationError(problems)
    problem = _assemble(rules, servers, matrix, deployed, backups, grouped, len(clients))
    problem.unchanged = _is_unchanged(problem, previous)
    return problem


def _is_unchanged(problem: Problem, previous: Any) -> bool:
    """Does the former result belong to this very input, and is everyone still where it says?"""
    if not isinstance(previous, Mapping) or previous.get("digest") != problem.digest:
        return False
    unplaced = previous.get("unplaced")
    homeless = [name for demand in problem.demands for names in demand.free.values() for name in names]
    if not isinstance(unplaced, Mapping) or sorted(homeless) != sorted(map(str, unplaced)):
        return False
    load = [0] * len(problem.active)
    for demand in problem.demands:
        for proxy, runs in demand.stays.items():
            load[proxy] += sum(weight * len(names) for weight, names in runs.items())
    return all(held <= limit for held, limit in zip(load, problem.limits, strict=True))


# --- reading -----------------------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_policy(policy: Any, problems: list[str]) -> Policy:
    if policy is None:
        return Policy()
    if not isinstance(policy, Mapping):
        problems.append(f"policy: must be a dictionary, not {type(policy).__name__}")
        return Policy()
    before = len(problems)
    for key in policy:
        if key not in POLICY_KEYS:
            problems.append(f"policy: unknown key {key!r}; known are {', '.join(sorted(POLICY_KEYS))}")

    def number(key: str, default: float | None, lowest: float, below: float = math.inf) -> float | None:
        value = policy.get(key)
        if value is None:
            return default
        if not _is_number(value) or not lowest <= value < below:
            limit = f"at least {lowest:g}" + ("" if below == math.inf else f" and below {below:g}")
            problems.append(f"policy: {key} must be a number of {limit}, not {value!r}")
            return default
        return float(value)

    move_cost = number("move_cost", Policy.move_cost, 0)
    balance = number("balance", None, 1)
    headroom = number("headroom", 0.0, 0, 1)
    rebalance = number("rebalance", 0.0, 0)
    budget = policy.get("move_budget")
    if budget is not None and (not _is_whole(budget) or budget < 0):
        problems.append(f"policy: move_budget must be a whole number of at least 0 or null, not {budget!r}")
    if len(problems) > before or move_cost is None or headroom is None or rebalance is None:
        return Policy()
    return Policy(move_cost, budget, balance, headroom, rebalance)


def _read_proxies(proxies: Any, problems: list[str]) -> list[Proxy]:
    if not isinstance(proxies, Mapping):
        problems.append(f"proxies: must be a dictionary, not {type(proxies).__name__}")
        return []
    servers: list[Proxy] = []
    for name, given in proxies.items():
        where = f"proxy {name!r}"
        if not isinstance(name, str) or not name:
            problems.append(f"{where}: a proxy's name must be a text that is not empty")
            continue
        if not isinstance(given, Mapping):
            problems.append(f"{where}: must be a dictionary, not {type(given).__name__}")
            continue
        before = len(problems)
        for key in given:
            if key not in PROXY_KEYS:
                problems.append(f"{where}: unknown key {key!r}; known are {', '.join(sorted(PROXY_KEYS))}")
        site = given.get("site")
        if not isinstance(site, str) or not site:
            problems.append(f"{where}: site must be a text that is not empty, not {site!r}")
        for key in ("zone", "region", "backup"):
            if given.get(key) is not None and not isinstance(given[key], str):
                problems.append(f"{where}: {key} must be a text, not {given[key]!r}")
        capacity = given.get("capacity")
        if capacity is not None and (not _is_whole(capacity) or capacity < 0):
            problems.append(f"{where}: capacity must be a whole number of at least 0 or null, not {capacity!r}")
        state = given.get("state", ACTIVE)
        if state not in STATES:
            problems.append(f"{where}: state must be one of {', '.join(STATES)}, not {state!r}")
        weight = given.get("weight", 1)
        if not _is_number(weight) or weight <= 0:
            problems.append(f"{where}: weight must be a number above 0, not {weight!r}")
        tags = given.get("tags") or []
        if not isinstance(tags, (list, tuple)) or not all(isinstance(tag, str) for tag in tags):
            problems.append(f"{where}: tags must be a list of texts, not {tags!r}")
        if len(problems) == before:
            servers.append(
                Proxy(
                    name, str(site), given.get("zone"), given.get("region"), capacity, state, float(weight),
                    frozenset(tags), given.get("backup"),
                )
            )  # fmt: skip
    return sorted(servers, key=lambda server: server.name)


def _read_latency(latency: Any, problems: list[str]) -> Latency:
    if latency is None:
        return Latency(None)
    if not isinstance(latency, Mapping):
        problems.append(f"latency: must be a dictionary, not {type(latency).__name__}")
        return Latency(None)
    before = len(problems)
    for site, row in latency.items():
        if not isinstance(site, str) or not isinstance(row, Mapping):
            problems.append(f"latency[{site!r}]: must be a dictionary of milliseconds by the proxy's site")
            continue
        for other, value in row.items():
            if not isinstance(other, str) or not _is_number(value) or value < 0:
                problems.append(
                    f"latency[{site!r}][{other!r}]: must be a finite number of milliseconds of at least 0, "
                    f"not {value!r}"
                )
    return Latency(None if len(problems) > before else latency)


def _read_previous(previous: Any, problems: list[str]) -> Mapping[str, str]:
    """Flat ``{client: proxy}``, or the lists of a former result: ``{"proxies": {proxy: {"clients": [names]}}}``."""
    if previous is None:
        return {}
    if not isinstance(previous, Mapping):
        problems.append(f"previous: must be a dictionary, not {type(previous).__name__}")
        return {}
    lists = previous.get("proxies")
    if not isinstance(lists, Mapping):
        return _flat(previous, "previous", problems)
    flat: dict[str, str] = {}
    for proxy, entry in lists.items():
        names = entry.get("clients") if isinstance(entry, Mapping) else None
        _add_names(flat, names, proxy, f"previous: proxies[{proxy!r}]: clients", problems)
    return flat


def _read_backups(previous: Any, problems: list[str]) -> Mapping[str, str]:
    """Flat ``{client: server}``, or as in a result: ``{proxy: {server: [names]}}``."""
    if previous is None:
        return {}
    if not isinstance(previous, Mapping):
        problems.append(f"previous_backups: must be a dictionary, not {type(previous).__name__}")
        return {}
    if not any(isinstance(value, Mapping) for value in previous.values()):
        return _flat(previous, "previous_backups", problems)
    flat: dict[str, str] = {}
    for proxy, lists in previous.items():
        if not isinstance(lists, Mapping):
            problems.append(f"previous_backups[{proxy!r}]: must be a dictionary of names by server")
            continue
        for server, names in lists.items():
            _add_names(flat, names, server, f"previous_backups[{proxy!r}][{server!r}]", problems)
    return flat


def _flat(given: Mapping[Any, Any], what: str, problems: list[str]) -> Mapping[str, str]:
    if all(map(isinstance, given.values(), repeat(str))):
        return given
    for name, server in given.items():
        if not isinstance(server, str):
            problems.append(f"{what}: client {name!r} must have a server's name, not {server!r}")
    return {}


def _add_names(flat: dict[str, str], names: Any, server: Any, where: str, problems: list[str]) -> None:
    if not isinstance(server, str) or not isinstance(names, (list, tuple)):
        problems.append(f"{where} must be a list of names")
    elif not all(map(isinstance, names, repeat(str))):
        problems.append(f"{where}: every name must be a text")
    else:
        flat.update(zip(names, repeat(server)))


# --- grouping ----------------------------------------------------------------------------------------------------

Key: TypeAlias = "tuple[str, Restriction, str | None, int]"  # site, restriction, spread group, weight
NO_RESTRICTION: Restriction = (None, (), ())


def _group(clients: Any, proxies: set[str], problems: list[str]) -> dict[Key, list[str]] | None:
    """Names by what makes clients differ, each list sorted: the one pass that touches every client."""
    if not isinstance(clients, Mapping):
        problems.append(f"clients: must be a dictionary, not {type(clients).__name__}")
        return None
    try:
        return _group_fast(clients, proxies)
    except _Wrong:
        found = list(_complaints(clients, proxies))
        problems += found
    # Nothing wrong after all: dictionaries of a kind that only show what they hold when asked politely.
    return None if found else _group_fast({name: dict(client.items()) for name, client in clients.items()}, proxies)


class _Wrong(Exception):
    """Something about the clients is wrong; the slow way will say what."""


def _group_fast(clients: Mapping[str, Any], proxies: set[str]) -> dict[Key, list[str]]:
    table: defaultdict[tuple[Any, Any, int], list[str]] = defaultdict(list)
    values = clients.values()
    get = dict.get
    try:
        # Keys are made and looked up without a line of Python a client; what they hold is checked once a key.
        keys = zip(map(get, values, repeat("site")), map(get, values, repeat("weight")), map(len, values), strict=True)
        for name, key in zip(clients, keys, strict=True):
            table[key].append(name)
    except TypeError as error:
        raise _Wrong from error
    grouped: defaultdict[Key, list[str]] = defaultdict(list)
    for (site, weight, size), names in table.items():
        if not isinstance(site, str) or not site or not _weight_is_right(weight):
            raise _Wrong
        units = 1 if weight is None else int(weight)
        if size == (1 if weight is None else 2):
            grouped[site, NO_RESTRICTION, None, units] += names
            continue
        seen: dict[int, tuple[Restriction, str | None]] = {}
        for name in names:
            client = clients[name]
            extras = seen.get(id(client))
            if extras is None:
                extras = seen[id(client)] = _extras(client, proxies)
            grouped[site, extras[0], extras[1], units].append(name)
    try:
        for names in grouped.values():
            names.sort()
            if not names[0] or not "".join(names):  # joining shows what is no text
                raise _Wrong
    except TypeError as error:
        raise _Wrong from error
    return grouped


def _weight_is_right(weight: Any) -> bool:
    # 1.0 and true are the same key as 1, so they must be as good as 1, whichever comes first.
    return weight is None or (
        isinstance(weight, (int, float)) and 1 <= weight <= LARGEST_WEIGHT and weight == weight // 1
    )


def _extras(client: Mapping[str, Any], proxies: set[str]) -> tuple[Restriction, str | None]:
    if next(_client_complaints(client, proxies), None):
        raise _Wrong
    allow = tuple(sorted(set(client.get("allow") or ())))
    deny = tuple(sorted(set(client.get("deny") or ())))
    return (client.get("pin"), allow, deny), client.get("spread")


def _complaints(clients: Mapping[Any, Any], proxies: set[str]) -> Iterator[str]:
    """Every problem of every client, by name; only run once something is known to be wrong."""
    for name, client in sorted(clients.items(), key=lambda item: str(item[0])):
        where = f"client {name!r}"
        if not isinstance(name, str) or not name:
            yield f"{where}: a client's name must be a text that is not empty"
        if not isinstance(client, Mapping):
            yield f"{where}: must be a dictionary, not {type(client).__name__}"
            continue
        for complaint in _client_complaints(client, proxies):
            yield f"{where}: {complaint}"


def _client_complaints(client: Mapping[str, Any], proxies: set[str]) -> Iterator[str]:
    for key in client:
        if key not in CLIENT_KEYS:
            yield f"unknown key {key!r}; known are {', '.join(sorted(CLIENT_KEYS))}"
    site = client.get("site")
    if not isinstance(site, str) or not site:
        yield f"site must be a text that is not empty, not {site!r}"
    if not _weight_is_right(client.get("weight")):
        yield f"weight must be a whole number from 1 to 10^15, not {client['weight']!r}"
    pin = client.get("pin")
    if pin is not None and (not isinstance(pin, str) or pin not in proxies):
        yield f"pin names no proxy: {pin!r}"
    for key in ("allow", "deny"):
        selectors = client.get(key)
        if selectors is None:
            continue
        if not isinstance(selectors, (list, tuple)):
            yield f"{key} must be a list of selectors, not {selectors!r}"
            continue
        for selector in selectors:
            kind, colon, value = selector.partition(":") if isinstance(selector, str) else ("", "", "")
            if isinstance(selector, str) and selector in proxies:
                continue
            if not colon or kind not in SELECTORS or not value:
                known = ", ".join(f"{kind}:…" for kind in SELECTORS)
                yield f"{key} names no proxy and is no selector ({known}): {selector!r}"
    spread = client.get("spread")
    if spread is not None and (not isinstance(spread, str) or not spread):
        yield f"spread must be a text that is not empty, not {spread!r}"


# --- assembling --------------------------------------------------------------------------------------------------


def _assemble(
    policy: Policy,
    servers: list[Proxy],
    latency: Latency,
    previous: Mapping[str, str],
    previous_backups: Mapping[str, str],
    grouped: dict[Key, list[str]],
    clients: int,
) -> Problem:
    order = sorted(grouped, key=lambda key: (key[0], key[1][0] or "", key[1][1:], key[2] or "", key[3]))
    unit = math.gcd(*(key[3] for key in order)) if order else 1
    total = sum(key[3] // unit * len(grouped[key]) for key in order)
    active = [server for server in servers if server.state == ACTIVE]
    largest = max((server.capacity for server in active if server.capacity is not None), default=1) or 1
    shares = [(largest if server.capacity is None else server.capacity) * server.weight for server in active]
    capacities = [total if server.capacity is None else min(total, server.capacity // unit) for server in active]
    limits = _limits(policy, active, shares, unit, total)
    problem = Problem(
        policy, servers, active, limits, capacities, shares, [], latency, previous, previous_backups,
        set(), {}, unit, total, clients, _digest(policy, servers, latency, grouped, order),
    )  # fmt: skip
    _classify(problem, grouped, order)
    return problem


def _limits(policy: Policy, active: list[Proxy], shares: list[float], unit: int, total: int) -> list[int]:
    kept_free = Fraction(repr(policy.headroom))
    all_shares = math.fsum(shares)
    limits = []
    for server, share in zip(active, shares, strict=True):
        limit = total
        if server.capacity is not None:
            limit = min(limit, math.floor(server.capacity * (1 - kept_free) / unit))
        if policy.balance is not None and all_shares:
            # Rounded up: at balance 1 the whole demand must still fit.
            limit = min(
                limit, math.ceil(Fraction(repr(policy.balance)) * Fraction(share) / Fraction(all_shares) * total)
            )
        limits.append(limit)
    return limits


def _digest(
    policy: Policy, servers: list[Proxy], latency: Latency, grouped: dict[Key, list[str]], order: list[Key]
) -> str:
    head = {
        "policy": [policy.move_cost, policy.move_budget, policy.balance, policy.headroom, policy.rebalance],
        "proxies": [
            [p.name, p.site, p.zone, p.region, p.capacity, p.state, p.weight, sorted(p.tags), p.backup] for p in servers
        ],
        "latency": latency.canonical(),
    }
    digest = hashlib.sha256(json.dumps(head).encode())
    for key in order:
        names = grouped[key]
        text = "\0".join(names)
        if text.count("\0") != len(names) - 1:
            text = json.dumps(names)
        digest.update(json.dumps([key, len(names)]).encode())
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _classify(problem: Problem, grouped: dict[Key, list[str]], order: list[Key]) -> None:
    """Turn the groups into demand classes, and tell who may stay where it is."""
    number = {server.name: index for index, server in enumerate(problem.active)}
    reaches: dict[Restriction, tuple[frozenset[int] | None, frozenset[int] | None]] = {}
    classes: dict[tuple[Any, ...], Demand] = {}
    spread: defaultdict[str, list[tuple[str, Key]]] = defaultdict(list)
    for key in order:
        site, restriction, group, weight = key
        if restriction not in reaches:
            reaches[restriction] = (
                _reach(problem.active, number, restriction),
                _reach(problem.active, number, (None,) + restriction[1:]),
            )
        if group is not None:
            spread[group] += [(name, key) for name in grouped[key]]
            continue
        # Who can go nowhere is told why, and the reason is in the restriction.
        why = None if reaches[restriction][0] != frozenset() else restriction
        demand = _class(classes, (site, *reaches[restriction], why), site, reaches[restriction], restriction)
        _add(problem, demand, number, grouped[key], weight // problem.unit)
    for group, members in sorted(spread.items()):
        _add_spread_group(problem, classes, number, reaches, group, members)
    problem.demands = sorted(
        classes.values(),
        key=lambda demand: (
            demand.site, demand.reach is not None, sorted(demand.reach or ()),
            demand.backup_reach is not None, sorted(demand.backup_reach or ()), demand.siblings,
            min(demand.free or [0]),
        ),
    )  # fmt: skip


def _class(
    classes: dict[tuple[Any, ...], Demand],
    key: tuple[Any, ...],
    site: str,
    reach: tuple[frozenset[int] | None, frozenset[int] | None],
    restriction: Restriction,
) -> Demand:
    if key not in classes:
        classes[key] = Demand(site, reach[0], reach[1], restriction)
    return classes[key]


def _add(problem: Problem, demand: Demand, number: dict[str, int], names: list[str], weight: int) -> None:
    demand.weight += weight * len(names)
    if not problem.previous:
        _merge(demand.free, weight, names)
        return
    split: defaultdict[str | None, list[str]] = defaultdict(list)
    for name, server in zip(names, map(problem.previous.get, names), strict=True):
        split[server].append(name)
    for server, part in split.items():
        index = None if server is None else number.get(server)
        if index is None or not _may_stay(problem, demand.reach, index, weight):
            _merge(demand.free, weight, part)
        else:
            _merge(demand.stays.setdefault(index, {}), weight, part)


def _may_stay(problem: Problem, reach: frozenset[int] | None, proxy: int, weight: int) -> bool:
    return (reach is None or proxy in reach) and weight <= problem.limits[proxy]


def _merge(runs: Runs, weight: int, names: list[str]) -> None:
    if weight in runs:
        runs[weight] = sorted(runs[weight] + names)
    else:
        runs[weight] = names


def _add_spread_group(
    problem: Problem,
    classes: dict[tuple[Any, ...], Demand],
    number: dict[str, int],
    reaches: dict[Restriction, tuple[frozenset[int] | None, frozenset[int] | None]],
    group: str,
    members: list[tuple[str, Key]],
) -> None:
    """Spread members are classed with how many siblings share their class: a hub takes one of them a proxy."""
    taken: set[int] = set()
    together: defaultdict[tuple[str, Any, Any, int], list[str]] = defaultdict(list)
    restriction_of: dict[tuple[str, Any, Any, int], Restriction] = {}
    for name, (site, restriction, _group_name, weight) in members:
        key = (site, *reaches[restriction], weight // problem.unit)
        together[key].append(name)
        restriction_of.setdefault(key, restriction)
        problem.group_of[name] = group
    for key, names in sorted(together.items(), key=lambda item: (-item[0][3], min(item[1]))):
        site, reach, backup_reach, weight = key
        demand = _class(classes, ("spread", len(names), *key), site, (reach, backup_reach), restriction_of[key])
        demand.siblings = len(names)
        demand.groups += 1
        demand.weight += weight * len(names)
        for name in sorted(names):
            index = number.get(problem.previous.get(name, ""))
            if index is None or index in taken or not _may_stay(problem, reach, index, weight):
                if index in taken:
                    problem.crowded.add(name)
                demand.free.setdefault(weight, []).append(name)
            else:
                taken.add(index)
                demand.stays.setdefault(index, {}).setdefault(weight, []).append(name)


def _reach(active: list[Proxy], number: dict[str, int], restriction: Restriction) -> frozenset[int] | None:
    if restriction == NO_RESTRICTION:
        return None
    pin, allow, deny = restriction
    reach = set(range(len(active)))
    if pin is not None:
        reach &= {number[pin]} if pin in number else set()
    if allow:
        reach &= set().union(*(_selected(active, number, selector) for selector in allow))
    for selector in deny:
        reach -= _selected(active, number, selector)
    return None if reach and len(reach) == len(active) else frozenset(reach)


def _selected(active: list[Proxy], number: dict[str, int], selector: str) -> set[int]:
    if selector in number:
        return {number[selector]}
    kind, _colon, value = selector.partition(":")
    if kind == "tag":
        return {index for index, server in enumerate(active) if value in server.tags}
    if kind in SELECTORS:
        return {index for index, server in enumerate(active) if getattr(server, kind) == value}
    return set()  # a proxy that is not active
