# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules an inventory is held to, by theme. Importing a theme registers its rules."""

from __future__ import annotations

from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import (  # noqa: F401
    arbiter,
    clients,
    described_services,
    inventory,
    monitoring,
    operation,
    pairs,
    pool,
    postgresql,
    servers,
    upstreams,
    versions,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import (
    EXAMPLE,
    REGISTRY,
    Rule,
    judge,
    judge_part,
    switched_off,
)

absent_proxies = clients.absent_proxies
demands = clients.demands
refused = clients.refused

__all__ = ["EXAMPLE", "REGISTRY", "Rule", "absent_proxies", "demands", "judge", "judge_part", "refused", "switched_off"]
