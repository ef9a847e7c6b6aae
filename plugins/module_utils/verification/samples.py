# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures from the samples of a drill's load.

A request is *in flight* when it started before the server was off; such a request may fail, and is counted. All others
that fail are *failed*. A *gap* is the time from one success of a program to its next.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.rows import row

# Client, stream and worker: who makes one request at a time.
Program = tuple[str, str, int]


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
    worker: int = 0

    @property
    def program(self) -> Program:
        return self.client, self.stream, self.worker

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


@dataclass(frozen=True)
class Stall:
    """A client host that was short of processor time: a tick due at `begin` came at `end`."""

    client: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


def _lines(text: str) -> Iterator[Any]:
    """The lines that tier_load wrote. An incomplete last line is left out."""
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def read_samples(client: str, text: str) -> list[Sample]:
    """The requests that tier_load recorded on a client."""
    samples = []
    for line in _lines(text):
        if isinstance(line, list):
            stream, start, seconds, server, tries, number, error, worker = line
            samples.append(Sample(client, stream, start, start + seconds, server, tries, number, error, worker))
    return samples


def read_stalls(client: str, text: str) -> list[Stall]:
    """The late ticks that tier_load recorded on a client."""
    late = [line for line in _lines(text) if isinstance(line, dict)]
    return [Stall(client, line["due"], line["due"] + line["late"]) for line in late]


def figures(samples: Iterable[Sample], times: Times, until: float | None = None) -> dict[str, Any]:
    """The figures of one or more programs from the failure of the server until `until` (else until all is healthy)."""
    until = times.whole if until is None else until
    samples = list(samples)
    programs = {sample.program for sample in samples}
    seen = sorted(
        (sample for sample in samples if sample.end >= times.off_begin and sample.start < until),
        key=lambda sample: sample.start,
    )
    bad = [sample for sample in seen if not sample.ok]
    in_flight = [sample for sample in bad if sample.start <= times.off]
    first: dict[Program, float] = {}
    for sample in seen:
        if sample.ok and sample.start > times.off:
            first[sample.program] = min(sample.end, first.get(sample.program, sample.end))
    # A program that hangs makes no request: it is not served either.
    served = programs == set(first)
    return {
        "requests": len(seen),
        "in_flight": len(in_flight),
        "failed": len(bad) - len(in_flight),
        "repeated": sum(1 for sample in seen if sample.tries > 1),
        "hanging": len(programs - {sample.program for sample in seen}),
        "gap": round(longest_gap(seen, programs, times.off_begin, until), 3),
        # When the last of the programs was served again; None if one was not at all.
        "first": round(max(first.values()) - times.off, 3) if first and served else None,
        "servers": sorted({sample.server for sample in seen if sample.ok and sample.server}),
        "errors": sorted({sample.error for sample in bad}),
    }


def longest_gap(samples: Iterable[Sample], programs: Iterable[Program], begin: float, end: float) -> float:
    """Longest time without a success of one and the same of the programs, between `begin` and `end`."""
    longest = 0.0
    successes: dict[Program, list[float]] = {program: [] for program in programs}
    for sample in samples:
        if sample.ok and begin <= sample.end <= end:
            successes[sample.program].append(sample.end)
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
