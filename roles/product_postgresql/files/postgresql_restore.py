#!/usr/bin/python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores by pgBackRest, on a server with data: postgresql-restore restore|rehearse TARGET, mark NAME, count.

TARGET is `newest`, a time with a time zone, or `name:NAME` of a restore point. Both build the data in a directory of
their own, and recover them with a PostgreSQL that only this host reaches. `restore` then replaces the present data with
them, and keeps those; `rehearse` counts their rows and removes them. `mark` sets a restore point on the leader and
waits until it is archived; `count` counts the rows of a running server. Answers are JSON."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OWN_SETTINGS = ("restore_command", "recovery_target_time", "recovery_target_name", "recovery_target_action")
# Bytes that the copy needs besides its data: WAL that it fetches and writes
MORE_ROOM = 512 * 1024 * 1024
ARCHIVED_SECONDS = 120
NOT_YET = "is not accepting connections"
# The rows of all tables of one database
ROWS = """
SELECT coalesce(json_object_agg(format('%I.%I', nspname, relname), (xpath('/row/rows/text()', query_to_xml(
    format('SELECT count(*) AS rows FROM %I.%I', nspname, relname), false, true, '')))[1]::text::bigint), '{}')
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND relpersistence = 'p' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""
DATABASES = "SELECT json_agg(datname ORDER BY datname) FROM pg_database WHERE datallowconn AND NOT datistemplate"


class Failed(Exception):
    """The text says why, and what to do."""


class Server:
    """A PostgreSQL on this host, by its data and its socket."""

    def __init__(self, settings: Mapping[str, Any], data: Path, socket: str) -> None:
        self._settings, self.data, self._socket = settings, data, socket
        self._log = data.with_name(f"{data.name}.log")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as postgres, which may read the key of the host. It yields to a running server."""
        as_postgres = ["runuser", "-u", "postgres", "-g", "postgres", "-G", "tiers-tls", "--", "nice", "-n", "10"]
        return subprocess.run([*as_postgres, *words], check=False, capture_output=True, text=True, cwd="/")

    def _psql(self, query: str, database: str = "postgres") -> list[str]:
        port = str(self._settings["port"])
        return ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self._socket, "-p", port, "-d", database, "-c", query]

    def ask(self, query: str, database: str = "postgres") -> Any:
        done = self.run(*self._psql(query, database))
        if done.returncode:
            raise Failed(f"PostgreSQL cannot be asked: {last_line(done.stderr)}")
        return json.loads(done.stdout or "null")

    def count(self) -> dict[str, int]:
        """The number of rows of every table, by its database and name."""
        return {
            f"{database}: {name}": number
            for database in self.ask(DATABASES)
            for name, number in self.ask(ROWS, database).items()
        }

    def control(self, action: str, *words: str) -> None:
        seconds = str(self._settings["seconds"])
        command = [f"{self._settings['bin']}/pg_ctl", action, "-D", str(self.data), "-w", "-t", seconds, *words]
        done = self.run(*command)
        if done.returncode:
            raise Failed(f"PostgreSQL did not {action} in {self.data}: {self.reason() or last_line(done.stderr)}")

    def start(self, archives: bool) -> None:
        """Recover, and return when the target is reached and the server accepts writes."""
        options = {
            **self._settings["start_values"],
            "port": self._settings["port"],
            "listen_addresses": "",
            "unix_socket_directories": self._socket,
            "hba_file": self.data / "pg_hba.conf",
            "ident_file": self.data / "pg_ident.conf",
            "ssl": "off",
            "synchronous_standby_names": "",
            # Without connections, recovery does not need the limits of the server that wrote the WAL.
            "hot_standby": "off",
            "shared_buffers": "128MB",
            "archive_mode": "on" if archives else "off",
            "archive_command": f"pgbackrest --stanza={self._settings['stanza']} --pg1-path={self.data} archive-push %p",
        }
        text = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        self.remove_log()
        self.control("start", "-l", str(self._log), "-o", text)
        # pg_ctl does not wait for the end of a recovery without connections.
        until = time.monotonic() + self._settings["seconds"]
        while time.monotonic() < until:
            # In this order: it may answer, and end, between the two.
            is_running, is_open = self.is_running(), self.run(*self._psql("SELECT")).returncode == 0
            if is_open:
                return
            if not is_running:
                raise Failed(f"PostgreSQL ended in {self.data}: {self.reason()}")
            time.sleep(1)
        raise Failed(f"PostgreSQL has not recovered {self.data} within {self._settings['seconds']} s: {self.reason()}")

    def reason(self) -> str:
        """The last errors in the log."""
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        # The program's own questions are refused while the server recovers.
        lines = [line for line in text.splitlines() if NOT_YET not in line and re.search("FATAL|PANIC|ERROR", line)]
        lines = [line.split(" UTC ", 1)[-1] for line in lines]
        return " ".join(lines[-3:])

    def is_running(self) -> bool:
        """Whether the process of its PID file exists: a server that crashed leaves the file."""
        try:
            number = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0]
            return str(self.data).encode() in Path(f"/proc/{int(number)}/cmdline").read_bytes()
        except (OSError, IndexError, ValueError):
            return False

    def stop(self) -> None:
        if self.is_running():
            self.control("stop", "-m", "fast")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        self.remove_log()

    def remove_log(self) -> None:
        self._log.unlink(missing_ok=True)


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason was printed")


