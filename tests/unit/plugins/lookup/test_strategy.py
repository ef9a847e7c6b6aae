# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind of strategy that a play needs, of the family that the operator has set."""

from __future__ import annotations

import pytest

from ansible_collections.distributed.tiers.plugins.lookup.strategy import strategy


@pytest.mark.parametrize(
    ("default", "linear", "free"),
    [
        ("linear", "linear", "ansible.builtin.free"),
        ("free", "linear", "ansible.builtin.free"),
        ("ansible.builtin.host_pinned", "ansible.builtin.linear", "ansible.builtin.free"),
        ("debug", "debug", "ansible.builtin.free"),
        ("mitogen_linear", "mitogen_linear", "mitogen_free"),
        ("mitogen_host_pinned", "mitogen_linear", "mitogen_free"),
        ("mitogen", "mitogen_linear", "mitogen_free"),
    ],
)
def test_the_family_is_kept_and_the_kind_is_given(default: str, linear: str, free: str) -> None:
    assert (strategy("linear", default), strategy("free", default)) == (linear, free)
