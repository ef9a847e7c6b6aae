# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of pytest for `make quick`: no test begins later than `--seconds` after the first one.

A test that still runs after half as long again is ended, and counts as not run. With `--changed`, tests with the marker
`of_file` run only for the files that it names: their result depends on the file of their parameter alone.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--seconds", type=float, default=0.0, help="begin no test after this time; 0: no limit")
    parser.addoption("--changed", action="append", type=Path, default=[], help="a file that changed; repeat it")


class Budget:
    """Ends the run when the time is over, and counts the tests that did not run."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = 0.0
        self.tests = 0
        self.done = 0
        self.runs = False

    def pytest_runtestloop(self, session: Any) -> None:
        self.end = time.monotonic() + self.seconds
        self.tests = len(session.items)

        def leave(*_signal: Any) -> None:
            if self.runs:
                pytest.exit("The time is over.", returncode=1 if session.testsfailed else 0)

        signal.signal(signal.SIGALRM, leave)
        signal.setitimer(signal.ITIMER_REAL, 1.5 * self.seconds)

    def pytest_runtest_protocol(self) -> bool | None:
        return None if time.monotonic() < self.end else True

    def pytest_runtest_logstart(self) -> None:
        self.runs = True

    def pytest_runtest_logfinish(self) -> None:
        self.runs = False
        self.done += 1

    def pytest_sessionfinish(self) -> None:
        self.runs = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.done < self.tests:
            terminalreporter.write_line(
                f"Not run within {self.seconds:g} s: {self.tests - self.done} of {self.tests} tests that touch these "
                "files. `make unit` runs all."
            )


def is_of_unchanged_file(item: Any, changed: set[Path]) -> bool:
    """Whether a test only checks a file that did not change. A test file that changed runs as a whole."""
    if not item.get_closest_marker("of_file") or item.path in changed:
        return False
    return not {value for value in item.callspec.params.values() if isinstance(value, Path)} & changed


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    if changed := {path.resolve() for path in config.getoption("--changed")}:
        config.hook.pytest_deselected(items=[item for item in items if is_of_unchanged_file(item, changed)])
        items[:] = [item for item in items if not is_of_unchanged_file(item, changed)]


def pytest_configure(config: Any) -> None:
    if config.getoption("--seconds"):
        config.pluginmanager.register(Budget(config.getoption("--seconds")), "budget-of-time")
