# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the history of a drill's writes is one that a correct system can have. Pure.

Each program numbers its writes from 1 on, and each number is the name of one row. So the history proves three things:
no request is missing from it, one worker never had two requests at the same time, and no write was acknowledged twice.
With the rows that the servers hold at the end (`promises.judge_lasting`) it proves that each acknowledged write is
there. It says nothing about the order in which readers saw the writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import Program, Sample

# The clock of a client host may be set back by so many seconds between two requests.
_CLOCK = 0.5
# So many faults are named, the rest is counted.
_NAMED = 3


def check_history(samples: Iterable[Sample]) -> dict[str, Any]:
    """The faults of the history, as sentences, and the numbers of acknowledged and unanswered writes."""
    writes = [sample for sample in samples if sample.number]
    wrong = [*_find_repeated(writes), *_find_left_out(writes), *_find_overlapping(writes)]
    return {
        "acknowledged": sum(sample.ok for sample in writes),
        "unanswered": sum(not sample.ok for sample in writes),
        "wrong": wrong[:_NAMED] + ([f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []),
    }


def _group(writes: Iterable[Sample]) -> dict[tuple[str, str], list[Sample]]:
    """The writes of each client and program; all its workers take their numbers from one row of numbers."""
    found: dict[tuple[str, str], list[Sample]] = {}
    for sample in writes:
        found.setdefault((sample.client, sample.stream), []).append(sample)
    return found


def _find_repeated(writes: Iterable[Sample]) -> list[str]:
    acknowledged = Counter((sample.client, sample.number) for sample in writes if sample.ok)
    return [
        f"{client}: write {number} is acknowledged {count} times"
        for (client, number), count in sorted(acknowledged.items())
        if count > 1
    ]


def _find_left_out(writes: Iterable[Sample]) -> list[str]:
    found = []
    for (client, stream), theirs in sorted(_group(writes).items()):
        numbers = {sample.number for sample in theirs}
        # Each worker may have one write under way when the load ends.
        workers = len({sample.worker for sample in theirs})
        gone = sorted(set(range(1, max(numbers) - workers + 1)) - numbers)
        if gone:
            found.append(f"{client}: {len(gone)} {stream} are not in the history, the first has the number {gone[0]}")
    return found


def _find_overlapping(writes: Iterable[Sample]) -> list[str]:
    programs: dict[Program, list[Sample]] = {}
    for sample in writes:
        programs.setdefault(sample.program, []).append(sample)
    found = []
    for (client, stream, worker), theirs in sorted(programs.items()):
        ordered = sorted(theirs, key=lambda sample: sample.number)
        for earlier, later in pairwise(ordered):
            if later.start < earlier.end - _CLOCK:
                found.append(
                    f"{client}: worker {worker} of {stream} began {later.number} before {earlier.number} ended"
                )
    return found


def judge_history(history: Mapping[str, Any]) -> dict[str, Any]:
    """The promise that the history is a possible one."""
    wrong = history["wrong"]
    counts = f"{history['acknowledged']} acknowledged, {history['unanswered']} failed"
    return {
        "promise": "no write is acknowledged twice, and the history of the writes is complete",
        "measured": "; ".join([counts, *wrong]),
        "allowed": "0 acknowledged twice",
        "ok": not wrong,
    }
