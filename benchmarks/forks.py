# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory forks take: the playbook `plan` of many hosts, its whole process tree watched. For docs/awx.md.

Usage: python3 benchmarks/forks.py
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HOSTS = 50
FORKS = (5, 15, 45)


def inventory() -> str:
    """So many hosts, which are all this machine."""
    proxies = {f"px{number}": {"ansible_host": f"198.51.{number // 250}.{number % 250 + 1}"} for number in range(HOSTS)}
    return json.dumps(
        {
            "all": {
                "vars": {
                    "tiers_product": "openldap",
                    "tiers_ca_passphrase": "x",
                    "product_openldap_probe_password": "x",
                    "ansible_connection": "local",
                    "ansible_python_interpreter": sys.executable,
                }
            },
            "master": {"hosts": {"m1": {"ansible_host": "192.0.2.1"}}},
            "proxy": {"hosts": proxies},
        }
    )


def memory(job: int) -> int:
    """KiB that a process has together with all it started, what they share counted once."""
    parents, shares = {}, {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            # The name of a program may hold anything, but no number stands before its last bracket.
            parents[int(directory.name)] = int((directory / "stat").read_text("utf-8").rsplit(")", 1)[1].split()[1])
            lines = (directory / "smaps_rollup").read_text(encoding="ascii").splitlines()
            shares[int(directory.name)] = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue

    def belongs(process: int) -> bool:
        return process == job or (process in parents and belongs(parents[process]))

    return sum(share for process, share in shares.items() if belongs(process))


def measure(forks: int, hosts: Path) -> dict[str, float]:
    before, began, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    job = subprocess.Popen(
        ["ansible-playbook", "distributed.tiers.plan", "-i", hosts, "--forks", str(forks)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    while job.poll() is None:
        peak = max(peak, memory(job.pid))
        time.sleep(0.2)
    if job.returncode:
        raise SystemExit(f"plan ended with {job.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "forks": forks,
        "peak_mib": round(peak / 1024),
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "hosts.yml")
        source.write_text(inventory(), encoding="utf-8")
        figures = [measure(forks, source) for forks in FORKS]
    machine = {"python": platform.python_version(), "processors": os.cpu_count()}
    result = {"machine": machine, "hosts": HOSTS + 1, "figures": figures}
    Path(__file__).parent.joinpath("results", "forks.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps(result, indent=1))
