# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long no write is acknowledged when the active node of a pair of OpenLDAP masters fails, and what the failover
agent costs, on test hosts.

    export TIERS_PASSWORD=…    # product_openldap_probe_password
    python benchmarks/failover.py --containers tiers- --client c1 m1=192.0.2.11 m2=192.0.2.12

The masters serve by a lease, which is the default, and fail back by themselves. The client adds an entry at both
masters every 30 ms. Each round makes the first master fail, waits until the second one acknowledges writes, undoes the
fault, and waits until the first one serves again. A round in which both acknowledged writes in turn is named.

- off: the host is killed, and started again
- cut: packets from and to the host are dropped for 15 s
- switchover: its failover agent is stopped in order, as by `drain`

Before the rounds, the processor time of the agent of each master is counted for `--cost-seconds`, with that of all
commands that it starts, while the client writes. `--rounds 0` measures nothing else. `--output
benchmarks/results/failover.json` keeps the figures for docs/figures.md.

Run it on a machine that does nothing else. Its containers share its clock.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

INTERVAL = 0.03
TIMEOUT = 0.5
# Seconds for which packets are dropped, and within which a round must reach its next step.
CUT_SECONDS = 15.0
STEP_SECONDS = 120.0
AGENT = "tiers-failover.service"
# Seconds without a change before the next round.
REST_SECONDS = 5.0
PARENT = "ou=probe,ou=tiers"
RULES = """table inet benchmark_cut {
  chain in { type filter hook input priority -300; policy drop; iif lo accept; }
  chain out { type filter hook output priority -300; policy drop; oif lo accept; }
}"""


class Write(NamedTuple):
    """An acknowledged write: when its answer arrived, and from which master."""

    time: float
    server: str


# ---- On the client


def write_to(name: str, address: str, suffix: str) -> None:
    """Add entries at one master, each with a connection that works, and print the time of each answer."""
    import ldap  # on the client, with the product

    connection: Any = None
    number = 0
    while True:
        began = time.time()
        number += 1
        try:
            if connection is None:
                connection = ldap.initialize(f"ldaps://{address}")
                connection.set_option(ldap.OPT_NETWORK_TIMEOUT, TIMEOUT)
                connection.set_option(ldap.OPT_TIMEOUT, TIMEOUT)
                connection.simple_bind_s(f"cn=probe,ou=tiers,{suffix}", os.environ["TIERS_PASSWORD"])
            row = f"benchmark-{os.getpid()}-{name}-{number}"
            entry = [("objectClass", [b"device"]), ("cn", [row.encode()])]
            connection.add_s(f"cn={row},{PARENT},{suffix}", entry)
            print(json.dumps([time.time(), name]), flush=True)
            connection.delete_s(f"cn={row},{PARENT},{suffix}")
        except ldap.LDAPError:
            with contextlib.suppress(ldap.LDAPError):
                connection.unbind_s()
            connection = None
        time.sleep(max(0.0, began + INTERVAL - time.time()))


def write_to_all(servers: Sequence[str], suffix: str) -> None:
    for server in servers:
        name, _equals, address = server.partition("=")
        threading.Thread(target=write_to, args=(name, address, suffix), daemon=True).start()
    # Ends when the benchmark does.
    sys.stdin.read()


# ---- On the controller


