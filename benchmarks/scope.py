# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure `deploy` with tiers_scope=changed after one proxy was added, against a run that deploys every host.

    python benchmarks/scope.py [HOSTS]    # 60 without; 1000 take an hour

Ansible, playbooks, roles and the plan are real. The hosts are those of tests/unit/playbooks/fake_hosts.py: they exist
only in a directory, and every module returns at once that all is as it should be. Tasks run one after the other in the
process of the run. So the figures show the time of the controller; on real hosts each task takes longer. Figures go to
benchmarks/results.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "scope.json"
HOSTS = 60
RECAP = re.compile(r"^(\S+) +: ok=(\d+) +changed=\d+ +unreachable=(\d+) +failed=(\d+) +skipped=(\d+)", re.MULTILINE)
# What needs a real host
FAKE = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "ansible_facts": {"os_family": "Debian"},
    "host_names": False,
    "host_firewall": False,
    "host_certificate": "x",
    "host_private_key": "x",
    "host_ca_certificate": "x",
    "tiers_ca_passphrase": "only-for-the-benchmark",
    "tiers_ca_certificate": "x",
    "tiers_ca_key": "x",
    "tiers_rules": {"certificate-names": {"severity": "off", "why": "The hosts are fake."}},
    "tiers_report_dir": "{{ inventory_dir }}/../reports",
}


def load(path: Path) -> Any:
    """A Python file of this repository as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def play(home: Path, arguments: list[str]) -> None:
    """Run ansible-playbook in this process, on hosts whose probes find everything as it was expected."""
    fake = load(ROOT / "tests/unit/playbooks/fake_hosts.py")

    def seen(_host: Any, edge: dict[str, Any]) -> dict[str, Any]:
        is_open = edge.get("expect", "open") != "closed"
        found = {"address": None, "port": None, "role": None, "position": {}, "digest": "d", "at": time.time(), **edge}
        if edge["protocol"] == "drained":
            found |= {"traffic": "open", "why": ""}
        elif edge["protocol"] == "haproxy":
            names = [*edge.get("up", []), *(name for group in edge.get("one_up_of", []) for name in group)]
            found["servers"] = dict.fromkeys(names, "UP")
        return {**found, "reachable": is_open, "ok": True, "refused_by": None if is_open else "closed"}

    fake.Host.seen = seen
    sys.argv = ["ansible-playbook", str(home), *arguments]
    fake.main()


def deploy(home: Path, inventory: Path, *arguments: str) -> dict[str, Any]:
    """The time of a run in seconds, and the number of tasks of each host."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, __file__, "--play", home, "distributed.tiers.deploy", "-i", inventory, *arguments],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
            "ANSIBLE_STRATEGY": "linear",
            "ANSIBLE_FORKS": "15",
        },
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(done.stdout[-20000:] + done.stderr[-5000:])
    tasks = {host: int(ok) for host, ok, _down, _failed, _skipped in RECAP.findall(done.stdout)}
    return {"seconds": round(seconds, 1), "tasks": tasks, "text": done.stdout}


def measure(hosts: int) -> dict[str, Any]:
    """Deploy so many hosts, then a run without a change, one with one more proxy, and one of all hosts."""
    data = load(ROOT / "benchmarks/inventory.py").inventory(hosts)
    data["all"]["vars"] |= FAKE
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        inventory = home / "inventory/hosts.yml"
        for name in ("inventory", "sent"):
            (home / name).mkdir()
        for name, content in (("faults", {}), ("pairs", pairs_of(data))):
            (home / name).write_text(json.dumps(content), encoding="utf-8")

        def write() -> None:
            inventory.write_text(yaml.safe_dump(data), encoding="utf-8")

        write()
        first = deploy(home, inventory)
        same = deploy(home, inventory, "-e", "tiers_scope=changed")
        data["proxy"]["hosts"]["px-new"] = {
            "ansible_host": "10.99.0.1",
            "tiers_site": "site-0",
            "tiers_zone": "rack-c",
            "tiers_capacity": 100,
        }
        write()
        added = deploy(home, inventory, "-e", "tiers_scope=changed")
        full = deploy(home, inventory)
    touched = [host for host, number in added["tasks"].items() if number > 12]
    left = [number for host, number in added["tasks"].items() if host not in touched]
    return {
        "hosts": hosts,
        "first_s": first["seconds"],
        "full_s": full["seconds"],
        "full_tasks": sum(full["tasks"].values()),
        "unchanged_s": same["seconds"],
        "unchanged_tasks": sum(same["tasks"].values()),
        "added_s": added["seconds"],
        "added_tasks": sum(added["tasks"].values()),
        "added_hosts": len(touched),
        "tasks_on_untouched_hosts": sorted(left)[len(left) // 2],
        "unchanged_ratio": round(same["seconds"] / full["seconds"], 3),
        "added_ratio": round(added["seconds"] / full["seconds"], 3),
    }


def pairs_of(data: dict[str, Any]) -> dict[str, list[str]]:
    """The nodes of each pair, by the name of each of them."""
    nodes = [[of["tiers_backup_of"], name] for name, of in data["backup"]["hosts"].items()]
    return {name: pair for pair in nodes for name in pair}


def main() -> None:
    if sys.argv[1:2] == ["--play"]:
        play(Path(sys.argv[2]), sys.argv[3:])
        return
    figures = measure(int(sys.argv[1]) if sys.argv[1:] else HOSTS)
    machine = {"python": platform.python_version(), "processors": os.cpu_count(), "load": round(os.getloadavg()[1], 1)}
    RESULTS.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
