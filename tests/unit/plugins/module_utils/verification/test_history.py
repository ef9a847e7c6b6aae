# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.history import (
    check_history,
    judge_history,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import Sample


def write(number: int, client: str = "c", worker: int = 0, error: str = "") -> Sample:
    return Sample(client, "home writes", 100.0 + number, 100.4 + number, "s", 1, number, error, worker)


HISTORY = [write(1), write(2, error="lost"), write(3, worker=1), write(4), write(1, client="d")]


def test_history_of_numbered_writes_is_complete() -> None:
    assert check_history(HISTORY) == {"acknowledged": 4, "unanswered": 1, "wrong": []}
    assert judge_history(check_history(HISTORY))["ok"]


@pytest.mark.parametrize(
    ("samples", "wrong"),
    [
        ([*HISTORY, write(4, worker=1)], "c: write 4 is acknowledged 2 times"),
        ([*HISTORY, write(9)], "c: 3 home writes are not in the history, the first has the number 5"),
        (
            [*HISTORY, replace(write(5), start=103.0)],
            "c: worker 0 of home writes began 5 before 4 ended",
        ),
    ],
)
def test_impossible_history_breaks_the_promise(samples: list[Sample], wrong: str) -> None:
    found = check_history(samples)
    assert found["wrong"] == [wrong]
    promise = judge_history(found)
    assert promise["ok"] is False
    assert wrong in promise["measured"]


def test_write_that_failed_and_is_repeated_under_its_number_is_acknowledged_once() -> None:
    assert check_history([write(1, error="lost"), replace(write(1), start=102, end=103)])["wrong"] == []


def test_writes_that_were_under_way_when_the_load_ended_are_not_missed() -> None:
    """Each worker may have taken one number more."""
    assert check_history([write(1), write(2, worker=1), write(4)])["wrong"] == []


def test_reads_are_no_part_of_the_history() -> None:
    assert check_history([replace(write(1), number=0)]) == {"acknowledged": 0, "unanswered": 0, "wrong": []}


def test_many_faults_are_counted() -> None:
    found = check_history([write(number, worker=worker) for number in range(1, 6) for worker in (0, 1)])
    assert found["wrong"][-1] == "and 2 more"
