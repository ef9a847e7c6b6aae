# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a drill, for a person and for a program. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils import drill
from ansible_collections.distributed.tiers.plugins.module_utils.report import table

HEADS = ("promise", "measured", "allowed", "verdict")


def build(
    plan: Mapping[str, Any],
    record: Mapping[str, Any],
    samples: Sequence[drill.Sample],
    run: str,
    allowed: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """All experiments judged.

    `record`: `experiments` and `skipped` as planned; `times` per kind; `takeover` per kind, what the backup had;
    `broken` per kind, why an experiment could not be carried through; `lasting` per server what it had at the end.
    """
    limits = {**drill.ALLOWED, **(allowed or {})}
    done = []
    for experiment in record["experiments"]:
        kind = experiment["kind"]
        broken = record.get("broken", {}).get(kind)
        times = record.get("times", {}).get(kind)
        if broken or not times:
            why = broken or "it was not begun, because the system was not whole"
            done.append({**experiment, "promises": [_failed("the experiment is carried through", why)]})
            continue
        moments = drill.Times(*(float(times[key]) for key in ("off_begin", "off", "on", "whole")))
        missing = record.get("takeover", {}).get(kind)
        promises = drill.judge(
            experiment, plan, samples, moments, limits, None if missing is None else _missing_at_takeover(missing)
        )
        done.append({**experiment, "times": dict(times), "promises": promises, "figures": _figures(samples, moments)})
    written = len(drill.acknowledged(samples, run))
    at_end = record.get("lasting")
    final = []
    if at_end is not None:
        counts = {name: len(one["missing"]) for name, one in at_end.items() if "missing" in one}
        unread = {name: one["why"] for name, one in at_end.items() if "missing" not in one}
        final.append(drill.lasting(counts, unread, written))
    promises = [promise for one in done for promise in one["promises"]] + final
    return {
        "system": plan["system"],
        "run": run,
        "ok": bool(promises) and all(promise["ok"] for promise in promises),
        "experiments": done,
        "after": final,
        "skipped": list(record["skipped"]),
        "requests": len(samples),
        "written": written,
        "method": record.get("method", ""),
        "allowed": limits,
    }


def _missing_at_takeover(answer: Mapping[str, Any]) -> int | None:
    return None if answer.get("why") and not answer.get("found") else len(answer["missing"])


def _failed(promise: str, why: str) -> dict[str, Any]:
    return {"promise": promise, "measured": why, "allowed": "", "ok": False}


def _figures(samples: Sequence[drill.Sample], times: drill.Times) -> dict[str, dict[str, Any]]:
    """Per client and program, while the server was off."""
    programs: dict[tuple[str, str], list[drill.Sample]] = {}
    for sample in samples:
        programs.setdefault((sample.client, sample.stream), []).append(sample)
    result: dict[str, dict[str, Any]] = {}
    for (client, stream), theirs in sorted(programs.items()):
        result.setdefault(client, {})[stream] = drill.figures(theirs, times, times.on)
    return result


def _lines(promises: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [(p["promise"], p["measured"], p["allowed"], "kept" if p["ok"] else "BROKEN") for p in promises]


def _sections(report: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, ...]]]]:
    sections = [(str(one["title"]), _lines(one["promises"])) for one in report["experiments"]]
    if report["after"]:
        sections.append(("after all", _lines(report["after"])))
    return sections


def _headline(report: Mapping[str, Any]) -> str:
    promises = [p for one in report["experiments"] for p in one["promises"]] + list(report["after"])
    kept = sum(bool(promise["ok"]) for promise in promises)
    return (
        f"{kept} of {len(promises)} promises kept; {report['requests']} requests made, "
        f"{report['written']} writes acknowledged"
    )


def as_text(report: Mapping[str, Any]) -> str:
    """For a terminal: all tables with the same columns."""
    rows: list[tuple[str, ...]] = []
    for title, lines in _sections(report):
        rows.append((title.upper(), "", "", ""))
        rows += [("  " + line[0], *line[1:]) for line in lines]
    text = table([head.upper() for head in HEADS], rows)
    for one in report["skipped"]:
        text += f"\nskipped: {one['title']}: {one['why']}"
    return f"{text}\n\n{_headline(report)}"


def as_markdown(report: Mapping[str, Any]) -> str:
    """The same as a page, with the figures of every program."""
    parts = [
        f"# Drill of the system {report['system']}",
        _headline(report) + ".",
        f"How servers were lost: {report['method']}.",
    ]
    for title, lines in _sections(report):
        parts += [f"## {title[0].upper()}{title[1:]}", _table(HEADS, lines)]
        one = next((e for e in report["experiments"] if e["title"] == title and e.get("figures")), None)
        if one:
            heads = ("client", "program", "requests", "in flight", "failed", "repeated", "longest gap", "answered by")
            rows = [
                (client, stream, str(f["requests"]), str(f["in_flight"]), str(f["failed"]), str(f["repeated"]))
                + (f"{f['gap']:.2f} s", ", ".join(f["servers"]) or "nobody")
                for client, programs in one["figures"].items()
                for stream, f in programs.items()
            ]
            parts += ["While it was off:", _table(heads, rows)]
            errors = sorted({e for programs in one["figures"].values() for f in programs.values() for e in f["errors"]})
            if errors:
                parts.append("Errors seen: " + "; ".join(errors) + ".")
    if report["skipped"]:
        parts += ["## Skipped", "\n".join(f"- {one['title']}: {one['why']}" for one in report["skipped"])]
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
