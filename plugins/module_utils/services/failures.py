# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of a run about a described service that failed, without the secrets of the host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MASK = "********"
# A secret of two characters or less would be found in any text.
SHORT = 2


def redact(text: str, secrets: Iterable[Any]) -> str:
    """The text with each secret masked, longer ones first: one may be part of another."""
    for secret in sorted({str(secret) for secret in secrets}, key=lambda secret: (-len(secret), secret)):
        if len(secret) > SHORT:
            text = text.replace(secret, MASK)
    return text


UNTOUCHED = "The running service was not touched."


def describe_failed_staging(task: str, result: Mapping[str, Any], is_hidden: bool) -> str:
    """Which task failed before anything of the running service was touched, and why.

    For a loop the message names the files that failed. The output of a task about a secret file stays hidden.
    """
    if "results" in result:
        why = "".join(_failed_items(result["results"])) + "."
    else:
        why = ". " + ("" if is_hidden else str(result.get("msg") or ""))
    return f'"{task}" failed{why.rstrip()} {UNTOUCHED}'


def describe_unhealthy_service(unit: str, result: Mapping[str, Any], log: str) -> str:
    """Why a service cannot serve, by the result of the task that failed and the last lines of its log."""
    cause = result.get("stderr") or result.get("msg") or "see above"
    return (
        f"cannot serve: {cause}\n"
        f"Read `systemctl status {unit}` and `journalctl -u {unit}`. The last lines of its log:\n"
        f"{log or '(the log is empty)'}"
    )


def _failed_items(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for result in results:
        if not result.get("failed"):
            continue
        item = result.get("item")
        file = item if isinstance(item, Mapping) else {}
        hidden = " (the message is hidden: the file is secret)"
        # An item of which nothing is known may be secret.
        yield f" at {file.get('dest', '')}" + (hidden if file.get("secret", True) else f": {result.get('msg', '')}")


def section_of(text: str, section: str) -> str:
    """The lines of a section of an INI file up to the next one, the whole text where none is named."""
    if not section:
        return text
    inside = text.split(f"[{section}]")[-1]
    return re.split(r"^\[", inside, maxsplit=1, flags=re.MULTILINE)[0]


def judge_installer(
    run: Mapping[str, Any], written: Mapping[str, Any], expected: Mapping[str, Any]
) -> tuple[bool, str]:
    """Whether a vendor's installer succeeded, and what it said.

    `run` and `written` are the results of the command and of printing its result file. `expected` has the line that
    reports success and its section, and is empty without such a file.
    """
    section = section_of(written.get("stdout", ""), expected.get("section") or "")
    lines = [re.sub(r"\s*=\s*", "=", line).strip() for line in section.splitlines()]
    succeeded = run.get("rc", 1) == 0 and (not expected or expected["success"] in lines)
    end = "a timeout" if run.get("rc") is None else str(run["rc"])
    missing = " and wrote no result file" if expected and written.get("rc") != 0 else ""
    output = section or run.get("stderr") or run.get("stdout") or ""
    return succeeded, f"ended with {end}{missing}.\n{output}".rstrip()
