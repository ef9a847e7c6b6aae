# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A former leader of PostgreSQL does not overwrite the leader key of its successor."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/product_postgresql/files/patroni_start.py"


def load_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiers_patroni", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


program = load_program()


class Client:
    """The leader key in the arbiter, as the client of Patroni 3.0.2 writes it: without a condition, or with one."""

    def __init__(self, value: str | None, revision: int) -> None:
        self.value, self.revision = value, revision

    def put(
        self,
        key: str,
        value: str,
        _lease: str | None = None,
        create_revision: int | None = None,
        mod_revision: int | None = None,
    ) -> bool:
        if not key.endswith("/leader"):
            return True
        if create_revision is not None and self.value is not None:
            return False
        if mod_revision is not None and (self.value is None or mod_revision != self.revision):
            return False
        self.value, self.revision = value, self.revision + 1
        return True


def make_store(client: Client, read_revision: int | None, is_guarded: bool = True) -> Any:
    """A leader m1 with a new lease, that has read its own key with this revision."""

    class Store:
        leader_path = "/patroni/shop/leader"
        cluster = SimpleNamespace(leader=read_revision and SimpleNamespace(name="m1", index=read_revision))
        _client = client

        def _update_leader(self) -> bool:
            # Patroni 3.0.2 ignores whether the key was written.
            self._client.put(self.leader_path, "m1", "lease-2")
            self._client.put("/patroni/shop/status", "x")
            return True

    if is_guarded:
        program.make_update_conditional(Store)
    return Store()


def test_a_former_leader_does_not_overwrite_its_successor() -> None:
    client = Client("m2", revision=9)
    assert make_store(client, read_revision=5)._update_leader() is False
    assert (client.value, client.revision) == ("m2", 9)


def test_a_former_leader_overwrites_its_successor_without_this_program() -> None:
    client = Client("m2", revision=9)
    assert make_store(client, read_revision=5, is_guarded=False)._update_leader() is True
    assert client.value == "m1"


def test_a_leader_writes_its_key_again_after_its_lease_was_replaced() -> None:
    client = Client("m1", 5)
    assert make_store(client, read_revision=5)._update_leader() is True
    assert (client.value, client.revision) == ("m1", 6)


def test_a_key_that_is_gone_is_left_to_an_election() -> None:
    client = Client(None, 7)
    assert make_store(client, read_revision=5)._update_leader() is False
    assert client.value is None


def test_other_keys_are_written_as_before() -> None:
    client = Client("m1", 5)
    store = make_store(client, read_revision=5)
    store._update_leader()
    assert "put" not in vars(client)


@pytest.mark.parametrize(
    ("version", "affected"), [("3.0.2", True), ("2.1.7", True), ("3.0.3", False), ("4.0.7", False), ("3.1.0", False)]
)
def test_only_affected_versions_are_changed(version: str, affected: bool) -> None:
    assert program.is_affected(version) is affected
