# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read populations of clients: a CSV, JSON or YAML file, such a text, a list, or counts by site.

Everything that is wrong is reported with its line or name and left out; nothing is a traceback. Files are read client
by client, and those that say the same share one dictionary, so a million clients cost their names and little more.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TextIO

from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import CLIENT_WEIGHT
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten, shown
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names
from ansible_collections.distributed.tiers.plugins.plugin_utils.files import check_has_end, why_not
from ansible_collections.distributed.tiers.plugins.plugin_utils.items import (
    COMPLETE,
    ENTRY,
    BrokenTextError,
    Items,
    Twice,
    is_json,
    json_items,
    yaml_items,
)

COLUMNS = ("name", "site", "weight", "pin", "allow", "deny", "spread")
SELECTOR_SEPARATOR = "|"
LARGEST_COUNT = 10**7
LONGEST_LINE = 1 << 20
MOST_PROBLEMS = 1000  # a million wrong lines are one mistake, not a million
BLANK = " \t\r\n\ufeff"
HEAD = 4096
# How files begin that are often taken for text.
OTHER_KINDS = {
    b"\xff\xfe": "it is UTF-16",
    b"\xfe\xff": "it is UTF-16",
    b"\x1f\x8b": "it is compressed",
    b"\x28\xb5\x2f\xfd": "it is compressed",
    b"\xfd7zXZ": "it is compressed",
    b"BZh": "it is compressed",
    b"PK": "it is an archive, or a spreadsheet",
}


def read_population(source: Any) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """``(clients, problems)`` of a path, a text, a list of dictionaries, a dictionary by name, or counts by site."""
    reader = _PopulationParser()
    if isinstance(source, os.PathLike):
        reader.file(os.fspath(source))
    elif isinstance(source, str):
        if _is_path(source):
            reader.file(source)
        else:
            reader.text(io.StringIO(source.removeprefix("\ufeff"), newline=""), "text")
    else:
        reader.data(source, "clients")
    if reader.unheard:
        reader.problems.append(f"and {reader.unheard} more problems")
    return reader.clients, reader.problems


def _is_path(source: str) -> bool:
    """A path is one line; a population of one line is a CSV header or begins with a bracket or a dash."""
    line = source.strip()
    if not line or "\n" in line or "\r" in line:
        return False
    return line.endswith((".csv", ".json", ".yml", ".yaml")) or (line[0] not in "[{-" and "," not in line)


