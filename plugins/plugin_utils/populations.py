# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read populations of clients: a CSV, JSON or YAML file, such a text, a list, or counts by site.

Everything that is wrong is reported with its line or name and left out; nothing is a traceback. A CSV file is read
row by row, and rows that say the same share one dictionary, so a million clients cost their names and little more.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

COLUMNS = ("name", "site", "weight", "pin", "allow", "deny", "spread")
SELECTOR_SEPARATOR = "|"
LARGEST_WEIGHT = 10**15
LARGEST_COUNT = 10**7
MOST_PROBLEMS = 1000  # a million wrong lines are one mistake, not a million

_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = 80
show = _shown.repr


def read_population(source: Any) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """``(clients, problems)`` of a path, a text, a list of dictionaries, a dictionary by name, or counts by site."""
    reader = _Reader()
    try:
        if isinstance(source, os.PathLike):
            reader.file(os.fspath(source))
        elif isinstance(source, str):
            if _is_path(source):
                reader.file(source)
            else:
                reader.text(io.StringIO(source, newline=""), "text")
        else:
            reader.data(source, "clients")
    except RecursionError:
        reader.problem("clients: nested too deeply")
    if reader.unheard:
        reader.problems.append(f"and {reader.unheard} more problems")
    return reader.clients, reader.problems


def _is_path(source: str) -> bool:
    """A path is one line; a population of one line is a CSV header or begins with a bracket or a dash."""
    line = source.strip()
    if not line or "\n" in line or "\r" in line:
        return False
    return line.endswith((".csv", ".json", ".yml", ".yaml")) or (line[0] not in "[{-" and "," not in line)


class _Reader:
    def __init__(self) -> None:
        self.clients: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        self.unheard = 0
        self._shared: dict[tuple[Any, ...], dict[str, Any]] = {}

    def problem(self, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)
        else:
            self.unheard += 1

    def file(self, path: str) -> None:
        try:
            with open(path, encoding="utf-8-sig", newline="") as stream:
                self.text(stream, path)
        except (OSError, ValueError) as error:  # ValueError: a name no file can have
            self.problem(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")

    def text(self, stream: TextIO, where: str) -> None:
        try:
            start = stream.read(1)
            while start and start in " \t\r\n\ufeff":
                start = stream.read(1)
            stream.seek(0)
            if not start:
                self.problem(f"{where}: is empty")
            elif start in "[{" and not where.endswith((".csv", ".yml", ".yaml")):
                self._json(stream.read(), where)
            elif start in "[{-" or where.endswith((".yml", ".yaml")):
                self._yaml(stream.read(), where)
            else:
                self._csv(stream, where)
        except UnicodeDecodeError as error:
            self.problem(f"{where}: is no UTF-8 text: {_line_of(where, error)}")

    def _json(self, text: str, where: str) -> None:
        text = text.lstrip("\ufeff")
        try:
            data = json.loads(text, object_pairs_hook=_Pairs)
        except ValueError as error:
            # YAML's lists and dictionaries on one line look alike, but quote no names.
            if where.endswith(".json") or re.match(r'[\[{\s]*"', text):
                line = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
                self.problem(f"{where}: {line}is no whole JSON: {getattr(error, 'msg', error)}")
            else:
                self._yaml(text, where)
        else:
            self.data(data, where)

    def _yaml(self, text: str, where: str) -> None:
        # Only here: a module's host need not have PyYAML, and only the controller reads files.
        import yaml

        class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
            """Tells keys given twice apart, which YAML itself lets the last one win."""

        def pairs(loader: Any, node: Any) -> _Pairs:
            return _Pairs([(loader.construct_object(k, True), loader.construct_object(v, True)) for k, v in node.value])

        Loader.add_constructor("tag:yaml.org,2002:map", pairs)
        try:
            self.data(yaml.load(text, Loader=Loader), where)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f"line {mark.line + 1}: " if mark is not None else ""
            reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
            self.problem(f"{where}: {line}is no whole YAML: {reason}")
        except (ValueError, TypeError) as error:  # a date that is none, a key that can be none
            self.problem(f"{where}: is no whole YAML: {error}")

    def _csv(self, stream: TextIO, where: str) -> None:
        rows = csv.reader(stream, strict=True)
        try:
            header = [column.strip() for column in next((row for row in rows if any(row)), [])]
            wrong = [column for column in header if column not in COLUMNS]
            missing = [column for column in ("name", "site") if column not in header]
            twice = sorted({column for column in header if header.count(column) > 1})
            line = f"{where}: line {rows.line_num}"
            if wrong:
                self.problem(f"{line}: unknown columns: {', '.join(wrong)}; known are {', '.join(COLUMNS)}")
            if missing:
                self.problem(f"{line}: the header lacks: {', '.join(missing)}")
            if twice:
                self.problem(f"{line}: columns given twice: {', '.join(twice)}")
            if not (wrong or missing or twice):
                self._csv_rows(rows, header, where)
        except csv.Error as error:
            self.problem(f"{where}: line {rows.line_num}: is no whole CSV: {error}")

    def _csv_rows(self, rows: Any, header: list[str], where: str) -> None:
        columns = len(header)
        name_at = header.index("name")
        clients, shared = self.clients, self._shared
        rest = [column for column in header if column != "name"]
        for row in rows:
            if len(row) != columns:
                if row:
                    self.problem(f"{where}: line {rows.line_num}: {len(row)} columns instead of {columns}")
                continue
            name = row.pop(name_at)
            client = shared.get(tuple(row))
            if client is None:
                given = {column: value.strip() for column, value in zip(rest, row, strict=False) if value.strip()}
                client, wrong = _client(given, from_text=True)
                if wrong:
                    for reason in wrong:
                        self.problem(f"{where}: line {rows.line_num}: {reason}")
                    continue
                shared[tuple(row)] = client
            if not name or name in clients or name != name.strip():
                if not name.strip():
                    self.problem(f"{where}: line {rows.line_num}: name is empty")
                    continue
                name = name.strip()
                if name in clients:
                    self.problem(f"{where}: line {rows.line_num}: {show(name)} was there before")
                    continue
            clients[name] = client

    def data(self, data: Any, where: str) -> None:
        """A list of dictionaries with ``name``; a dictionary by name; or ``{site: count}``."""
        if isinstance(data, _Pairs):
            self._items(data.pairs, where)
        elif isinstance(data, Mapping):
            self._items(data.items(), where)
        elif isinstance(data, (list, tuple)):
            for number, entry in enumerate(data, 1):
                spot = f"{where}: entry {number}"
                if isinstance(entry, _Pairs):
                    entry = self._once(entry, spot)
                if not isinstance(entry, Mapping):
                    self.problem(f"{spot}: must be a dictionary, not {type(entry).__name__}")
                else:
                    self._add(entry.get("name"), {k: v for k, v in entry.items() if k != "name"}, spot)
        else:
            kind = "nothing" if data is None else type(data).__name__
            self.problem(f"{where}: must be a list or a dictionary of clients, not {kind}")

    def _items(self, items: Iterable[tuple[Any, Any]], where: str) -> None:
        for name, entry in items:
            spot = f"{where}: {show(name)}"
            if isinstance(entry, int) and not isinstance(entry, bool):
                self._count(name, entry, spot)
                continue
            if isinstance(entry, _Pairs):
                entry = self._once(entry, spot)
            if not isinstance(entry, Mapping):
                self.problem(f"{spot}: must be a dictionary or a count, not {type(entry).__name__}")
            else:
                self._add(name, {k: v for k, v in entry.items() if k != "name"}, spot)

    def _count(self, site: Any, count: int, where: str) -> None:
        """So many clients of a site whose names do not matter; the names made up stay when the count grows."""
        if not isinstance(site, str) or not site.strip() or not 0 <= count <= LARGEST_COUNT:
            self.problem(f"{where}: must be a site and a count from 0 to 10^7, not {count}")
            return
        client, _none = _client({"site": site})
        for number in range(1, count + 1):
            self._put(f"{site}#{number}", client, where)

    def _add(self, name: Any, given: Mapping[Any, Any], where: str) -> None:
        if not isinstance(name, str) or not name.strip():
            self.problem(f"{where}: name must be a text that is not empty, not {show(name)}")
            return
        client, wrong = _client(given)
        if wrong:
            for reason in wrong:
                self.problem(f"{where}: {reason}")
            return
        key = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in client.items())
        self._put(name, self._shared.setdefault(key, client), where)

    def _once(self, entry: _Pairs, where: str) -> dict[str, Any]:
        result = dict(entry.pairs)
        if len(result) < len(entry.pairs):
            self.problem(f"{where}: a key is given twice")
        return result

    def _put(self, name: str, client: dict[str, Any], where: str) -> None:
        if name in self.clients:
            self.problem(f"{where}: {show(name)} was there before")
        else:
            self.clients[name] = client


