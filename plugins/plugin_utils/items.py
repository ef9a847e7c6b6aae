# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The items of a large JSON or YAML text one at a time, so that a million of them never are in memory all at once.

Both yield `(key, value)` of a mapping, `(ENTRY, value)` of a list, and `(COMPLETE, value)` of anything else. A mapping
in which a key is given twice comes as `Twice`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten

ENTRY, COMPLETE = object(), object()
CHUNK = 1 << 16
SPACE = re.compile(r"[ \t\n\r]*")
LONGEST_ENTRY = 1 << 24
# So near the end of what was read, a value may go on, and an error may come of what is not read yet.
TOKEN = 16
MOST_PLAIN = 4096


class BrokenTextError(ValueError):
    """The text is broken off, or it is in another language; where and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class Twice(dict[Any, Any]):
    """A mapping in which a key was given twice, which JSON and YAML themselves let the last one win."""


def unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Twice(found)


Items = Iterator[tuple[Any, Any]]


def json_items(stream: TextIO) -> Items:
    """The items of a JSON text. ValueError and RecursionError say what is wrong with it."""
    text = _Json(stream)
    sign = text.sign()
    if sign in ("[", "{"):
        end = "]" if sign == "[" else "}"
        sign = text.pass_sign()
        while sign != end:
            key = ENTRY
            if end == "}":
                if sign != '"':
                    raise text.broken("Expecting property name in double quotes")
                key = text.value()
                if text.sign() != ":":
                    raise text.broken("Expecting ':' delimiter")
                text.pass_sign()
            yield key, text.value()
            sign = text.sign()
            if sign == ",":
                sign = text.pass_sign()
                if sign == end:
                    raise text.broken("Expecting " + ("property name" if end == "}" else "value"))
            elif sign != end:
                raise text.broken("Expecting ',' delimiter")
        text.pass_sign()
    else:
        yield COMPLETE, text.value()
    if text.sign():
        raise text.broken("Extra data")


class _Json:
    """A window that moves over a JSON text."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.text = ""
        self.at = 0
        self.complete = False
        self.lines = 1
        self.decode = json.JSONDecoder(object_pairs_hook=unique).raw_decode

    def more(self) -> None:
        """Read on, and forget what was used."""
        self.lines += self.text.count("\n", 0, self.at)
        rest = self.text[self.at :]
        if len(rest) > LONGEST_ENTRY:
            raise self.broken(f"one entry of more than {LONGEST_ENTRY} characters")
        # As much again each time, so that a long entry is not read over and over.
        new = self.stream.read(max(CHUNK, len(rest)))
        self.text, self.at, self.complete = rest + new, 0, not new

    def sign(self) -> str:
        """The next character that is no space; nothing at the end."""
        while True:
            self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or self.complete:
                return self.text[self.at : self.at + 1]
            self.more()

    def pass_sign(self) -> str:
        self.at += 1
        return self.sign()

    def value(self) -> Any:
        while True:
            try:
                value, end = self.decode(self.text, self.at)
            except json.JSONDecodeError as error:
                may_go_on = error.msg.startswith("Unterminated string") or error.pos > len(self.text) - TOKEN
                if self.complete or not may_go_on:
                    raise BrokenTextError(self.lines + error.lineno - 1, error.msg) from None
            except ValueError:  # The only other one. Python's message counts the digits read so far.
                raise self.broken(f"a number of more than {sys.get_int_max_str_digits()} digits") from None
            else:
                if end <= len(self.text) - TOKEN or self.complete:
                    self.at = end
                    return value
            self.more()

    def broken(self, reason: str) -> BrokenTextError:
        return BrokenTextError(self.lines + self.text.count("\n", 0, self.at), reason)


def is_json(text: str) -> bool:
    """YAML's lists and dictionaries on one line look alike, but quote no names."""
    return re.match(r'[\[{\s]*"', text) is not None


def yaml_items(stream: TextIO) -> Items:
    """The items of a YAML text. ValueError and RecursionError say what is wrong with it."""
    # Only here: a module's host need not have PyYAML, and only the controller reads files.
    import yaml

    reading = _Yaml(yaml, stream)
    try:
        yield from reading.items()
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
        if "nesting depth" in reason:  # as newer parsers say it themselves
            raise RecursionError(reason) from None
        if mark := getattr(error, "problem_mark", None):
            raise BrokenTextError(mark.line + 1, reason) from None
        raise ValueError(reason) from None


