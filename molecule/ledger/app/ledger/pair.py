# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two masters of which one acts. Every change reaches the peer before it is acknowledged.

A node that cannot be reached is left behind: the active one goes on alone. From then on the peer is *not in step* until
it has everything again. It learns that from the active node only, so a node that comes back is not ready before; one
that is told to act takes what it lacks when it has the other step down. A node that finds no other for `patience`
seconds after its start takes its own data for the newest. If both nodes were off, start the one that ran last first.

With a lease, a peer that was left behind must not be promoted: it lacks acknowledged changes. The position of a node is
the newest term that it has, and a lease goes to no node whose position is behind the one that was published with it. So
the active node begins a term that its peer does not have, and acknowledges changes alone only once the agent published
this term with the lease.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Sequence
from typing import Any

from ledger.lease import Lease
from ledger.remote import Away, Remote
from ledger.store import Entry, Point, Store

log = logging.getLogger("ledger")


class NotActing(Exception):
    """A change was asked of a node that does not act."""


class Master:
    """This node of the pair; with `other` None it is alone and acts always."""

    def __init__(
        self,
        store: Store,
        other: Remote | None = None,
        secret: str = "",
        second: bool = False,
        patience: float = 5,
        hold: float = 2,
        lease: Lease | None = None,
    ) -> None:
        self._store = store
        self._lease = lease
        # Whether the peer cannot have the present term.
        self._term_is_private = False
        self._other = other
        self._secret = secret
        # The nodes count terms in odd and even numbers, so no two begin the same one.
        self._remainder = 0 if second else 1
        self._patience = patience
        # For so many seconds after it made room for the peer this one does not act of itself.
        self._hold = hold
        self._made_room = -math.inf
        self._lock = threading.RLock()
        # What the active node knows about the other, and what the other has been told.
        self._other_in_step = False
        self._ready = other is None
        # Whether whoever elects wants this node to act. It does not always: the other may have been told later.
        self._asked_to_act = store.acting
        self._record_term()
        if other is None and not store.acting:
            self._begin(store.point.term)

    # What others see

    @property
    def acting(self) -> bool:
        return self._store.acting

    @property
    def ready(self) -> bool:
        return self._ready

    @property
    def alone(self) -> bool:
        return self.acting and self._other is not None and not self._other_in_step

    def status(self) -> dict[str, Any]:
        return {
            "acting": self.acting,
            "ready": self.ready,
            "alone": self.alone,
            "point": self._store.point,
            "written": self._store.written,
        }

    # Changes

    def write(self, name: str, value: str | None) -> Entry:
        """One change, on the disks of both nodes, or on this one once its peer cannot be promoted without it."""
        with self._lock:
            if not self.acting:
                raise NotActing
            with self._store.transaction():
                before = self._store.written
                entry = self._store.write(name, value)
                if self._other_in_step:
                    answer = self._replicate(before, [entry])
                    if answer is not None and self._is_newer(answer):
                        raise NotActing
                    self._other_in_step = answer is not None and answer["taken"]
                    if not self._other_in_step:
                        log.warning("The peer is away, going on alone")
            if not self._other_in_step:
                self._leave_peer_behind()
            return entry

    def _leave_peer_behind(self) -> None:
        """Make sure that the peer is not promoted before it is in step again, or raise `NotActing`: then the last
        change is not acknowledged."""
        if self._lease is None:
            return
        if not self._term_is_private:
            self._begin(self._store.point.term)
            log.info("Term %d begins without the peer", self._store.point.term)
        if not self._lease.is_published(self._store.point.term):
            log.warning("Term %d is not published yet: the change is not acknowledged", self._store.point.term)
            raise NotActing

    def _is_newer(self, theirs: dict[str, Any]) -> bool:
        return bool(theirs["acting"]) and theirs["point"][0] > self._store.point.term

    def _ask(self, path: str, data: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Ask the peer; None if it does not answer."""
        if self._other is None:
            return None
        headers = {"Authorization": f"Bearer {self._secret}", "Content-Type": "application/json"}
        try:
            if data is None:
                answer = self._other.request("GET", path, headers=headers)
            else:
                answer = self._other.request("POST", path, json.dumps(data).encode(), headers)
        except Away as error:
            log.debug("%s", error)
            return None
        if answer.status not in (200, 409):
            log.debug("The peer said %d", answer.status)
            return None
        return answer.data

    def _replicate(self, before: Point, entries: Sequence[Entry], reset: bool = False) -> dict[str, Any] | None:
        """Give the peer changes. It says whether it has taken them."""
        return self._ask("/pair/apply", {"term": self._store.point.term, **self._changes(before, entries, reset)})

    def _changes(self, before: Point, entries: Sequence[Entry], reset: bool = False) -> dict[str, Any]:
        # Also if no answer arrives, the peer may have taken them.
        self._term_is_private = False
        return {
            "before": before,
            "terms": self._store.terms,
            "entries": [entry.as_dict() for entry in entries],
            "reset": reset,
        }

    def _take(self, changes: dict[str, Any]) -> None:
        self._store.apply(
            [Entry(**entry) for entry in changes["entries"]],
            [tuple(term) for term in changes["terms"]],
            changes["reset"],
        )

    # What the peer asks for

    def apply(self, data: dict[str, Any]) -> dict[str, Any]:
        """Take changes from the active node, if they follow on what is here; having them all is being in step."""
        with self._lock:
            mine = self._store.point
            outdated = data["term"] < mine.term
            follows = data["reset"] or Point(*data["before"]) == self._store.written
            if outdated or not follows:
                return {"taken": False, **self.status()}
            if data["reset"]:
                self._put_aside(data)
            with self._store.transaction():
                self._store.set_acting(False)
                self._take(data)
            self._record_term()
            if not self._ready:
                log.info("In step with the active node")
            self._ready, self._other_in_step = True, False
            return {"taken": True, **self.status()}

    def _put_aside(self, data: dict[str, Any]) -> None:
        """Keep the changes that the peer replaces, in a file beside the rows."""
        theirs = {entry["name"]: entry["value"] for entry in data["entries"]}
        position = max((entry["position"] for entry in data["entries"]), default=0)
        unknown = self._list_unknown(data["terms"], position)
        dropped = [entry for entry in unknown if theirs.get(entry.name) != entry.value]
        if dropped:
            path = self._store.put_aside(dropped)
            log.warning("%d changes that the peer does not have are dropped: %s", len(dropped), path)

    def step_down(self, data: dict[str, Any]) -> dict[str, Any]:
        """Take no changes any more, because the peer is about to act. It gets what it lacks, if that follows."""
        with self._lock:
            self._act_no_more()
            self._made_room = time.monotonic()
            theirs = Point(*data["written"])
            if theirs == self._store.written or not self._store.covers(theirs):
                return self.status()
            return {**self.status(), "changes": self._changes(theirs, self._store.since(theirs.position))}

    def _act_no_more(self) -> None:
        with self._lock:
            if self.acting:
                with self._store.transaction():
                    self._store.set_acting(False)
                self._record_term()
                self._other_in_step = False
                log.info("Stepped down")

    # Who acts

    def promote(self) -> bool:
        """Act from now on, with the changes of the peer that were missing here. If both have changes of their own
        the newer term counts: a node whose changes are older waits until the other one has brought it in step."""
        self._asked_to_act = True
        return self._act()

    def _act(self) -> bool:
        with self._lock:
            if self.acting:
                return True
        # Not under the lock, which the peer may need here to answer.
        theirs = self._ask("/pair/step-down", {"written": self._store.written})
        with self._lock:
            if theirs is not None and not self._catch_up(theirs):
                log.warning("The peer has changes that are missing here")
                self._ready = False
                return False
            if not self._asked_to_act:
                return False  # It was demoted while the peer was asked.
            self._begin(max(self._store.point.term, theirs["point"][0] if theirs else 0))
            self._ready = True
            log.info("Acting, in term %d", self._store.point.term)
            return True

    def _catch_up(self, theirs: dict[str, Any]) -> bool:
        """Take what the peer gave when it stepped down. Whether nothing newer is missing here then."""
        changes, written = theirs.get("changes"), Point(*theirs["written"])
        if not changes or Point(*changes["before"]) != self._store.written:
            return self._store.covers(written) or written < self._store.written
        log.info("Taking %d changes of the peer", len(changes["entries"]))
        with self._store.transaction():
            self._take(changes)
        self._record_term()
        return True

    def demote(self) -> None:
        """Act no more."""
        self._asked_to_act = False
        self._act_no_more()

    def _begin(self, after: int) -> None:
        """Act, in the first term after that one that is this node's to begin. With a lease, it is newer than all terms
        that holders of former leases began, known here or not."""
        if self._lease is not None:
            after = max(after, self._lease.first_term)
        with self._store.transaction():
            self._store.begin_term(next(term for term in (after + 1, after + 2) if term % 2 == self._remainder))
            self._store.set_acting(True)
        self._record_term()
        self._term_is_private = True

    def _record_term(self) -> None:
        """For the hooks of the failover agent: after the change, so that no node claims what it does not have."""
        if self._lease is not None:
            self._lease.record(self._store.point.term, self._store.acting)

    # Keeping in step

    def keep(self, interval: float = 0.5) -> None:
        """For a thread of its own: find out how this node begins, then keep the other one in step."""
        until = time.monotonic() + self._patience
        while not self._ready:
            self.find_out(time.monotonic() > until)
            time.sleep(0 if self._ready else interval)
        while True:
            try:
                self.look()
            except Exception:
                log.exception("Cannot keep the peer in step")
            time.sleep(interval)

    def find_out(self, impatient: bool) -> None:
        """One look after the start at how this node stands to the other."""
        theirs = self._ask("/pair/status")
        if theirs is None:
            if impatient:
                log.warning("The peer does not answer, taking what is here for the newest")
                self._ready = True
        elif self.acting and self._is_newer(theirs):
            self.demote()
        elif not theirs["acting"] and self._store.covers(Point(*theirs["written"])):
            self._ready = True
        # Else the peer acts, or will, and brings this one in step: apply() makes it ready.

    def look(self) -> None:
        """Compare this node with its peer: the active node brings the peer in step, or steps down before a newer
        one. A node that was promoted, and stepped down for its peer, becomes active again once neither is."""
        if not self._ready or not (self.acting or self._asked_to_act):
            return
        if not self.acting and time.monotonic() < self._made_room + self._hold:
            return
        theirs = self._ask("/pair/status")
        if not self.acting:
            # A node that was active when it failed still believes that it is to act: with a lease, only its holder is.
            may_act = self._lease is None or self._lease.is_held
            if may_act and (theirs is None or not theirs["acting"]):
                self._act()
            return
        if self._other_in_step and theirs is not None and self._has_all(theirs):
            return
        with self._lock:
            if self.acting:
                # Again, now that nothing is written: changes that reached it since its answer are not missing.
                self._bring_in_step(theirs and self._ask("/pair/status"))

    def _take_unknown(self) -> None:
        """Take the changes that only the peer has, such as those that it made alone before this node was promoted by
        force. A row that was changed here since keeps its value."""
        theirs = self._ask("/pair/unknown", {"terms": self._store.terms, "position": self._store.point.position})
        if theirs is None:
            return
        here = {entry.name for entry in self._list_unknown(theirs["terms"], theirs["position"])}
        missing = [entry for entry in theirs["entries"] if entry["name"] not in here]
        if missing:
            log.warning("Taking %d changes that only the peer has", len(missing))
            with self._store.transaction():
                for entry in missing:
                    self._store.write(entry["name"], entry["value"])

    def unknown(self, data: dict[str, Any]) -> dict[str, Any]:
        """The changes that only this node has, and what the peer needs to tell its own."""
        with self._lock:
            found = self._list_unknown(data["terms"], data["position"])
            return {
                "entries": [entry.as_dict() for entry in found],
                "terms": self._store.terms,
                "position": self._store.point.position,
            }

    def _list_unknown(self, terms: Sequence[Sequence[int]], position: int) -> list[Entry]:
        """The changes of this node since both agreed; the terms and the position are those of the peer."""
        ours, theirs = self._store.terms, [(int(term), int(first)) for term, first in terms]
        agreed = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
        if agreed is None:
            agreed = min(len(ours), len(theirs))
        firsts = [first for _term, first in (*ours[agreed : agreed + 1], *theirs[agreed : agreed + 1])]
        return self._store.since(min([position, *(first - 1 for first in firsts)]))

    def _has_all(self, theirs: dict[str, Any]) -> bool:
        same = Point(*theirs["written"]) == self._store.written and theirs["point"] == list(self._store.point)
        return same and bool(theirs["ready"])

    def _bring_in_step(self, theirs: dict[str, Any] | None) -> None:
        if theirs is None:
            if self._other_in_step:
                log.warning("The peer is away, going on alone")
            self._other_in_step = False
        elif self._is_newer(theirs):
            log.warning("The peer acts in a newer term")
            self._act_no_more()
        elif self._has_all(theirs):
            self._other_in_step, self._term_is_private = True, False
        else:
            # Nothing is written here until it has all: little is missing mostly, and then it is in step.
            point = Point(*theirs["written"])
            reset = not self._store.covers(point)
            if reset:
                self._take_unknown()
            entries = self._store.since(0 if reset else point.position)
            log.info("Bringing the peer in step: %d changes%s", len(entries), ", replacing all" if reset else "")
            answer = self._replicate(point, entries, reset)
            self._other_in_step = answer is not None and answer["taken"]