class _PopulationParser:
    def __init__(self) -> None:
        self.clients: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        self.unheard = 0
        self.counted = 0
        # Properties of a client, checked and as they were given -> one dictionary for all clients that share them
        self._shared: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._known: dict[tuple[Any, ...], dict[str, Any]] = {}

    def problem(self, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)
        else:
            self.unheard += 1

    def file(self, path: str) -> None:
        where = shorten(path, 200)
        try:
            check_has_end(path)
            with open(path, encoding="utf-8-sig", newline="") as stream:
                self.text(stream, where, path)
        except (OSError, ValueError) as error:  # ValueError: a name no file can have
            self.problem(f"{where}: cannot be read: {shorten(why_not(error), 200)}")

    def text(self, stream: TextIO, where: str, path: str = "") -> None:
        try:
            head = stream.read(HEAD)
            while head and not head.lstrip(BLANK):
                head = stream.read(HEAD)
            head = head.lstrip(BLANK)
            stream.seek(0)
            if not head:
                self.problem(f"{where}: is empty")
            elif path.endswith(".json") or (is_json(head) and not path.endswith((".csv", ".yml", ".yaml"))):
                self._items(json_items, stream, where, "JSON")
            elif (head[0] in "[{-" and not path.endswith(".csv")) or path.endswith((".yml", ".yaml")):
                self._items(yaml_items, stream, where, "YAML")
            else:
                self._csv(stream, where)
        except UnicodeDecodeError as error:
            self.problem(f"{where}: is no UTF-8 text: {_why_no_text(path, error)}")

    def _items(self, items: Callable[[TextIO], Items], stream: TextIO, where: str, language: str) -> None:
        try:
            self._take(items(stream), where)
        except UnicodeDecodeError:
            raise
        except RecursionError:
            self.problem(f"{where}: nested too deeply")
        except ValueError as error:
            line = f"line {error.line}: " if isinstance(error, BrokenTextError) else ""
            self.problem(f"{where}: {line}is no whole {language}: {error}")

    def _csv(self, stream: TextIO, where: str) -> None:
        # A line that never ends is cut, and then has the wrong number of columns, or a field that is too long.
        rows = csv.reader(iter(partial(stream.readline, LONGEST_LINE), ""), strict=True)
        try:
            header = [column.strip() for column in next((row for row in rows if any(row)), [])]
        except csv.Error as error:
            self.problem(f"{where}: line {rows.line_num}: is no whole CSV: {error}")
            return
        wrong = enumerate_names(map(shorten, set(header) - set(COLUMNS)))
        missing = [column for column in ("name", "site") if column not in header]
        twice = enumerate_names(shorten(column) for column, number in Counter(header).items() if number > 1)
        line = f"{where}: line {rows.line_num}"
        if wrong:
            self.problem(f"{line}: unknown columns: {wrong}; known are {', '.join(COLUMNS)}")
        if missing:
            self.problem(f"{line}: the header lacks: {', '.join(missing)}")
        if twice:
            self.problem(f"{line}: columns given twice: {twice}")
        if not (wrong or missing or twice):
            self._csv_rows(rows, header, where)

    def _csv_rows(self, rows: Any, header: list[str], where: str) -> None:
        columns = len(header)
        name_at = header.index("name")
        clients, shared = self.clients, self._shared
        rest = [column for column in header if column != "name"]
        line = rows.line_num
        try:
            for row in rows:
                line = rows.line_num
                if len(row) != columns:
                    if row:
                        self.problem(f"{where}: line {line}: {len(row)} columns instead of {columns}")
                    continue
                name = row.pop(name_at)
                client = shared.get(tuple(row))
                if client is None:
                    given = {column: value.strip() for column, value in zip(rest, row, strict=False) if value.strip()}
                    client, wrong = _client(given, from_text=True)
                    if wrong:
                        for reason in wrong:
                            self.problem(f"{where}: line {line}: {reason}")
                        continue
                    shared[tuple(row)] = client
                if name in clients or not name or name != name.strip() or not name.isprintable():
                    name = name.strip()
                    if not name:
                        self.problem(f"{where}: line {line}: name is empty")
                        continue
                    if not _is_word(name):
                        self.problem(f"{where}: line {line}: name must be {WORD}, not {shown(name)}")
                        continue
                    if name in clients:
                        self.problem(f"{where}: line {line}: {shown(name)} was there before")
                        continue
                clients[name] = client
        except csv.Error as error:
            # A quote that nobody closes is where the row began, not where its end was missed.
            self.problem(f"{where}: line {line + 1}: is no whole CSV: {error}")

    def data(self, data: Any, where: str) -> None:
        """A list of dictionaries with ``name``; a dictionary by name; or ``{site: count}``."""
        if isinstance(data, Mapping):
            self._take(data.items(), where)
        elif isinstance(data, (list, tuple)):
            self._take(((ENTRY, entry) for entry in data), where)
        else:
            self._take([(COMPLETE, data)], where)

    def _take(self, items: Iterable[tuple[Any, Any]], where: str) -> None:
        for number, (name, entry) in enumerate(items, 1):
            if self._as_before(name, entry):
                continue
            if name is COMPLETE:
                kind = "nothing" if entry is None else type(entry).__name__
                self.problem(f"{where}: must be a list or a dictionary of clients, not {kind}")
                continue
            listed = name is ENTRY
            spot = f"{where}: entry {number}" if listed else f"{where}: {shown(name)}"
            if isinstance(entry, Twice):
                self.problem(f"{spot}: a key is given twice")
            if isinstance(entry, Mapping):
                named = entry.get("name") if listed else name
                self._add(named, {k: v for k, v in entry.items() if k != "name"}, spot)
            elif listed:
                self.problem(f"{spot}: must be a dictionary, not {type(entry).__name__}")
            elif isinstance(entry, int) and not isinstance(entry, bool):
                self._count(name, entry, spot)
            else:
                self.problem(f"{spot}: must be a dictionary or a count, not {type(entry).__name__}")

    def _as_before(self, name: Any, entry: Any) -> bool:
        """Add a client whose properties were checked for an earlier one, as most are in a large file."""
        if not isinstance(entry, dict) or isinstance(entry, Twice):
            return False
        given = entry.copy()
        own = given.pop("name", None)
        if name is ENTRY:
            name = own
        try:
            client = self._known.get(_key(given))
        except TypeError:  # a list in it
            return False
        if client is None or not _is_word(name) or name in self.clients:
            return False
        self.clients[name] = client
        return True

    def _count(self, site: Any, count: int, where: str) -> None:
        """So many clients of a site whose names do not matter; the names made up stay when the count grows."""
        client, wrong = _client({"site": site})
        if wrong or not 0 <= count <= LARGEST_COUNT:
            self.problem(f"{where}: must be a site and a count from 0 to 10^7, not {shown(count)}")
            return
        self.counted += count
        if self.counted > LARGEST_COUNT:
            self.problem(f"{where}: more than 10^7 clients in all")
            return
        for number in range(1, count + 1):
            self._put(f"{site}#{number}", client, where)

    def _add(self, name: Any, given: Mapping[Any, Any], where: str) -> None:
        client, wrong = _client(given)
        if not _is_word(name):
            wrong.insert(0, f"name must be {WORD}, not {shown(name)}")
        if wrong:
            for reason in wrong:
                self.problem(f"{where}: {reason}")
            return
        key = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in client.items())
        client = self._shared.setdefault(key, client)
        with suppress(TypeError):  # a list in it
            self._known[_key(given)] = client
        self._put(name, client, where)

    def _put(self, name: str, client: dict[str, Any], where: str) -> None:
        if name in self.clients:
            self.problem(f"{where}: {shown(name)} was there before")
        else:
            self.clients[name] = client


