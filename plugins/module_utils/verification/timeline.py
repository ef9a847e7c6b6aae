# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute what each stream of a client saw around an experiment, as spans of time that can be drawn. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from statistics import median
from typing import TypedDict

from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import Sample, Times

# Seconds that a timeline shows before the server was switched off, and after all was as planned again
BEFORE, AFTER = 2.0, 1.0
# Seconds without a success after which a stream counts as not answered; for one that asks seldom, so many of its
# intervals.
QUIET, INTERVALS = 1.0, 3

Span = tuple[float, float]


class StreamTimeline(TypedDict):
    """One program of a client. Spans are [begin, end] in seconds since the server was off."""

    client: str
    stream: str
    answered: list[list[float]]
    failed: list[list[float]]


def draw_timelines(samples: Iterable[Sample], times: Times) -> list[StreamTimeline]:
    """The timeline of every stream, by client and name. Times outside all spans had no answer."""
    begin, end = times.off_begin - BEFORE, times.whole + AFTER
    streams: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.end >= begin and sample.start <= end:
            streams.setdefault((sample.client, sample.stream), []).append(sample)
    return [
        {
            "client": client,
            "stream": stream,
            "answered": _merge(
                [(one.end, one.end) for one in seen if one.ok and one.end <= end], _quiet(seen), times.off
            ),
            "failed": _merge(
                [(max(begin, one.start), min(one.end, end)) for one in seen if not one.ok], QUIET, times.off
            ),
        }
        for (client, stream), seen in sorted(streams.items())
    ]


def _quiet(seen: Iterable[Sample]) -> float:
    """Seconds without a success after which this stream counts as not answered."""
    starts = sorted(sample.start for sample in seen)
    intervals = [later - earlier for earlier, later in pairwise(starts)]
    return max(QUIET, INTERVALS * median(intervals)) if intervals else QUIET


def _merge(spans: Iterable[Span], limit: float, zero: float) -> list[list[float]]:
    """The spans, those with less than `limit` seconds between them as one, in seconds since `zero`."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin - merged[-1][1] < limit:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return [[round(begin - zero, 2), round(end - zero, 2)] for begin, end in merged]
