# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a former database are removed from the arbiter as long as one voter can do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.distributed.tiers.tests.unit.roles.test_service_packages import REPOSITORY, play

TASKS = REPOSITORY / "roles/product_postgresql/tasks/forget_database.yml"
REMOVED = {"status": 200, "json": {"deleted": "4"}}
DOWN = {"changed": False, "failed": True, "status": -1, "msg": "Connection refused"}


@pytest.mark.parametrize(
    ("first", "second", "is_removed"), [(REMOVED, REMOVED, True), (DOWN, REMOVED, True), (DOWN, DOWN, False)]
)
def test_keys_are_removed_if_one_voter_answers(
    tmp_path: Path, first: dict[str, object], second: dict[str, object], is_removed: bool
) -> None:
    voters = {"v1": ("192.0.2.61", first), "v2": ("2001:db8::62", second)}
    urls = [f"https://{address}:2379/v3/kv/deleterange" for address in ("192.0.2.61", "[2001:db8::62]")]
    code, output, asked = play(
        tmp_path,
        [{"ansible.builtin.import_tasks": str(TASKS)}],
        dict(zip(urls, (answer for _address, answer in voters.values()), strict=True)),
        __product_postgresql_namespace="/patroni/",
        __product_postgresql_scope="shop",
        __product_postgresql_tls="/etc/tiers/tls",
        tiers_server={
            "name": "m1",
            "arbiter_endpoints": [
                {"name": name, "address": address, "port": 2379} for name, (address, _answer) in voters.items()
            ],
        },
    )
    assert asked == [f"uri {url}" for url in urls]
    assert (code == 0) is is_removed, output
    assert ("Connection refused. Start the voters" in " ".join(output.split())) is not is_removed
