# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module changes only objects that differ from the plan."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.modules.postgresql_objects import Objects, is_password_of, quote

# The secret that PostgreSQL 15 stored for the password `pencil`
PENCIL = (
    "SCRAM-SHA-256$4096:aTARgMw77yDxMjCXDGz4Dw==$"
    "IqUXNHPFjFuyOrWput3gHmJ5LfooZU+gUECq2BjTh08=:ZPfYlFIoIWF+C1+qh4fDsLUqiHQu7nQMd1xwHYeeSO0="
)


class Cursor:
    """A server with one account, `shop`, and one database, `postgres`."""

    def __init__(self) -> None:
        self.executed: list[tuple[str, Any]] = []
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, statement: str, values: Any = None) -> None:
        answers = {"pg_authid": [("shop", PENCIL)], "pg_database": [("postgres",)], "SELECT true": [(True,)]}
        self._rows = next((rows for word, rows in answers.items() if word in statement), [(None,)])
        if not statement.startswith("SELECT"):
            self.executed.append((statement, values))

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...]:
        return self._rows[0]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Cursor:
    cursor = Cursor()

    @contextlib.contextmanager
    def connect(_objects: Objects, _database: str = "postgres") -> Iterator[Cursor]:
        yield cursor

    monkeypatch.setattr(Objects, "connect", connect)
    return cursor


def account(name: str, password: str | None = None, *attributes: str) -> dict[str, Any]:
    return {"name": name, "password": password, "attributes": list(attributes)}


@pytest.mark.parametrize(
    ("password", "secret", "expected"),
    [
        ("pencil", PENCIL, True),
        ("pencils", PENCIL, False),
        ("pencil", None, False),
        ("pencil", "md5f8f2d3", False),
        ("pencil", "SCRAM-SHA-256$many:x$y:z", False),
    ],
)
def test_a_password_is_compared_with_the_secret_of_the_server(
    password: str, secret: str | None, expected: bool
) -> None:
    assert is_password_of(password, secret) is expected


def test_an_account_with_its_password_is_left_alone(server: Cursor) -> None:
    objects = Objects("/run", 5432, False)
    objects.accounts([account("shop", "pencil"), account("shop")])
    assert (objects.actions, server.executed) == ([], [])


def test_another_password_is_set_and_shown_nowhere(server: Cursor) -> None:
    objects = Objects("/run", 5432, False)
    objects.accounts([account("shop", "secret")])
    assert objects.actions == ["set password of account shop"]
    assert server.executed == [('ALTER ROLE "shop" PASSWORD %s', ("secret",))]


def test_missing_objects_are_created(server: Cursor) -> None:
    objects = Objects("/run", 5432, False)
    objects.accounts([account("copy", None, "REPLICATION")])
    objects.databases([{"name": "postgres", "owner": "shop"}, {"name": "shop", "owner": "shop"}])
    objects.statements(
        [
            {"database": "*", "unless": "SELECT true", "execute": "CREATE SCHEMA there"},
            {"database": "*", "unless": "SELECT false", "execute": "CREATE SCHEMA missing"},
            {"database": "other", "unless": "SELECT false", "execute": "CREATE SCHEMA elsewhere"},
        ]
    )
    assert [statement for statement, _values in server.executed] == [
        'CREATE ROLE "copy" LOGIN REPLICATION',
        'CREATE DATABASE "shop" OWNER "shop"',
        "CREATE SCHEMA missing",
    ]


def test_check_mode_changes_nothing(server: Cursor) -> None:
    objects = Objects("/run", 5432, True)
    objects.accounts([account("copy"), account("shop", "secret")])
    assert objects.actions == ["created account copy", "set password of account shop"]
    assert server.executed == []


def test_a_name_is_quoted() -> None:
    assert quote('a"b') == '"a""b"'
