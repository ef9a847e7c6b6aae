# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of a report about a drill: each experiment with its promises, and what every stream of a client saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.reporting.markup import Content, Markup, element
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.symbols import state_word
from ansible_collections.distributed.tiers.plugins.module_utils.reporting.tables import Column, draw_table, number
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill_report import (
    VERDICTS,
    count_promises,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.timeline import AFTER, BEFORE, QUIET

# Units of a drawing of a second, and the least width of a span: a single answer is seen.
SECOND, LEAST = 100, 10
STREAMS = 60


def draw_drill(drill: Mapping[str, Any]) -> Iterator[Content]:
    """The experiments of a drill, and what was measured after all of them."""
    fulfilled, measured, rest = count_promises(drill)
    yield element(
        "p",
        f"{fulfilled} of {measured} promises were kept{f', {rest} could not be measured' if rest else ''}: "
        f"{number(drill['requests'])} requests were made, {number(drill['written'])} writes were acknowledged. "
        f"Servers were switched off by {drill['method'] or 'an unknown method'}.",
        class_="lead",
    )
    yield element("ul", _legend(), class_="legend")
    for place, experiment in enumerate(drill["experiments"]):
        yield element("div", _draw_experiment(experiment, f"experiment-{place}"), class_="experiment")
    if drill["after"]:
        yield element(
            "div",
            element("h3", "After all experiments"),
            _draw_promises(drill["after"], "experiment-after"),
            class_="experiment",
        )
    if drill["skipped"]:
        yield element("h3", "Not tried")
        yield element("ul", [element("li", f"{one['title']}: {one['why']}") for one in drill["skipped"]])


def _legend() -> Iterator[Content]:
    for kind, text in (
        ("answered", "requests answered"),
        ("failed", "requests failed"),
        ("ground", f"no answer for {QUIET:g} s or longer"),
    ):
        strip = element("svg", _span(0, 100, kind), class_="k strip", viewBox="0 0 100 20", preserveAspectRatio="none")
        yield element("li", strip, text)


def _draw_experiment(experiment: Mapping[str, Any], name: str) -> Iterator[Content]:
    title = str(experiment["title"])
    yield element("h3", title[:1].upper() + title[1:])
    times = experiment.get("times")
    if times and experiment.get("timeline") is not None:
        yield from _draw_timelines(experiment, name)
    elif times:
        yield element("p", "Its timelines were not recorded.", class_="dim")
    if experiment.get("disturbed"):
        yield element("p", "A client host was short of processor time: limits that were missed are not measured.")
    yield _draw_promises(experiment["promises"], f"{name}-promises")


def _draw_timelines(experiment: Mapping[str, Any], name: str) -> Iterator[Content]:
    times = {key: float(experiment["times"][key]) for key in ("off_begin", "off", "on", "whole")}
    off = times["off"]
    moments = {key: value - off for key, value in times.items()}
    begin, end = moments["off_begin"] - BEFORE, moments["whole"] + AFTER
    columns = (
        Column("Client and stream"),
        Column("Timeline", "t", _axis(moments, begin, end, experiment["target"])),
        Column("Longest gap", "n"),
        Column("Failed", "n"),
        Column("Answered by"),
    )
    touched: list[tuple[Content, ...]] = []
    calm: list[tuple[Content, ...]] = []
    for line in experiment["timeline"]:
        figures = experiment["figures"].get(line["client"], {}).get(line["stream"], {})
        (touched if _is_touched(line, begin, end) else calm).append(_stream_row(line, figures, moments, begin, end))
    more = len(touched) - STREAMS
    if touched:
        caption = f"Streams that saw the failure of {experiment['target']}"
        yield draw_table(name, caption, columns, touched[:STREAMS], is_sorted=False)
        if more > 0:
            yield element("p", f"and {counted(more, 'more stream')}", class_="dim")
    else:
        yield element("p", "No stream of any client saw the failure.", class_="none")
    if calm:
        others = "others" if touched else "streams"
        summary = element("summary", f"{len(calm)} {others} were answered throughout")
        caption = f"Streams without a gap of {QUIET:g} s and without a failed request"
        table = draw_table(f"{name}-calm", caption, columns, calm[:STREAMS], is_sorted=False)
        yield element("details", summary, table)


def _is_touched(line: Mapping[str, Any], begin: float, end: float) -> bool:
    """Whether a stream had a failed request, or a time without an answer."""
    answered = line["answered"]
    whole = len(answered) == 1 and answered[0][0] <= begin + BEFORE and answered[0][1] >= end - 2 * AFTER
    return bool(line["failed"]) or not whole


def _stream_row(
    line: Mapping[str, Any], figures: Mapping[str, Any], moments: Mapping[str, float], begin: float, end: float
) -> tuple[Content, ...]:
    failed = figures.get("failed", 0) + figures.get("in_flight", 0)
    return (
        f"{line['client']}: {line['stream']}",
        _strip(line, moments, begin, end),
        f"{figures['gap']:.1f} s" if "gap" in figures else "-",
        f"{failed} of {figures.get('requests', 0)}",
        ", ".join(figures.get("servers", ())) or "nobody",
    )


def _strip(line: Mapping[str, Any], moments: Mapping[str, float], begin: float, end: float) -> Markup:
    """The timeline of one stream. It is stretched to the width of its cell, so it holds no text."""
    width = (end - begin) * SECOND
    parts: list[Content] = [_span(0, width, "ground", 4, 12)]
    for kind, top, height in (("answered", 4, 12), ("failed", 7, 6)):
        for first, last in line[kind]:
            x = (max(begin, first) - begin) * SECOND
            parts.append(_span(x, max(LEAST, (min(end, last) - begin) * SECOND - x), kind, top, height))
    for moment, kind in (("off", ""), ("on", " m"), ("whole", " m")):
        x = (moments[moment] - begin) * SECOND
        parts.append(element("path", class_=f"mark{kind}", d=f"M{x:.0f} 0V20"))
    spans = [*(f"failed from {a:.1f} to {b:.1f} s" for a, b in line["failed"])]
    spans += [f"answered from {a:.1f} to {b:.1f} s" for a, b in line["answered"]]
    return element(
        "svg",
        element("title", "; ".join(spans) or "no answer at all"),
        parts,
        class_="strip",
        viewBox=f"0 0 {width:.0f} 20",
        preserveAspectRatio="none",
        role="img",
    )


def _span(x: float, width: float, kind: str, top: float = 4, height: float = 12) -> Markup:
    return element("rect", class_=kind, x=f"{x:.0f}", y=top, width=f"{width:.0f}", height=height)


def _axis(moments: Mapping[str, float], begin: float, end: float, target: str) -> Markup:
    """The three moments that every timeline marks."""
    labels = (
        ("off", "off 0 s", ""),
        ("on", f"on {moments['on']:.0f} s", "r"),
        ("whole", f"healthy {moments['whole']:.0f} s", "r"),
    )
    places = [
        element("span", text, class_=side or None, style=f"left:{100 * (moments[key] - begin) / (end - begin):.1f}%")
        for key, text, side in labels
    ]
    return element("span", places, class_="axis", title=f"The fault of {target}, and its end")


def _draw_promises(promises: Sequence[Mapping[str, Any]], name: str) -> Markup:
    rows = [
        (one["promise"], one["measured"], one["allowed"] or "-", state_word(VERDICTS[one["ok"]])) for one in promises
    ]
    columns = (Column("Promise"), Column("Measured"), Column("Allowed"), Column("Verdict"))
    return draw_table(name, "What was promised, and what was measured", columns, rows, is_sorted=False)
