#!/usr/bin/python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what breaks the promises of PostgreSQL on this host, a line each. `status` and `verify` run it, as root.

`restart-due` as argument: exit code 0 if a changed setting waits for a restart of PostgreSQL."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SECONDS = 4
MB = 1024 * 1024
# PostgreSQL refuses writes 3 million transactions before 2^31. Its own autovacuum begins at 200 million.
OLDEST_TRANSACTION = 1_500_000_000
NAMED = 3
SERVES_BACKUPS = "tiers-pgbackrest.service"
# WAL is archived within seconds of its end. A backup may hold it up for some more.
ARCHIVED_SECONDS = 120
# A standby does not start with less of these than its leader has, so they are reduced on the leader first.
NOT_LESS = (
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
)

# One answer of the server about itself
SERVER = """
SELECT json_build_object(
    'leads', NOT pg_is_in_recovery(),
    'settings', (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN
        ('synchronous_commit', 'fsync', 'full_page_writes', 'max_slot_wal_keep_size', 'max_wal_size', 'max_connections',
        'max_locks_per_transaction', 'max_prepared_transactions', 'max_wal_senders', 'max_worker_processes')),
    'own_settings', (SELECT coalesce(json_agg(json_build_array(
            coalesce(rolname, ''), coalesce(datname, ''), setting)), '[]')
        FROM pg_db_role_setting CROSS JOIN unnest(setconfig) AS setting
        LEFT JOIN pg_roles ON pg_roles.oid = setrole LEFT JOIN pg_database ON pg_database.oid = setdatabase
        WHERE setting LIKE 'synchronous_commit=%'),
    'waiting', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart),
    'synchronous', (SELECT count(*) FROM pg_stat_replication
        WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')),
    'slots', (SELECT coalesce(json_agg(json_build_array(slot_name, wal_status) ORDER BY slot_name), '[]')
        FROM pg_replication_slots),
    'archiver', (SELECT json_build_object(
            'mode', current_setting('archive_mode'),
            'is_failing', last_failed_time IS NOT NULL AND last_failed_time > coalesce(last_archived_time, '-infinity'),
            'last_wal', last_archived_wal,
            'waiting', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
            'seconds', (SELECT coalesce(extract(epoch FROM now() - min(modification)), 0)::int
                FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'))
        FROM pg_stat_archiver),
    'wal_bytes', (SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_waldir()),
    'checksum_failures', (SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database),
    'oldest_transaction', (SELECT max(age(datfrozenxid)) FROM pg_database),
    'databases', (SELECT json_agg(datname ORDER BY datname) FROM pg_database WHERE datallowconn AND NOT datistemplate))
"""
# Tables and materialized views of one database. Temporary ones do not count.
UNLOGGED = """
SELECT coalesce(json_agg(oid::regclass::text ORDER BY 1), '[]') FROM pg_class
WHERE relpersistence = 'u' AND relkind IN ('r', 'm')
"""


