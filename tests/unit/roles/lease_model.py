"""Every state that two nodes of a pair can reach with the decisions of the failover agent.

The model runs `lease.decide` and `lease.receive` themselves. Around them it assumes:

- etcd is one register: its majority puts all transactions into one order, and each takes effect at one instant
  between its sending and its answer. A node that is cut off from the majority, voters that fail, and a change of
  etcd's leader are requests that take effect late or never, and answers that come late or never.
- A request is delayed without limit, also beyond the time at which its sender gave up or was started again. One such
  request of each node is followed at a time.
- Each node may be stopped between any two of its steps, for any time, and go on (SIGSTOP and SIGCONT), never go on (a
  crash), or be started again without its memory. Its kernel goes on counting, unless the host fails: then it lets no
  client in.
- Between the decision to let clients in and its effect in the kernel, the agent may be stopped, too.
- The clock of a node is slower than its peer's by at most one tick in `TTL` ticks. The kernel of a node counts with
  the node's clock, and closes the gate at most one tick late.

`Bounds` chooses which of these a search combines: drift with restarts and late requests at the same time is a search
too long for the tests. Time is in ticks, at which both clocks step.

Not modelled: switchover and pause requests, which only release or keep a lease; two agents on one node (a lock
prevents it), a kernel that stops counting while it forwards packets (a paused virtual machine), and writes that etcd
acknowledged and lost.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

FILES = Path(__file__).parents[3] / "roles" / "failover" / "files" / "lease"


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"failover_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


lease = load("lease")
NAMES = ("a", "b")
# For so long a node that is behind leaves the lease to the other one.
BEHIND_TICKS = 1


class Node(NamedTuple):
    state: object  # of lease.State; times are relative to the present
    waiting: object = None  # the request that etcd has not processed yet, or the answer that has not arrived yet
    stray: object = None  # a request that nobody waits for
    opening: bool = False  # the decision to let clients in has not reached the kernel yet
    counted: int = -1  # ticks until the countdown of the next renewal ends
    gate: int = -1  # ticks until the gate closes
    lag: int = 0  # ticks until this clock may miss one


class Known:
    """A node, one object for all equal ones: worlds are compared and found by it in no time."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.revisions, self.epochs = {0}, {0}
        for thing in (node.state, node.state.request, node.waiting, node.stray):
            collect(thing, self.revisions, self.epochs)


@lru_cache(None)
def known_as(node: Node) -> Known:
    return Known(node)


class World(NamedTuple):
    revision: int
    record: object
    nodes: tuple[Known, Known]


class Bounds(NamedTuple):
    """The assumptions of a run of the model, and one defect that it may plant."""

    slow: int | None = None  # index of the node whose clock may be slow
    restarts: bool = True  # agents and hosts are started again
    late: bool = True  # requests take effect after their sender gave up
    behind: bool = False  # at any step, the data of a node may need a resync: it leaves the lease to a better node
    positions: bool = False  # at any step, a node may also be behind the position that the holder published
    counts_from_answer: bool = False  # a defect: the countdown begins when the answer has arrived
    forgets_ttl: bool = False  # a defect: a node that is behind waits for better data, and not for the end of the lease


