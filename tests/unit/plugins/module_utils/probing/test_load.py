# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load and rows, on a product that lives in memory."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import load, rows
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Unavailable,
)

A, B = (Endpoint(name, name, 1, "ldaps") for name in "ab")


class Product:
    """Servers that share their rows; those in `down` do not answer, those in `stale` do not see new rows."""

    def __init__(self) -> None:
        self.rows: set[str] = set()
        self.down: set[str] = set()
        self.stale: set[str] = set()
        self.connections = 0

    def connect(self, endpoints: Sequence[Endpoint], _access: Access, _timeout: float) -> Connection:
        for endpoint in endpoints:
            if endpoint.name not in self.down:
                self.connections += 1
                return Connection(self, endpoint.name)
        raise Unavailable("nobody answers", lost=True)


class Connection:
    def __init__(self, product: Product, server: str) -> None:
        self.product = product
        self.server = server

    def _there(self) -> None:
        if self.server in self.product.down:
            raise Unavailable("lost", lost=True)

    def read(self) -> None:
        self._there()

    def write(self, name: str) -> None:
        self._there()
        self.product.rows.add(name)

    def names(self, prefix: str) -> set[str]:
        self._there()
        return set() if self.server in self.product.stale else {r for r in self.product.rows if r.startswith(prefix)}

    def remove(self, prefix: str) -> int:
        found = self.names(prefix)
        self.product.rows -= found
        return len(found)

    def close(self) -> None:
        pass


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    made = Product()
    for module in (load, rows):
        monkeypatch.setattr(module, "driver", lambda _protocol: made)
    yield made


def worker(product: Product, kind: str, persistent: bool) -> tuple[load.Worker, list[list[Any]]]:
    samples: list[list[Any]] = []
    stream = load.Stream("s", kind, (A, B), 5, persistent, "r")
    return load.Worker(stream, Access(), 1, samples.append), samples


def outcome(samples: list[list[Any]]) -> list[tuple[Any, ...]]:
    """server, tries, number, error"""
    return [tuple(sample[3:7]) for sample in samples]


def requests(samples: io.StringIO) -> list[list[Any]]:
    """The lines of requests; a late tick of this machine is none."""
    return [line for line in map(json.loads, samples.getvalue().splitlines()) if isinstance(line, list)]


def test_a_read_on_a_broken_connection_is_repeated_once(product: Product) -> None:
    reader, samples = worker(product, "read", persistent=True)
    reader._request()
    product.down = {"a"}
    reader._request()
    assert outcome(samples) == [("a", 1, 0, ""), ("b", 2, 0, "")]


def test_a_kept_connection_stays_where_it_is(product: Product) -> None:
    reader, samples = worker(product, "read", persistent=True)
    product.down = {"a"}
    reader._request()
    product.down = set()
    reader._request()
    assert [sample[0] for sample in outcome(samples)] == ["b", "b"]
    assert product.connections == 1


def test_a_new_connection_goes_home_again(product: Product) -> None:
    reader, samples = worker(product, "read", persistent=False)
    product.down = {"a"}
    reader._request()
    product.down = set()
    reader._request()
    assert [sample[0] for sample in outcome(samples)] == ["b", "a"]


def test_a_write_is_never_repeated(product: Product) -> None:
    writer, samples = worker(product, "write", persistent=True)
    writer._request()
    product.down = {"a"}
    writer._request()
    writer._request()
    assert outcome(samples) == [("a", 1, 1, ""), ("a", 1, 2, "lost"), ("b", 1, 3, "")]
    assert product.rows == {"r-00001", "r-00003"}
    assert (writer.requests, writer.failed) == (3, 1)


def test_requests_to_silent_servers_fail(product: Product) -> None:
    reader, samples = worker(product, "read", persistent=False)
    product.down = {"a", "b"}
    reader._request()
    assert outcome(samples) == [("", 1, 0, "nobody answers")]


def test_the_load_is_bounded_and_every_request_leaves_a_sample(product: Product) -> None:
    streams = [
        load.Stream.of(
            {"name": name, "kind": "read", "servers": [vars(A)], "rate": 20, "connection": "persistent", "prefix": None}
        )
        for name in ("x", "y")
    ]
    samples = io.StringIO()
    end = time.monotonic() + 0.5
    done = load.run(streams, Access(), 1, samples, lambda: time.monotonic() > end)
    lines = requests(samples)
    assert len(lines) == done["x"]["requests"] + done["y"]["requests"]
    assert 5 <= done["x"]["requests"] <= 16


