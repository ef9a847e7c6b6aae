# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A steady, bounded load of real requests. Every request leaves a sample."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.distributed.tiers.plugins.module_utils.protocols import driver
from ansible_collections.distributed.tiers.plugins.module_utils.protocols.base import (
    Access,
    Endpoint,
    Session,
    Unavailable,
)
from ansible_collections.distributed.tiers.plugins.module_utils.rows import row


@dataclass(frozen=True)
class Stream:
    """One client program: one request at a time, `rate` a second, to the first of the servers that answers."""

    name: str
    kind: str  # read | write
    servers: tuple[Endpoint, ...]
    rate: float
    persistent: bool
    prefix: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Stream:
        return cls(
            options["name"],
            options["kind"],
            tuple(Endpoint.of(server) for server in options["servers"]),
            float(options["rate"]),
            options["connection"] == "persistent",
            options.get("prefix") or "",
        )


class Worker:
    """Runs one stream. A program that keeps its connection opens it again when it is lost, and asks once more if the
    request was a read; a write whose acknowledgement is missing is not repeated, because it may have been done."""

    def __init__(self, stream: Stream, access: Access, timeout: float, record: Callable[[list[Any]], None]) -> None:
        self._stream = stream
        self._access = access
        self._timeout = timeout
        self._record = record
        self._session: Session | None = None
        self._server = ""
        self.requests = 0
        self.failed = 0

    def run(self, stop: threading.Event) -> None:
        pause = 1 / self._stream.rate
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            self._request()
            due = max(due + pause, time.monotonic())  # late requests are not made up for: the load stays bounded
        self._close()

    def _request(self) -> None:
        self.requests += 1
        number = self.requests if self._stream.kind == "write" else 0
        began, clock = time.time(), time.monotonic()
        tries, why = 1, ""
        kept = self._session is not None
        try:
            try:
                self._once(number)
            except Unavailable as error:
                self._close()
                if not (kept and error.lost and self._stream.kind == "read"):
                    raise
                tries = 2
                self._once(number)
        except Unavailable as error:
            self._close()
            self.failed += 1
            why = str(error)
        if not self._stream.persistent:
            self._close()
        seconds = time.monotonic() - clock
        self._record([self._stream.name, round(began, 4), round(seconds, 4), self._server, tries, number, why])

    def _once(self, number: int) -> None:
        if self._session is None:
            self._server = ""
            first = self._stream.servers[0]
            self._session = driver(first.protocol).connect(self._stream.servers, self._access, self._timeout)
            self._server = self._session.server
        if number:
            self._session.write(row(self._stream.prefix, number))
        else:
            self._session.read()

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def run(
    streams: Sequence[Stream],
    access: Access,
    timeout: float,
    samples: IO[str],
    over: Callable[[], bool],
) -> dict[str, dict[str, int]]:
    """Run all streams until `over` says so; samples go out one JSON line each."""
    lock = threading.Lock()
    stop = threading.Event()

    def record(sample: list[Any]) -> None:
        line = json.dumps(sample, separators=(",", ":")) + "\n"
        with lock:
            samples.write(line)

    workers = {stream.name: Worker(stream, access, timeout, record) for stream in streams}
    threads = [threading.Thread(target=worker.run, args=(stop,), daemon=True) for worker in workers.values()]
    for thread in threads:
        thread.start()
    while not over():
        time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join(4 * timeout)
    return {name: {"requests": worker.requests, "failed": worker.failed} for name, worker in workers.items()}
