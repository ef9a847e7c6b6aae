# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the time of `validate` and of a second `deploy` with those of a former commit, in one run.

    python benchmarks/former.py COMMIT validate [HOSTS]       # 10000 without
    python benchmarks/former.py COMMIT deploy [INVENTORY]     # inventories/vendor without

`validate` reads a generated inventory; the runs of both commits alternate. `deploy` needs fresh test hosts: `make
secrets vendor hosts INVENTORY=inventories/vendor`. The former commit deploys them first, then this one brings them to
its state. Only the runs after that are measured, and they must change nothing. Both commits run the same inventory,
with the same Python and the same ansible-core. The median of the runs counts. Wall times depend on other work on
the machine, processor seconds of the controller hardly do. Figures go to benchmarks/results.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "former.json"
HOSTS, RUNS = 10_000, 3
RECAP = re.compile(r"changed=(\d+) +unreachable=(\d+) +failed=(\d+)")


class Run(NamedTuple):
    """A run of ansible-playbook: its seconds by the clock and of the processors, and the number of changes."""

    wall: float
    processor: float
    changes: int


def check_out(commit: str, folder: Path) -> Path:
    """The files of a commit, below a path where Ansible finds them as the collection."""
    collection = folder / "ansible_collections" / "distributed" / "tiers"
    collection.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", "--directory", collection], input=archive, check=True)
    return folder


def play(collections: Path, playbook: str, inventory: Path) -> Run:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), f"distributed.tiers.{playbook}", "-i", inventory],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_STRATEGY": "linear",
        },
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    if done.returncode:
        raise SystemExit(done.stdout[-5000:] + done.stderr[-2000:])
    changes = sum(int(changed) for changed, _down, _failed in RECAP.findall(done.stdout))
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{playbook} of {collections.name}: {wall:.1f} s, {processor:.1f} s of the processors, {changes} changes",
        flush=True,
    )
    return Run(wall, processor, changes)


def compare(former: list[Run], now: list[Run]) -> dict[str, float]:
    """The medians of both, and their ratios."""
    found: dict[str, float] = {}
    for name in ("wall", "processor"):
        before, after = (statistics.median(getattr(run, name) for run in runs) for runs in (former, now))
        found |= {f"former_{name}_s": round(before, 1), f"{name}_s": round(after, 1)}
        found[f"{name}_ratio"] = round(after / before, 2)
    return found


def compare_validate(former: Path, now: Path, hosts: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hosts.yml"
        path.write_text(yaml.safe_dump(generate(hosts)), encoding="utf-8")
        runs = [(play(former, "validate", path), play(now, "validate", path)) for _run in range(RUNS)]
    return {"hosts": hosts, **compare([before for before, _after in runs], [after for _before, after in runs])}


def generate(hosts: int) -> dict[str, Any]:
    """The inventory of benchmarks/inventory.py."""
    spec = importlib.util.spec_from_file_location("inventory", ROOT / "benchmarks/inventory.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.inventory(hosts)
    return found


def compare_deploy(former: Path, now: Path, inventory: Path) -> dict[str, Any]:
    measured = []
    for collections in (former, now):
        play(collections, "deploy", inventory)
        runs = [play(collections, "deploy", inventory) for _run in range(RUNS)]
        if any(run.changes for run in runs):
            raise SystemExit(f"{collections.name}: a deployment without a change changed something.")
        measured.append(runs)
    return {"inventory": inventory.name, **compare(*measured)}


def main() -> None:
    commit, what, *given = sys.argv[1:]
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        former, now = (check_out(one, Path(folder) / name) for one, name in ((commit, "former"), ("HEAD", "now")))
        if what == "validate":
            figures = compare_validate(former, now, int(given[0]) if given else HOSTS)
        else:
            figures = compare_deploy(former, now, ROOT / (given[0] if given else "inventories/vendor"))
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    machine = {"python": platform.python_version(), "processors": os.cpu_count(), "load": round(os.getloadavg()[1], 1)}
    found[what] = {"former": commit, "commit": head[:7], "runs": RUNS, "machine": machine, **figures}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found[what], indent=1))


if __name__ == "__main__":
    main()
