# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that restores PostgreSQL replaces data only with complete ones, and never removes them."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROLE = Path(__file__).parents[3] / "roles/product_postgresql"
INFO = [{"backup": [{"info": {"size": 1}}]}]
# Stand-ins of the programs. They note what they are called with; a file FAIL-NAME makes one fail.
RUNUSER = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift 4; exec "$@"\n'
PGBACKREST = """#!/bin/sh
echo "pgbackrest $*" >>{root}/calls
case $* in
    *--output=json*) echo '{info}' ;;
    *)
        [ ! -e {root}/fail-pgbackrest ] || {{ echo 'ERROR: [075]: no backup set found' >&2; exit 75; }}
        for word; do case $word in --pg1-path=*) echo restored >"${{word#*=}}/PG_VERSION" ;; esac; done
        echo 'P00  INFO: repo1: restore backup set 20261130-202402F, recovery will start' >&2 ;;
esac
"""
PG_CTL = """#!/bin/sh
echo "pg_ctl $*" >>{root}/calls
[ "$1" = stop ] || [ ! -e {root}/fail-start ] || {{
    echo '2026-11-30 20:00:00.000 UTC [1] FATAL:  recovery ended before the target was reached' >{root}/$2.log; exit 1
}}
"""
PSQL = """#!/bin/sh
echo "psql $*" >>{root}/calls
case $* in
    *replay*) echo '"2026-11-30T20:43:48+00:00"' ;;
    *pg_database*) echo '["shop"]' ;;
    *query_to_xml*) echo '{{"public.drill": 7}}' ;;
esac
"""


@pytest.fixture(name="program")
def load_program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("postgresql_restore", ROLE / "files/postgresql_restore.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings of the program, beside stand-ins of all that it runs, and data that a server has."""
    for name, text in {"runuser": RUNUSER, "pgbackrest": PGBACKREST, "pg_ctl": PG_CTL, "psql": PSQL}.items():
        path = tmp_path / name
        filled = text.replace("{{", "{").replace("}}", "}").replace("{root}", str(tmp_path))
        path.write_text(filled.replace("{info}", json.dumps(INFO)))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "tiers").mkdir()
    (tmp_path / "tiers/PG_VERSION").write_text("present")
    return {
        "stanza": "shop",
        "bin": str(tmp_path),
        "data": str(tmp_path / "tiers"),
        "socket": "/run/postgresql",
        "own_socket": "/run/tiers-pgbackrest",
        "port": 5432,
        "seconds": 60,
        "start_values": {"wal_level": "replica", "archive_mode": "on"},
    }


def content(path: Path) -> str:
    return (path / "PG_VERSION").read_text().strip()


def calls(tmp_path: Path) -> str:
    return (tmp_path / "calls").read_text()


def test_restored_data_replace_the_present_ones_which_are_kept(
    program: ModuleType, settings: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "tiers.restored").mkdir()  # of an interrupted run
    found = program.restore(settings, "2026-11-30 20:40:00+00")
    assert content(tmp_path / "tiers") == "restored"
    assert content(Path(found["previous"])) == "present"
    assert found["backup"] == "20261130-202402F"
    assert "--type=time --target=2026-11-30 20:40:00+00 --target-action=promote restore" in calls(tmp_path)
    # WAL of the restored data is archived, and no setting of the recovery stays.
    assert "archive_mode=on" in calls(tmp_path)
    assert "ALTER SYSTEM RESET recovery_target_time" in calls(tmp_path)


@pytest.mark.parametrize("failing", ["fail-pgbackrest", "fail-start"])
def test_data_stay_when_a_restore_fails(
    program: ModuleType, settings: dict[str, Any], tmp_path: Path, failing: str
) -> None:
    (tmp_path / failing).touch()
    with pytest.raises(program.Failed):
        program.restore(settings, "newest")
    assert content(tmp_path / "tiers") == "present"
    assert not (tmp_path / "tiers.restored").exists()


