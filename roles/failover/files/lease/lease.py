# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide when a node of an active/standby pair may let clients in.

The lease is one key in etcd. The holder writes it again and again; whoever has seen it unchanged for its whole
duration may write its own name into it. Every write is a transaction that etcd's majority orders and that fails if
the key changed since it was read. etcd measures no time here: its own leases can be revoked early or be renewed by a
former leader (etcd issue 15247, in Debian 12's release), transactions cannot.

- The holder counts from the moment before it sent the request that was answered.
- The challenger counts from the moment after it received the first answer with the present revision.

So the holder's lease ends first, if the rates of both clocks differ by less than `Timing.drift`. The kernel of the
holder counts, too, and lets clients in no longer: `gate.py` starts a countdown before each request, and the answer
only puts it in force.

Nothing here does input or output or asks for the time. `decide` returns the next action, `receive` takes the answer
of etcd.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

NEVER = -math.inf
# How far the data of a node are: for each writer, or each history of writes, a number that grows with its writes.
Position = tuple[tuple[str, int], ...]


class Record(NamedTuple):
    """The value of the lease's key."""

    holder: str  # empty once the holder has released the lease
    epoch: int  # one more for each acquisition
    ttl: float  # seconds for which the key must stay unchanged before another node may take the lease
    position: Position | None = None  # how far the data of the holder are, where the product can tell
    successor: str = ""  # of a released lease: the only node that may take it at once


class Switchover(NamedTuple):
    """The request that another node becomes the holder."""

    target: str
    confirmed: bool = False  # the target is healthy, in step and waits for the lease


class View(NamedTuple):
    """The contents of etcd about the pair, from one answer."""

    revision: int = 0  # of the lease's key; 0 if there is none
    record: Record | None = None
    switchover: Switchover | None = None
    switchover_revision: int = 0
    paused: bool = False  # automatic failover is off
    paused_until: float = 0.0  # when etcd ends the pause, in seconds since 1970; 0: an operator must end it


class Request(NamedTuple):
    """A read, or a transaction that fails unless its key has this revision.

    The key is the lease's for `acquire`, `renew` and `release`, the switchover's for `confirm` and `ask`. `pause` and
    `resume` write and remove the key `paused`, whatever its revision is.
    """

    kind: Literal["read", "acquire", "renew", "release", "confirm", "ask", "pause", "resume"]
    revision: int = 0
    record: Record | None = None
    switchover: Switchover | None = None
    only_unpaused: bool = False  # fails while automatic failover is off
    paused_until: float = 0.0  # of `pause`, as in `View`
    expiry: str = ""  # of `pause` with an end: the lease of etcd itself with which its key expires
    deadline: float = math.inf  # in seconds from now


class Answer(NamedTuple):
    succeeded: bool
    view: View  # after the transaction


@dataclass(frozen=True)
class Timing:
    """Seconds. `ttl` is `tiers_failover_ttl`; the rest follows from it."""

    ttl: float = 3.0
    drift: float = 0.01  # by which the rates of two hosts' clocks may differ
    margin: float = 0.05  # for the granularity of the kernel's timers, and for packets on their way through it
    reserve: float = 0.5  # in which a holder that cannot renew demotes its product before the gate closes by itself
    interval: float = 0.5  # between two requests: ttl / 6, so that an election in etcd costs no lease
    deadline: float = 0.5  # of one request
    retry: float = 0.1  # from a failed request to the next

    @classmethod
    def of(cls, ttl: float) -> Timing:
        return cls(ttl=ttl, reserve=ttl / 6, interval=ttl / 6, deadline=ttl / 6, retry=min(0.1, ttl / 30))

    @property
    def gate_seconds(self) -> float:
        """How long the gate stays open after the start of a countdown."""
        return self.ttl * (1 - self.drift) - self.margin

    @property
    def stop_seconds(self) -> float:
        """When a holder that could not renew stops its traffic, counted like its lease."""
        return self.gate_seconds - self.reserve


@dataclass(frozen=True)
class Policy:
    """The settings in which the nodes of a pair differ, and the timing."""

    name: str
    primary: bool
    failback: Literal["auto", "manual", "never"]
    allowed_lag: int = 0  # by which the position of a node that is promoted may be behind the last one of the holder
    # A node that is behind, or must get a copy of the data first, leaves the lease to a better one for so many seconds.
    behind_seconds: float = 5.0
    timing: Timing = Timing()


class Condition(NamedTuple):
    """The condition of the node, as its agent observed it."""

    healthy: bool = True  # can be promoted, or serves
    position: Position | None = None
    aim: Position | None = None  # the last position of the holder that was known before `position` was read
    tells_position: bool = False  # the product has a hook that tells it
    needs_resync: bool = False  # its data have writes that its peer does not have, and the product cannot drop them
    eligible: bool = True  # not stopping, set aside, relieved, out of step, or promoted in vain a while ago
    returns: bool = False  # a primary that has been healthy and in step for long enough to fail back
    hook: Literal["", "runs", "succeeded", "failed"] = ""  # the one that was started last


class State(NamedTuple):
    """The knowledge of a node. Times are those of its own clock."""

    phase: Literal["standby", "promoting", "active", "stepping-down"] = "standby"
    # The lease that it holds. `held_from` is the moment before the request was sent that etcd answered last.
    revision: int = 0
    epoch: int = 0
    held_from: float = NEVER
    # Of a standby: the present revision, and when the first answer with it arrived. Of a holder: what is asked of it.
    view: View = View()
    view_from: float = math.inf
    due: float = NEVER  # the next renewal or read
    earliest: float = NEVER  # the next request of any kind, after one without an answer
    request: Request | None = None  # under way
    sent: float = NEVER
    # The gate: the countdown that runs for the next request, whether etcd has answered it, whether it lets clients in.
    countdown: int = 0
    counting: bool = False
    granted: bool = False
    gate_open: bool = False
    # Hooks.
    hook_started: bool = False
    promoted: bool = False
    orderly: bool = True  # it steps down with a lease that it goes on renewing until its product is demoted
    unclean: bool = False  # it was active, and the lease ended before its product was demoted
    successor: str = ""


class Action(NamedTuple):
    kind: Literal["wait", "request", "count", "open", "close", "promote", "demote"]
    request: Request | None = None
    countdown: int = 0
    until: float = NEVER  # of `wait`


def decide(policy: Policy, state: State, now: float, node: Condition) -> tuple[State, Action]:
    """The next action of a node that has no request under way, and its state then."""
    if state.phase == "standby":
        return _stand_by(policy, state, now, node)
    if state.phase == "stepping-down":
        return _step_down(policy, state, now, node)
    return _serve(policy, state, now, node)


def _serve(policy: Policy, state: State, now: float, node: Condition) -> tuple[State, Action]:
    timing = policy.timing
    stop = state.held_from + timing.stop_seconds
    if now >= stop or not state.revision:
        return _stop_traffic(state, orderly=False)
    # While failover is paused, an ill service stays where it is: an operator may have stopped it for a moment.
    if not node.eligible or (state.phase == "active" and not node.healthy and not state.view.paused):
        return _stop_traffic(state, orderly=node.healthy)
    wanted = state.view.switchover
    if state.phase == "active" and wanted and wanted.confirmed and wanted.target != policy.name:
        return _stop_traffic(state, orderly=True, successor=wanted.target)
    if not state.promoted:
        if not state.hook_started:
            return state._replace(hook_started=True), Action("promote")
        if node.hook == "failed":
            return _stop_traffic(state, orderly=True)
        if node.hook == "succeeded":
            state = state._replace(promoted=True, due=NEVER)
    if state.granted:
        return state._replace(phase="active", granted=False, gate_open=True), Action("open", countdown=state.countdown)
    if now < max(state.due, state.earliest):
        return state, Action("wait", until=min(max(state.due, state.earliest), stop))
    # The countdown runs before the request is sent: it cannot outlast the lease, however long the agent is stopped.
    if state.promoted and not state.counting:
        return state._replace(countdown=state.countdown + 1, counting=True), Action(
            "count", countdown=state.countdown + 1
        )
    return _renew(policy, state, now, node, stop)


def _renew(policy: Policy, state: State, now: float, node: Condition, end: float) -> tuple[State, Action]:
    record = Record(policy.name, state.epoch, policy.timing.ttl, node.position)
    deadline = min(policy.timing.deadline, max(end - now, policy.timing.retry))
    return _ask(state, now, Request("renew", state.revision, record, deadline=deadline))


def _stop_traffic(state: State, orderly: bool, successor: str = "") -> tuple[State, Action]:
    after = state._replace(
        phase="stepping-down",
        hook_started=False,
        orderly=orderly,
        successor=successor,
        counting=False,
        granted=False,
        gate_open=False,
    )
    return after, Action("close")


def _step_down(policy: Policy, state: State, now: float, node: Condition) -> tuple[State, Action]:
    end = state.held_from + policy.timing.gate_seconds
    holds = state.revision > 0 and now < end
    if not state.hook_started:
        return state._replace(hook_started=True), Action("demote")
    if node.hook == "runs":
        # The peer waits until the product is demoted, or until the lease ends.
        due = max(state.due, state.earliest)
        if holds and state.orderly and now >= due:
            return _renew(policy, state, now, node, end)
        return state, Action("wait", until=due if holds and state.orderly else math.inf)
    if holds and node.hook == "succeeded":
        record = Record("", state.epoch, policy.timing.ttl, node.position, state.successor)
        deadline = min(policy.timing.deadline, end - now)
        return _ask(state, now, Request("release", state.revision, record, deadline=deadline))
    return _forget(state, unclean=True), Action("wait", until=now)


def _forget(state: State, unclean: bool) -> State:
    """The same node without a lease."""
    return State(countdown=state.countdown, unclean=unclean and state.promoted)


def _stand_by(policy: Policy, state: State, now: float, node: Condition) -> tuple[State, Action]:
    if now < state.earliest:
        return state, Action("wait", until=state.earliest)
    view, timing = state.view, policy.timing
    unchanged = now - state.view_from
    if unchanged >= 0 and may_acquire(policy, view, unchanged, node):
        record = Record(policy.name, (view.record.epoch if view.record else 0) + 1, timing.ttl, node.position)
        from_other = view.record is not None and view.record.holder not in ("", policy.name)
        return _ask(
            state, now, Request("acquire", view.revision, record, only_unpaused=from_other, deadline=timing.deadline)
        )
    wanted = wanted_switchover(policy, view, node)
    if wanted:
        kind: Literal["confirm", "ask"] = "confirm" if wanted.confirmed else "ask"
        return _ask(state, now, Request(kind, view.switchover_revision, switchover=wanted, deadline=timing.deadline))
    if now < state.due:
        expires = state.view_from + view.record.ttl if view.record else math.inf
        return state, Action("wait", until=min(state.due, expires) if expires > now else state.due)
    return _ask(state, now, Request("read", deadline=timing.deadline))


def wanted_switchover(policy: Policy, view: View, node: Condition) -> Switchover | None:
    """The request that a standby writes: it is ready to become the holder, or asks to fail back. None: no request."""
    if view.record is None or view.record.holder in ("", policy.name) or not is_fit(policy, node.aim, node):
        return None
    if view.switchover:
        return Switchover(policy.name, confirmed=True) if view.switchover == Switchover(policy.name) else None
    returns = policy.primary and policy.failback == "auto" and node.returns and not view.paused
    return Switchover(policy.name) if returns else None


def count_behind(aim: Position | None, node: Condition) -> float:
    """By how much the data of a node are behind a position; infinite if the node cannot tell its own."""
    if aim is None or not node.tells_position:
        return 0
    if node.position is None:
        return math.inf
    own = dict(node.position)
    return max([0, *(number - own.get(writer, 0) for writer, number in aim)])


def is_fit(policy: Policy, aim: Position | None, node: Condition) -> bool:
    """Whether a node is healthy and has the data that the holder had, as far as the product asks for."""
    return is_able(node) and not node.needs_resync and count_behind(aim, node) <= policy.allowed_lag


def is_able(node: Condition) -> bool:
    return node.healthy and node.eligible


def may_acquire(policy: Policy, view: View, unchanged: float, node: Condition) -> bool:
    """Whether a node may try to take the lease, which has been as it is for `unchanged` seconds."""
    record = view.record
    if record and record.holder == policy.name:
        return is_able(node)  # This agent was started again. No other node can have served meanwhile.
    if is_held_back(policy, view) or not is_able(node):
        return False
    return unchanged >= acquisition_wait(policy, record) + catch_up_wait(policy, record, node)


def acquisition_wait(policy: Policy, record: Record | None) -> float:
    """Seconds for which the lease must have been as it is, so that no other node can hold it."""
    if record is None:
        # A new pair: its primary serves first.
        return 0.0 if policy.primary else 2 * policy.timing.ttl
    if record.holder:
        return record.ttl
    return 0.0 if record.successor in ("", policy.name) else record.ttl


def catch_up_wait(policy: Policy, record: Record | None, node: Condition) -> float:
    """Seconds for which a node leaves the lease to one with better data. They end, so that one of both serves."""
    aim = record.position if record else None
    if is_fit(policy, aim, node):
        # A node that stepped down can still send its last writes: its peer waits a moment for all of them.
        is_released = record is not None and not record.holder
        return policy.timing.ttl if is_released and count_behind(aim, node) else 0.0
    return policy.behind_seconds


def is_held_back(policy: Policy, view: View) -> bool:
    """Whether a pause keeps this node from the lease: it ends failovers. A node that steps down is still replaced."""
    return view.paused and view.record is not None and view.record.holder not in ("", policy.name)


def _ask(state: State, now: float, request: Request) -> tuple[State, Action]:
    return state._replace(request=request, sent=now), Action("request", request)


def receive(policy: Policy, state: State, now: float, answer: Answer | None) -> State:
    """The state after an answer of etcd, or after a request without one in time: it may have succeeded or not."""
    request, sent, timing = state.request, state.sent, policy.timing
    assert request is not None
    state = state._replace(request=None, sent=NEVER)
    if answer is None:
        if request.kind == "release":
            return _forget(state, unclean=False)
        return state._replace(counting=False, earliest=now + timing.retry)
    if request.kind == "release":
        return _forget(state, unclean=not answer.succeeded)
    if request.kind == "renew":
        return _renewed(policy, state, now, sent, answer)
    view = answer.view
    if request.kind == "acquire" and answer.succeeded and request.record:
        return State(
            "promoting", view.revision, request.record.epoch, sent, due=now + timing.interval, countdown=state.countdown
        )
    unchanged = view.revision == state.view.revision
    return state._replace(
        view=view, view_from=min(state.view_from, now) if unchanged else now, due=now + timing.interval
    )


def _renewed(policy: Policy, state: State, now: float, sent: float, answer: Answer) -> State:
    view = answer.view
    counted = state.counting
    state = state._replace(counting=False, view=View(switchover=view.switchover, paused=view.paused))
    if answer.succeeded:
        return state._replace(
            revision=view.revision,
            held_from=sent,
            granted=counted and state.phase != "stepping-down",
            due=sent + policy.timing.interval,
        )
    # An earlier request may have succeeded without an answer: the lease is still this node's, the next one renews it.
    if view.record and view.record.holder == policy.name and view.record.epoch == state.epoch:
        return state._replace(revision=view.revision, due=now)
    return state._replace(revision=0, due=now)
