# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allocation problems of any size from a seed, and their splittable optimum by HiGHS."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

MIXED = (1, 1, 1, 1, 2, 2, 5, 10)


def instance(
    clients: int, proxies: int, sites: int, seed: int = 1, load: float = 0.8, mixed: bool = False, restricted: float = 0
) -> dict[str, Any]:
    """Sites on a plane with latency by distance, proxies of unequal size, clients anywhere, in no order."""
    rnd = random.Random(seed)
    names = [f"site-{number:04d}" for number in range(sites)]
    place = {name: (rnd.random(), rnd.random()) for name in names}
    latency = {a: {b: round(100 * math.dist(place[a], place[b]), 1) for b in names} for a in names}
    population = {}
    for number in rnd.sample(range(clients), clients):
        client: dict[str, Any] = {"site": rnd.choice(names), "weight": rnd.choice(MIXED) if mixed else 1}
        if rnd.random() < restricted:
            client["deny"] = [f"site:{rnd.choice(names[:5])}"]
        population[f"client-{number:07d}"] = client
    total = sum(client["weight"] for client in population.values())
    sizes = [rnd.uniform(0.5, 1.5) for _proxy in range(proxies)]
    servers = {
        f"px-{number:04d}": {
            "site": names[number % sites],
            "zone": f"z{rnd.randrange(3)}",
            "capacity": math.ceil(total / load * size / sum(sizes)),
        }
        for number, size in enumerate(sizes)
    }
    return {"clients": population, "proxies": servers, "latency": latency}


def optimum(
    case: dict[str, Any], previous: dict[str, str] | None = None, move_cost: float = 20.0
) -> tuple[float, float]:
    """(cost, weight moved without need) of the linear program over (site, weight, where it is) x proxies.

    Written down without a thought to hubs, classes or paths, so that it shares no mistake with what it checks.
    """
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    active = [name for name, proxy in case["proxies"].items() if proxy.get("state", "active") == "active"]
    groups: Counter[tuple[str, str | None, tuple[str, ...]]] = Counter()
    for name, client in case["clients"].items():
        home = (previous or {}).get(name)
        groups[client["site"], home if home in active else None, tuple(client.get("deny", ()))] += client["weight"]
    cost, rows, columns, rooms = [], [], [], []
    stays = []
    for g, (site, home, deny) in enumerate(groups):
        for p, name in enumerate(active):
            where = case["proxies"][name]["site"]
            if f"site:{where}" in deny:
                continue
            moves = home is not None and home != name
            cost.append(case["latency"][site][where] + moves * move_cost)
            rows.append(g)
            columns.append(p)
            stays.append(moves)
    rooms = [case["proxies"][name]["capacity"] for name in active]
    variables, ones = range(len(cost)), np.ones(len(cost))
    answer = linprog(
        cost,
        A_eq=coo_matrix((ones, (rows, variables)), shape=(len(groups), len(cost))),
        b_eq=list(groups.values()),
        A_ub=coo_matrix((ones, (columns, variables)), shape=(len(active), len(cost))),
        b_ub=rooms,
        method="highs",
    )
    if answer.status != 0:
        raise RuntimeError(answer.message)
    return float(answer.fun), float(np.dot(answer.x, stays))
