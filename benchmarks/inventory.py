# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure `validate` and `plan` on large inventories against `ansible-inventory --list` on the same, in the same run.

    python benchmarks/inventory.py [HOSTS ...]    # 1000 and 10000 without

`plan` is measured without reading what is deployed, which takes one ssh connection a host. A playbook without a task
is what ansible-playbook takes by itself. Times are processor seconds of the whole command, ratios those of runs that
follow each other; of several the median counts. Figures go to benchmarks/results.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "inventory.json"
SITES = 50
# (hosts, runs)
SIZES = {1_000: 5, 10_000: 3}
MOST = 1.5
EMPTY = [{"hosts": "all", "gather_facts": False, "tasks": []}]


def main() -> None:
    figures = [measured(hosts) for hosts in [int(text) for text in sys.argv[1:]] or SIZES]
    RESULTS.parent.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "processor": platform.machine(), "load": os.getloadavg()[1]}
    RESULTS.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1) + "\n", encoding="utf-8")
    for figure in figures:
        print(json.dumps(figure))
    sys.exit(any(figure[ratio] > MOST for figure in figures for ratio in ("validate_ratio", "plan_ratio")))


def measured(hosts: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        path, empty, plan = (Path(directory) / name for name in ("hosts.yml", "empty.yml", "plan.yml"))
        path.write_text(yaml.safe_dump(inventory(hosts)), encoding="utf-8")
        empty.write_text(yaml.safe_dump(EMPTY), encoding="utf-8")
        plan.write_text(yaml.safe_dump(plan_without_reading()), encoding="utf-8")
        commands: dict[str, tuple[str | Path, ...]] = {
            "list": ("ansible-inventory", "-i", path, "--list"),
            "empty": ("ansible-playbook", "-i", path, empty),
            "validate": ("ansible-playbook", "-i", path, ROOT / "playbooks" / "validate.yml"),
            "plan": ("ansible-playbook", "-i", path, plan),
        }
        runs = [{name: seconds(*command) for name, command in commands.items()} for _run in range(SIZES.get(hosts, 1))]
    times = {f"{name}_s": round(statistics.median(run[name] for run in runs), 2) for name in commands}
    ratios = {
        f"{name}_ratio": round(statistics.median(run[name] / run["list"] for run in runs), 2)
        for name in commands
        if name != "list"
    }
    return {"hosts": hosts, **times, **ratios}


def plan_without_reading() -> list[dict[str, Any]]:
    """The playbook `plan` without its first task, that reads what is deployed."""
    (play,) = yaml.safe_load((ROOT / "playbooks" / "plan.yml").read_text(encoding="utf-8"))
    reading, *rest = play["tasks"]
    if not reading["ansible.builtin.import_tasks"].endswith("read.yml"):
        raise SystemExit("The first task of the playbook `plan` does not read what is deployed.")
    return [{**play, "tasks": rest}]


def seconds(*command: str | Path) -> float:
    """Processor seconds of a command and all it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [Path(sys.executable).with_name(str(command[0])), *command[1:]],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def inventory(hosts: int) -> dict[str, object]:
    """An inventory of a thousand hosts: a master, 40 proxies each with a backup, 18 members, a pair of distributors,
    clients."""
    proxies, members = hosts * 40 // 1000, max(2, hosts * 18 // 1000)
    clients = hosts - 4 - 2 * proxies - members
    counter = iter(range(1, hosts + 1))

    def host(site: int, **variables: object) -> dict[str, object]:
        number = next(counter)
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        return {"ansible_host": address, "tiers_site": f"site-{site}", **variables}

    def many(prefix: str, number: int, **variables: object) -> dict[str, object]:
        return {f"{prefix}{n}": host(n % SITES, **variables) for n in range(number)}

    backups = {
        f"px{n}b": host(n % SITES, tiers_zone="rack-b", tiers_backup_of=f"px{n}", tiers_capacity=100)
        for n in range(proxies)
    }
    backups["m2"] = host(0, tiers_zone="rack-b", tiers_backup_of="m1")
    backups["d2"] = host(0, tiers_zone="rack-b", tiers_backup_of="d1")
    return {
        "all": {
            "vars": {
                "tiers_product": "openldap",
                "tiers_time_service": "chrony",
                "tiers_ca_passphrase": "{{ lookup('ansible.builtin.env', 'HOME') }}",
                "product_openldap_probe_password": "x",
            }
        },
        "master": {"hosts": {"m1": host(0, tiers_zone="rack-a")}},
        "proxy": {"hosts": many("px", proxies, tiers_zone="rack-a", tiers_capacity=100)},
        "parallel": {"hosts": many("p", members, tiers_zone="{{ inventory_hostname }}")},
        "distributor": {"hosts": {"d1": host(0, tiers_zone="rack-a")}},
        "backup": {"hosts": backups},
        "client": {"hosts": many("c", clients)},
    }


if __name__ == "__main__":
    main()
