# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.distributed.tiers.plugins.module_utils.text import summarize


def test_a_summary_names_every_reason() -> None:
    reasons = ["m1, clock: its clock is 2 s behind", "m2, content: differs"]
    assert summarize(reasons, "finding") == (
        "2 finding(s), see the table above: m1, clock: its clock is 2 s behind; m2, content: differs."
    )


def test_a_summary_counts_what_it_does_not_name() -> None:
    assert summarize(["a", "b", "c"], "alert", shown=2) == "3 alert(s), see the table above: a; b; and 1 more."


def test_a_summary_of_nothing_is_a_sentence() -> None:
    assert summarize([], "finding") == "0 finding(s), see the table above."
