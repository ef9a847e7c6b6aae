# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of a directory's content, from what a server answers to searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import probe
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import ldap
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Access, Endpoint

CSN = "20260101000000.00000{}Z#000000#001#000000"
Entries = list[tuple[str, str]]
HERE = Endpoint("s", "10.0.0.1", 636, "ldapi")


class Directory:
    """The entries that searches find. `changes` are made one after the other, each before the next search for
    entries."""

    def __init__(self, entries: Entries, counted: int | None = None) -> None:
        self.entries, self.counted = entries, counted
        self.changes: Iterator[Callable[[], None]] = iter(())
        self.change = self.read = 0

    def search(self, _base: str, _scope: int, what: str, attributes: list[str]) -> list[tuple[str, dict[str, Any]]]:
        if "contextCSN" in attributes:
            return [("dc=x", {"contextCSN": [CSN.format(self.change).encode()]})]
        if "olmMDBEntries" in what:
            found = {"namingContexts": [b"DC=x, dc=Y"], "olmMDBEntries": [str(self.counted).encode()]}
            return [("cn=other", {"namingContexts": [b"dc=z"], "olmMDBEntries": [b"1"]}), ("cn=1", found)][
                : 1 if self.counted is None else 2
            ]
        self.read += 1
        next(self.changes, lambda: None)()
        return [(uuid, {"entryUUID": [uuid.encode()], "entryCSN": [csn.encode()]}) for uuid, csn in self.entries]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(ldap, "_PAUSE", 0)
    real = ldap.LdapSession
    monkeypatch.setattr(ldap, "ldap", SimpleNamespace(SCOPE_BASE=0, SCOPE_ONELEVEL=1, SCOPE_SUBTREE=2))

    def ask(directory: Directory, whole: bool = False) -> Any:
        def session(*_: object) -> ldap.LdapSession:
            made = real.__new__(real)
            made._access = Access(base="dc=x,dc=y")
            made.search = directory.search  # type: ignore[assignment, method-assign]
            made.close = lambda: None  # type: ignore[method-assign]
            return made

        monkeypatch.setattr(ldap, "LdapSession", session)
        return ldap.Ldap().digest(HERE, Access(base="dc=x,dc=y"), 1, whole)

    return ask


def test_the_digest_does_not_depend_on_the_order(ask: Any) -> None:
    entries = [("a", "1"), ("b", "2"), ("c", "3")]
    first, second = ask(Directory(entries)).digest, ask(Directory(entries[::-1])).digest
    assert first == second
    assert first.startswith("3 entries, ")


@pytest.mark.parametrize("entries", [[("a", "1")], [("a", "1"), ("b", "3")], [("a", "1"), ("c", "2")]])
def test_a_missing_a_changed_and_another_entry_change_the_digest(ask: Any, entries: Entries) -> None:
    assert ask(Directory(entries)).digest != ask(Directory([("a", "1"), ("b", "2")])).digest


def test_a_quick_digest_only_counts_a_large_database(ask: Any) -> None:
    large = Directory([("a", "1")], counted=20_001)
    assert ask(large).digest == "20001 entries"
    assert large.read == 0
    assert ask(Directory([("a", "1")], counted=20_000)).digest.startswith("1 entries, ")
    assert ask(Directory([("a", "1")], counted=None)).digest.startswith("1 entries, ")
    assert ask(large, whole=True).digest.startswith("1 entries, ")


def test_content_that_changes_while_it_is_read_is_read_again(ask: Any) -> None:
    directory = Directory([("a", "1")])

    def change() -> None:
        directory.entries = [*directory.entries, ("b", "2")]
        directory.change = 1

    directory.changes = iter([lambda: None, change])
    seen = ask(directory)
    assert seen.digest.startswith("2 entries, ")
    assert seen.position == {"1": CSN.format(1)}


def test_content_that_never_rests_has_no_digest(ask: Any) -> None:
    directory = Directory([("a", "1")])

    def change() -> None:
        directory.change += 1

    directory.changes = iter([change] * 20)
    seen = ask(directory)
    assert seen.digest is None
    assert seen.position


def test_a_change_that_is_stored_and_not_yet_in_the_position_is_waited_for(ask: Any) -> None:
    directory = Directory([("a", "1")])

    def store() -> None:
        directory.entries = [("a", "1"), ("b", "2")]

    directory.changes = iter([lambda: None, store])
    assert ask(directory).digest.startswith("2 entries, ")


def test_a_probe_asks_for_a_digest_only_where_its_edge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Speaks:
        def observe(self, *_: object) -> Any:
            return ldap.Observation("provider", {"1": "x"})

        def digest(self, _endpoint: object, _access: object, _timeout: float, whole: bool) -> Any:
            return ldap.Observation(position={"1": "x"}, digest=f"whole {whole}")

    monkeypatch.setattr(probe, "driver", lambda _protocol: Speaks())
    edge = {"name": "s", "protocol": "ldapi", "expect": "open"}
    assert probe.probe(edge, Access(), 1)["digest"] is None
    assert probe.probe({**edge, "digest": "quick"}, Access(), 1)["digest"] == "whole False"
    assert probe.probe({**edge, "digest": "whole"}, Access(), 1)["digest"] == "whole True"
