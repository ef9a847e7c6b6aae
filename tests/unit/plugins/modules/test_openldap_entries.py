# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which passwords an account of the directory accepts after the module."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.modules import openldap_entries

ACCOUNT = "cn=probe,ou=tiers,dc=example,dc=org"


class Directory:
    """A directory with one account, whose passwords are stored as they are."""

    def __init__(self, *passwords: str) -> None:
        self.passwords = list(passwords)
        self.changes: list[Any] = []

    def passwd_s(self, _dn: str, _old: None, password: str) -> None:
        self.changes.append(password)

    def modify_s(self, _dn: str, changes: list[tuple[int, str, list[bytes]]]) -> None:
        self.changes += changes


def run_command(command: list[str], data: str, check_rc: bool) -> tuple[int, str, str]:
    done = subprocess.run(command, input=data, capture_output=True, text=True, check=check_rc)
    return done.returncode, done.stdout, done.stderr


def set_passwords(
    monkeypatch: pytest.MonkeyPatch, directory: Directory, *passwords: str, check_mode: bool = False
) -> list[str]:
    """The accounts of which the module sets the passwords."""
    monkeypatch.setattr(openldap_entries, "ldap", SimpleNamespace(MOD_REPLACE=2), raising=False)
    monkeypatch.setattr(openldap_entries, "read", lambda *_args: {"userpassword": directory.passwords})
    monkeypatch.setattr(openldap_entries, "opens", lambda _dn, password: password in directory.passwords)
    entries = object.__new__(openldap_entries.Entries)
    entries.module = SimpleNamespace(check_mode=check_mode, run_command=run_command)
    entries.connection, entries.result = directory, {"passwords_set": []}
    entries.set_passwords(ACCOUNT, list(passwords))
    return entries.result["passwords_set"]


@pytest.mark.parametrize("passwords", [("old",), ("old", "new")])
def test_passwords_that_the_account_accepts_are_left(monkeypatch: pytest.MonkeyPatch, passwords: tuple[str]) -> None:
    directory = Directory(*passwords)
    assert set_passwords(monkeypatch, directory, *passwords) == []
    assert directory.changes == []


def test_next_password_is_accepted_beside_the_present_one_in_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory("old")
    assert set_passwords(monkeypatch, directory, "old", "new") == [ACCOUNT]
    ((operation, attribute, hashes),) = directory.changes
    assert (operation, attribute) == (2, "userPassword")
    for password, stored in zip(("old", "new"), hashes, strict=True):
        assert stored.startswith(b"{CRYPT}$6$")
        salt = stored.split(b"$")[2].decode()
        again = ["openssl", "passwd", "-6", "-salt", salt, "-stdin"]
        assert stored == b"{CRYPT}" + subprocess.check_output(again, input=password.encode()).strip()


def test_former_password_is_refused_once_only_the_new_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory("old", "new")
    assert set_passwords(monkeypatch, directory, "new") == [ACCOUNT]
    assert directory.changes == ["new"]


def test_password_that_the_account_refuses_replaces_the_one_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory("old")
    assert set_passwords(monkeypatch, directory, "new") == [ACCOUNT]
    assert directory.changes == ["new"]


def test_check_mode_reports_the_account_and_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory("old")
    assert set_passwords(monkeypatch, directory, "old", "new", check_mode=True) == [ACCOUNT]
    assert directory.changes == []
