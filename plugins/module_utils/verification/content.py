# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether servers in step hold the same content. Equal positions are no proof of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

ProbeAnswers = Mapping[str, Mapping[str, Any]]
Position = tuple[tuple[str, str], ...]


def _read_digests(answers: ProbeAnswers) -> Iterator[tuple[str, Position, str]]:
    """(server, position, digest) of all that gave both."""
    for name in sorted(answers):
        for edge in (answers[name] or {}).get("edges", ()):
            if edge.get("digest") is not None and edge["position"]:
                yield name, tuple(sorted(edge["position"].items())), edge["digest"]


def differing(plan: Mapping[str, Any], answers: ProbeAnswers) -> list[tuple[str, str]]:
    """(server, why) of every server whose content differs from that of others at the same position. The content that
    most of them have counts as right; if two contents are equally frequent, the master's. `answers`: what tier_probe
    returned for the content edges of each server."""
    held: dict[Position, dict[str, list[str]]] = {}
    for name, position, digest in _read_digests(answers):
        held.setdefault(position, {}).setdefault(digest, []).append(name)
    found = []
    for groups in held.values():

        def weight(digest: str, groups: dict[str, list[str]] = groups) -> tuple[int, bool]:
            return len(groups[digest]), any(plan["servers"][name]["tier"] == "master" for name in groups[digest])

        right = max(groups, key=weight)
        for digest in sorted(set(groups) - {right}):
            for name in groups[digest]:
                others = " and ".join(groups[right])
                found.append((name, f"its content differs from {others} at an equal position: {digest}, there {right}"))
    return sorted(found)


def content_rows(plan: Mapping[str, Any], answers: ProbeAnswers, silent: Mapping[str, str]) -> list[dict[str, Any]]:
    """The digest of each server that has content. `equal`: whether others at its position have the same; None if it
    gave none, or no other is at its position. `silent`: why servers could not be asked."""
    differs, unread = dict(differing(plan, answers)), {**silent, **dict(list_unread(answers))}
    given = {name: (position, digest) for name, position, digest in _read_digests(answers)}
    positions = Counter(position for position, _digest in given.values())
    rows = []
    for name in sorted({*given, *unread}):
        position, digest = given.get(name, ((), None))
        alone = digest is None or positions[position] < 2
        rows.append(
            {
                "server": name,
                "digest": digest,
                "position": ", ".join(f"{writer}: {change}" for writer, change in position),
                "equal": None if alone else name not in differs,
                "why": differs.get(name) or unread.get(name) or ("no other is at its position" if alone else ""),
            }
        )
    return rows


def is_compared(answers: ProbeAnswers) -> bool:
    """Whether all that gave a digest are at one position, so that all of them can be compared."""
    return len({position for _name, position, _digest in _read_digests(answers)}) <= 1


def list_unread(answers: ProbeAnswers) -> list[tuple[str, str]]:
    """(server, why) of every server that did not give its content. A task that failed as a whole has no edges."""
    found = []
    for name in sorted(answers):
        answer = answers[name] or {}
        found += [(name, edge["why"]) for edge in answer.get("edges", ()) if not edge.get("ok", True)]
        if "edges" not in answer and (answer.get("failed") or answer.get("timedout")):
            found.append((name, str(answer.get("msg") or "no answer").split("\n", maxsplit=1)[0]))
    return found


def count_equal(plan: Mapping[str, Any], answers: ProbeAnswers) -> tuple[int, int]:
    """(how many servers hold the same as others at their position, how many hold content)."""
    positions = Counter(position for _name, position, _digest in _read_digests(answers))
    alone = {name for name, position, _digest in _read_digests(answers) if positions[position] < 2}
    gave = {name for name, _position, _digest in _read_digests(answers)}
    asked = {name for name in answers if (answers[name] or {}).get("edges")}
    return len(gave - alone - {name for name, _why in differing(plan, answers)}), len(asked)
