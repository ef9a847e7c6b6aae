# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether secrets of a product can be rotated now, while every server accepts two values of each. Pure.

A rotation has two rounds: every server accepts both values, then every server uses the next one. Both rounds may be
repeated, and a deployment between them leaves both values accepted, so a run that was killed is repeated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import is_deployed_from
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, table
from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import ProbeAnswers
from ansible_collections.distributed.tiers.plugins.module_utils.verification.status import read_states

ACCEPT, USE = "accept", "use"


def check_rotation(
    plan: Mapping[str, Any],
    answers: ProbeAnswers,
    recorded: Mapping[str, Mapping[str, Any]],
    names: Collection[str],
    accepted: Collection[str],
) -> dict[str, Any]:
    """The servers of a rotation of these secrets (`hosts`), what is `wrong`, and all as `text`.

    `accepted`: the secrets of which servers of the product accept two values."""
    wrong = list(_list_wrong_secrets(names, accepted))
    servers = [server for server in plan["servers"].values() if server["state"] != "down"]
    states = read_states(servers, answers, {})
    hosts = [server["name"] for server in servers]
    outside = [name for name in hosts if not states[name].asked]
    if outside:
        wrong.append(
            f"{enumerate_names(outside)} would not take part, and a server that does not accept the next value refuses "
            "those that use it. Run this without --limit."
        )
    for server in servers:
        name, state = server["name"], states[server["name"]]
        if not state.asked:
            continue
        if not state.reached or (server["kept_running"] and not state.up):
            why = (state.why or "it does not answer").rstrip(".")
            wrong.append(f"{name}: {why}. Repair it, or set tiers_state: down for it and deploy.")
        elif not is_deployed_from(plan, name, recorded.get(name, {})):
            wrong.append(
                f"{name} is deployed from another plan, and a rotation changes nothing else. Run deploy first."
            )
    rows = [(name, "both values, then the next one", f"{len(hosts)} servers") for name in sorted(names)]
    text = table(("SECRET", "ACCEPTED", "BY"), rows) if rows else ""
    return {"hosts": hosts, "wrong": wrong, "text": text}


def _list_wrong_secrets(names: Collection[str], accepted: Collection[str]) -> Iterable[str]:
    if not names:
        yield "No secret has a next value. Write it into your vault: tiers_next_secrets: {NAME: VALUE}."
    for name in sorted(set(names) - set(accepted)):
        other = f" They accept two of {enumerate_names(sorted(accepted))}." if accepted else ""
        yield (
            f"Servers of this product do not accept two values of {name} at a time, so it cannot be rotated without an "
            f"interruption.{other} Change the variable itself and run deploy: meanwhile, servers with the new value "
            "and servers with the old one refuse each other."
        )
