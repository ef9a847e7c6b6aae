"""No state that two nodes can reach lets clients in at both, and the search finds one if the protocol is broken."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ansible_collections.distributed.tiers.tests.unit.roles.lease_model import Bounds, Model, lease

# In ticks. A countdown of one tick, closed one tick late, by a clock that misses one of three.
TIMING = {"ttl": 3, "drift": Fraction(1, 3), "margin": 1, "reserve": 0, "interval": 1, "deadline": 1, "retry": 1}
STEADY = {**TIMING, "ttl": 2, "drift": 0}


def search(bounds: Bounds, **timing) -> tuple[list[str] | None, int]:
    return Model(bounds, lease.Timing(**timing)).find_two_active()


def test_no_reachable_state_has_two_active_nodes_with_slow_clocks():
    way, states = search(Bounds(slow=0, restarts=False, late=False), **TIMING)
    assert way is None, "\n".join(way)
    assert states > 300_000  # A model that stands still proves nothing.


def test_no_reachable_state_has_two_active_nodes_while_their_data_are_behind():
    way, states = search(Bounds(behind=True, restarts=False, late=False), **STEADY)
    assert way is None, "\n".join(way)
    assert states > 50_000


@pytest.mark.slow
def test_no_reachable_state_has_two_active_nodes_that_publish_their_positions():
    way, states = search(Bounds(positions=True, restarts=False, late=False), **STEADY)
    assert way is None, "\n".join(way)
    assert states > 1_000_000


@pytest.mark.slow
def test_no_reachable_state_has_two_active_nodes_with_restarts_and_late_requests():
    way, states = search(Bounds(), **STEADY)
    assert way is None, "\n".join(way)
    assert states > 10_000


@pytest.mark.parametrize(
    ("bounds", "timing"),
    [
        pytest.param(Bounds(restarts=False, late=False), {**STEADY, "margin": 0}, id="no-margin"),
        pytest.param(Bounds(slow=0, restarts=False, late=False), {**TIMING, "drift": 0}, id="no-allowance-for-drift"),
        pytest.param(Bounds(restarts=False, late=False, counts_from_answer=True), STEADY, id="counted-from-the-answer"),
        pytest.param(Bounds(behind=True, restarts=False, late=False, forgets_ttl=True), STEADY, id="waits-for-data"),
    ],
)
def test_search_finds_two_active_nodes_in_a_broken_protocol(bounds, timing):
    way, _states = search(bounds, **timing)
    assert way and way[-1].endswith("kernel lets clients in")
