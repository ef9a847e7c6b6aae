# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure reading a million named clients from a CSV, JSON or YAML file, right ones and ones that are all wrong.

    python benchmarks/populations.py [ROWS]    # 1000000 without

Each file is read in a process of its own. Times are processor seconds. `peak_mb` is the most memory that the process
took over what it took before it read, `kept_mb` what of it stays because it is the result. Figures go to
benchmarks/results.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "populations.json"
SITES = 100
FORMATS = ("csv", "json", "yml")


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    figures = []
    with tempfile.TemporaryDirectory() as directory:
        for ending in FORMATS:
            for right in (True, False):
                path = Path(directory) / f"clients.{ending}"
                write(path, rows, right)
                figures.append({"format": ending, "right": right, "rows": rows, **measured(path)})
                print(json.dumps(figures[-1]), flush=True)
    machine = {"python": platform.python_version(), "processor": platform.machine(), "load": os.getloadavg()[1]}
    RESULTS.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(figure["clients"] != (rows if figure["right"] else 0) for figure in figures))


def write(path: Path, rows: int, right: bool) -> None:
    """The file; without `right` every weight in it is wrong."""
    clients = ((f"client-{n:07}", f"site-{n * 7919 % SITES}", (1 + n % 3) if right else -1 - n) for n in range(rows))
    with path.open("w", encoding="utf-8") as file:
        file.writelines({".csv": csv, ".json": as_json, ".yml": yml}[path.suffix](clients))


Clients = Iterator[tuple[str, str, int]]


def csv(clients: Clients) -> Iterator[str]:
    yield "name,site,weight\n"
    yield from (f"{name},{site},{weight}\n" for name, site, weight in clients)


def as_json(clients: Clients) -> Iterator[str]:
    before = "[\n"
    for name, site, weight in clients:
        yield f'{before} {{"name": "{name}", "site": "{site}", "weight": {weight}}}'
        before = ",\n"
    yield "\n]\n"


def yml(clients: Clients) -> Iterator[str]:
    yield from (f"- name: {name}\n  site: {site}\n  weight: {weight}\n" for name, site, weight in clients)


def measured(path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--read", str(path)], capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return {**figures, "file_mb": round(path.stat().st_size / 1e6)}


def read(path: Path) -> dict[str, float]:
    sys.path.insert(0, str(ROOT / ".cache" / "collections"))
    from ansible_collections.distributed.tiers.plugins.plugin_utils.populations import read_population

    # A file of one row, so that all is loaded that is loaded once.
    with tempfile.TemporaryDirectory() as directory:
        small = Path(directory) / path.name
        write(small, 1, True)
        read_population(small)
    before = resident("VmRSS")
    began = time.process_time()
    clients, problems = read_population(path)
    seconds = time.process_time() - began
    peak = resident("VmHWM")
    gc.collect()
    return {
        "clients": len(clients),
        "problems": len(problems),
        "seconds": round(seconds, 2),
        "peak_mb": round(peak - before),
        "kept_mb": round(resident("VmRSS") - before),
    }


def resident(what: str) -> float:
    """Memory of this process in MB, now (VmRSS) or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) * 1024 / 1e6


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(Path(sys.argv[2]))))
    else:
        main()
