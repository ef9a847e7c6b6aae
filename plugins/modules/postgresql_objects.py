#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_objects
short_description: Create the accounts and databases that a system needs on the leader of PostgreSQL
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Connects to the server on this host by its socket, as the account C(postgres). Needs root and C(python3-psycopg2).
  - Creates what is missing, sets a password that differs, and removes nothing. A second run changes nothing.
  - A password is compared with the SCRAM secret on the server, so no secret is replaced without need.
options:
  socket:
    description: Directory of the server's socket.
    type: path
    default: /var/run/postgresql
  port:
    description: Port of the server.
    type: int
    default: 5432
  accounts:
    description: Accounts that log in.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      password:
        description: Its password. Without one, it logs in by certificate only.
        type: str
      attributes:
        description: Attributes that it is created with, such as V(REPLICATION).
        type: list
        elements: str
        default: []
  databases:
    description: Databases, with their owners.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the database.
        type: str
        required: true
      owner:
        description: Account that owns it.
        type: str
        required: true
  statements:
    description: Further statements, each for one database or for all of them.
    type: list
    elements: dict
    default: []
    suboptions:
      database:
        description: Name of the database. V(*) is every database to which one can connect, and C(template1).
        type: str
        required: true
      unless:
        description: A query. The statement is not executed if its first value is true.
        type: str
        required: true
      execute:
        description: The statement.
        type: str
        required: true
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Create the account and the database of the shop
  distributed.tiers.postgresql_objects:
    accounts: [{name: shop, password: "{{ vault_shop_password }}"}]
    databases: [{name: shop, owner: shop}]
"""

RETURN = r"""
actions:
  description: The created or changed objects, in order.
  returned: always
  type: list
  elements: str
"""

import base64
import contextlib
import hashlib
import hmac
import os
import pwd
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import psycopg2  # type: ignore[import-untyped]
except ImportError:
    psycopg2 = None

SUPERUSER = "postgres"


def is_password_of(password: str, secret: str | None) -> bool:
    """Whether a SCRAM secret, as PostgreSQL keeps it, was made from this password.

    SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY (RFC 5803).
    """
    try:
        mechanism, parameters, keys = (secret or "").split("$")
        iterations, salt = parameters.split(":")
        stored = base64.b64decode(keys.split(":")[0])
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    except ValueError:
        return False
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    return mechanism == "SCRAM-SHA-256" and hmac.compare_digest(hashlib.sha256(client_key).digest(), stored)


def quote(name: str) -> str:
    """A name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


class Objects:
    """The objects of a PostgreSQL server, and the changes made to them."""

    def __init__(self, socket: str, port: int, is_check: bool) -> None:
        self._where = {"host": socket, "port": port, "user": SUPERUSER}
        self._is_check = is_check
        self.actions: list[str] = []

    @contextlib.contextmanager
    def connect(self, database: str = "postgres") -> Iterator[Any]:
        connection = psycopg2.connect(dbname=database, **self._where)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def change(self, cursor: Any, action: str, statement: str, values: tuple[Any, ...] = ()) -> None:
        self.actions.append(action)
        if not self._is_check:
            cursor.execute(statement, values or None)

    def accounts(self, wanted: list[dict[str, Any]]) -> None:
        with self.connect() as cursor:
            cursor.execute("SELECT rolname, rolpassword FROM pg_authid")
            secrets = dict(cursor.fetchall())
            for account in wanted:
                name, password = account["name"], account["password"]
                if name not in secrets:
                    attributes = " ".join(["LOGIN", *account["attributes"]])
                    self.change(cursor, f"created account {name}", f"CREATE ROLE {quote(name)} {attributes}")
                if password is not None and not is_password_of(password, secrets.get(name)):
                    alter = f"ALTER ROLE {quote(name)} PASSWORD %s"
                    self.change(cursor, f"set password of account {name}", alter, (password,))

    def databases(self, wanted: list[dict[str, Any]]) -> None:
        with self.connect() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            known = {row[0] for row in cursor.fetchall()}
            for database in wanted:
                name, owner = database["name"], database["owner"]
                if name not in known:
                    create = f"CREATE DATABASE {quote(name)} OWNER {quote(owner)}"
                    self.change(cursor, f"created database {name}", create)

    def statements(self, wanted: list[dict[str, Any]]) -> None:
        with self.connect() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname")
            databases = [row[0] for row in cursor.fetchall()]
        for database in databases:
            todo = [one for one in wanted if one["database"] in ("*", database)]
            if not todo:
                continue
            with self.connect(database) as cursor:
                for statement in todo:
                    cursor.execute(statement["unless"])
                    row = cursor.fetchone()
                    if not (row and row[0]):
                        words = " ".join(statement["execute"].split()[:4])
                        self.change(cursor, f"{database}: {words} …", statement["execute"])


def main() -> None:
    texts = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/var/run/postgresql"},
            "port": {"type": "int", "default": 5432},
            "accounts": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": texts,
                    "password": {"type": "str", "no_log": True},
                    "attributes": {"type": "list", "elements": "str", "default": []},
                },
            },
            "databases": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": texts, "owner": texts},
            },
            "statements": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"database": texts, "unless": texts, "execute": texts},
            },
        },
        supports_check_mode=True,
    )
    if psycopg2 is None:
        module.fail_json(msg=missing_required_lib("psycopg2"))
    given = module.params
    objects = Objects(given["socket"], given["port"], module.check_mode)
    try:
        # The server lets the system's account postgres in, by the effective user of the process.
        os.seteuid(pwd.getpwnam(SUPERUSER).pw_uid)
        objects.accounts(given["accounts"])
        objects.databases(given["databases"])
        objects.statements(given["statements"])
    except (KeyError, psycopg2.Error) as error:
        module.fail_json(msg=f"PostgreSQL on this host: {error}".strip(), actions=objects.actions)
    finally:
        os.seteuid(0)
    module.exit_json(changed=bool(objects.actions), actions=objects.actions)


if __name__ == "__main__":
    main()