class _Yaml:
    """Goes along the events of a YAML text and builds one item at a time."""

    def __init__(self, yaml: Any, stream: TextIO) -> None:
        self.yaml = yaml
        self.loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(stream)
        self.event = self.loader.get_event
        self.anchors: dict[str, Any] = {}
        self.plain: dict[str, Any] = {}

    def items(self) -> Items:
        yaml = self.yaml
        self.event()
        if not isinstance(self.event(), yaml.DocumentStartEvent):
            yield COMPLETE, None
            return
        root = self.event()
        if isinstance(root, yaml.SequenceStartEvent):
            self.check_tag(root, "seq")
            while not isinstance(event := self.event(), yaml.SequenceEndEvent):
                yield ENTRY, self.build(event)
        elif isinstance(root, yaml.MappingStartEvent):
            self.check_tag(root, "map")
            while not isinstance(event := self.event(), yaml.MappingEndEvent):
                yield self.build(event), self.build(self.event())
        else:
            yield COMPLETE, self.build(root)
        self.event()
        if not isinstance(after := self.event(), yaml.StreamEndEvent):
            raise BrokenTextError(after.start_mark.line + 1, "a second document begins")

    def build(self, event: Any) -> Any:
        yaml = self.yaml
        if isinstance(event, yaml.ScalarEvent):
            value = self.scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self.check_tag(event, "map")
            value = self.mapping(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.check_tag(event, "seq")
            value = []
            while not isinstance(item := self.event(), yaml.SequenceEndEvent):
                value.append(self.build(item))
        else:
            # What contains itself is not there yet either.
            if event.anchor not in self.anchors:
                raise BrokenTextError(event.start_mark.line + 1, f"*{event.anchor:.40} is of nothing before it")
            return self.anchors[event.anchor]
        if event.anchor is not None:
            self.anchors[event.anchor] = value
        return value

    def mapping(self, start: Any) -> dict[Any, Any]:
        pairs: list[tuple[Any, Any]] = []
        merged: list[Any] = []
        while not isinstance(event := self.event(), self.yaml.MappingEndEvent):
            key, value = self.build(event), self.build(self.event())
            if key is MERGE:
                merged += value if isinstance(value, list) else [value]
            else:
                pairs.append((key, value))
        try:
            found = unique(pairs)
        except TypeError:
            raise BrokenTextError(start.start_mark.line + 1, "a list or a mapping is no key") from None
        for more in merged:
            if not isinstance(more, Mapping):
                raise BrokenTextError(start.start_mark.line + 1, "<< is to merge mappings")
            for key, value in more.items():
                found.setdefault(key, value)
        return found

    def scalar(self, event: Any) -> Any:
        text, tag = event.value, event.tag
        if tag is None or tag == "!":
            if not event.implicit[0]:
                return text
            # The same few words come again and again: sites, weights.
            if text in self.plain:
                return self.plain[text]
            tag = self.loader.resolve(self.yaml.ScalarNode, text, event.implicit)
        value = text if tag in TEXTS else self.constructed(event, tag)
        if event.tag is None and len(self.plain) < MOST_PLAIN:
            self.plain[text] = value
        return value

    def constructed(self, event: Any, tag: str) -> Any:
        if tag == MERGE_TAG:
            return MERGE
        if tag not in SCALARS:
            raise self.unknown(event, tag)
        node = self.yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        try:
            return self.loader.yaml_constructors[tag](self.loader, node)
        except (ValueError, LookupError, AttributeError, TypeError):
            # What PyYAML raises of dates that are none, numbers without digits and the like.
            message = f"'{shorten(event.value)}' is no {tag.rpartition(':')[2]}"
            raise BrokenTextError(event.start_mark.line + 1, message) from None

    def check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", TAG + kind):
            raise self.unknown(event, event.tag)

    def unknown(self, event: Any, tag: str) -> BrokenTextError:
        return BrokenTextError(event.start_mark.line + 1, f"could not determine a constructor for the tag '{tag:.60}'")


class _Merge:
    def __repr__(self) -> str:
        return "<<"


MERGE = _Merge()
TAG = "tag:yaml.org,2002:"
TEXTS, MERGE_TAG = (TAG + "str", TAG + "value"), TAG + "merge"
SCALARS = frozenset(TAG + kind for kind in ("null", "bool", "int", "float", "timestamp", "binary"))
