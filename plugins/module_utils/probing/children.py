# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls in child processes, each with a deadline that holds even while a C library blocks.

libldap's TLS handshake with GnuTLS has no time limit, and the kernel of a stopped process answers keepalives: only a
process that can be killed bounds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

Call = Callable[[], dict[str, Any]]

# Seconds in which a child that can end itself ends what it started.
_GRACE = 0.5


class _Child:
    """One call in a process of its own, which writes its result to a pipe."""

    def __init__(self, index: int, call: Call, seconds: float) -> None:
        self.index = index
        self.deadline = time.monotonic() + seconds
        self._answer = bytearray()
        self._asked_to_end = False
        self.pipe, write_end = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns where threads run, such as Mitogen's: a child uses nothing that they may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            _serve(call, write_end, seconds)
        os.close(write_end)

    def read(self) -> bool:
        """Take what the child has written; whether that was all."""
        data = os.read(self.pipe, 65536)
        self._answer.extend(data)
        return not data

    def end(self) -> bool:
        """Ask the child to end what it started and itself, then kill it; whether it is killed."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL if self._asked_to_end else signal.SIGTERM)
        killed, self._asked_to_end = self._asked_to_end, True
        self.deadline += _GRACE
        return killed

    def result(self) -> dict[str, Any] | None:
        """The result of the call; None if it did not end in time. RuntimeError if it raised."""
        os.close(self.pipe)
        status = self._reap()
        if self._asked_to_end:
            return None
        if not self._answer:
            raise RuntimeError(f"a child process ended without an answer (wait status {status})")
        answer: dict[str, dict[str, Any]] = json.loads(self._answer)
        if "raised" in answer:
            raise RuntimeError(answer["raised"])
        return answer["returned"]

    def _reap(self) -> int:
        """The child's wait status. A killed process that waits for a broken disk ends only when the disk answers."""
        end = time.monotonic() + _GRACE
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG if self._asked_to_end else 0)
            if pid or time.monotonic() >= end:
                return status
            time.sleep(0.005)


def _serve(call: Call, write_end: int, seconds: float) -> NoReturn:
    """The whole life of a child. It ends without running its parent's exit handlers or flushing its buffers."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, _stop)
        # The kernel ends a child whose parent was killed before it.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + 2 * _GRACE)
        try:
            answer = {"returned": call()}
        except Exception:
            answer = {"raised": traceback.format_exc()}  # type: ignore[dict-item]
        data = memoryview(json.dumps(answer).encode())
        while data:
            written = os.write(write_end, data)
            data = data[written:]
        code = 0
    except _Stopped:
        pass
    finally:
        os._exit(code)


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise _Stopped


class _Stopped(BaseException):
    """The deadline is over."""


def run_in_children(calls: Sequence[Call], seconds: float, concurrency: int = 32) -> list[dict[str, Any] | None]:
    """The results of the calls, in their order; None for each that did not end within `seconds`. At most
    `concurrency` calls run at the same time, each in a process of its own: results must be JSON, and changes in
    memory are lost."""
    "localhost".encode("idna")  # what a child would import is imported here: its importer may need its parent
    waiting = deque(enumerate(calls))
    results: list[dict[str, Any] | None] = [None] * len(calls)
    children: dict[int, _Child] = {}
    with selectors.DefaultSelector() as selector:
        while waiting or children:
            while waiting and len(children) < max(1, concurrency):
                index, call = waiting.popleft()
                child = _Child(index, call, seconds)
                children[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            due = min(child.deadline for child in children.values())
            ready = {key.fd for key, _events in selector.select(max(0.0, due - time.monotonic()))}
            now = time.monotonic()
            for pipe, child in list(children.items()):
                done = pipe in ready and child.read()
                if not done and child.deadline <= now:
                    done = child.end()
                if done:
                    selector.unregister(pipe)
                    del children[pipe]
                    results[child.index] = child.result()
    return results
