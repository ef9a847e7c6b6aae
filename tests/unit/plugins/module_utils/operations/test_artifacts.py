# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next jobs of an AWX workflow get the artifacts of a plan."""

from __future__ import annotations

from ansible_collections.distributed.tiers.plugins.module_utils.operations.artifacts import artifacts

PLAN = {"digest": "0" * 64, "servers": {}, "clients": {}}
CLIENTS = [
    {"from": None, "to": "px1", "clients": 3},
    {"from": "px1", "to": None, "clients": 1},
    {"from": "px1", "to": "px2", "clients": 2},
]
CHANGE = {"new": ["px2"], "retired": [], "changed": {}, "clients": CLIENTS}


def test_the_summary_counts_new_removed_and_moved_clients_in_words() -> None:
    summary = artifacts(PLAN, CHANGE, [], {"px3": "the host is unreachable"})["tiers_plan_summary"]
    assert summary["clients"] == ["3 new to px1", "1 removed from px1", "2 from px1 to px2"]
    assert summary["unread"] == ["px3"]
    assert summary["new"] == ["px2"]