class _Pairs:
    """A JSON object as it was written: a key given twice is a mistake, not the last one's victory."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _client(given: Mapping[Any, Any], from_text: bool = False) -> tuple[dict[str, Any], list[str]]:
    """One client without its name, checked; only what was given is in it."""
    wrong = [f"unknown key {show(key)}; known are {', '.join(COLUMNS)}" for key in given if key not in COLUMNS]
    client: dict[str, Any] = {}
    site = given.get("site")
    if isinstance(site, str) and site.strip():
        client["site"] = site
    else:
        wrong.append(f"site must be a text that is not empty, not {show(site)}")
    weight = given.get("weight", 1)
    number = _whole(weight) if from_text else weight
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= LARGEST_WEIGHT:
        client["weight"] = number
    else:
        wrong.append(f"weight must be a whole number from 1 to 10^15, not {show(weight)}")
    for key in ("pin", "spread"):
        value = given.get(key)
        if isinstance(value, str) and value:
            client[key] = value
        elif value is not None:
            wrong.append(f"{key} must be a text that is not empty, not {show(value)}")
    for key in ("allow", "deny"):
        value = given.get(key)
        if isinstance(value, str):
            value = [part.strip() for part in value.split(SELECTOR_SEPARATOR)]
        if isinstance(value, (list, tuple)) and all(isinstance(part, str) and part for part in value):
            if value:
                client[key] = list(value)
        elif value is not None:
            wrong.append(f"{key} must be selectors, each a text that is not empty, not {show(given[key])}")
    return client, wrong


def _whole(text: Any) -> Any:
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 16:
        return int(text)
    return text


def _line_of(path: str, error: UnicodeDecodeError) -> str:
    """The line of the first byte that is no UTF-8; the decoder only knows its place in some buffer."""
    try:
        with open(path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return f"line {number}"
    except OSError:
        pass
    return error.reason
