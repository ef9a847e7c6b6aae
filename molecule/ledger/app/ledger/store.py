# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows on disk, and how far they are.

Every change has a position, counted by the node of the pair that acts. Anyone who begins to act begins a term. So two
nodes agree up to a position exactly if the same term wrote it in both; `covers` tells this, `since` what one lacks.
A deleted row stays as a row without a value, for its deletion has to reach the peer too.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = """
create table if not exists rows (
    name text primary key, value text, term integer not null, position integer not null
) without rowid;
create index if not exists rows_by_position on rows (position);
create table if not exists terms (term integer primary key, first integer not null);
create table if not exists state (id integer primary key check (id = 1), acting integer not null);
insert or ignore into state values (1, 0);
"""


class Point(NamedTuple):
    """How far a node is. Compares as it reads: first the term, then the position."""

    term: int
    position: int


@dataclass(frozen=True)
class Entry:
    """One change: a row's new value, or None if the row was deleted."""

    name: str
    value: str | None
    term: int
    position: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Store:
    """Rows in SQLite. A change is on disk when its transaction ends, not before and not later."""

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._local = threading.local()
        with self._connection as connection:
            connection.execute("pragma journal_mode = wal")
            connection.executescript(SCHEMA)

    @property
    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
            self._local.connection.execute("pragma synchronous = full")
        connection: sqlite3.Connection = self._local.connection
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Changes are made inside of one, by one thread at a time."""
        connection = self._connection
        connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")

    # What there is

    def get(self, name: str) -> Entry | None:
        found = self._connection.execute(
            "select name, value, term, position from rows where name = ? and value is not null", [name]
        ).fetchone()
        return Entry(*found) if found else None

    def names(self, prefix: str = "") -> list[str]:
        found = self._connection.execute(
            "select name from rows where substr(name, 1, ?) = ? and value is not null order by name",
            [len(prefix), prefix],
        )
        return [name for (name,) in found]

    @property
    def point(self) -> Point:
        (term,) = self._connection.execute("select coalesce(max(term), 0) from terms").fetchone()
        (position,) = self._connection.execute("select coalesce(max(position), 0) from rows").fetchone()
        return Point(term, position)

    @property
    def written(self) -> Point:
        """The last change and the term that wrote it. A term that has written nothing yet does not show."""
        found = self._connection.execute("select term, position from rows order by position desc limit 1").fetchone()
        return Point(*found) if found else Point(0, 0)

    @property
    def acting(self) -> bool:
        (acting,) = self._connection.execute("select acting from state").fetchone()
        return bool(acting)

    def covers(self, point: Point) -> bool:
        """Whether what wrote up to `point` elsewhere is what is here too."""
        if point.position == 0:
            return True
        if point.position > self.point.position:
            return False
        found = self._connection.execute(
            "select term from terms where first <= ? order by term desc limit 1", [point.position]
        ).fetchone()
        return bool(found and found[0] == point.term)

    def since(self, position: int) -> list[Entry]:
        found = self._connection.execute(
            "select name, value, term, position from rows where position > ? order by position", [position]
        )
        return [Entry(*row) for row in found]

    @property
    def terms(self) -> list[tuple[int, int]]:
        return [tuple(row) for row in self._connection.execute("select term, first from terms order by term")]

    # Changes, inside of a transaction

    def write(self, name: str, value: str | None) -> Entry:
        """A change by this node, which acts."""
        term, position = self.point
        entry = Entry(name, value, term, position + 1)
        self._put(entry)
        return entry

    def apply(self, entries: Sequence[Entry], terms: Sequence[tuple[int, int]], reset: bool) -> None:
        """Changes that the peer made. With `reset` they replace everything that is here."""
        if reset:
            self._connection.execute("delete from rows")
        self._connection.execute("delete from terms")
        self._connection.executemany("insert into terms values (?, ?)", terms)
        for entry in entries:
            self._put(entry)

    def put_aside(self, entries: Sequence[Entry]) -> Path:
        """Write changes that will be dropped to a file, a line each. Its name says up to which change it goes."""
        path = Path(self._path).with_name(f"dropped-{entries[-1].term}-{entries[-1].position}.jsonl")
        path.write_text("".join(json.dumps(entry.as_dict()) + "\n" for entry in entries))
        return path

    def begin_term(self, term: int) -> None:
        self._connection.execute("insert into terms values (?, ?)", [term, self.point.position + 1])

    def set_acting(self, acting: bool) -> None:
        self._connection.execute("update state set acting = ?", [acting])

    def _put(self, entry: Entry) -> None:
        self._connection.execute(
            "insert or replace into rows (name, value, term, position) values (?, ?, ?, ?)",
            [entry.name, entry.value, entry.term, entry.position],
        )
