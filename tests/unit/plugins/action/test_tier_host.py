# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.action import tier_host


def run(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any], before: float, after: float) -> dict[str, Any]:
    times = iter((before, after))
    monkeypatch.setattr(tier_host, "time", SimpleNamespace(time=lambda: next(times)))
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(ActionBase, "_execute_module", lambda *_, **__: result)
    action = tier_host.ActionModule.__new__(tier_host.ActionModule)
    action._task = SimpleNamespace(args={})
    return action.run(None, {})


def test_the_time_of_the_round_trip_bounds_the_difference_of_the_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock is 600 s ahead; it took 0.4 s to get there, 1 s there, and 0.2 s back.
    result = run(monkeypatch, {"clock": {"began": 1600.4, "ended": 1601.4}}, 1000.0, 1001.6)
    assert (result["clock"]["least"], result["clock"]["most"]) == (599.8, 600.4)


def test_a_host_without_an_answer_has_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, {"unreachable": True}, 1.0, 2.0) == {"unreachable": True}