class Hosts:
    """The test hosts: containers whose names begin alike."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def run(self, host: str, *command: str, text: str = "") -> None:
        words = ["podman", "exec", "-i", self.prefix + host, *command]
        subprocess.run(words, input=text, text=True, check=True, timeout=STEP_SECONDS, stdout=subprocess.DEVNULL)

    def read(self, host: str, *command: str) -> str:
        words = ["podman", "exec", self.prefix + host, *command]
        return subprocess.run(words, text=True, check=True, timeout=STEP_SECONDS, capture_output=True).stdout

    def power(self, verb: str, host: str) -> None:
        words = ["podman", verb, self.prefix + host]
        subprocess.run(words, check=True, timeout=STEP_SECONDS, stdout=subprocess.DEVNULL)

    def begin(self, kind: str, host: str) -> None:
        if kind == "off":
            self.power("kill", host)
        elif kind == "cut":
            self.run(host, "nft", "-f", "-", text=RULES)
        else:
            self.run(host, "systemctl", "stop", "--no-block", AGENT)

    def undo(self, kind: str, host: str) -> None:
        if kind == "off":
            self.power("start", host)
        elif kind == "cut":
            self.run(host, "nft", "delete", "table", "inet", "benchmark_cut")
        else:
            self.run(host, "systemctl", "start", AGENT)


class Load:
    """The writes of the client, as they are acknowledged."""

    def __init__(self, hosts: Hosts, client: str, servers: Sequence[str], suffix: str) -> None:
        self.writes: list[Write] = []
        program = Path(__file__).read_text(encoding="utf-8")
        words = ["podman", "exec", "-i", "-e", "TIERS_PASSWORD", hosts.prefix + client, "python3", "-c", program]
        self.process = subprocess.Popen(
            [*words, "--write", "--suffix", suffix, *servers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.writes.append(Write(*json.loads(line)))

    def wait_for(self, server: str, since: float) -> None:
        """Until a master acknowledges a write, after `since`."""
        end = time.time() + STEP_SECONDS
        while not any(write.server == server and write.time > since for write in self.writes[-100:]):
            if time.time() > end:
                raise TimeoutError(f"{server} acknowledged no write within {STEP_SECONDS:g} s")
            time.sleep(0.02)


def longest_gap(writes: Sequence[Write], begin: float, end: float) -> float:
    """The longest time without an acknowledged write, in seconds."""
    times = [begin, *sorted(write.time for write in writes if begin <= write.time <= end), end]
    return max(later - earlier for earlier, later in itertools.pairwise(times))


def count_changes(writes: Sequence[Write], begin: float, end: float) -> int:
    """How often the master that acknowledges writes is another one than before."""
    servers = [write.server for write in sorted(writes) if begin <= write.time <= end]
    return sum(before != after for before, after in itertools.pairwise(servers))


def nearest_rank(values: Sequence[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def processor_seconds(stat: str) -> float:
    """The processor time of a process and of its children that ended, by /proc/PID/stat."""
    # The name of the program, in parentheses, may have spaces. utime is the 14th field.
    ticks = [int(field) for field in stat.rpartition(")")[2].split()[11:15]]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(status: str) -> float:
    """The memory of a process, by /proc/PID/status."""
    (size,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(size) / 1024


def measure_cost(hosts: Hosts, nodes: Sequence[str], seconds: float) -> Iterator[dict]:
    """The share of a core, in percent, and the memory, in MB, that the agent of each node takes with its commands."""
    agents = {
        node: hosts.read(node, "systemctl", "show", "--property=MainPID", "--value", AGENT).strip() for node in nodes
    }

    def count() -> dict[str, tuple[float, float]]:
        read = {node: hosts.read(node, "cat", f"/proc/{agents[node]}/stat") for node in nodes}
        return {node: (time.time(), processor_seconds(stat)) for node, stat in read.items()}

    before = count()
    time.sleep(seconds)
    for node, (ended, used) in count().items():
        began, used_before = before[node]
        memory = resident_megabytes(hosts.read(node, "cat", f"/proc/{agents[node]}/status"))
        share = 100 * (used - used_before) / (ended - began)
        yield {"node": node, "core_percent": round(share, 2), "memory_mb": round(memory)}


def measure(hosts: Hosts, load: Load, kinds: Sequence[str], nodes: tuple[str, str], rounds: int) -> Iterator[dict]:
    primary, backup = nodes
    for number in range(rounds):
        for kind in kinds:
            load.wait_for(primary, time.time())
            time.sleep(REST_SECONDS)
            began = time.time()
            hosts.begin(kind, primary)
            load.wait_for(backup, began)
            if kind == "cut":
                time.sleep(max(0.0, began + CUT_SECONDS - time.time()))
            failed_over = time.time()
            hosts.undo(kind, primary)
            load.wait_for(primary, failed_over)
            time.sleep(1)
            ended = time.time()
            yield {
                "kind": kind,
                "round": number + 1,
                "gap": round(longest_gap(load.writes, began - 1, failed_over), 3),
                "failback": round(longest_gap(load.writes, failed_over, ended), 3),
                # There and back.
                "two_writers": count_changes(load.writes, began - 1, ended) != 2,
            }


def summarize(results: Sequence[dict], kinds: Sequence[str]) -> Iterator[dict]:
    """The times of each kind of failure, in seconds, of the failover (`gap`) and of the failback."""
    for kind in kinds:
        for what in ("gap", "failback"):
            values = [result[what] for result in results if result["kind"] == kind]
            yield {
                "kind": kind,
                "what": what,
                "rounds": len(values),
                "median_s": round(statistics.median(values), 2),
                "p95_s": round(nearest_rank(values, 0.95), 2),
                "longest_s": round(max(values), 2),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time without acknowledged writes when the active node fails")
    parser.add_argument("--containers", default="tiers-", help="how the names of the containers begin")
    parser.add_argument("--client", default="c1", help="the host that writes")
    parser.add_argument("--suffix", default="dc=example,dc=org")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--cost-seconds", type=float, default=60.0)
    parser.add_argument("--kinds", nargs="+", default=["off", "cut", "switchover"])
    parser.add_argument("--output", type=Path, help="a file to write the figures to, as JSON")
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("servers", nargs=2, metavar="NAME=ADDRESS", help="the master and its backup")
    options = parser.parse_args()
    if options.write:
        write_to_all(options.servers, options.suffix)
        return
    hosts = Hosts(options.containers)
    machine = {"processors": os.cpu_count(), "load": round(os.getloadavg()[1], 1)}
    load = Load(hosts, options.client, options.servers, options.suffix)
    primary, backup = (server.partition("=")[0] for server in options.servers)
    load.wait_for(primary, time.time())
    cost = []
    for agent in measure_cost(hosts, (primary, backup), options.cost_seconds):
        print(json.dumps(agent), flush=True)
        cost.append(agent)
    results = []
    for result in measure(hosts, load, options.kinds, (primary, backup), options.rounds):
        print(json.dumps(result), flush=True)
        results.append(result)
    load.process.kill()
    times = list(summarize(results, options.kinds)) if results else []
    for row in times:
        print(json.dumps(row))
    bad = [f"{result['kind']} {result['round']}" for result in results if result["two_writers"]]
    print(f"rounds in which writes changed between the masters more than there and back: {', '.join(bad) or 'none'}")
    if options.output:
        machine["load_after"] = round(os.getloadavg()[1], 1)
        figures = {"machine": machine, "agents": cost, "times": times, "two_writers": bad}
        options.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
