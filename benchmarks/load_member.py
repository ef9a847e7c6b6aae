# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member that serves so many requests at a time, each in a set time; the others wait in the order they came.

    python benchmarks/load_member.py PORT SERVICE_SECONDS WORKERS

/ready answers at once, and so does /counters, with what there has been so far: requests, seconds that they were served
and seconds that they were here, waiting and served.
"""

from __future__ import annotations

import asyncio
import json
import sys
from statistics import fmean
from time import monotonic
from typing import Any, cast

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
BODY = json.dumps({"text": "x" * 500}).encode()
ANSWER = HEAD % (len(BODY), BODY)


class Member:
    def __init__(self, service_seconds: float, workers: int) -> None:
        self._service = service_seconds
        self._workers = asyncio.Semaphore(workers)
        self._tasks: set[asyncio.Task[None]] = set()
        self._counters = {"requests": 0, "served_s": 0.0, "here_s": 0.0}

    def answer(self, path: bytes, transport: asyncio.Transport) -> None:
        if path == b"/counters":
            body = json.dumps(self._counters).encode()
            transport.write(HEAD % (len(body), body))
        elif path == b"/ready" or not self._service:
            transport.write(ANSWER)
        else:
            task = asyncio.get_running_loop().create_task(self._serve(transport))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, transport: asyncio.Transport) -> None:
        came = monotonic()
        async with self._workers:
            began = monotonic()
            await asyncio.sleep(self._service)
        ended = monotonic()
        self._counters["requests"] += 1
        self._counters["served_s"] += ended - began
        self._counters["here_s"] += ended - came
        transport.write(ANSWER)


class Connection(asyncio.Protocol):
    """Requests without a body, one after the other."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            self._member.answer(head.split(b" ", 2)[1], self._transport)


def spread(grown: list[dict[str, float]], passed: float, workers: int) -> dict[str, Any]:
    """How members shared the load, from what the counters of each grew by while so many seconds passed."""
    total = sum(one["requests"] for one in grown)
    busy = [one["served_s"] / (workers * passed) for one in grown]
    # Those who are there, times what one takes, by how many are served at a time
    backlog = [1e3 * (one["here_s"] / passed) * (one["served_s"] / max(1, one["requests"])) / workers for one in grown]
    return {
        "requests": [one["requests"] / total for one in grown],
        "busy": busy,
        "busy_unevenness": max(busy) / fmean(busy),
        "backlog_ms": backlog,
        "backlog_unevenness": max(backlog) / fmean(backlog),
    }


async def main(port: int, service_seconds: float, workers: int) -> None:
    member = Member(service_seconds, workers)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(member), "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
