# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification import host_findings

HOSTS: dict[str, Any] = {
    "m": {"findings": [{"look": "firewall", "why": "the table is not loaded"}]},
    "x": {"findings": []},
    "lost": {"unreachable": True, "msg": "timed out\nmore"},  # it answered before, or the reports would leave it out
    "ill": {"failed": False, "msg": "sudo: a password is required\nmore"},
    "not asked": {"msg": "it was not probed"},
}


def test_every_finding_names_its_host_first() -> None:
    assert list(host_findings.list_alerts(HOSTS)) == [
        "ill: host: its state cannot be read: sudo: a password is required",
        "lost: host: its state cannot be read: timed out",
        "m: firewall: the table is not loaded",
    ]


def clock(least: float, most: float, *by: str) -> dict[str, Any]:
    return {"findings": [], "clock": {"least": least, "most": most, "synchronized_by": list(by)}}


@pytest.mark.parametrize(
    ("least", "most", "why"),
    [
        (-0.2, 0.3, None),
        (-0.9, 1.8, None),  # it may be right: the question took long
        (1.1, 1.5, "its clock is 1.3 s (± 0.2 s) ahead of the controller's (tiers_clock_alert: 1 s)"),
        (-601.0, -600.0, "its clock is 600.5 s (± 0.5 s) behind the controller's (tiers_clock_alert: 1 s)"),
    ],
)
def test_a_clock_counts_as_wrong_only_for_certain(least: float, most: float, why: str | None) -> None:
    found = list(host_findings.list_findings({"m": clock(least, most), "x": clock(0, 0)}))
    assert found == ([("m", "clock", why)] if why else [])


@pytest.mark.parametrize(
    ("said", "running", "why"),
    [
        ("", [], "its clock is not synchronised"),
        ("none", [], "its clock is not synchronised"),
        ("", ["kernel"], None),
        ("none", ["chronyd"], None),
        ("chrony", ["chronyd"], None),
        ("chrony.service", ["kernel"], "chrony.service (tiers_time_service) does not run"),
        ("ntpd", ["systemd-timesyncd"], "ntpd (tiers_time_service) does not run"),
        ("the hypervisor", [], None),
    ],
)
def test_something_keeps_the_clock_right(said: str, running: list[str], why: str | None) -> None:
    asked = clock(0, 0, *running)
    asked["clock"]["named"] = said
    found = host_findings.check_time_services({"m": asked, "gone": {}})
    assert [host for host, _why in found] == ([] if why is None else ["m"])
    assert all(why and why in reason for _host, reason in found)
