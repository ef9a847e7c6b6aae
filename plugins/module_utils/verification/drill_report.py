# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a drill, for a person and for a program. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.text import table
from ansible_collections.distributed.tiers.plugins.module_utils.verification.campaign import (
    COLUMNS,
    as_table,
    summarise,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.history import check_history, judge_history
from ansible_collections.distributed.tiers.plugins.module_utils.verification.promises import (
    ALLOWED,
    excuse_missing,
    explain_unread,
    judge,
    judge_content,
    judge_lasting,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import (
    Sample,
    Stall,
    Times,
    acknowledged,
    figures,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.timeline import draw_timelines

VERDICTS = {True: "kept", False: "BROKEN", None: "not measured"}
HEADS = ("promise", "measured", "allowed", "verdict")
_AFTER = "after all"


def build(
    plan: Mapping[str, Any],
    record: Mapping[str, Any],
    samples: Sequence[Sample],
    run: str,
    allowed: Mapping[str, float] | None = None,
    offers: Iterable[str] = OPERATIONS,
    stalls: Sequence[Stall] = (),
) -> dict[str, Any]:
    """All experiments judged. `offers`: what the product offers to probes; `stalls`: late ticks of the client hosts. An
    experiment in which a limit was missed while a client host stalled is `disturbed`.

    `record`: `experiments` and `skipped` as planned; by the names of experiments `times`, `takeover` (what the backup
    had), `evidence` (what hosts answered during a fault) and `broken` (why it could not be carried through); by the
    names of servers `lasting` (what each had at the end) and `content` (the digest of its content); `seed` of a
    campaign, or 0.
    """
    limits = {**ALLOWED, **(allowed or {})}
    done = []
    seed = int(record.get("seed") or 0) or None
    for experiment in record["experiments"]:
        name = experiment["name"]
        broken = record.get("broken", {}).get(name)
        times = record.get("times", {}).get(name)
        if not broken and not times and seed is not None:
            continue  # the minutes of the campaign were over
        if broken or not times:
            why = broken or "it was not begun, because the system was not healthy"
            done.append({**experiment, "promises": [_failed("the experiment is carried through", why)]})
            continue
        moments = Times(*(float(times[key]) for key in ("off_begin", "off", "on", "whole")))
        missing = record.get("takeover", {}).get(name)
        promises = judge(
            experiment,
            plan,
            samples,
            moments,
            limits,
            None if missing is None else _missing_at_takeover(missing),
            offers,
            stalls,
            record.get("evidence", {}).get(name),
        )
        done.append(
            {
                **experiment,
                "times": dict(times),
                "promises": promises,
                "figures": _figures(samples, moments),
                "timeline": draw_timelines(samples, moments),
                "disturbed": any(promise.get("stalled") for promise in promises),
            }
        )
    written = len(acknowledged(samples, run))
    final = _final(plan, record, written, offers)
    if final and written:
        final.append(judge_history(check_history(samples)))
    promises = [promise for one in done for promise in one["promises"]] + final
    return {
        "system": plan["system"],
        "seed": seed,
        "plan_digest": plan["digest"],
        "run": run,
        "ok": any(promise["ok"] for promise in promises) and all(promise["ok"] is not False for promise in promises),
        "experiments": done,
        "after": final,
        "skipped": list(record["skipped"]),
        "requests": len(samples),
        "written": written,
        "method": record.get("method", ""),
        "allowed": limits,
        "slowest_tick": max((stall.seconds for stall in stalls), default=0.0),
    }


def _final(
    plan: Mapping[str, Any], record: Mapping[str, Any], written: int, offers: Iterable[str]
) -> list[dict[str, Any]]:
    """The final state of the writes."""
    at_end = record.get("lasting")
    if at_end is None:
        return []
    if unmeasured := explain_unread(offers):
        return [unmeasured, *_list_content(plan, record)]
    may_miss: set[str] | None = set()
    for experiment in record["experiments"]:
        if experiment["kind"] == "master" and may_miss is not None:
            at_takeover = record.get("takeover", {}).get(experiment["name"]) or {}
            excused = excuse_missing(plan, experiment["target"], at_takeover.get("missing", ()))
            may_miss = None if excused is None else may_miss | excused
    counts = {name: len(set(one["missing"]) - (may_miss or set())) for name, one in at_end.items() if "missing" in one}
    unread = {name: one["why"] for name, one in at_end.items() if "missing" not in one}
    return [judge_lasting(counts, unread, written, is_excused=may_miss is None), *_list_content(plan, record)]


def _list_content(plan: Mapping[str, Any], record: Mapping[str, Any]) -> list[dict[str, Any]]:
    promise = judge_content(plan, record.get("content", {}))
    return [promise] if promise else []


def _missing_at_takeover(answer: Mapping[str, Any]) -> int | None:
    return None if answer.get("why") and not answer.get("found") else len(answer["missing"])


def _failed(promise: str, why: str) -> dict[str, Any]:
    return {"promise": promise, "measured": why, "allowed": "", "ok": False}


def _figures(samples: Sequence[Sample], times: Times) -> dict[str, dict[str, Any]]:
    """Per client and program, while the server was off."""
    programs: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        programs.setdefault((sample.client, sample.stream), []).append(sample)
    result: dict[str, dict[str, Any]] = {}
    for (client, stream), theirs in sorted(programs.items()):
        result.setdefault(client, {})[stream] = figures(theirs, times, times.on)
    return result


def _lines(promises: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [(p["promise"], p["measured"], p["allowed"], VERDICTS[p["ok"]]) for p in promises]


def _title(report: Mapping[str, Any], experiment: Mapping[str, Any]) -> str:
    """In a campaign the same experiment comes several times."""
    number = f"{experiment['name'].split(':')[0]} " if report["seed"] is not None else ""
    return f"{number}{experiment['title']}"


def _sections(report: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, ...]]]]:
    sections = [(_title(report, one), _lines(one["promises"])) for one in report["experiments"]]
    if report["after"]:
        sections.append((_AFTER, _lines(report["after"])))
    return sections


def _headline(report: Mapping[str, Any]) -> str:
    fulfilled, measured, rest = count_promises(report)
    left = f", {rest} not measured" if rest else ""
    work = f"{report['requests']} requests made, {report['written']} writes acknowledged"
    return f"{fulfilled} of {measured} promises kept{left}; {work}"


def count_promises(report: Mapping[str, Any]) -> tuple[int, int, int]:
    """(promises that were kept, that were measured, that were not measured)"""
    promises = [p for one in report["experiments"] for p in one["promises"]] + list(report["after"])
    measured = [promise["ok"] for promise in promises if promise["ok"] is not None]
    return sum(measured), len(measured), len(promises) - len(measured)


def as_text(report: Mapping[str, Any]) -> str:
    """For a terminal: all tables with the same columns."""
    rows: list[tuple[str, ...]] = []
    is_campaign = report["seed"] is not None
    for title, lines in _sections(report):
        if is_campaign and title != _AFTER and all(line[3] != VERDICTS[False] for line in lines):
            continue
        rows.append((title.upper(), "", "", ""))
        rows += [("  " + line[0], *line[1:]) for line in lines]
    text = table([head.upper() for head in HEADS], rows)
    for one in report["skipped"]:
        text += f"\nskipped: {one['title']}: {one['why']}"
    if is_campaign:
        text = f"{as_table(report['experiments'])}\n\n{text}"
    return f"{text}\n\n{_headline(report)}"


def as_preview(
    plan: Mapping[str, Any],
    planned: Mapping[str, Sequence[Mapping[str, Any]]],
    allowed: Mapping[str, float] | None = None,
    offers: Iterable[str] = OPERATIONS,
) -> str:
    """For a terminal: what each planned experiment would do, how it would be undone, and what it promises."""
    parts = []
    for one in planned["todo"]:
        hosts = ", ".join(sorted(one["faults"])) or one["target"]
        promises = judge(one, plan, (), Times(0, 0, 0, 0), {**ALLOWED, **(allowed or {})}, 0, offers)
        rows = [(f"  {p['promise']}", p["allowed"]) for p in promises]
        parts.append(
            f"{one['name']}: {one['title']}\n  on {hosts} for {one['seconds']:g} s: {one['done']}\n"
            f"  undone: {one['undone']}\n" + table(("  PROMISED", "ALLOWED"), rows)
        )
    parts += [f"{one['name']}: skipped: {one['title']}: {one['why']}" for one in planned["skipped"]]
    return "\n\n".join(parts)


def as_markdown(report: Mapping[str, Any]) -> str:
    """The same as a page, with the figures of every program."""
    parts = [
        f"# Drill of the system {report['system']}",
        _headline(report) + ".",
        f"How servers were switched off: {report['method']}.",
    ]
    if report["seed"] is not None:
        parts += [f"## Campaign with the seed {report['seed']}", _table(COLUMNS, summarise(report["experiments"]))]
    for title, lines in _sections(report):
        parts += [f"## {title[0].upper()}{title[1:]}", _table(HEADS, lines)]
        one = next((e for e in report["experiments"] if _title(report, e) == title and e.get("figures")), None)
        if one:
            heads = ("client", "program", "requests", "in flight", "failed", "repeated", "longest gap", "answered by")
            counts = ("requests", "in_flight", "failed", "repeated")
            rows = [
                (client, stream, *(str(f[n]) for n in counts), f"{f['gap']:.2f} s", ", ".join(f["servers"]) or "nobody")
                for client, programs in one["figures"].items()
                for stream, f in programs.items()
            ]
            parts += ["While it was off or cut off:", _table(heads, rows)]
            errors = sorted({e for programs in one["figures"].values() for f in programs.values() for e in f["errors"]})
            if errors:
                parts.append("Errors seen: " + "; ".join(errors) + ".")
    if report["skipped"]:
        parts += ["## Skipped", "\n".join(f"- {one['title']}: {one['why']}" for one in report["skipped"])]
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