class StopAfter(threading.Event):
    """Waits as told, each time `more` seconds too long, and is set after `ticks` ticks."""

    def __init__(self, ticks: int, more: float) -> None:
        super().__init__()
        self._ticks, self._more = ticks, more

    def wait(self, timeout: float | None = None) -> bool:
        self._ticks -= 1
        time.sleep((timeout or 0) + self._more)
        return self._ticks < 0


@pytest.mark.parametrize(("more", "recorded"), [(0.0, 0), (0.2, 2)])
def test_ticks_that_come_late_are_recorded(more: float, recorded: int) -> None:
    late: list[dict[str, float]] = []
    load.record_late_ticks(StopAfter(2, more), late.append)
    assert len([tick for tick in late if tick["late"] >= 0.2]) == recorded
    assert all(abs(tick["due"] + tick["late"] - time.time()) < 5 for tick in late)


def test_workers_share_the_rate_and_number_their_rows_together(product: Product) -> None:
    """Also at 200 requests a second."""
    stream = load.Stream("w", "write", (A,), 200, True, "r", workers=8)
    samples = io.StringIO()
    end = time.monotonic() + 1
    done = load.run([stream], Access(), 1, samples, lambda: time.monotonic() > end)
    lines = requests(samples)
    assert len(lines) == done["w"]["requests"] == len(product.rows)
    assert 150 <= len(lines) <= 250
    assert sorted(line[5] for line in lines) == list(range(1, len(lines) + 1))
    assert {line[7] for line in lines} == set(range(8))
    assert product.connections == 8


def test_samples_are_written_while_the_load_runs(product: Product) -> None:
    stream = load.Stream("s", "read", (A,), 50, True)
    samples = io.StringIO()
    end = time.monotonic() + 5
    load.run([stream], Access(), 1, samples, lambda: bool(samples.getvalue()) or time.monotonic() > end)
    assert samples.getvalue()


def test_a_request_that_hangs_does_not_hold_the_end(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "read", lambda _self: time.sleep(3))
    streams = [load.Stream(name, "read", (A,), 5, True, workers=4) for name in "xy"]
    began = time.monotonic()
    load.run(streams, Access(), 0.1, io.StringIO(), lambda: True)
    assert time.monotonic() - began < 1


def test_rows_are_written_and_seen(product: Product) -> None:
    seen = rows.write(A, "r-1", [A, B], Access(), 1, wait=1)
    assert seen["ok"]
    assert [reader["found"] for reader in seen["readers"]] == [1, 1]


def test_a_row_that_never_arrives(product: Product) -> None:
    product.stale = {"b"}
    seen = rows.write(A, "r-1", [A, B], Access(), 1, wait=0.1)
    assert not seen["ok"]
    assert seen["why"] == "read through b: 1 of 1 rows are missing"


def test_a_write_that_fails(product: Product) -> None:
    product.down = {"a"}
    assert rows.write(A, "r-1", [], Access(), 1, wait=0)["why"] == "nobody answers"


def test_missing_rows_are_named(product: Product) -> None:
    product.rows = {rows.row("r", number) for number in range(1, 250)}
    names = [rows.row("r", number) for number in range(1, 252)]
    assert rows.find(A, Access(), 1, names, wait=0)["missing"] == ["r-00250", "r-00251"]


def test_a_server_that_is_down_has_all_rows_missing(product: Product) -> None:
    product.down = {"a"}
    seen = rows.find(A, Access(), 1, ["r"], wait=0)
    assert (seen["ok"], seen["found"], seen["why"]) == (False, 0, "nobody answers")


def test_pages_are_small() -> None:
    assert rows.pages(["r-00101", "r-00199", "r-00200", "name"]) == {"r-001", "r-002", "name"}


def test_removing(product: Product) -> None:
    product.rows = {"r-1", "r-2", "q-1"}
    product.down = {"a"}
    assert rows.remove([A, B], "r-", Access(), 1)["removed"] == 2
    assert product.rows == {"q-1"}
    product.down = {"a", "b"}
    assert not rows.remove([A, B], "r-", Access(), 1)["ok"]