class Model:
    def __init__(self, bounds: Bounds, timing) -> None:
        self.bounds, self.timing = bounds, timing
        wait = BEHIND_TICKS if bounds.behind or bounds.positions else 0
        self.policies = tuple(
            lease.Policy(name, primary=name == "a", failback="manual", behind_seconds=wait, timing=timing)
            for name in NAMES
        )
        self.conditions = (
            lease.Condition(hook="succeeded"),
            lease.Condition(hook="succeeded", eligible=False),
        )
        if bounds.behind:
            self.conditions += (lease.Condition(hook="succeeded", needs_resync=True),)
        if bounds.positions:
            told = lease.Condition(hook="succeeded", tells_position=True)
            self.conditions = (told._replace(position=(("w", 1),)), told._replace(position=()), self.conditions[1])
        gate = int(timing.gate_seconds)
        self.limits = {"held_from": gate, "view_from": timing.ttl + wait, "sent": gate}
        self.shift = lru_cache(None)(self._shift)
        self.tick = lru_cache(None)(self._tick)
        self.steps_of = lru_cache(None)(self._steps_of)
        self.decide = lru_cache(None)(self._decide)
        self.receive = lru_cache(None)(self._receive)

    # -- A node's own steps, at the time 0 of its clock

    def _decide(self, index: int, state) -> tuple:
        if self.bounds.forgets_ttl:
            state = state._replace(view_from=state.view_from - self.timing.ttl)
        found = {lease.decide(self.policies[index], state, 0, node) for node in self.conditions}
        return tuple((self.shift(after, 0), action) for after, action in found)

    def _receive(self, index: int, state, answer):
        return self.shift(lease.receive(self.policies[index], state, 0, answer), 0)

    def _shift(self, state, ticks: int):
        """The same state, `ticks` later. Past times without effect are dropped."""
        times = {name: getattr(state, name) - ticks for name in self.limits}
        if state.request is None or state.request.kind not in ("renew", "acquire"):
            times["sent"] = -math.inf
        times = {name: time if time > -self.limits[name] else -math.inf for name, time in times.items()}
        # A node may send its requests at any time, also before they are due.
        return state._replace(**times, due=-math.inf, earliest=-math.inf, countdown=0, unclean=False)

    # -- All successors of a world

    def successors(self, world: World) -> Iterator[tuple[str, World]]:
        yield from self.ticks(world)
        first, second = world.nodes
        store = (world.revision, world.record)
        for text, node, after in self.steps_of(0, first, store):
            yield f"a: {text}", canonical(World(*after, (node, second)))
        for text, node, after in self.steps_of(1, second, store):
            yield f"b: {text}", canonical(World(*after, (first, node)))

    def ticks(self, world: World) -> Iterator[tuple[str, World]]:
        first, second = world.nodes
        yield "tick", canonical(world._replace(nodes=(self.tick(first, False), self.tick(second, False))))
        slow = self.bounds.slow
        if slow is not None and not world.nodes[slow].node.lag:
            nodes = (self.tick(first, slow == 0), self.tick(second, slow == 1))
            yield f"tick that {NAMES[slow]} misses", canonical(world._replace(nodes=nodes))

    def _tick(self, known: Known, missed: bool) -> Known:
        node, own = known.node, 0 if missed else 1
        lag = int(self.timing.ttl) - 1 if missed else max(node.lag - 1, 0)
        counted, gate = max(node.counted - own, -1), max(node.gate - own, -1)
        return known_as(node._replace(state=self.shift(node.state, own), counted=counted, gate=gate, lag=lag))

    def _steps_of(self, index: int, known: Known, store: tuple) -> tuple:
        return tuple((text, known_as(node), after) for text, node, after in self.steps(index, known.node, store))

    def steps(self, index: int, node: Node, store: tuple) -> Iterator[tuple[str, Node, tuple]]:
        if node.stray:
            _answer, after = process(store, node.stray)
            yield f"etcd processes a late {node.stray.kind}", node._replace(stray=None), after
        if isinstance(node.waiting, lease.Request):
            answer, after = process(store, node.waiting)
            yield f"etcd processes {node.waiting.kind}", node._replace(waiting=answer), after
        if node.waiting is not None:
            gave_up = node._replace(state=self.receive(index, node.state, None), waiting=None)
            yield "no answer", gave_up._replace(stray=self.left(node)), store
        if isinstance(node.waiting, lease.Answer):
            yield (
                "answer arrives",
                node._replace(state=self.receive(index, node.state, node.waiting), waiting=None),
                store,
            )
        if node.opening:
            gate = self.gate_ticks if self.bounds.counts_from_answer else node.counted
            yield "kernel lets clients in", node._replace(opening=False, gate=gate, counted=-1), store
        elif node.waiting is None:
            for after, action in self.decide(index, node.state):
                if action.kind != "wait" or after != node.state:
                    yield from self.act(index, node._replace(state=after), action, store)
        restarted = Node(self.initial, stray=self.left(node), gate=node.gate, lag=node.lag)
        if self.bounds.restarts and restarted != node:
            yield "agent starts again", restarted, store
            yield "host starts again", restarted._replace(gate=-1), store

    @property
    def gate_ticks(self) -> int:
        """The kernel is at most one tick late."""
        return int(self.timing.gate_seconds) + 1

    @property
    def initial(self):
        return self.shift(lease.State(), 0)

    def act(self, index: int, node: Node, action, store: tuple) -> Iterator[tuple[str, Node, tuple]]:
        """An action, and what follows it without a pause where one changes nothing, or shortens a countdown."""
        if action.kind == "request":
            request = action.request._replace(deadline=0)
            # A read that etcd processes later is a read that was sent later.
            waiting = process(store, request)[0] if request.kind == "read" else request
            yield request.kind, node._replace(waiting=waiting), store
            return
        if action.kind == "open":
            yield "decides to let clients in", node._replace(opening=True), store
            return
        if action.kind == "count":
            node = node._replace(counted=self.gate_ticks)
        elif action.kind == "close":
            node = node._replace(gate=-1, counted=-1)
        for after, following in self.decide(index, node.state):
            if following.kind not in ("wait", "open", "close"):
                for text, *rest in self.act(index, node._replace(state=after), following, store):
                    yield f"{action.kind}, {text}", *rest
        if action.kind == "close":
            yield "close", node, store

    def left(self, node: Node):
        """The request that stays on its way although nobody waits for its answer."""
        sent = isinstance(node.waiting, lease.Request) and node.waiting.kind != "read"
        return node.waiting if self.bounds.late and sent else node.stray

    # -- The search

    def find_two_active(self) -> tuple[list[str] | None, int]:
        """The shortest way to a state in which both gates are open, or None; and how many states were reached."""
        start = canonical(World(0, None, (known_as(Node(self.initial)),) * 2))
        came_from: dict[World, tuple[World, str] | None] = {start: None}
        waiting = deque([start])
        while waiting:
            world = waiting.popleft()
            for text, after in self.successors(world):
                if after in came_from:
                    continue
                came_from[after] = (world, text)
                if all(known.node.gate > 0 for known in after.nodes):
                    return trace(came_from, after), len(came_from)
                waiting.append(after)
        return None, len(came_from)