WORD = "a text that is not empty, without line breaks and the like"


def _is_word(value: Any) -> bool:
    """Line breaks in a name come of quotes that were not closed, or of another file than it seems."""
    return isinstance(value, str) and value.isprintable() and not value.isspace() and value != ""


def _key(given: Mapping[Any, Any]) -> tuple[Any, ...]:
    # 1, 1.0 and true are one key, but not all are a weight.
    return (*given.items(), *map(type, given.values()))


def _client(given: Mapping[Any, Any], from_text: bool = False) -> tuple[dict[str, Any], list[str]]:
    """One client without its name, checked; only what was given is in it."""
    wrong = [f"unknown key {shown(key)}; known are {', '.join(COLUMNS)}" for key in given if key not in COLUMNS]
    client: dict[str, Any] = {}
    site = given.get("site")
    if _is_word(site):
        client["site"] = site
    else:
        wrong.append(f"site must be {WORD}, not {shown(site)}")
    weight = given.get("weight", 1)
    number = _as_integer(weight) if from_text else weight
    if number in CLIENT_WEIGHT:
        client["weight"] = number
    else:
        wrong.append(f"weight must be {CLIENT_WEIGHT.text}, not {shown(weight)}")
    for key in ("pin", "spread"):
        value = given.get(key)
        if _is_word(value):
            client[key] = value
        elif value is not None:
            wrong.append(f"{key} must be {WORD}, not {shown(value)}")
    for key in ("allow", "deny"):
        value = given.get(key)
        if isinstance(value, str):
            value = [part.strip() for part in value.split(SELECTOR_SEPARATOR)]
        if isinstance(value, (list, tuple)) and all(map(_is_word, value)):
            if value:
                client[key] = list(value)
        elif value is not None:
            wrong.append(f"{key} must be selectors, each {WORD}, not {shown(given[key])}")
    return client, wrong


def _as_integer(text: Any) -> Any:
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 16:
        return int(text)
    return text


def _why_no_text(path: str, error: UnicodeDecodeError) -> str:
    """The actual format of the file, or the line of the first byte that is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    try:
        with open(path, "rb") as stream:
            while part := stream.read(LONGEST_LINE):
                if line == 1 and (kind := next((k for start, k in OTHER_KINDS.items() if part.startswith(start)), "")):
                    return kind
                try:
                    decoder.decode(part)
                except UnicodeDecodeError as found:
                    line += found.object.count(b"\n", 0, found.start)
                    return f"line {line}"
                line += part.count(b"\n")
    except OSError:
        pass
    return error.reason
