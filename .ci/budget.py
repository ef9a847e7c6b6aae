# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of pytest for `make quick`: no test begins later than `--seconds` after the first one."""

from __future__ import annotations

import time
from typing import Any


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--seconds", type=float, default=float("inf"), help="begin no test after this time")


class Budget:
    """Counts the tests that are left out because the time is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = float("inf")
        self.tests = 0
        self.left_out = 0

    def pytest_runtestloop(self, session: Any) -> None:
        self.tests = len(session.items)
        self.end = time.monotonic() + self.seconds

    def pytest_runtest_protocol(self) -> bool | None:
        if time.monotonic() < self.end:
            return None
        self.left_out += 1
        return True

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.left_out:
            terminalreporter.write_line(
                f"Not run within {self.seconds:g} s: {self.left_out} of {self.tests} tests that touch these files. "
                "`make unit` runs all."
            )


def pytest_configure(config: Any) -> None:
    config.pluginmanager.register(Budget(config.getoption("--seconds")), "budget-of-time")
