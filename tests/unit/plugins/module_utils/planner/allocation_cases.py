# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small allocation problems for hypothesis, what no answer may break, and the best answer by trying everything."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

from hypothesis import strategies as st

SITES = ("ams", "bru", "cph")
REGIONS = {"ams": "low", "bru": "low", "cph": "high"}
TAGS = ("gold", "eu")


@st.composite
def problems(
    draw: Any,
    most_clients: int = 6,
    most_proxies: int = 3,
    weights: Any = None,
    restricted: bool = True,
    spread: bool = True,
    deployed: bool = True,
    states: tuple[str, ...] = ("active", "active", "draining", "down"),
) -> dict[str, Any]:
    """Arguments for allocate()."""
    if weights is None:
        weights = st.sampled_from(draw(st.sampled_from([(1,), (3,), (1, 2), (1, 5, 7)])))
    names = [f"px{number}" for number in range(draw(st.integers(1, most_proxies)))]
    proxies = {}
    for name in names:
        site = draw(st.sampled_from(SITES))
        proxies[name] = {
            "site": site,
            "region": REGIONS[site],
            "zone": draw(st.sampled_from([None, "z1", "z2"])),
            "capacity": draw(st.one_of(st.none(), st.integers(1, 12))),
            "state": draw(st.sampled_from(states)),
            "weight": draw(st.sampled_from([1, 1, 2.5])),
            "tags": draw(st.lists(st.sampled_from(TAGS), unique=True)),
            "backup": draw(st.sampled_from([None, None, "spare"])),
        }
    selectors = st.sampled_from([*names, "site:ams", "region:low", "zone:z1", "tag:gold", "site:nowhere"])
    clients = {}
    for number in range(draw(st.integers(0, most_clients))):
        client: dict[str, Any] = {"site": draw(st.sampled_from(SITES)), "weight": draw(weights)}
        if restricted and draw(st.integers(0, 3)) == 0:
            client["pin"] = draw(st.sampled_from([None, *names]))
            client["allow"] = draw(st.lists(selectors, max_size=2))
            client["deny"] = draw(st.lists(selectors, max_size=1))
        if spread and draw(st.integers(0, 3)) == 0:
            client["spread"] = draw(st.sampled_from(["g", "h"]))
        clients[f"c{number}"] = client
    latency = draw(
        st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {site: st.dictionaries(st.sampled_from(SITES), st.integers(0, 60), max_size=3) for site in SITES}
            ),
        )
    )
    previous = {}
    if deployed and draw(st.booleans()):
        servers = st.sampled_from([*names, "gone"])
        previous = draw(st.dictionaries(st.sampled_from([*clients, "stranger"]), servers, max_size=most_clients))
    policy = {
        "move_cost": draw(st.sampled_from([0, 5, 20])),
        "headroom": draw(st.sampled_from([0, 0, 0.25])),
        "balance": draw(st.sampled_from([None, None, 1, 1.5])),
    }
    return {"clients": clients, "proxies": proxies, "latency": latency, "previous": previous, "policy": policy}


def weight(client: dict[str, Any]) -> int:
    return client.get("weight", 1)


def milliseconds(case: dict[str, Any], site: str, other: str) -> float:
    known = (case["latency"] or {}).get(site, {}).get(other)
    if known is not None:
        return known
    if site == other:
        return 0
    return 1000 if any(True for _row in case["latency"] or {}) else 1


def selects(selector: str, name: str, proxy: dict[str, Any]) -> bool:
    kind, _colon, value = selector.partition(":")
    if kind == "tag":
        return value in proxy["tags"]
    return selector == name or (kind in ("site", "region", "zone") and proxy[kind] == value)


def may_use(case: dict[str, Any], client: dict[str, Any], name: str, as_backup: bool = False) -> bool:
    proxy = case["proxies"].get(name)
    if proxy is None or proxy["state"] != "active":
        return False
    if client.get("pin") is not None and client["pin"] != name and not as_backup:
        return False
    allow, deny = client.get("allow") or [], client.get("deny") or []
    if allow and not any(selects(selector, name, proxy) for selector in allow):
        return False
    return not any(selects(selector, name, proxy) for selector in deny)


