# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input checked, all problems at once, and clients grouped by what makes them differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice, repeat
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation.model import (
    ACTIVE,
    NO_RESTRICTION,
    SELECTORS,
    Fault,
    Key,
    Latency,
    Policy,
    Proxy,
    Restriction,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import (
    CAPACITY,
    CLIENT_WEIGHT,
    POLICY,
    SERVER_WEIGHT,
    STATES,
    Bounds,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shown

CLIENT_KEYS = frozenset(("site", "weight", "pin", "allow", "deny", "spread", "name"))
PROXY_KEYS = frozenset(("site", "zone", "region", "capacity", "state", "weight", "tags", "backup", "name"))
POLICY_KEYS = frozenset(POLICY)
MOST_PROBLEMS = 1000  # a million clients at a proxy that is gone are one mistake


MILLISECONDS = Bounds()


def read_policy(policy: Any, problems: list[Fault]) -> Policy:
    if policy is None:
        return Policy()
    if not isinstance(policy, Mapping):
        problems.append(Fault(f"must be a dictionary, not {type(policy).__name__}", "policy"))
        return Policy()
    before = len(problems)
    for key in policy:
        if key not in POLICY_KEYS:
            problems.append(Fault(f"unknown key {shown(key)}; known are {', '.join(sorted(POLICY_KEYS))}", "policy"))

    given: dict[str, Any] = {}
    for key, bounds in POLICY.items():
        value = policy.get(key)
        if value is not None and value not in bounds:
            problems.append(Fault(f"{key} must be {bounds.text} or null, not {shown(value)}", "policy", key=key))
        elif value is not None:
            given[key] = value if bounds.integers else float(value)
    return Policy() if len(problems) > before else Policy(**given)


def read_proxies(proxies: Any, problems: list[Fault]) -> list[Proxy]:
    if not isinstance(proxies, Mapping):
        problems.append(Fault(f"must be a dictionary, not {type(proxies).__name__}", "proxies"))
        return []
    servers: list[Proxy] = []
    for name, given in proxies.items():
        wrong = list(_proxy_complaints(name, given))
        problems += wrong
        if not wrong:
            servers.append(
                Proxy(
                    name, str(given["site"]), given.get("zone"), given.get("region"), given.get("capacity"),
                    given.get("state", ACTIVE), float(given.get("weight", 1)), frozenset(given.get("tags") or []),
                    given.get("backup"),
                )
            )  # fmt: skip
    return sorted(servers, key=lambda server: server.name)


def _keys_and_site(given: Mapping[Any, Any], known: frozenset[str], where: str, name: str | None) -> Iterator[Fault]:
    """The checks of proxies and clients: known keys, and a site."""
    for key in given:
        if key not in known:
            yield Fault(f"unknown key {shown(key)}; known are {', '.join(sorted(known))}", where, name)
    site = given.get("site")
    if not isinstance(site, str) or not site:
        yield Fault(f"site must be a text that is not empty, not {shown(site)}", where, name, "site")


def _proxy_complaints(name: Any, given: Any) -> Iterator[Fault]:
    where = f"proxy {shown(name)}"
    if not isinstance(name, str) or not name:
        yield Fault("a proxy's name must be a text that is not empty", where)
        return
    if not isinstance(given, Mapping):
        yield Fault(f"must be a dictionary, not {type(given).__name__}", where, name)
        return
    yield from _keys_and_site(given, PROXY_KEYS, where, name)
    for key in ("zone", "region", "backup"):
        if given.get(key) is not None and not isinstance(given[key], str):
            yield Fault(f"{key} must be a text, not {shown(given[key])}", where, name, key)
    capacity = given.get("capacity")
    if capacity is not None and capacity not in CAPACITY:
        what = f"capacity must be {CAPACITY.text} or null, not {shown(capacity)}"
        yield Fault(what, where, name, "capacity")
    state = given.get("state", ACTIVE)
    if state not in STATES:
        yield Fault(f"state must be one of {', '.join(STATES)}, not {shown(state)}", where, name, "state")
    weight = given.get("weight", 1)
    if weight not in SERVER_WEIGHT:
        yield Fault(f"weight must be {SERVER_WEIGHT.text}, not {shown(weight)}", where, name, "weight")
    tags = given.get("tags") or []
    if not isinstance(tags, (list, tuple)) or not all(isinstance(tag, str) for tag in tags):
        yield Fault(f"tags must be a list of texts, not {shown(tags)}", where, name, "tags")


def read_latency(latency: Any, problems: list[Fault]) -> Latency:
    if latency is None:
        return Latency(None)
    if not isinstance(latency, Mapping):
        problems.append(Fault(f"must be a dictionary, not {type(latency).__name__}", "latency"))
        return Latency(None)
    before = len(problems)
    for site, row in latency.items():
        if not isinstance(site, str) or not isinstance(row, Mapping):
            what = "must be a dictionary of milliseconds by the proxy's site"
            problems.append(Fault(what, f"latency[{shown(site)}]"))
            continue
        for other, value in row.items():
            if not isinstance(other, str) or value not in MILLISECONDS:
                what = f"must be a finite number of milliseconds of at least 0, not {shown(value)}"
                problems.append(Fault(what, f"latency[{shown(site)}][{shown(other)}]"))
    return Latency(None if len(problems) > before else latency)


def read_previous(previous: Any, problems: list[Fault]) -> Mapping[str, str]:
    """Flat ``{client: proxy}``, or the lists of a former result: ``{"proxies": {proxy: {"clients": [names]}}}``."""
    if previous is None:
        return {}
    if not isinstance(previous, Mapping):
        problems.append(Fault(f"must be a dictionary, not {type(previous).__name__}", "previous"))
        return {}
    lists = previous.get("proxies")
    if not isinstance(lists, Mapping):
        return _flat(previous, "previous", problems)
    flat: dict[str, str] = {}
    for proxy, entry in lists.items():
        names = entry.get("clients") if isinstance(entry, Mapping) else None
        _add_names(flat, names, proxy, f"previous: proxies[{shown(proxy)}]: clients", problems)
    return flat


def read_backups(previous: Any, problems: list[Fault]) -> Mapping[str, str]:
    """Flat ``{client: server}``, or as in a result: ``{proxy: {server: [names]}}``."""
    if previous is None:
        return {}
    if not isinstance(previous, Mapping):
        problems.append(Fault(f"must be a dictionary, not {type(previous).__name__}", "previous_backups"))
        return {}
    # Most often all are names, and asking a million of them for more takes longer than all the rest.
    if all(map(isinstance, previous.values(), repeat(str))):
        return previous
    if not any(isinstance(value, Mapping) for value in previous.values()):
        return _flat(previous, "previous_backups", problems)
    flat: dict[str, str] = {}
    for proxy, lists in previous.items():
        if not isinstance(lists, Mapping):
            problems.append(Fault("must be a dictionary of names by server", f"previous_backups[{shown(proxy)}]"))
            continue
        for server, names in lists.items():
            _add_names(flat, names, server, f"previous_backups[{shown(proxy)}][{shown(server)}]", problems)
    return flat


def _flat(given: Mapping[Any, Any], what: str, problems: list[Fault]) -> Mapping[str, str]:
    if all(map(isinstance, given.values(), repeat(str))):
        return given
    wrong = (
        Fault(f"client {shown(name)} must have a server's name, not {shown(server)}", what)
        for name, server in given.items()
        if not isinstance(server, str)
    )
    problems += islice(wrong, MOST_PROBLEMS)
    return {}


def _add_names(flat: dict[str, str], names: Any, server: Any, where: str, problems: list[Fault]) -> None:
    if not isinstance(server, str) or not isinstance(names, (list, tuple)):
        problems.append(Fault(f"{where} must be a list of names"))
    elif not all(map(isinstance, names, repeat(str))):
        problems.append(Fault("every name must be a text", where))
    else:
        flat.update(zip(names, repeat(server)))


def group_clients(
    clients: Any, proxies: set[str], selectable: set[str], problems: list[Fault]
) -> dict[Key, list[str]] | None:
    """Names by what makes clients differ, each list sorted: the one pass that touches every client.

    ``selectable``: the names that `allow` and `deny` may hold.
    """
    if not isinstance(clients, Mapping):
        problems.append(Fault(f"must be a dictionary, not {type(clients).__name__}", "clients"))
        return None
    try:
        return _group_fast(clients, proxies, selectable)
    except _Wrong:
        complaints = _complaints(clients, proxies, selectable)
        found = list(islice(complaints, MOST_PROBLEMS))
        problems += found
        if rest := sum(1 for _complaint in complaints):
            problems.append(Fault(f"and {rest} more problems"))
    # Nothing wrong after all: dictionaries of a kind that only show what they hold when asked politely.
    return (
        None
        if found
        else _group_fast({name: dict(client.items()) for name, client in clients.items()}, proxies, selectable)
    )


class _Wrong(Exception):
    """Something about the clients is wrong; the slow way will say what."""


def _group_fast(clients: Mapping[str, Any], proxies: set[str], selectable: set[str]) -> dict[Key, list[str]]:
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
                extras = seen[id(client)] = _extras(client, proxies, selectable)
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
        isinstance(weight, (int, float)) and weight == weight // 1 and int(weight) in CLIENT_WEIGHT
    )


def _extras(client: Mapping[str, Any], proxies: set[str], selectable: set[str]) -> tuple[Restriction, str | None]:
    if next(_client_complaints(client, proxies, selectable), None):
        raise _Wrong
    allow = tuple(sorted(set(client.get("allow") or ())))
    deny = tuple(sorted(set(client.get("deny") or ())))
    return (client.get("pin"), allow, deny), client.get("spread")


def _complaints(clients: Mapping[Any, Any], proxies: set[str], selectable: set[str]) -> Iterator[Fault]:
    """Every problem of every client, by name; only run once something is known to be wrong."""
    for name in sorted(clients, key=lambda name: name if isinstance(name, str) else shown(name)):
        client = clients[name]
        where = f"client {shown(name)}"
        if not isinstance(name, str) or not name:
            yield Fault("a client's name must be a text that is not empty", where)
        if isinstance(client, Mapping):
            yield from _client_complaints(client, proxies, selectable, where, name)
        else:
            yield Fault(f"must be a dictionary, not {type(client).__name__}", where, name)


def _client_complaints(
    client: Mapping[str, Any], proxies: set[str], selectable: set[str], where: str = "", name: str | None = None
) -> Iterator[Fault]:
    yield from _keys_and_site(client, CLIENT_KEYS, where, name)
    if not _weight_is_right(client.get("weight")):
        what = f"weight must be {CLIENT_WEIGHT.text}, not {shown(client['weight'])}"
        yield Fault(what, where, name, "weight")
    pin = client.get("pin")
    if pin is not None and (not isinstance(pin, str) or pin not in proxies):
        yield Fault(f"pin names no proxy: {shown(pin)}", where, name, "pin", pin if isinstance(pin, str) else None)
    for key in ("allow", "deny"):
        selectors = client.get(key)
        if selectors is None:
            continue
        if not isinstance(selectors, (list, tuple)):
            yield Fault(f"{key} must be a list of selectors, not {shown(selectors)}", where, name, key)
            continue
        for selector in selectors:
            kind, colon, value = selector.partition(":") if isinstance(selector, str) else ("", "", "")
            if isinstance(selector, str) and selector in selectable:
                continue
            if not colon or kind not in SELECTORS or not value:
                known = ", ".join(f"{kind}:…" for kind in SELECTORS)
                what = f"{key} names no proxy and is no selector ({known}): {shown(selector)}"
                yield Fault(what, where, name, key)
    spread = client.get("spread")
    if spread is not None and (not isinstance(spread, str) or not spread):
        yield Fault(f"spread must be a text that is not empty, not {shown(spread)}", where, name, "spread")
