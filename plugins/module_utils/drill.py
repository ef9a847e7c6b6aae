# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill breaks, and what the samples of its load say about the promises. Pure: plan, samples and times in,
experiments and verdicts out.

A request is *in flight* when it started before the server was off; such a request may fail, and is counted. All others
that fail are *failed*. A *gap* is the time from one success of a program to its next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.rows import row

HOME_READS = ("home reads", "home reads, new connections")
HOME_WRITES = ("home writes",)
POOL_READS = ("pool reads", "pool reads, new connections")

# Seconds. What an operator may tighten or loosen: `tiers_drill_allowed`.
ALLOWED: dict[str, float] = {
    "proxy_takeover": 8,
    "distributor_takeover": 8,
    "master_takeover": 10,
    "return_gap": 5,
    "return": 90,
}


@dataclass(frozen=True)
class Sample:
    """One request of one program."""

    client: str
    stream: str
    start: float
    end: float
    server: str
    tries: int
    number: int
    error: str

    @property
    def ok(self) -> bool:
        return not self.error


@dataclass(frozen=True)
class Times:
    """When a server was switched off (the command began and ended), switched on, and all was as planned again."""

    off_begin: float
    off: float
    on: float
    whole: float


def read_samples(client: str, text: str) -> list[Sample]:
    """The lines that tier_load wrote. A last line that was cut off is left out."""
    samples = []
    for line in text.splitlines():
        try:
            stream, start, seconds, server, tries, number, error = json.loads(line)
        except ValueError:
            continue
        samples.append(Sample(client, stream, start, start + seconds, server, tries, number, error))
    return samples


