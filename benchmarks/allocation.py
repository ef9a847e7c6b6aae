# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the allocation: cost against the optimum, moves against the least, time and memory against a plain pass.

    python benchmarks/allocation.py speed optimum whole moves    # all, or any of them

Needs SciPy (the reference). Figures go to benchmarks/results. Times are processor seconds, so that other work on the
machine disturbs them less.
"""

from __future__ import annotations

import gc
import json
import platform
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "benchmarks")]

from allocation_instances import MIXED, instance, optimum, whole_optimum  # noqa: E402

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation import allocate  # noqa: E402

SIZES = ((10_000, 100, 20), (30_000, 180, 35), (100_000, 320, 50), (300_000, 550, 70), (1_000_000, 1000, 100))
SMALL = ((15, 3, 2), (30, 4, 3), (60, 6, 4), (120, 10, 5))  # clients, proxies, sites
REPEATS = 3
MEGABYTE = 1e6


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    for what in sys.argv[1:] or ("speed", "optimum", "whole", "moves"):
        if what.startswith("{"):
            print(json.dumps(one_speed(**json.loads(what))))
        else:
            figures = {"speed": speed, "optimum": cost, "whole": whole, "moves": moves}[what]()
            machine = {"python": platform.python_version(), "processor": platform.machine()}
            path = RESULTS / f"allocation-{what}.json"
            path.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1) + "\n", encoding="utf-8")


def speed() -> list[dict[str, Any]]:
    """Each measurement in a process of its own, so that none finds what another left behind."""
    figures = []
    for clients, proxies, sites in SIZES:
        for backups in (False, True):
            given = {"clients": clients, "proxies": proxies, "sites": sites, "backups": backups}
            done = subprocess.run(
                [sys.executable, __file__, json.dumps(given)], check=True, capture_output=True, text=True
            )
            figures.append(json.loads(done.stdout))
            print(figures[-1], flush=True)
    return figures


def one_speed(clients: int, proxies: int, sites: int, backups: bool) -> dict[str, Any]:
    case = instance(clients, proxies, sites)
    if not backups:  # then every proxy has a backup of its own, and none is sought
        for name, proxy in case["proxies"].items():
            proxy["backup"] = f"{name}-b"
    gc.collect()
    gc.disable()  # for both
    tracemalloc.start()
    allocate(**case)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    plain = min(timed(lambda: plain_pass(case["clients"])) for _repeat in range(REPEATS))
    seconds = [timed(lambda: allocate(**case)) for _repeat in range(REPEATS)]
    return {
        "clients": clients,
        "proxies": proxies,
        "sites": sites,
        "backups": backups,
        "plain_s": round(plain, 4),
        "allocate_s": round(min(seconds), 4),
        "ratio": round(min(seconds) / plain, 2),
        "megabytes": round(peak / MEGABYTE, 1),
    }


def plain_pass(clients: dict[str, dict[str, Any]]) -> dict[str, tuple[str, int]]:
    """The least anyone can do: read what matters of every client once, and write down something for it."""
    result = {}
    for name, client in clients.items():
        result[name] = (client["site"], client["weight"])
    return result


def timed(action: Any) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def cost() -> list[dict[str, Any]]:
    figures = []
    for mixed in (False, True):
        for restricted in (0.0, 0.2):
            for load in (0.8, 0.95, 0.99):
                for each in (20, 100, 500):
                    case = instance(each * 40, 40, 12, seed=each, load=load, mixed=mixed, restricted=restricted)
                    stats = allocate(**case)["stats"]
                    best, _moved = optimum(case)
                    figure = {
                        "clients_per_proxy": each,
                        "load": load,
                        "mixed_weights": mixed,
                        "restricted": restricted,
                        "unplaced_weight": stats["unplaced_weight"],
                        "above_optimum_percent": percent_above(stats["cost_ms"], best),
                        "bound_off_percent": percent_above(stats["bound_ms"], best),
                    }
                    figures.append(figure)
                    print(figure, flush=True)
    return figures


def whole() -> list[dict[str, Any]]:
    """Few clients on few proxies, where a single heavy one matters: against the best of all that do not split any."""
    figures = []
    for clients, proxies, sites in SMALL:
        for weights in (MIXED, (3, 4, 7), (1, 1, 1, 10, 30)):
            for restricted in (0.0, 0.3):
                for load in (0.8, 0.97, 1.1):
                    for change in ("nothing", "lose"):
                        case = instance(clients, proxies, sites, clients, load, True, restricted, weights)
                        previous = None
                        if change == "lose":
                            before = allocate(**case)
                            previous = {
                                n: proxy for proxy, entry in before["proxies"].items() for n in entry["clients"]
                            }
                            case["proxies"]["px-0001"]["state"] = "down"
                        start = time.process_time()
                        result = allocate(**case, previous=previous)
                        seconds = time.process_time() - start
                        best = whole_optimum(case, previous)
                        left = [case["clients"][name]["weight"] for name in result["unplaced"]]
                        mine = (sum(left), sum(each * each for each in left), result["stats"]["cost_ms"])
                        figure = {
                            "clients": clients,
                            "proxies": proxies,
                            "weights": sorted(set(weights)),
                            "restricted": restricted,
                            "load": load,
                            "change": change,
                            "seconds": round(seconds, 2),
                            "left_out": mine[:2],
                            "least_left_out": best and best[:2],
                            "above_optimum_percent": percent_above(mine[2], best[2])
                            if best and mine[:2] == best[:2]
                            else None,
                        }
                        figures.append(figure)
                        print(figure, flush=True)
    return figures


def percent_above(value: float, least: float) -> float:
    """To a tenth of a thousandth; what differs by less than a thousandth in all is the same."""
    return 0.0 if abs(value - least) < 0.001 else round(100 * (value / least - 1), 4)


def moves() -> list[dict[str, Any]]:
    figures = []
    for mixed in (False, True):
        for load in (0.8, 0.97):
            for change in ("nothing", "add", "remove", "lose", "drain", "grow"):
                case = instance(20_000, 50, 15, seed=7, load=load, mixed=mixed)
                policy = {"move_cost": 1}
                before = allocate(**case, policy=policy)
                where = {name: proxy for proxy, entry in before["proxies"].items() for name in entry["clients"]}
                alter(case, change)
                result = allocate(**case, previous=where, policy=policy)
                _cost, least = optimum(case, where, policy["move_cost"])
                weight = {name: client["weight"] for name, client in case["clients"].items()}
                own = sum(weight[move["client"]] for move in result["moves"] if move["forced"])
                moved = sum(weight[move["client"]] for move in result["moves"])
                gone = sum(weight[name] for name, proxy in where.items() if not is_active(case, proxy))
                figure = {
                    "change": change,
                    "load": load,
                    "mixed_weights": mixed,
                    "moved_weight": moved,
                    "forced_weight": own,
                    "least_weight": round(gone + least),
                    "above_least_percent": percent_above(moved, gone + least),
                    "unplaced_weight": result["stats"]["unplaced_weight"],
                }
                figures.append(figure)
                print(figure, flush=True)
    return figures


def is_active(case: dict[str, Any], proxy: str) -> bool:
    return case["proxies"].get(proxy, {}).get("state", "active" if proxy in case["proxies"] else "gone") == "active"


def alter(case: dict[str, Any], change: str) -> None:
    proxies = case["proxies"]
    if change == "add":
        proxies["px-new"] = {**proxies["px-0003"], "zone": "z9"}
    elif change == "remove":
        del proxies["px-0003"]
    elif change == "lose":
        proxies["px-0003"]["state"] = "down"
    elif change == "drain":
        proxies["px-0003"]["state"] = "draining"
    elif change == "grow":
        case["clients"] |= {f"new-{number}": {"site": "site-0003", "weight": 1} for number in range(200)}


if __name__ == "__main__":
    main()