def pgbackrest(server: Server, settings: Mapping[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    stanza = f"--stanza={settings['stanza']}"
    return server.run("pgbackrest", stanza, "--log-level-console=off", "--log-level-stderr=info", *words)


def last_error(text: str) -> str:
    """The errors in the output of pgBackRest, in one line, with its hints."""
    _before, _error, found = text.partition("ERROR: ")
    lines = [line.strip() for line in (found or text).splitlines() if line.strip() and "INFO:" not in line]
    return " ".join(lines if found else lines[-1:]) or "no reason was printed"


def aim(target: str) -> list[str]:
    """The options of pgBackRest for a target."""
    kind, colon, name = target.partition(":")
    if target == "newest":
        return ["--type=default"]
    if colon and kind == "name":
        return ["--type=name", f"--target={name}", "--target-action=promote"]
    return ["--type=time", f"--target={target}", "--target-action=promote"]


def build(server: Server, settings: Mapping[str, Any], target: str, archives: bool) -> dict[str, Any]:
    """Restore into the directory of `server` and recover there. Leaves the server running."""
    began = time.monotonic()
    server.remove()
    info = pgbackrest(server, settings, "info", "--output=json")
    backups = (json.loads(info.stdout) or [{}])[0].get("backup", []) if info.returncode == 0 else []
    if not backups:
        why = last_error(info.stderr) if info.returncode else "it has no backup"
        raise Failed(f"The repository cannot be used: {why}")
    disk, size = os.statvfs(server.data.parent), backups[-1]["info"]["size"]
    if disk.f_bavail * disk.f_frsize < size + MORE_ROOM:
        needed = (size + MORE_ROOM) // 1024**2
        raise Failed(f"{server.data.parent} has less free space than the {needed} MB that the copy needs")
    server.run("mkdir", "-m", "0700", str(server.data))
    done = pgbackrest(server, settings, f"--pg1-path={server.data}", *aim(target), "restore")
    if done.returncode:
        raise Failed(f"pgBackRest did not restore: {last_error(done.stderr)}")
    copied = time.monotonic()
    server.start(archives)
    used = re.search(r"restore backup set (\S+?),", done.stderr)
    return {
        "backup": used.group(1) if used else "",
        "until": server.ask("SELECT to_json(pg_last_xact_replay_timestamp())"),
        "copied_seconds": round(copied - began, 1),
        "recovered_seconds": round(time.monotonic() - copied, 1),
    }


def restore(settings: Mapping[str, Any], target: str) -> dict[str, Any]:
    """Put the restored data in the place of the present ones, which are kept."""
    data = Path(settings["data"])
    server = Server(settings, data.with_name(f"{data.name}.restored"), settings["own_socket"])
    if Server(settings, data, settings["socket"]).is_running():
        raise Failed(f"PostgreSQL runs in {data}. Stop Patroni first")
    try:
        found = build(server, settings, target, archives=True)
        for name in OWN_SETTINGS:
            # Else a later standby would stop at the target, too.
            server.ask(f"ALTER SYSTEM RESET {name}")
        server.stop()
    except BaseException:
        # The log stays.
        server.stop()
        shutil.rmtree(server.data, ignore_errors=True)
        raise
    server.remove_log()
    previous = ""
    if data.exists():
        aside = data.with_name(f"{data.name}.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        data.rename(aside)
        previous = str(aside)
    server.data.rename(data)
    return {**found, "previous": previous}


def compare(rows: Mapping[str, int], before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """The tables whose rows are not those of the running database, counted before and after the target."""
    wrong = []
    for name in sorted({*rows, *(before.keys() & after.keys())}):
        low, high = sorted((before.get(name, 0), after.get(name, 0)))
        running = str(low) if low == high else f"{low} to {high}"
        if name not in rows:
            wrong.append(f"{name} is missing, and has {running} rows in the running database")
        elif not low <= rows[name] <= high:
            wrong.append(f"{name} has {rows[name]} rows, and {running} in the running database")
    return wrong


def rehearse(settings: Mapping[str, Any], target: str, running: Mapping[str, Any]) -> dict[str, Any]:
    """Restore beside the running server, count the rows, compare them with those that were counted in the running
    database (`before` and `after` the target, if at all), and remove the copy."""
    data = Path(settings["data"])
    server = Server(settings, data.with_name(f"{data.name}.rehearsal"), settings["own_socket"])
    try:
        found = build(server, settings, target, archives=False)
        rows = server.count()
        wrong = compare(rows, running["before"], running["after"]) if running else []
        return {**found, "tables": len(rows), "rows": sum(rows.values()), "compared": bool(running), "wrong": wrong}
    finally:
        server.remove()


def mark(server: Server, name: str) -> dict[str, Any]:
    """Set a restore point on the leader, and wait until the WAL with it is archived."""
    quoted = name.replace("'", "''")
    wal = server.ask(f"SELECT to_json(pg_walfile_name(pg_create_restore_point('{quoted}')))")
    server.ask("SELECT to_json(pg_switch_wal()::text)")
    until = time.monotonic() + ARCHIVED_SECONDS
    while time.monotonic() < until:
        if (server.ask("SELECT to_json(last_archived_wal) FROM pg_stat_archiver") or "")[:24] >= wal:
            return {"name": name, "wal": wal}
        time.sleep(1)
    raise Failed(f"Archiving does not work: {wal} was not archived within {ARCHIVED_SECONDS} s")


def main() -> int:
    settings = json.loads(Path(f"{sys.argv[0]}.json").read_text(encoding="utf-8"))
    running = Server(settings, Path(settings["data"]), settings["socket"])
    actions = {
        "restore": lambda target: restore(settings, target),
        "rehearse": lambda target: rehearse(settings, target, json.loads(sys.stdin.read() or "{}")),
        "mark": lambda name: mark(running, name),
        "count": lambda _nothing: running.count(),
    }
    action = sys.argv[1] if len(sys.argv) > 1 else ""
    if action not in actions or len(sys.argv) != (2 if action == "count" else 3):
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    try:
        print(json.dumps(actions[action](sys.argv[-1])))
    except (Failed, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
