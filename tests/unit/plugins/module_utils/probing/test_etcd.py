# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A voter described through etcd's JSON gateway, and changes of its members. The answers are those of etcd 3.4."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing.etcd import EtcdClient, EtcdError

STATUS = {
    "header": {"member_id": "11", "raft_term": "3"},
    "version": "3.4.23",
    "dbSize": "20480",
    "dbSizeInUse": "16384",
    "leader": "12",
}
PEER = "https://192.0.2.3:2380"


class Cluster(EtcdClient):
    """Answers as a voter of this cluster does, and does what it is asked."""

    def __init__(self, members: list[dict[str, Any]], **answers: Any) -> None:  # pylint: disable=super-init-not-called
        self.members_now, self.answers, self.asked = members, answers, []

    def request(self, path: str, body: Any = None) -> dict[str, Any]:
        verb = path.rsplit("/", 1)[1]
        if verb in ("add", "remove", "promote"):
            self.asked.append(verb)
        if verb == "list":
            return {"members": list(self.members_now)}
        if verb == "add":
            self.members_now.append({"ID": "99", "peerURLs": body["peerURLs"], "isLearner": body["isLearner"]})
        if verb == "remove":
            self.members_now[:] = [one for one in self.members_now if one["ID"] != body["ID"]]
        if verb == "promote":
            next(one for one in self.members_now if one["ID"] == body["ID"]).pop("isLearner")
        answer = self.answers.get(verb, {"health": "true"})
        if isinstance(answer, Exception):
            raise answer
        return answer


def listed(number: int, **more: Any) -> dict[str, Any]:
    return {"ID": f"1{number}", "name": f"m{number}", "peerURLs": [f"https://192.0.2.{number}:2380"], **more}


def test_a_healthy_voter_tells_its_members_its_size_and_its_own_alarms():
    alarms = {"alarms": [{"memberID": "11", "alarm": "NOSPACE"}, {"memberID": "12", "alarm": "CORRUPT"}]}
    voter = Cluster([listed(1), listed(2)], status=STATUS, alarm=alarms).describe()
    assert (voter.healthy, voter.id, voter.leader, voter.version, voter.size) == (True, "11", "12", "3.4.23", 20480)
    assert voter.alarms == ("NOSPACE",)
    assert [(one.name, one.peer) for one in voter.members] == [
        ("m1", "https://192.0.2.1:2380"),
        ("m2", "https://192.0.2.2:2380"),
    ]


def test_a_voter_without_a_majority_still_tells_its_members():
    voter = Cluster([listed(1)], status=STATUS, health=EtcdError("QGET TIMEOUT")).describe()
    assert not voter.healthy
    assert voter.why == "it reaches no majority of the voters"
    assert len(voter.members) == 1


def test_a_learner_is_asked_for_its_status_alone():
    refused = EtcdError("rpc not supported for learner")
    voter = Cluster([], status={**STATUS, "isLearner": True}, health=refused, list=refused).describe()
    assert voter.learner and not voter.healthy


def test_a_member_is_added_as_a_learner_once():
    cluster = Cluster([listed(1), listed(2)])
    assert cluster.add(PEER)
    assert cluster.members_now[-1]["isLearner"]
    assert not cluster.add(PEER)
    assert cluster.asked == ["add"]


def test_a_member_that_lost_its_data_is_removed_before_it_is_added_again():
    cluster = Cluster([listed(1), listed(3)])
    assert cluster.add(PEER, replace=True)
    assert cluster.asked == ["remove", "add"]


def test_only_a_learner_is_promoted():
    cluster = Cluster([listed(1), listed(3, isLearner=True)])
    assert cluster.promote(PEER)
    assert not cluster.promote(PEER)
    assert cluster.asked == ["promote"]


def test_a_member_is_removed_once():
    cluster = Cluster([listed(1), listed(3)])
    assert cluster.remove(PEER)
    assert not cluster.remove(PEER)
    assert cluster.asked == ["remove"]


def test_a_voter_that_refuses_the_connection_gives_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("ssl.create_default_context", lambda **_options: None)
    client = Cluster([])
    client._address, client._port, client._timeout, client._context = "127.0.0.1", 1, 1, None
    with pytest.raises(EtcdError, match="refused"):
        EtcdClient.request(client, "/health")
