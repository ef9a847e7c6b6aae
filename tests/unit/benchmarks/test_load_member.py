# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The counters of members are read correctly, and a member counts its requests."""

from __future__ import annotations

import asyncio
import json

import pytest

from ansible_collections.distributed.tiers.benchmarks.load_member import Connection, Member, spread


def grown(requests: int, served_s: float, here_s: float) -> dict[str, float]:
    return {"requests": requests, "served_s": served_s, "here_s": here_s}


def test_busy_is_the_part_of_what_a_member_can_serve() -> None:
    found = spread([grown(100, 1, 1), grown(100, 2, 2), grown(100, 3, 3)], passed=2, workers=2)
    assert found["busy"] == [0.25, 0.5, 0.75]
    assert found["busy_unevenness"] == 1.5


def test_backlog_is_the_time_to_serve_those_who_are_there() -> None:
    # Ten and five are there on the mean; of the first two are served in 20 ms, of the second two in 40 ms.
    found = spread([grown(1000, 20, 100), grown(500, 20, 50)], passed=10, workers=2)
    assert found["backlog_ms"] == [100, 100]
    assert found["backlog_unevenness"] == 1
    assert found["requests"] == pytest.approx([2 / 3, 1 / 3])


def test_one_that_has_everything_is_as_uneven_as_there_are_members() -> None:
    found = spread([grown(1000, 10, 10), grown(0, 0, 0), grown(0, 0, 0)], passed=10, workers=1)
    assert found["requests"] == [1, 0, 0]
    assert found["busy_unevenness"] == found["backlog_unevenness"] == 3


def test_a_request_that_waits_for_a_worker_is_counted_and_not_served() -> None:
    async def ask() -> dict[str, float]:
        member = Member(service_seconds=0.05, workers=1)
        server = await asyncio.get_running_loop().create_server(lambda: Connection(member), "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()

        async def get(path: str) -> bytes:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.split(b"Content-Length: ")[1].split()[0]))
            writer.close()
            return body

        async with server:
            await asyncio.gather(get("/"), get("/"), get("/ready"))
            return dict(json.loads(await get("/counters")))

    counted = asyncio.run(ask())
    assert counted["requests"] == 2
    # One waited for the other.
    assert counted["served_s"] >= 0.099
    assert counted["here_s"] - counted["served_s"] >= 0.04
