#!/usr/bin/python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups by pgBackRest, on the host of the repository: postgresql-backup full|diff|findings.

`full` and `diff` check the archiving, make a backup, from a standby where one is up, and print it as JSON. `findings`
prints what is wrong with the backups, a line each; `status` and `verify` run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# pgBackRest's exit code for a database that cannot be connected to, a standby that is not up among them
NO_CONNECTION = 56
NO_STANDBY = "unable to find standby"
SECONDS = 20
UNIT = "tiers-pgbackrest.service"
MB = 1024 * 1024


class Failed(Exception):
    """pgBackRest has failed; the text says why."""


def last_error(text: str) -> str:
    """The errors in the output of pgBackRest, in one line, with its hints."""
    _before, _error, found = text.partition("ERROR: ")
    lines = [line.strip() for line in (found or text).splitlines() if line.strip() and "INFO:" not in line]
    return " ".join(lines if found else lines[-1:]) or "no reason was printed"


def pgbackrest(settings: Mapping[str, Any], *words: str, seconds: float | None = None) -> tuple[int, str, str]:
    """The exit code, the output and the messages of pgBackRest, as the account of the repository."""
    account = settings["account"]
    as_account = ["runuser", "-u", account, "-g", account, "-G", "tiers-tls", "--"] if os.geteuid() == 0 else []
    command = [*as_account, "pgbackrest", f"--stanza={settings['stanza']}", "--log-level-console=off", *words]
    # Its own messages go to the standard error, apart from its answer.
    command.insert(len(as_account) + 1, "--log-level-stderr=info")
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from error
    return done.returncode, done.stdout, done.stderr


def read_info(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The description of the stanza in the repository."""
    code, output, messages = pgbackrest(settings, "info", "--output=json", seconds=SECONDS)
    if code:
        raise Failed(f"The repository cannot be read: {last_error(messages)}")
    found = json.loads(output)
    return dict(found[0]) if found else {}


def back_up(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Make a backup. Its description."""
    code, _output, messages = pgbackrest(settings, "check")
    if code:
        raise Failed(f"Archiving does not work, so no backup was made: {last_error(messages)}")
    began = time.monotonic()
    code, _output, messages = pgbackrest(settings, "backup", f"--type={kind}", "--backup-standby")
    source = "the standby"
    if code == NO_CONNECTION and NO_STANDBY in messages:
        source = "the leader, because no standby is up"
        code, _output, messages = pgbackrest(settings, "backup", f"--type={kind}", "--no-backup-standby")
    if code:
        raise Failed(f"The backup failed: {last_error(messages)}")
    return describe(read_info(settings), source, time.monotonic() - began)


def describe(info: Mapping[str, Any], source: str, seconds: float) -> dict[str, Any]:
    """The newest backup, for people and programs."""
    newest = info["backup"][-1]
    return {
        "label": newest["label"],
        "type": newest["type"],
        "source": source,
        "seconds": round(seconds, 1),
        "database_mb": round(newest["info"]["size"] / MB, 1),
        "repository_mb": round(newest["info"]["repository"]["delta"] / MB, 1),
        "wal": [newest["archive"]["start"], newest["archive"]["stop"]],
        "kept": [one["label"] for one in info["backup"]],
        "errors": bool(newest.get("error")),
    }


def judge(info: Mapping[str, Any], settings: Mapping[str, Any], now: float) -> Iterator[str]:
    """The findings. `info`: of the stanza; `settings`: the JSON file beside this program."""
    status = info.get("status", {})
    is_running = bool(status.get("lock", {}).get("backup", {}).get("held"))
    backups = info.get("backup", [])
    if not backups:
        yield (
            "no backup has ended yet, the first one is being made"
            if is_running
            else "no backup of the data exists. Run back_up"
        )
    elif settings["max_hours"]:
        hours = (now - backups[-1]["timestamp"]["stop"]) / 3600
        if hours > settings["max_hours"]:
            yield (
                f"the newest backup is {hours:.0f} hours old, and product_postgresql_backup_max_hours is"
                f" {settings['max_hours']}. Run back_up, and see journalctl -u 'tiers-backup@*'"
            )
    if backups and backups[-1].get("error"):
        yield f"the backup {backups[-1]['label']} has pages with a wrong checksum: the storage damages data"


def judge_room(path: str, full_percent: float) -> Iterator[str]:
    """A finding if the file system of the repository is almost full. `status` looks at the root file system itself."""
    if os.stat(path).st_dev == os.stat("/").st_dev:
        return
    disk = os.statvfs(path)
    used = 100 * (1 - disk.f_bavail / disk.f_blocks)
    if used >= full_percent:
        yield f"the repository {path} is {used:.0f} % full. Enlarge it, or reduce product_postgresql_backup_keep"


def main() -> int:
    settings = json.loads(Path(f"{sys.argv[0]}.json").read_text(encoding="utf-8"))
    action = sys.argv[1] if len(sys.argv) == 2 else ""
    if action not in ("full", "diff", "findings"):
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    try:
        if action != "findings":
            print(json.dumps(back_up(settings, action)))
            return 0
        if subprocess.run(["systemctl", "is-active", "--quiet", UNIT], check=False, timeout=SECONDS).returncode:
            print(f"{UNIT} does not run: no server can archive or restore. See journalctl -u {UNIT}")
        for line in judge(read_info(settings), settings, time.time()):
            print(line)
        for line in judge_room(settings["path"], settings["full_percent"]):
            print(line)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