def streams(client: Mapping[str, Any], rates: Mapping[str, float], run: str) -> list[dict[str, Any]]:
    """The programs that a client host runs, for tier_load."""

    def at(servers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        wanted = ("name", "address", "port")
        return [{**{key: server[key] for key in wanted}, "protocol": client["protocol"]} for server in servers]

    programs: list[dict[str, Any]] = []
    for (kept, new), servers in ((HOME_READS, client["endpoints"]), (POOL_READS, client["pool"])):
        if servers:
            programs.append({"name": kept, "kind": "read", "servers": at(servers), "rate": rates["read"]})
            programs.append(
                {"name": new, "kind": "read", "servers": at(servers), "rate": rates["connect"], "connection": "new"}
            )
    if client["endpoints"]:
        programs.append(
            {
                "name": HOME_WRITES[0],
                "kind": "write",
                "servers": at(client["endpoints"]),
                "rate": rates["write"],
                "prefix": f"{run}-{client['name']}",
            }
        )
    return programs


# What to break


def experiments(plan: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """One experiment for each promise that the topology makes; and why others are skipped."""
    servers: Mapping[str, Any] = plan["servers"]
    homes: dict[str, list[str]] = {}
    for name, client in sorted(plan["clients"].items()):
        if client["endpoints"]:
            homes.setdefault(client["endpoints"][0]["name"], []).append(name)

    todo: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []

    def consider(kind: str, title: str, fits: Callable[[Mapping[str, Any]], bool], otherwise: str) -> None:
        fitting = sorted(name for name, server in servers.items() if server["state"] == "active" and fits(server))
        # Rather a server whose loss some client host can notice.
        fitting.sort(key=lambda name: not homes.get(name))
        if not fitting:
            skipped.append({"kind": kind, "title": title, "why": otherwise})
            return
        server = servers[fitting[0]]
        todo.append(
            {
                "kind": kind,
                "title": f"{title}: {fitting[0]}",
                "target": fitting[0],
                "backup": server["backup"],
                "own": homes.get(fitting[0], []),
                "virtual_address": server["virtual_address"],
            }
        )

    consider(
        "proxy_alone",
        "a proxy without a backup is lost",
        lambda server: server["tier"] == "proxy" and not server["backup"] and bool(homes.get(server["name"])),
        "no proxy without a backup serves a client host",
    )
    consider(
        "proxy_backed",
        "a proxy with a backup is lost",
        lambda server: server["tier"] == "proxy" and bool(server["backup"]) and bool(homes.get(server["name"])),
        "no proxy with a backup serves a client host",
    )
    consider(
        "member",
        "a parallel member is lost",
        lambda server: server["tier"] == "parallel",
        "there is no pool of parallel members",
    )
    consider(
        "distributor",
        "the distributor is lost",
        lambda server: server["tier"] == "distributor" and bool(server["backup"]),
        "there is no distributor with a backup",
    )
    consider(
        "master",
        "the master is lost",
        lambda server: server["tier"] == "master" and bool(server["backup"]),
        "the master has no backup",
    )
    return {"todo": todo, "skipped": skipped}


# Figures


def figures(samples: Iterable[Sample], times: Times, until: float | None = None) -> dict[str, Any]:
    """What one or more programs saw from the loss of the server until `until` (else until all was whole again)."""
    until = times.whole if until is None else until
    samples = list(samples)
    programs = {(sample.client, sample.stream) for sample in samples}
    seen = sorted(
        (sample for sample in samples if sample.end >= times.off_begin and sample.start < until),
        key=lambda sample: sample.start,
    )
    bad = [sample for sample in seen if not sample.ok]
    in_flight = [sample for sample in bad if sample.start <= times.off]
    first: dict[tuple[str, str], float] = {}
    for sample in seen:
        if sample.ok and sample.start > times.off:
            program = (sample.client, sample.stream)
            first[program] = min(sample.end, first.get(program, sample.end))
    # A program that hangs makes no request: it is not served either.
    served = programs == set(first)
    return {
        "requests": len(seen),
        "in_flight": len(in_flight),
        "failed": len(bad) - len(in_flight),
        "repeated": sum(1 for sample in seen if sample.tries > 1),
        "hanging": len(programs - {(sample.client, sample.stream) for sample in seen}),
        "gap": round(longest_gap(seen, programs, times.off_begin, until), 3),
        # When the last of the programs was served again; None if one was not at all.
        "first": round(max(first.values()) - times.off, 3) if first and served else None,
        "servers": sorted({sample.server for sample in seen if sample.ok and sample.server}),
        "errors": sorted({sample.error for sample in bad}),
    }


def longest_gap(samples: Iterable[Sample], programs: Iterable[tuple[str, str]], begin: float, end: float) -> float:
    """Longest time without a success of one and the same of the programs, between `begin` and `end`."""
    longest = 0.0
    successes: dict[tuple[str, str], list[float]] = {program: [] for program in programs}
    for sample in samples:
        if sample.ok and begin <= sample.end <= end:
            successes[sample.client, sample.stream].append(sample.end)
    for ends in successes.values():
        marks = [begin, *sorted(ends), end]
        longest = max(longest, *(later - earlier for earlier, later in pairwise(marks)))
    return longest


def acknowledged(samples: Iterable[Sample], run: str, before: float | None = None) -> list[str]:
    """Names of the rows whose writing was acknowledged, before that time if one is given."""
    return sorted(
        row(f"{run}-{sample.client}", sample.number)
        for sample in samples
        if sample.number and sample.ok and (before is None or sample.end <= before)
    )


# Verdicts


def _promise(text: str, measured: str, allowed: str, ok: bool) -> dict[str, Any]:
    return {"promise": text, "measured": measured, "allowed": allowed, "ok": ok}


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _kept(text: str, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing may fail but what was in flight."""
    notes = [f"{seen['failed']} of {seen['requests']} failed"]
    if seen["in_flight"]:
        notes.append(f"{seen['in_flight']} in flight")
    if seen["repeated"]:
        notes.append(f"{seen['repeated']} repeated by the client library")
    if seen["hanging"]:
        notes.append(f"{seen['hanging']} programs hung")
    ok = seen["requests"] > 0 and seen["failed"] == 0 and not seen["hanging"]
    return _promise(text, ", ".join(notes), "0 failed", ok)


def _soon(text: str, seen: Mapping[str, Any], limit: float) -> dict[str, Any]:
    """Service is back within the limit, for every program."""
    measured = f"longest gap {_seconds(seen['gap'])}, {seen['failed'] + seen['in_flight']} requests failed"
    ok = seen["first"] is not None and seen["gap"] <= limit
    return _promise(text, measured, f"{limit:g} s", ok)


class _Seen:
    """The samples of a drill, to be asked by program and client."""

    def __init__(self, samples: Sequence[Sample], times: Times) -> None:
        self._samples = samples
        self._times = times

    def pick(self, programs: Sequence[str], clients: Iterable[str] | None = None) -> list[Sample]:
        wanted = None if clients is None else set(clients)
        return [s for s in self._samples if s.stream in programs and (wanted is None or s.client in wanted)]

    def outage(self, samples: Iterable[Sample]) -> dict[str, Any]:
        return figures(samples, self._times, self._times.on)

    def whole(self, samples: Iterable[Sample]) -> dict[str, Any]:
        return figures(samples, self._times)


def judge(
    experiment: Mapping[str, Any],
    plan: Mapping[str, Any],
    samples: Sequence[Sample],
    times: Times,
    allowed: Mapping[str, float],
    missing_at_takeover: int | None = None,
) -> list[dict[str, Any]]:
    """The promises of one experiment."""
    seen = _Seen(samples, times)
    clients = sorted({sample.client for sample in samples})
    own = [client for client in experiment["own"] if client in clients]
    others = [client for client in clients if client not in own]
    home = (*HOME_READS, *HOME_WRITES)
    kind = experiment["kind"]
    target = experiment["target"]

    if kind == "proxy_alone":
        alone = [name for name in own if len(plan["clients"][name]["endpoints"]) < 2]
        elsewhere = [name for name in own if name not in alone]
        outages = {name: seen.outage(seen.pick(home, [name])) for name in clients}
        lost = [name for name, outage in outages.items() if outage["failed"] or outage["hanging"]]
        out = [
            _promise(
                "exactly its own clients lose service",
                f"lost: {', '.join(lost) or 'nobody'}",
                f"{', '.join(alone) or 'nobody'}"
                + (f"; {', '.join(elsewhere)} until another proxy serves them" if elsewhere else ""),
                set(alone) <= set(lost) <= {*alone, *elsewhere},
            ),
            _kept("nobody else notices", seen.outage(seen.pick(home, others) + seen.pick(POOL_READS))),
        ]
        if elsewhere:
            out.append(
                _soon(
                    "those with another endpoint are served again",
                    seen.outage(seen.pick(home, elsewhere)),
                    allowed["proxy_takeover"],
                )
            )
        if alone:
            again = figures(
                seen.pick(home, alone), Times(times.on, times.on, times.on, times.whole + allowed["return_gap"])
            )
            out.append(
                _promise(
                    "its clients are served again after its return",
                    f"first answer {_seconds(again['first'])} after it was switched on",
                    f"{allowed['return']:g} s",
                    again["first"] is not None and again["first"] <= allowed["return"],
                )
            )
        unaffected = seen.pick(home, [name for name in clients if name not in alone]) + seen.pick(POOL_READS)
    else:
        unaffected = seen.pick((*home, *POOL_READS))
        if kind == "proxy_backed":
            mine = seen.outage(seen.pick(home, own))
            out = [
                _soon(
                    f"its clients are served again by {experiment['backup']}",
                    {**mine, "first": mine["first"] if experiment["backup"] in mine["servers"] else None},
                    allowed["proxy_takeover"],
                ),
                _kept("nobody else notices", seen.outage(seen.pick(home, others) + seen.pick(POOL_READS))),
            ]
        elif kind == "member":
            out = [
                _kept("no request fails beyond those in flight", seen.outage(seen.pick(POOL_READS))),
                _kept("clients of the proxies do not notice", seen.outage(seen.pick(home))),
            ]
        elif kind == "distributor":
            out = [
                _soon(
                    f"{experiment['backup']} takes the pool over",
                    seen.outage(seen.pick(POOL_READS)),
                    allowed["distributor_takeover"],
                ),
                _kept("clients of the proxies do not notice", seen.outage(seen.pick(home))),
            ]
        else:
            replication = plan["servers"][target].get("replication", "asynchronous")
            strict = replication == "synchronous"
            out = [
                _kept("proxies go on answering reads", seen.outage(seen.pick(HOME_READS))),
                *([_kept("so does the pool", seen.outage(seen.pick(POOL_READS)))] if seen.pick(POOL_READS) else []),
                _soon(
                    f"writes resume at {experiment['backup']}",
                    seen.outage(seen.pick(HOME_WRITES)),
                    allowed["master_takeover"],
                ),
                _promise(
                    "acknowledged writes missing at the backup at takeover",
                    "not counted" if missing_at_takeover is None else str(missing_at_takeover),
                    "0" if strict else "any, told (asynchronous replication)",
                    missing_at_takeover is not None and not (strict and missing_at_takeover),
                ),
            ]
    back = figures(unaffected, Times(times.on, times.on, times.on, times.whole))
    took = times.whole - times.on
    return [
        *out,
        _promise(
            f"{target} comes back, all is as planned",
            f"{_seconds(took)} after it was switched on",
            f"{allowed['return']:g} s",
            took <= allowed["return"],
        ),
        _promise(
            "its return costs nobody service",
            f"{back['failed'] + back['in_flight']} of {back['requests']} failed, longest gap {_seconds(back['gap'])}",
            f"gap {allowed['return_gap']:g} s",
            back["requests"] > 0 and back["gap"] <= allowed["return_gap"],
        ),
    ]


def lasting(missing: Mapping[str, int], unread: Mapping[str, str], written: int) -> dict[str, Any]:
    """After all: every acknowledged write is on every server."""
    gone = {name: count for name, count in sorted(missing.items()) if count}
    parts = [f"{count} missing at {name}" for name, count in gone.items()]
    parts += [f"{name}: {why}" for name, why in sorted(unread.items())]
    return _promise(
        "every acknowledged write is on every server after the master's return",
        "; ".join(parts) or f"0 of {written} missing on {len(missing)} servers",
        "0 missing",
        not gone and not unread and bool(missing) and written > 0,
    )
