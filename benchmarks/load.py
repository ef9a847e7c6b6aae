# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what hops cost, and how even the shares of members of unequal speed are.

    python benchmarks/load.py hops shares    # both, or one of them

Needs HAProxy and wrk. All runs on loopback of this machine. HAProxy has the configurations that the roles write, from
their own template and variables, but runs as the user of this program, and listens on loopback only. The members are
those of load_member.py: a worked product takes longer for a request than all hops together and would hide what they
cost, and it does not count.

`hops` asks a member that answers at once: straight, through the distributor, and through a proxy that passes on to
the distributor. With TLS every hop ends it and begins it again, and at the member HAProxy ends it. Clients ask again
as soon as they are answered: one by itself, or many. The ways take turns; a ratio is that of one round.

`shares` has few or many clients ask, through a distributor, three members of which each takes twice as long for a
request as the one before, and serves a few at a time. For each member it tells the part of the requests that it got;
`busy`, how much it served of what it can; and `backlog`, the time it takes to serve the requests that wait there: as
many, on the mean, as the time that requests spent there by the time that passed (Little's law). Unevenness is the
largest over the mean: 1 if all are the same, the number of members if one has everything.

The median of all rounds counts.
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "load.json"
COLLECTIONS = str(ROOT / ".cache" / "collections")
sys.path.insert(0, COLLECTIONS)

from ansible.plugins.loader import init_plugin_loader  # noqa: E402

init_plugin_loader([COLLECTIONS])

from ansible_collections.distributed.tiers.benchmarks.load_member import spread  # noqa: E402
from ansible_collections.distributed.tiers.tests.unit.roles import haproxy  # noqa: E402

ROUNDS = 7
SECONDS = 3
WAYS = ("member", "distributor", "proxy and distributor")
# Clients that ask at the same time
ON_A_WAY = (1, 32)
ON_A_POOL = (6, 32)
# Of the members of the pool: how long a request takes, and how many they serve at a time
SERVICE_SECONDS = (0.008, 0.016, 0.032)
WORKERS = 4
MEASURES = ("requests_s", "median_ms", "p99_ms")
DOMAIN = "tiers.internal"
START_SECONDS = 15

Figures = list[dict[str, Any]]


def main() -> None:
    result = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    busy = os.getloadavg()[0]  # with the work of others, before there is ours
    for what in sys.argv[1:] or ("hops", "shares"):
        with ExitStack() as stack:
            result[what] = {"hops": hops, "shares": shares}[what](Lab(stack))
        for figure in result[what]:
            print(json.dumps(figure))
    result["members"] = {"service_s": SERVICE_SECONDS, "workers": WORKERS}
    result["machine"] = {
        "haproxy": version("haproxy", "-v"),
        "wrk": version("wrk", "-v"),
        "processors": os.cpu_count(),
        "processor": platform.machine(),
        "load": busy,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def version(*command: str) -> str:
    """The first that looks like one."""
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(\.\d+)+", output)
    return found[0] if found else ""


class Lab:
    """Members and balancers on free ports of loopback, which end with the stack."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        haproxy.make_certificate(self._directory, f"pool.{DOMAIN}", f"upstream.{DOMAIN}")

    def member(self, service_seconds: float = 0, workers: int = 1) -> int:
        port = free_port()
        program = Path(__file__).with_name("load_member.py")
        self._start(f"http://127.0.0.1:{port}/ready", sys.executable, program, port, service_seconds, workers)
        return port

    def balancer(self, listeners: str, tls: bool, balance: str = "", local_port: int = 0, **slice_: Any) -> int:
        """HAProxy with the listeners that the roles have under this name, for a host with this slice of the plan."""
        port, monitor = free_port(), free_port()
        own = self._directory / str(port)
        description = {"name": "load", "port": port, "protocol": "http", "tls": "terminated" if tls else "none"}
        text = haproxy.render(
            balancer_listeners=f"{{{{ {listeners} }}}}",
            balancer_monitor_port=monitor,
            tiers_plan={"system": "load", "domain": DOMAIN},
            tiers_server={"port": port, "speaks_tls": tls, "upstream_catches_up": True, "pair": None} | slice_,
            tiers_service=description | {"local_port": local_port, "check": {"type": "http", "path": "/ready"}},
            __balancer_os={"haproxy_home": "/", "haproxy_socket": str(own.with_suffix(".sock"))},
            __balancer_tls=str(self._directory),
            **({"distributor_balance": balance} if balance else {}),
        )
        own.write_text(haproxy.for_anybody(text).replace(" bind :", " bind 127.0.0.1:"), encoding="utf-8")
        self._start(f"http://127.0.0.1:{monitor}/healthz", "haproxy", "-db", "-f", own)
        return port

    def _start(self, ready: str, *command: Any) -> None:
        process = subprocess.Popen([str(word) for word in command], stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            with suppress(OSError), urlopen(ready, timeout=1):
                return
            time.sleep(0.1)
        raise SystemExit(f"This did not start: {' '.join(map(str, command))}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server(name: str, port: int, weight: int = 1) -> dict[str, Any]:
    """A server as slices of other hosts have it."""
    return {"name": name, "address": "127.0.0.1", "port": port, "weight": weight, "state": "active", "backup": None}


def load(url: str, clients: int) -> dict[str, float]:
    """The rate and latency that this number of clients sees; each asks again as soon as it has an answer."""
    done = subprocess.run(
        ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{SECONDS}s", "--timeout", "10s"]
        + ["--latency", "--script", str(Path(__file__).with_name("load.lua")), url],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS + 30,
    )
    figure: dict[str, float] = json.loads(done.stderr)
    if figure["failed"]:
        raise SystemExit(f"{url}: {figure['failed']} of {figure['requests']} requests failed.")
    return {name: figure[name] for name in MEASURES}


def hops(lab: Lab) -> Figures:
    member = lab.member()
    urls: dict[tuple[bool, str], str] = {}
    for tls in (False, True):
        front = lab.balancer("__server_end_of_tls", tls, local_port=member) if tls else member
        distributor = lab.balancer("__distributor_listeners", tls, members=[server("p1", front)])
        proxy = lab.balancer("__server_pass", tls, upstreams=[server("d1", distributor)])
        for way, port in zip(WAYS, (front, distributor, proxy)):
            urls[tls, way] = f"http{'s' if tls else ''}://127.0.0.1:{port}/"
    rounds = []
    for _round in range(ROUNDS):
        figures = {(clients, *key): load(url, clients) for clients in ON_A_WAY for key, url in urls.items()}
        for (clients, tls, _way), figure in figures.items():
            straight = figures[clients, tls, WAYS[0]]
            figure |= {f"{name}_ratio": figure[name] / straight[name] for name in MEASURES}
        rounds.append(figures)
    return [
        {"clients": clients, "tls": tls, "way": way} | medians([one[clients, tls, way] for one in rounds])
        for clients, tls, way in rounds[0]
    ]


def medians(figures: Figures) -> dict[str, Any]:
    """The median of every figure; for figures with one value for each member, the median for each."""
    return {
        name: [round(median(each), 3) for each in zip(*(one[name] for one in figures))]
        if isinstance(value, list)
        else round(median(one[name] for one in figures), 3)
        for name, value in figures[0].items()
    }


def shares(lab: Lab) -> Figures:
    members = [lab.member(seconds, WORKERS) for seconds in SERVICE_SECONDS]
    pools = {}
    for balance in ("roundrobin", haproxy.variables()["distributor_balance"]):
        for weighted in (False, True):
            weights = [round(SERVICE_SECONDS[-1] / seconds) if weighted else 1 for seconds in SERVICE_SECONDS]
            named = [server(f"p{port}", port, weight) for port, weight in zip(members, weights)]
            listeners = "__distributor_listeners"
            pools[balance, weighted] = lab.balancer(listeners, False, members=named, balance=balance)
    rounds = [
        {(clients, *key): share(port, members, clients) for clients in ON_A_POOL for key, port in pools.items()}
        for _round in range(ROUNDS)
    ]
    return [
        {"clients": clients, "balance": balance, "weighted": weighted}
        | medians([one[clients, balance, weighted] for one in rounds])
        for clients, balance, weighted in rounds[0]
    ]


def share(pool: int, members: list[int], clients: int) -> dict[str, Any]:
    before = [counters(port) for port in members]
    began = time.monotonic()
    figure = load(f"http://127.0.0.1:{pool}/", clients)
    passed = time.monotonic() - began
    grown = [{name: value - old[name] for name, value in counters(port).items()} for port, old in zip(members, before)]
    return {**figure, **spread(grown, passed, WORKERS)}


def counters(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/counters", timeout=10) as answer:
        counted: dict[str, float] = json.load(answer)
    return counted


if __name__ == "__main__":
    main()
