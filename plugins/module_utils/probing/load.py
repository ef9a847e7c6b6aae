# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A steady, bounded load of real requests. Every request leaves a sample."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import driver
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Session,
    Unavailable,
)
from ansible_collections.distributed.tiers.plugins.module_utils.probing.rows import row

# Seconds between two ticks of the measuring host, and from which delay on a tick is recorded.
_TICK = 0.1
_LATE = 0.1


@dataclass(frozen=True)
class Stream:
    """Client programs of one kind, `rate` requests a second in sum, to the first of the servers that answers."""

    name: str
    kind: str  # read | write
    servers: tuple[Endpoint, ...]
    rate: float
    persistent: bool
    prefix: str = ""
    workers: int = 1
    timeout: float | None = None  # of one request, in seconds; None: that of the load

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Stream:
        return cls(
            options["name"],
            options["kind"],
            tuple(Endpoint.of(server) for server in options["servers"]),
            float(options["rate"]),
            options["connection"] == "persistent",
            options.get("prefix") or "",
            int(options.get("workers") or 1),
            options.get("timeout"),
        )


class Worker:
    """One program of a stream, with one request at a time. A program that keeps its connection opens it again when it
    is lost, and asks once more if the request was a read; a write whose acknowledgement is missing is not repeated,
    because it may have been done. All workers of a stream take the numbers of their rows from the same `numbers`."""

    def __init__(
        self,
        stream: Stream,
        access: Access,
        timeout: float,
        record: Callable[[list[Any]], None],
        worker: int = 0,
        numbers: Iterator[int] | None = None,
    ) -> None:
        self._stream = stream
        self._access = access
        self._timeout = timeout
        self._record = record
        self._worker = worker
        self._numbers = itertools.count(1) if numbers is None else numbers
        self._session: Session | None = None
        self._server = ""
        self.requests = 0
        self.failed = 0

    def run(self, stop: threading.Event) -> None:
        pause = self._stream.workers / self._stream.rate
        # The workers of a stream ask one after the other.
        due = time.monotonic() + pause * self._worker / self._stream.workers
        while not stop.wait(max(0.0, due - time.monotonic())):
            self._request()
            due = max(due + pause, time.monotonic())  # late requests are not made up for: the load stays bounded
        self._close()

    def _request(self) -> None:
        self.requests += 1
        number = next(self._numbers) if self._stream.kind == "write" else 0
        began, clock = time.time(), time.monotonic()
        tries, why = 1, ""
        had_session = self._session is not None
        try:
            try:
                self._request_once(number)
            except Unavailable as error:
                self._close()
                if not (had_session and error.lost and self._stream.kind == "read"):
                    raise
                tries = 2
                self._request_once(number)
        except Unavailable as error:
            self._close()
            self.failed += 1
            why = str(error)
        if not self._stream.persistent:
            self._close()
        seconds = time.monotonic() - clock
        self._record(
            [self._stream.name, round(began, 4), round(seconds, 4), self._server, tries, number, why, self._worker]
        )

    def _request_once(self, number: int) -> None:
        if self._session is None:
            self._server = ""
            first = self._stream.servers[0]
            self._session = driver(first.protocol).connect(self._stream.servers, self._access, self._timeout)
            self._server = self._session.server
        if number:
            self._session.write(row(self._stream.prefix, number))
        else:
            self._session.read()
        self._server = self._session.server  # a session may have opened its connection again, elsewhere

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def record_late_ticks(stop: threading.Event, record: Callable[[dict[str, float]], None]) -> None:
    """Record each tick that comes late, with its delay and the time when it was due, both in seconds. Late ticks
    mean that this host lacks processor time, and so do the requests that it makes."""
    due = time.monotonic() + _TICK
    while not stop.wait(max(0.0, due - time.monotonic())):
        late = time.monotonic() - due
        if late >= _LATE:
            record({"late": round(late, 3), "due": round(time.time() - late, 4)})
        due = time.monotonic() + _TICK


def run(
    streams: Sequence[Stream],
    access: Access,
    timeout: float,
    samples: IO[str],
    over: Callable[[], bool],
) -> dict[str, dict[str, int]]:
    """Run all streams until `over` returns true. Samples are written five times a second, a JSON list a line; among
    them are the late ticks of this host, a JSON object a line."""
    samples_to_write: deque[list[Any] | dict[str, float]] = deque()
    stop = threading.Event()

    def write_down() -> None:
        lines = []
        while samples_to_write:
            lines.append(json.dumps(samples_to_write.popleft(), separators=(",", ":")) + "\n")
        samples.writelines(lines)
        samples.flush()

    workers: dict[str, list[Worker]] = {}
    for stream in streams:
        numbers = itertools.count(1)
        workers[stream.name] = [
            Worker(stream, access, stream.timeout or timeout, samples_to_write.append, number, numbers)
            for number in range(stream.workers)
        ]
    all_workers = [worker for some in workers.values() for worker in some]
    threads = [threading.Thread(target=worker.run, args=(stop,), daemon=True) for worker in all_workers]
    threads.append(threading.Thread(target=record_late_ticks, args=(stop, samples_to_write.append), daemon=True))
    for thread in threads:
        thread.start()
    while not over():
        # Samples are written here, so that no request waits for the disk.
        write_down()
        time.sleep(0.2)
    stop.set()
    # One that hangs may need its time to connect and to ask, twice.
    end = time.monotonic() + 4 * timeout
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    write_down()
    return {
        name: {
            "requests": sum(worker.requests for worker in some),
            "failed": sum(worker.failed for worker in some),
        }
        for name, some in workers.items()
    }