def process(store: tuple, request) -> tuple:
    """The answer of etcd, and its register afterwards."""
    revision, record = store
    if request.kind == "read":
        return lease.Answer(True, lease.View(revision, record)), store
    if request.revision != revision:
        return lease.Answer(False, lease.View(revision, record)), store
    return lease.Answer(True, lease.View(revision + 1, request.record)), (revision + 1, request.record)


def trace(came_from: dict, world: World) -> list[str]:
    steps = []
    while came_from[world]:
        world, text = came_from[world]
        steps.append(text)
    return steps[::-1]


def canonical(world: World) -> World:
    """The same world with revisions and epochs numbered in their order: worlds that behave alike are equal."""
    first, second = (forget_stray(known, world.revision) for known in world.nodes)
    revisions = {world.revision} | first.revisions | second.revisions
    epochs = {world.record.epoch if world.record else 0} | first.epochs | second.epochs
    if len(revisions) == max(revisions) + 1 and len(epochs) == max(epochs) + 1:
        return World(world.revision, world.record, (first, second))
    numbering = Numbering(tuple(sorted(revisions)), tuple(sorted(epochs)))
    nodes = (renumber(first, numbering), renumber(second, numbering))
    return World(numbering.revisions.index(world.revision), numbering.of(world.record), nodes)


def forget_stray(known: Known, revision: int) -> Known:
    """A late request for a former revision changes nothing any more."""
    stray = known.node.stray
    return known_as(known.node._replace(stray=None)) if stray and stray.revision != revision else known


@lru_cache(None)
def renumber(known: Known, numbering: Numbering) -> Known:
    node = known.node
    state = numbering.of(node.state)._replace(request=numbering.of(node.state.request))
    return known_as(node._replace(state=state, waiting=numbering.of(node.waiting), stray=numbering.of(node.stray)))


def collect(thing, revisions: set[int], epochs: set[int]) -> None:
    record = None
    if isinstance(thing, lease.State):
        revisions.update((thing.revision, thing.view.revision))
        epochs.add(thing.epoch)
        record = thing.view.record
    elif isinstance(thing, lease.Request):
        revisions.add(thing.revision)
        record = thing.record
    elif isinstance(thing, lease.Answer):
        revisions.add(thing.view.revision)
        record = thing.view.record
    if record:
        epochs.add(record.epoch)


class Numbering(NamedTuple):
    revisions: tuple[int, ...]
    epochs: tuple[int, ...]

    def of(self, thing):
        if isinstance(thing, lease.Record):
            return thing._replace(epoch=self.epochs.index(thing.epoch))
        if isinstance(thing, lease.View):
            return thing._replace(revision=self.revisions.index(thing.revision), record=self.of(thing.record))
        if isinstance(thing, lease.State):
            return thing._replace(
                revision=self.revisions.index(thing.revision),
                epoch=self.epochs.index(thing.epoch),
                view=self.of(thing.view),
            )
        if isinstance(thing, lease.Request):
            return thing._replace(revision=self.revisions.index(thing.revision), record=self.of(thing.record))
        if isinstance(thing, lease.Answer):
            return thing._replace(view=self.of(thing.view))
        return thing
