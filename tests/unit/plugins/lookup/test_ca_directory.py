# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a system's CA on the controller."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.distributed.tiers.plugins.lookup.ca_directory import choose, read_common_name

HOME, BESIDE = "/etc/ca", "/inventory/.tiers-ca"


@pytest.mark.parametrize(
    ("configured", "existing", "chosen"),
    [
        ("", {}, f"{BESIDE}/a"),
        ("", {BESIDE: "CA of a"}, BESIDE),
        ("", {BESIDE: "CA of b"}, f"{BESIDE}/a"),
        ("", {BESIDE: "Example CA"}, BESIDE),
        ("", {BESIDE: "CA of a", f"{BESIDE}/a": "CA of a"}, f"{BESIDE}/a"),
        (HOME, {}, HOME),
        (HOME, {HOME: "CA of a"}, HOME),
        (HOME, {HOME: "CA of b"}, f"{HOME}/a"),
        (HOME, {HOME: "CA of ab"}, f"{HOME}/a"),
        (HOME, {HOME: ""}, HOME),
        (HOME, {f"{HOME}/a": "CA of a"}, f"{HOME}/a"),
    ],
)
def test_each_system_has_one_ca_in_a_directory_of_its_own(
    configured: str, existing: dict[str, str], chosen: str
) -> None:
    assert str(choose("a", configured, "/inventory", lambda path: existing.get(str(path)))) == chosen


def test_a_directory_without_a_ca_has_no_name(tmp_path: Path) -> None:
    assert read_common_name(tmp_path) is None


def test_a_damaged_certificate_is_reported_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("damaged")
    with pytest.raises(AnsibleLookupError, match=r"ca\.crt is not a certificate: .*Restore it from a copy"):
        read_common_name(tmp_path)
