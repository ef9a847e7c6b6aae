# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is left in a masked text."""

from __future__ import annotations

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.masking import (
    MASK,
    is_secret_name,
    mask,
    texts_of,
    written_forms,
)

SECRET = 'S3cr"t/päss wörd'


@pytest.mark.parametrize("form", sorted(written_forms(SECRET)))
def test_a_secret_is_masked_in_each_form_in_which_files_have_it(form: str) -> None:
    assert mask(f"before {form} after", [SECRET]) == f"before {MASK} after"


def test_the_longer_of_two_secrets_is_masked_first() -> None:
    assert mask("abcdefgh abcd", ["abcd", "abcdefgh"]) == f"{MASK} {MASK}"


def test_a_private_key_is_masked_even_if_its_end_was_cut_off() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"
    assert mask(f"a\n{key}\nb", []) == f"a\n{MASK}\nb"
    assert mask(f"a\n{key[:40]}", []) == f"a\n{MASK}"


@pytest.mark.parametrize(
    "line",
    [
        "auth_pass hunter2",
        "PASSWORD=hunter2",
        '"probe_password": "hunter2"',
        "olcRootPW: {SSHA}hunter2",
        "token : hunter2",
    ],
)
def test_a_setting_that_is_named_as_a_secret_is_masked(line: str) -> None:
    assert "hunter2" not in mask(f"x\n{line}\ny", [])
    assert mask(f"x\n{line}\ny", []).startswith("x\n")
    assert mask(f"x\n{line}\ny", []).endswith("\ny")


def test_a_sentence_about_secrets_is_no_setting() -> None:
    for line in ("Secrets are replaced.", "olcAccess: to attrs=userPassword by self write", "olcPasswordHash: {CRYPT}"):
        assert mask(line, []) == line


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("tiers_ca_passphrase", True),
        ("product_openldap_probe_password", True),
        ("vault_ledger", True),
        ("api_token", True),
        ("declared", True),
        ("tiers_site", False),
        ("tiers_drain_confirm", False),
    ],
)
def test_variables_are_secrets_by_their_names_or_by_declaration(name: str, is_secret: bool) -> None:
    assert is_secret_name(name, {"declared"}) is is_secret


def test_short_texts_and_flags_are_no_secrets() -> None:
    assert [*texts_of({"a": "long enough", "b": ["x", True, None, 12345]})] == ["long enough", "12345"]
