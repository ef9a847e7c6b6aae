# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`verify` checks the lease of a pair: all nodes and voters agree, or it names every contradiction."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.leases import PairLease, check_leases


def node(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "primary": None, "backup": None, "failover": "lease", "state": "active", **more}


PLAN = {
    "servers": {
        "m1": node("m1", backup="m2"),
        "m2": node("m2", primary="m1"),
        "px": node("px", failover=None),
        "d1": node("d1", failover="vrrp", backup="d2"),
        "d2": node("d2", failover="vrrp", primary="d1"),
    }
}
HOLDER = {"holder": "m1", "age": 0.2, "ttl": 3.0, "left": 2.4, "gate": "open"}
STANDBY = {**HOLDER, "left": 0.0, "gate": "closed"}


def check(m1: Any = ..., m2: Any = ..., healthy: int = 3, plan: Any = ...) -> PairLease:
    """The only lease of the plan. None: a node that does not tell what it knows."""
    m1, m2 = HOLDER if m1 is ... else m1, STANDBY if m2 is ... else m2
    plan = PLAN if plan is ... else plan
    edges = {name: {"edges": [{"protocol": "active", "lease": lease}]} for name, lease in (("m1", m1), ("m2", m2))}
    (found,) = check_leases(plan, {name: edges[name] for name in edges if (m1, m2) != (None, None)}, (healthy, 3))
    return found


def test_lease_that_nodes_kernels_and_voters_agree_on_has_no_problem() -> None:
    assert check() == PairLease("m1", "m1", 2.4, ())


@pytest.mark.parametrize(
    ("m1", "m2", "healthy", "problem"),
    [
        (HOLDER, {**STANDBY, "gate": "open"}, 3, "the lease gate of m2 is open, and m1 has the lease"),
        ({**HOLDER, "gate": "closed"}, STANDBY, 3, "the lease gate of m1 is closed, and m1 has the lease"),
        (HOLDER, {**STANDBY, "gate": "missing"}, 3, "m2 has no lease gate: clients are let in, whoever has the lease"),
        (HOLDER, {**STANDBY, "gate": "unknown"}, 3, "the lease gate of m2 could not be read"),
        ({**HOLDER, "left": 0.0}, STANDBY, 3, "the countdown of m1 has ended, and no client is let in"),
        (HOLDER, STANDBY, 1, "1 of 3 voters are healthy, and a majority must renew it"),
        (HOLDER, None, 3, "m2 does not tell what it knows of the lease"),
        (
            HOLDER,
            {**STANDBY, "holder": "m2"},
            3,
            "no node has it for certain: m1 read that m1 has it, m2 read that m2 has it",
        ),
        (
            {**HOLDER, "age": 9.0, "gate": "closed"},
            {**STANDBY, "holder": ""},
            3,
            "no node has it for certain: m1 has had no answer of the arbiter for 9 s, m2 read that no node has it",
        ),
    ],
)
def test_everything_that_does_not_fit_the_lease_is_named(m1: Any, m2: Any, healthy: int, problem: str) -> None:
    assert check(m1, m2, healthy).problems == (problem,)


def test_pair_that_tells_nothing_is_no_all_clear() -> None:
    assert check(None, None).problems == (
        "m1 does not tell what it knows of the lease",
        "m2 does not tell what it knows of the lease",
        "no node has it for certain: no node told",
    )


def test_standby_that_had_no_answer_lately_does_not_make_the_holder_uncertain() -> None:
    """Such as a drained one, whose agent is stopped."""
    assert check(m2={**STANDBY, "age": 900.0, "holder": "m2"}).problems == ()


def test_node_that_is_down_in_the_inventory_is_not_asked() -> None:
    servers = {**PLAN["servers"], "m2": node("m2", primary="m1", state="down")}
    assert check(m2=None, plan={"servers": servers}).problems == ()