def enumerate_some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def judge(server: Mapping[str, Any], patroni: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    """The findings. `server`: the answer to SERVER, with the unlogged tables of each database and the free bytes of its
    file system; `patroni`: its answer about this node; `settings`: the JSON file beside this program."""
    values = server["settings"]
    for name in ("fsync", "full_page_writes"):
        if values[name] == "off":
            yield f"{name} is off: a crash of the host can destroy the database. Set it to on"
    if settings["promises_no_loss"]:
        yield from judge_promise(server, settings)
    limit = int(values["max_slot_wal_keep_size"])
    # -1 is no limit. WAL that exists already does not need free space.
    needed = (limit + int(values["max_wal_size"])) * MB
    room = server["free_bytes"] + server["wal_bytes"]
    if limit < 0:
        yield "max_slot_wal_keep_size is -1: WAL for an absent server fills the disk. Set product_postgresql_wal_keep"
    elif needed > room:
        yield (
            f"WAL for a server that is away may take {needed // MB} MB, and the disk has {room // MB} MB for WAL."
            " Reduce product_postgresql_wal_keep, or enlarge the disk"
        )
    for slot, state in server["slots"]:
        if state in ("unreserved", "lost"):
            removed = "is removed" if state == "lost" else "is being removed"
            yield f"the server of the slot {slot} lacks WAL that {removed}. Run resync for it"
    if settings["archives"]:
        yield from judge_archiving(server)
    if server["checksum_failures"]:
        yield f"{server['checksum_failures']} pages of the data have a wrong checksum (pg_stat_database)"
    if server["oldest_transaction"] > OLDEST_TRANSACTION:
        age = server["oldest_transaction"] // 1_000_000
        yield f"the oldest transaction is {age} million transactions old, and at 2144 million writes stop. Run VACUUM"
    if reduced := list_reduced(server, settings):
        yield (
            f"{enumerate_some(reduced)} is larger than planned. Only a restart of the leader reduces it, and pauses"
            f" writes: patronictl -c /etc/patroni/config.yml restart {patroni['patroni']['scope']}"
        )
    elif is_restart_due(patroni, server, settings):
        names = f" ({enumerate_some(server['waiting'])})" if server["waiting"] else ""
        yield f"a changed setting{names} waits for a restart of PostgreSQL. Run deploy"


def judge_archiving(server: Mapping[str, Any]) -> Iterator[str]:
    """The findings of a server with a repository of backups. Only the leader archives."""
    archiver = server["archiver"]
    last = archiver["last_wal"] or "none"
    if not server["gives_backups"]:
        yield f"{SERVES_BACKUPS} does not run: the repository cannot copy the data. See journalctl -u {SERVES_BACKUPS}"
    if not server["leads"]:
        return
    if archiver["mode"] == "off":
        yield "archive_mode is off: changes since the last backup cannot be restored. Run deploy"
    elif archiver["waiting"] and (archiver["is_failing"] or archiver["seconds"] > ARCHIVED_SECONDS):
        yield (
            f"archiving does not work: WAL has waited for {archiver['seconds']} s ({archiver['waiting']} files). The"
            f" last archived one is {last}. Changes after it cannot be restored, and WAL fills the disk. See"
            " journalctl -u patroni"
        )


def judge_promise(server: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    """Findings that let an acknowledged commit get lost, where the inventory promises that none is."""
    mode = server["settings"]["synchronous_commit"]
    if mode in ("off", "local"):
        yield f"synchronous_commit is {mode}: a failover loses acknowledged commits. Set it to on"
    for role, database, setting in server["own_settings"]:
        if setting.split("=")[1] in ("off", "local"):
            where = " and ".join(f"{kind} {name}" for kind, name in (("account", role), ("database", database)) if name)
            yield f"{where or 'every account'} has {setting}: a failover loses its acknowledged commits"
    if server["leads"] and not server["synchronous"]:
        yield "no synchronous standby: commits are acknowledged by this server alone"
    unlogged = [] if settings["permits_unlogged"] else server["unlogged"]
    if server["leads"] and unlogged:
        yield (
            f"unlogged tables are empty after a failover: {enumerate_some(unlogged)}. Run ALTER TABLE … SET LOGGED,"
            " or set product_postgresql_permit_unlogged"
        )


def list_reduced(server: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """The settings of which the server has more than planned, and which no restart of a standby reduces."""
    planned = settings["start_values"]
    return [name for name in NOT_LESS if name in planned and int(server["settings"][name]) > int(planned[name])]


def is_restart_due(patroni: Mapping[str, Any], server: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a rolling restart applies a changed setting. Patroni gives some settings on the command line, of which
    PostgreSQL does not know that they have changed."""
    return bool(patroni.get("pending_restart") or server["waiting"]) and not list_reduced(server, settings)


class Failed(Exception):
    """The server cannot be asked."""


def ask(query: str, settings: Mapping[str, Any], database: str = "postgres") -> Any:
    """The answer of the server on this host, as its superuser."""
    words = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", settings["socket"]]
    words += ["-p", str(settings["port"]), "-d", database, "-c", query]
    environment = {**os.environ, "PGCONNECT_TIMEOUT": str(SECONDS), "PGOPTIONS": f"-c statement_timeout={SECONDS}s"}
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=2 * SECONDS, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"PostgreSQL cannot be asked: {error}") from error
    if done.returncode:
        raise Failed(f"PostgreSQL cannot be asked: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")
    return json.loads(done.stdout)


def ask_patroni(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of Patroni about this node. The status 503 of a node that does not run has the same content."""
    try:
        context = ssl.create_default_context(cafile=settings["ca"])
        try:
            with urllib.request.urlopen(settings["url"], timeout=SECONDS, context=context) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
        return dict(json.loads(text))
    except (OSError, ValueError) as error:
        raise Failed(f"Patroni does not answer: {error}") from error


def main() -> int:
    settings = json.loads(Path(f"{sys.argv[0]}.json").read_text(encoding="utf-8"))
    try:
        patroni = ask_patroni(settings)
        server = ask(SERVER, settings)
        if sys.argv[1:] == ["restart-due"]:
            return 0 if is_restart_due(patroni, server, settings) else 1
        server["unlogged"] = [
            f"{database}: {name}"
            for database in (server["databases"] if server["leads"] else [])
            for name in ask(UNLOGGED, settings, database)
        ]
        # Only a server with a repository has the unit.
        active = subprocess.run(["systemctl", "is-active", "--quiet", SERVES_BACKUPS], check=False, timeout=SECONDS)
        server["gives_backups"] = active.returncode == 0
        disk = os.statvfs(settings["data"])
        server["free_bytes"] = disk.f_bavail * disk.f_frsize
    except Failed as error:
        print(error, file=sys.stderr)
        return 2
    for line in judge(server, patroni, settings):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
