# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A voter as it describes itself, and changes of the membership, through etcd's JSON gateway over mutual TLS.

Every request has a deadline of its own. The gateway answers without a majority, too; only `/health` needs one.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class EtcdError(Exception):
    """A voter gave no answer, or refused; the text says why."""


@dataclass(frozen=True)
class Member:
    """One member of the cluster, as a voter lists it. A member that never started has no name."""

    id: str
    name: str
    peer: str
    learner: bool


@dataclass(frozen=True)
class VoterState:
    """The state of a voter, from its own answers."""

    # Whether it reads what a majority has agreed on, and why not.
    healthy: bool = False
    why: str = ""
    learner: bool = False
    id: str = ""
    leader: str = ""
    version: str = ""
    # Bytes of the database, and of those in use
    size: int = 0
    used: int = 0
    alarms: tuple[str, ...] = ()
    members: tuple[Member, ...] = field(default=())


class EtcdClient:
    """Requests to the voter at an address."""

    def __init__(self, address: str, port: int, tls: str, timeout: float) -> None:
        self._address, self._port, self._timeout = address, port, timeout
        self._context = ssl.create_default_context(cafile=f"{tls}/ca.crt")
        self._context.load_cert_chain(f"{tls}/server.crt", f"{tls}/server.key")

    def request(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a POST of a body, or to a GET without one."""
        connection = http.client.HTTPSConnection(
            self._address, self._port, timeout=self._timeout, context=self._context
        )
        try:
            connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            content = json.loads(answer.read() or b"{}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise EtcdError(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if not isinstance(content, dict):
            raise EtcdError("the answer is no object")
        if answer.status != 200:
            raise EtcdError(str(content.get("error") or content.get("reason") or answer.reason))
        return content

    def members(self) -> tuple[Member, ...]:
        return tuple(map(_member, self.request("/v3/cluster/member/list", {}).get("members", ())))

    def describe(self) -> VoterState:
        """All that the voter says of itself. EtcdError: it does not answer at all."""
        status = self.request("/v3/maintenance/status", {})
        known: dict[str, Any] = {
            "id": str(status.get("header", {}).get("member_id", "")),
            "leader": str(status.get("leader", "")),
            "learner": bool(status.get("isLearner")),
            "version": str(status.get("version", "")),
            "size": int(status.get("dbSize", 0)),
            "used": int(status.get("dbSizeInUse", 0)),
        }
        if known["learner"]:
            # A learner answers nothing else.
            return VoterState(why="it is learning the data of the others", **known)
        healthy, why = True, ""
        try:
            self.request("/health")
        except EtcdError:
            healthy, why = False, "it reaches no majority of the voters"
        alarms: tuple[str, ...] = ()
        if healthy:
            found = self.request("/v3/maintenance/alarm", {"action": "GET"}).get("alarms", ())
            alarms = tuple(str(alarm.get("alarm")) for alarm in found if str(alarm.get("memberID")) == known["id"])
        return VoterState(healthy=healthy, why=why, alarms=alarms, members=self.members(), **known)

    def add(self, peer: str, replace: bool = False) -> bool:
        """Whether a learner had to be added at this peer URL. `replace`: a member that was there before goes first."""
        here = [member for member in self.members() if member.peer == peer]
        if here and replace:
            for member in here:
                self.request("/v3/cluster/member/remove", {"ID": member.id})
            here = []
        if here:
            return False
        self.request("/v3/cluster/member/add", {"peerURLs": [peer], "isLearner": True})
        return True

    def promote(self, peer: str) -> bool:
        """Whether the learner at this peer URL had to be promoted to a voter."""
        learners = [member for member in self.members() if member.peer == peer and member.learner]
        for member in learners:
            self.request("/v3/cluster/member/promote", {"ID": member.id})
        return bool(learners)

    def remove(self, peer: str) -> bool:
        """Whether a member at this peer URL had to be removed."""
        here = [member for member in self.members() if member.peer == peer]
        for member in here:
            self.request("/v3/cluster/member/remove", {"ID": member.id})
        return bool(here)


def _member(listed: Mapping[str, Any]) -> Member:
    return Member(
        str(listed.get("ID", "")),
        str(listed.get("name", "")),
        str(next(iter(listed.get("peerURLs", ())), "")),
        bool(listed.get("isLearner")),
    )