def test_a_server_is_used_only_after_it_has_recovered(
    program: ModuleType, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pg_ctl returns while the server recovers, and the server refuses connections. Then it ends.
    psql = tmp_path / "psql"
    psql.write_text("#!/bin/sh\nexit 2\n")
    running = iter([False, True, True, False])
    monkeypatch.setattr(program.Server, "is_running", lambda _self: next(running, False))
    monkeypatch.setattr(program.time, "sleep", lambda _seconds: None)
    with pytest.raises(program.Failed, match="PostgreSQL ended in"):
        program.restore(settings, "newest")
    assert content(tmp_path / "tiers") == "present"


def test_a_running_server_is_not_replaced(
    program: ModuleType, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.Server, "is_running", lambda self: self.data == tmp_path / "tiers")
    with pytest.raises(program.Failed, match="Stop Patroni first"):
        program.restore(settings, "newest")
    assert not (tmp_path / "calls").exists()


def test_a_rehearsal_archives_nothing_and_leaves_nothing(
    program: ModuleType, settings: dict[str, Any], tmp_path: Path
) -> None:
    running = {"before": {"shop: public.drill": 7}, "after": {"shop: public.drill": 7}}
    found = program.rehearse(settings, "name:tiers-rehearsal-1", running)
    assert (found["tables"], found["rows"], found["compared"], found["wrong"]) == (1, 7, True, [])
    assert "--type=name --target=tiers-rehearsal-1" in calls(tmp_path)
    assert "archive_mode=off" in calls(tmp_path)
    assert "archive_mode=on" not in calls(tmp_path)
    assert content(tmp_path / "tiers") == "present"
    assert [path.name for path in tmp_path.glob("tiers*")] == ["tiers"]


def test_a_rehearsal_that_fails_leaves_nothing_either(
    program: ModuleType, settings: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "fail-start").touch()
    with pytest.raises(program.Failed):
        program.rehearse(settings, "newest", {})
    assert [path.name for path in tmp_path.glob("tiers*")] == ["tiers"]


@pytest.mark.parametrize(
    ("rows", "before", "after", "wrong"),
    [
        ({"t": 5}, {"t": 5}, {"t": 5}, []),
        ({"t": 6}, {"t": 5}, {"t": 7}, []),
        ({"t": 4}, {"t": 5}, {"t": 7}, ["t has 4 rows, and 5 to 7 in the running database"]),
        ({"t": 8}, {"t": 7}, {"t": 5}, ["t has 8 rows, and 5 to 7 in the running database"]),
        ({"t": 4}, {"t": 5}, {"t": 5}, ["t has 4 rows, and 5 in the running database"]),
        ({}, {"t": 5}, {"t": 5}, ["t is missing, and has 5 rows in the running database"]),
        ({}, {}, {"t": 5}, []),  # created after the restore point
        ({"t": 3}, {}, {"t": 5}, []),
        ({"t": 3}, {}, {}, ["t has 3 rows, and 0 in the running database"]),
    ],
)
def test_rows_are_compared_with_those_before_and_after(
    program: ModuleType, rows: dict[str, int], before: dict[str, int], after: dict[str, int], wrong: list[str]
) -> None:
    assert program.compare(rows, before, after) == wrong


def test_a_disk_without_room_is_named_before_anything_is_copied(
    program: ModuleType, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "MORE_ROOM", 1 << 60)
    with pytest.raises(program.Failed, match="less free space"):
        program.restore(settings, "newest")
    assert "--pg1-path" not in calls(tmp_path)


@pytest.fixture
def archiver(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A leader whose last archived WAL is given."""

    class Leader:
        archived = ""

        def ask(self, query: str) -> str:
            return self.archived if "last_archived" in query else "000000010000000000000009"

    def make(archived: str) -> Any:
        leader = Leader()
        leader.archived = archived
        return leader

    monkeypatch.setattr(program, "ARCHIVED_SECONDS", 0.1)
    return make


def test_a_restore_point_is_usable_when_its_wal_is_archived(
    program: ModuleType, archiver: Callable[[str], Any]
) -> None:
    assert program.mark(archiver("000000010000000000000009"), "x")["wal"] == "000000010000000000000009"
    with pytest.raises(program.Failed, match="Archiving does not work: 000000010000000000000009 was not archived"):
        program.mark(archiver("000000010000000000000008"), "x")
