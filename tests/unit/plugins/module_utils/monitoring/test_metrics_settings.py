# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.metrics_settings import (
    build_metrics_settings,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome

CHECK = ["/etc/tiers/product-check"]


@pytest.mark.parametrize(("kept_running", "expected"), [(True, CHECK), (False, [])])
def test_the_check_of_a_product_that_does_not_run_is_not_asked(
    judge: Callable[..., Outcome], kept_running: bool, expected: list[str]
) -> None:
    server: dict[str, Any] = dict(judge("{}").plan["servers"]["m1"]) | {"kept_running": kept_running}
    assert build_metrics_settings(server, {}, [], {}, {}, CHECK, defaultdict(str))["check"] == expected


def test_a_host_that_only_votes_has_no_check() -> None:
    voter = {"address": "192.0.2.1", "client_port": 2379}
    assert build_metrics_settings({}, voter, [], {}, {}, CHECK, defaultdict(str))["check"] == []
