# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline shows what a stream of a client saw, as spans of time."""

from __future__ import annotations

from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import Sample, Times
from ansible_collections.distributed.tiers.plugins.module_utils.verification.timeline import draw_timelines

TIMES = Times(off_begin=99.5, off=100, on=110, whole=115)


def sample(start: float, seconds: float = 0.0, error: str = "", stream: str = "reads", client: str = "c") -> Sample:
    return Sample(client, stream, start, start + seconds, "s", 1, 0, error)


def every(interval: float, begin: float, end: float) -> list[Sample]:
    return [sample(begin + step * interval) for step in range(round((end - begin) / interval) + 1)]


def test_answers_without_a_gap_are_one_span() -> None:
    (line,) = draw_timelines(every(0.25, 90, 120), TIMES)
    assert line == {"client": "c", "stream": "reads", "answered": [[-2.5, 16.0]], "failed": []}


def test_a_gap_ends_a_span_and_failed_requests_are_spans_of_their_own() -> None:
    failed = [sample(100.25, 3, "lost"), sample(103.5, 1, "lost")]
    (line,) = draw_timelines([*every(0.25, 98, 100), *failed, *every(0.25, 106, 116)], TIMES)
    assert line["answered"] == [[-2, 0], [6, 16]]
    assert line["failed"] == [[0.25, 4.5]]


def test_a_slow_answer_counts_when_it_came() -> None:
    (line,) = draw_timelines([*every(0.25, 98, 100), sample(100.25, 4), *every(0.25, 104.5, 116)], TIMES)
    assert line["answered"] == [[-2, 0], [4.25, 16]]


def test_a_stream_that_asks_seldom_has_longer_intervals() -> None:
    (line,) = draw_timelines(every(2, 90, 120), TIMES)
    assert len(line["answered"]) == 1


def test_a_request_that_began_before_is_cut_at_the_edge() -> None:
    (line,) = draw_timelines([sample(90, 9, "lost"), *every(0.5, 99, 116)], TIMES)
    assert line["failed"] == [[-2.5, -1]]


def test_streams_are_in_the_order_of_their_clients() -> None:
    lines = draw_timelines([sample(101, client="d"), sample(101), sample(101, stream="a")], TIMES)
    assert [(line["client"], line["stream"]) for line in lines] == [("c", "a"), ("c", "reads"), ("d", "reads")]
