# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of the checks of hosts, as alerts of `status` and findings of `verify`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.host_checks import TIME_PROGRAMS

# Seconds, unless tiers_clock_alert says otherwise.
CLOCK_ALERT = 1.0


def list_findings(
    hosts: Mapping[str, Mapping[str, Any]], clock_alert: float = CLOCK_ALERT
) -> Iterator[tuple[str, str, str]]:
    """(host, what, why) of everything that is not as deployed. `hosts`: what tier_host returned on each. A host
    that was not asked yields nothing; of one that answered no earlier task the caller reports that."""
    for host in sorted(hosts):
        answer = hosts[host] or {}
        for finding in answer.get("findings", ()):
            yield host, str(finding["look"]), str(finding["why"])
        if "findings" not in answer and ("failed" in answer or answer.get("unreachable")):
            yield host, "host", f"its state cannot be read: {answer.get('msg')}".split("\n", maxsplit=1)[0]
    for host, why in check_clocks(hosts, clock_alert, "tiers_clock_alert"):
        yield host, "clock", why


def list_alerts(hosts: Mapping[str, Mapping[str, Any]], clock_alert: float = CLOCK_ALERT) -> Iterator[str]:
    """The findings, a line each."""
    for host, what, why in list_findings(hosts, clock_alert):
        yield f"{host}: {what}: {why}"


def check_clocks(hosts: Mapping[str, Mapping[str, Any]], limit: float, variable: str) -> list[tuple[str, str]]:
    """(host, why) of every clock that is certainly further than `limit` seconds from the controller's.

    tier_host gives bounds of each difference, `least` and `most`, which are as far apart as the question took. A clock
    counts only when both are beyond the limit."""
    away = []
    for host in sorted(hosts):
        clock = (hosts[host] or {}).get("clock") or {}
        if "least" not in clock:
            continue
        least, most = float(clock["least"]), float(clock["most"])
        if least > limit or most < -limit:
            difference, within = (least + most) / 2, (most - least) / 2
            word = "ahead of" if difference > 0 else "behind"
            amount = f"{abs(difference):.1f} s (± {within:.1f} s)"
            away.append((host, f"its clock is {amount} {word} the controller's ({variable}: {limit:g} s)"))
    return away


def check_time_services(hosts: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(host, why) where nothing keeps the clock right. A program that tiers_time_service names has to run; something
    else, such as the hypervisor, cannot be asked and counts as right."""
    missing = []
    for host in sorted(hosts):
        clock = (hosts[host] or {}).get("clock")
        if not clock:
            continue
        running, named = clock.get("synchronized_by") or [], str(clock.get("named") or "").strip()
        if units := _units(named):
            if not units & set(running):
                missing.append((host, f"{named} (tiers_time_service) does not run: its clock is not synchronised"))
        elif named.lower() in ("", "none") and not running:
            missing.append((host, "its clock is not synchronised: no time service runs"))
    return missing


def _units(named: str) -> set[str]:
    """The units that a program of time synchronisation may have, whichever of its names is given."""
    return next((set(units) for units in TIME_PROGRAMS if named.lower().removesuffix(".service") in units), set())
