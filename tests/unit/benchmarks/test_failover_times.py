# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that the benchmark of failovers makes of acknowledged writes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

SPEC = importlib.util.spec_from_file_location("failover_times", Path(__file__).parents[3] / "benchmarks/failover.py")
assert SPEC and SPEC.loader
failover = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = failover
SPEC.loader.exec_module(failover)
Write = failover.Write
WRITES = [Write(10.0, "m1"), Write(10.5, "m1"), Write(14.0, "m2"), Write(14.2, "m2"), Write(16.0, "m1")]


def test_longest_gap_includes_the_time_before_the_first_and_after_the_last_write() -> None:
    assert failover.longest_gap(WRITES, 9.5, 14.5) == 3.5
    assert failover.longest_gap(WRITES, 5.0, 14.5) == 5.0
    assert failover.longest_gap(WRITES, 14.0, 20.0) == 4.0
    assert failover.longest_gap([], 1.0, 3.0) == 2.0


def test_two_masters_that_acknowledge_in_turn_are_counted() -> None:
    assert failover.count_changes(WRITES, 9.0, 17.0) == 2
    assert failover.count_changes([*WRITES, Write(14.1, "m1")], 9.0, 17.0) == 4


def test_ninety_fifth_percentile_of_ten_values_is_the_largest() -> None:
    assert failover.nearest_rank([float(value) for value in range(10)], 0.95) == 9.0
    assert failover.nearest_rank([3.0], 0.95) == 3.0
