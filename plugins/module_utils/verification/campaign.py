# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign: experiments in a random order for some minutes, and their table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.text import table
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill import HOME_WRITES

# Seconds that an experiment takes at least, besides its fault
_LEAST = 15.0
COLUMNS = ("experiment", "times", "promises kept", "broken", "not measured", "requests failed", "longest gap of writes")


def order_campaign(
    experiments: Sequence[Mapping[str, Any]],
    choose: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Any]],
    minutes: float,
) -> list[dict[str, Any]]:
    """More experiments than the minutes hold, each with a name of its own. None follows itself, if there are others.
    `choose`: picks one at random."""
    if not experiments:
        return []
    order: list[dict[str, Any]] = []
    seconds = 0.0
    while seconds < minutes * 60:
        others = [one for one in experiments if not order or one["title"] != order[-1]["title"]] or experiments
        one = choose(others)
        order.append({**one, "name": f"{len(order) + 1:03}:{one['name']}"})
        seconds += one["seconds"] + _LEAST
    return order


def summarise(experiments: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each kind of experiment, of what a report has of all of them."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for one in experiments:
        kinds.setdefault(one["experiment"], []).append(one)
    rows = []
    for kind, theirs in sorted(kinds.items()):
        verdicts = [promise["ok"] for one in theirs for promise in one["promises"]]
        programs = [
            (stream, seen)
            for one in theirs
            for streams in one.get("figures", {}).values()
            for stream, seen in streams.items()
        ]
        failed = sum(seen["failed"] + seen["in_flight"] for _stream, seen in programs)
        gap = max((seen["gap"] for stream, seen in programs if stream in HOME_WRITES), default=0.0)
        counts = [str(sum(verdict is wanted for verdict in verdicts)) for wanted in (True, False, None)]
        rows.append((kind, str(len(theirs)), *counts, str(failed), f"{gap:.1f} s"))
    return rows


def as_table(experiments: Sequence[Mapping[str, Any]]) -> str:
    """The rows for a terminal."""
    return table([head.upper() for head in COLUMNS], summarise(experiments))
