# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that the benchmark of failovers makes of acknowledged writes and of the processor time of the agent."""

from __future__ import annotations

import importlib.util
import os
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


def test_times_of_each_kind_are_summarized_by_median_and_95th_percentile() -> None:
    results = [{"kind": "off", "gap": gap, "failback": 0.5} for gap in (3.0, 9.0, 4.0)]
    gap, failback = failover.summarize(results, ["off"])
    assert (gap["what"], gap["rounds"], gap["median_s"], gap["p95_s"], gap["longest_s"]) == ("gap", 3, 4.0, 9.0, 9.0)
    assert (failback["what"], failback["median_s"]) == ("failback", 0.5)


def test_cost_of_the_agent_includes_its_commands_and_its_memory() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    # pid (name) state, ten fields, then user and system time of the process and of its children, then more
    times = f"{2 * ticks} {ticks} {3 * ticks} {4 * ticks}"
    assert failover.processor_seconds(f"7 (a) b) S 1 2 3 4 5 6 7 8 9 10 {times} 20 0") == 10.0
    assert failover.resident_megabytes("Name:\tx\nVmHWM:\t9 kB\nVmRSS:\t  26624 kB\n") == 26.0
    assert failover.processor_seconds(Path("/proc/self/stat").read_text()) > 0


def test_ninety_fifth_percentile_of_ten_values_is_the_largest() -> None:
    assert failover.nearest_rank([float(value) for value in range(10)], 0.95) == 9.0
    assert failover.nearest_rank([3.0], 0.95) == 3.0
