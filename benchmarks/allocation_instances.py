# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allocation problems of any size from a seed, and their optimum by HiGHS: clients that can be split, and whole."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from typing import Any

MIXED = (1, 1, 1, 1, 2, 2, 5, 10)
PATIENCE = 30.0  # seconds for each aim of a problem of whole clients


def instance(
    clients: int,
    proxies: int,
    sites: int,
    seed: int = 1,
    load: float = 0.8,
    mixed: bool = False,
    restricted: float = 0,
    weights: tuple[int, ...] = MIXED,
) -> dict[str, Any]:
    """Sites on a plane with latency by distance, proxies of unequal size, clients anywhere, in no order."""
    rnd = random.Random(seed)
    names = [f"site-{number:04d}" for number in range(sites)]
    place = {name: (rnd.random(), rnd.random()) for name in names}
    latency = {a: {b: round(100 * math.dist(place[a], place[b]), 1) for b in names} for a in names}
    population = {}
    for number in rnd.sample(range(clients), clients):
        client: dict[str, Any] = {"site": rnd.choice(names), "weight": rnd.choice(weights) if mixed else 1}
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


def whole_optimum(
    case: dict[str, Any], previous: dict[str, str] | None = None, move_cost: float = 20.0
) -> tuple[int, int, float] | None:
    """(weight left out, its squares, cost), each least in this order, of the integer program over client x proxy.

    None where HiGHS runs out of patience.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_matrix

    active = {name: proxy for name, proxy in case["proxies"].items() if proxy.get("state", "active") == "active"}
    weight = {name: client["weight"] for name, client in case["clients"].items()}
    pairs = [
        (name, proxy)
        for name, client in case["clients"].items()
        for proxy, server in active.items()
        if f"site:{server['site']}" not in client.get("deny", ()) and weight[name] <= server["capacity"]
    ]
    home = {name: proxy for name, proxy in pairs if (previous or {}).get(name) == proxy}
    held: Counter[str] = Counter()
    for name, proxy in home.items():
        held[proxy] += weight[name]
    # One more variable a proxy: the weight that leaves it without need.
    leaving = {proxy: len(pairs) + number for number, proxy in enumerate(active)}
    size = len(pairs) + len(active)
    rows: list[tuple[dict[int, float], float, float]] = []
    by_client, by_proxy, stays = (defaultdict[str, dict[int, float]](dict) for _kind in range(3))
    for column, (name, proxy) in enumerate(pairs):
        by_client[name][column] = 1
        by_proxy[proxy][column] = weight[name]
        if home.get(name) == proxy:
            stays[proxy][column] = weight[name]
    rows += [(columns, 0, 1) for columns in by_client.values()]
    rows += [(columns, 0, active[proxy]["capacity"]) for proxy, columns in by_proxy.items()]
    for proxy, columns in stays.items():
        over = max(0, held[proxy] - active[proxy]["capacity"])
        rows.append(({**columns, leaving[proxy]: 1}, held[proxy] - over, np.inf))

    def least(objective: dict[int, float]) -> float | None:
        entries = [
            (value, row, column) for row, (line, _low, _high) in enumerate(rows) for column, value in line.items()
        ]
        values, places, columns = zip(*entries)
        costs = np.zeros(size)
        for column, value in objective.items():
            costs[column] = value
        answer = milp(
            costs,
            constraints=LinearConstraint(
                coo_matrix((values, (places, columns)), shape=(len(rows), size)).tocsr(),
                [low for _line, low, _high in rows],
                [high for _line, _low, high in rows],
            ),
            integrality=[1] * len(pairs) + [0] * len(active),
            bounds=Bounds(0, [1] * len(pairs) + [np.inf] * len(active)),
            options={"mip_rel_gap": 0, "time_limit": PATIENCE},
        )
        return float(answer.fun) if answer.status == 0 else None

    left = []
    for power in (1, 2):
        worth = {column: float(-(weight[name] ** power)) for column, (name, _proxy) in enumerate(pairs)}
        placed = least(worth)
        if placed is None:
            return None
        rows.append((worth, round(placed), round(placed)))
        left.append(sum(each**power for each in weight.values()) + round(placed))
    latency = {
        column: weight[name] * case["latency"][case["clients"][name]["site"]][active[proxy]["site"]]
        for column, (name, proxy) in enumerate(pairs)
    }
    cost = least({**latency, **dict.fromkeys(leaving.values(), move_cost)})
    return None if cost is None else (left[0], left[1], cost)