def limits(case: dict[str, Any]) -> dict[str, float]:
    """The most weight each active proxy may take."""
    policy = case.get("policy") or {}
    active = {name: proxy for name, proxy in case["proxies"].items() if proxy["state"] == "active"}
    total = sum(weight(client) for client in case["clients"].values())
    finite = max((proxy["capacity"] for proxy in active.values() if proxy["capacity"] is not None), default=1) or 1
    shares = {
        name: Fraction((finite if proxy["capacity"] is None else proxy["capacity"]) * proxy["weight"])
        for name, proxy in active.items()
    }
    unit = math.gcd(*(weight(client) for client in case["clients"].values())) if case["clients"] else 1
    result = {}
    for name, proxy in active.items():
        limit: float = math.inf
        if proxy["capacity"] is not None:
            # Every load is a multiple of the unit: what is above the last one that fits has to go.
            limit = math.floor(proxy["capacity"] * (1 - Fraction(str(policy.get("headroom", 0))))) // unit * unit
        if policy.get("balance") is not None and sum(shares.values()):
            part = Fraction(str(policy["balance"])) * shares[name] / sum(shares.values()) * (total // unit)
            limit = min(limit, math.ceil(part) * unit)
        result[name] = limit
    return result


def placed(result: dict[str, Any]) -> dict[str, str]:
    return {client: name for name, entry in result["proxies"].items() for client in entry["clients"]}


def objective(case: dict[str, Any], where: dict[str, str]) -> tuple[int, int, float]:
    """(weight left out, its squares, cost): what the allocation must make least, in this order."""
    clients, previous = case["clients"], case.get("previous") or {}
    move_cost = (case.get("policy") or {}).get("move_cost", 20)
    cost: float = sum(
        weight(client) * milliseconds(case, client["site"], case["proxies"][where[name]]["site"])
        for name, client in clients.items()
        if name in where
    )
    held: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for name in stayers(case):
        held[previous[name]] += weight(clients[name])
        if where.get(name) != previous[name]:
            left[previous[name]] += weight(clients[name])
    limit = limits(case)
    for name in left:
        over = max(0, held[name] - limit[name])
        cost += move_cost * max(0, left[name] - over)
    out = [weight(client) for name, client in clients.items() if name not in where]
    return sum(out), sum(each * each for each in out), cost


def stayers(case: dict[str, Any]) -> list[str]:
    """Clients whose proxy may go on serving them; of a spread group on one proxy only one may."""
    clients, previous = case["clients"], case.get("previous") or {}
    limit = limits(case)
    result = []
    taken = set()
    for name in sorted(clients, key=lambda name: (-weight(clients[name]), name)):
        home = previous.get(name, "")
        if may_use(case, clients[name], home) and weight(clients[name]) <= limit[home]:
            spot = (clients[name].get("spread"), previous[name])
            if spot[0] is None or spot not in taken:
                taken.add(spot)
                result.append(name)
    return result


def broken(case: dict[str, Any], where: dict[str, str]) -> list[str]:
    """Every rule an assignment breaks."""
    found = []
    load: Counter[str] = Counter()
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, proxy in where.items():
        client = case["clients"][name]
        load[proxy] += weight(client)
        if not may_use(case, client, proxy):
            found.append(f"{name} may not use {proxy}")
        if client.get("spread"):
            groups[client["spread"]].append(proxy)
    found += [f"{name} holds {load[name]} > {limit}" for name, limit in limits(case).items() if load[name] > limit]
    found += [f"group {group} on {spots}" for group, spots in groups.items() if len(set(spots)) < len(spots)]
    return found


def best(case: dict[str, Any]) -> tuple[int, int, float]:
    """The best objective by trying every assignment."""
    names = sorted(case["clients"])
    choices = [
        [None, *(proxy for proxy in case["proxies"] if may_use(case, case["clients"][name], proxy))] for name in names
    ]
    return min(
        objective(case, where)
        for combination in product(*choices)
        for where in [{name: proxy for name, proxy in zip(names, combination) if proxy is not None}]
        if not broken(case, where)
    )


def crowd(seed: int, load: float, clients: int = 3000, proxies: int = 30, sites: int = 6) -> dict[str, Any]:
    """Arguments for allocate(): many clients of different weights, two in five of them restricted."""
    random = Random(seed)
    names = [f"px{number:02}" for number in range(proxies)]
    places = [(random.random(), random.random()) for _site in range(sites)]
    everyone = {}
    for number in range(clients):
        client: dict[str, Any] = {
            "site": f"s{random.randrange(sites)}",
            "weight": random.choice((1, 1, 1, 1, 2, 2, 5, 10)),
        }
        kind = random.randrange(10)
        if kind == 0:
            client["allow"] = random.sample(names, 3)
        elif kind == 1:
            client["deny"] = random.sample(names, 3)
        elif kind == 2:
            client["allow"] = [f"site:s{random.randrange(sites)}"]
        elif kind == 3:
            client["allow"] = [f"zone:z{random.randrange(3)}"]
        everyone[f"c{number:05}"] = client
    sizes = [random.uniform(0.5, 1.5) for _name in names]
    total = sum(client["weight"] for client in everyone.values())
    servers = {
        name: {
            "site": f"s{number % sites}",
            "zone": f"z{random.randrange(3)}",
            "capacity": math.ceil(total / load * size / sum(sizes)),
            "backup": f"{name}-b",
            "region": None,
            "state": "active",
            "weight": 1,
            "tags": [],
        }
        for number, (name, size) in enumerate(zip(names, sizes, strict=True))
    }
    return {
        "clients": everyone,
        "proxies": servers,
        "latency": {
            f"s{here}": {f"s{there}": round(100 * math.dist(a, b), 1) for there, b in enumerate(places)}
            for here, a in enumerate(places)
        },
        "previous": {},
        "policy": {},
    }
