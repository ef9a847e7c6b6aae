# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers get another release, in which order, and whether that may begin now. Pure.

The first server in the order is the canary: the others follow after it has run the release for some time. A server that
runs the release counts as done, so a run that was killed is repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.sequence import restart_order
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, table
from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import ProbeAnswers
from ansible_collections.distributed.tiers.plugins.module_utils.verification.status import ServerState, read_states

NO_RELEASE = "The inventory has no release of the product: set tiers_version, or the version of tiers_service."


def check_upgrade(
    plan: Mapping[str, Any], answers: ProbeAnswers, recorded: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The servers that get another release (`todo`), in their order, the first of them (`canary`; empty if a server has
    the release already), and the servers to watch before the others follow (`watched`). Gives what is `wrong`, which
    servers are `ill`, and all as `text`. `answers`: tier_probe's per server; `recorded`: the local facts."""
    servers = {name: server for name, server in plan["servers"].items() if server["state"] != "down"}
    states = read_states([*servers.values()], answers, {})
    released = [name for name, server in servers.items() if server["runs_product"] and server["version"] is not None]
    runs = {name: recorded.get(name, {}).get("version") for name in released}
    due = [name for name in released if runs[name] != servers[name]["version"]]
    done = [name for name in plan["upgrade_order"] if name in released and name not in due]
    todo = restart_order(plan, due, [name for name, state in states.items() if state.serves], back=False)
    canary = todo[0] if todo and not done else ""
    rows = [("done", name, runs[name], "") for name in done]
    for step, name in enumerate(todo, len(done) + 1):
        place = f"{step} of {len(released)}{', canary' if name == canary else ''}"
        rows.append((place, name, runs[name] or "-", servers[name]["version"]))
    return {
        "todo": todo,
        "canary": canary,
        "watched": [canary] if canary else done if todo else [],
        "wrong": [*_list_wrong(servers, states, recorded)] if released else [NO_RELEASE],
        "ill": [*_list_ill(states)],
        "text": table(("STEP", "SERVER", "RUNS", "GETS"), rows) if rows else "",
    }


def _list_wrong(
    servers: Mapping[str, Mapping[str, Any]],
    states: Mapping[str, ServerState],
    recorded: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """Why no server must be upgraded, whatever the operator accepts."""
    if outside := [name for name, state in states.items() if not state.asked]:
        yield f"{enumerate_names(outside)} would not be upgraded. Run this without --limit."
    read = [name for name, state in states.items() if state.reached]
    if fresh := [name for name in read if not recorded.get(name)]:
        yield f"{enumerate_names(fresh)} was never deployed. Run deploy with the present release first."
    for name in read:
        settings = recorded.get(name, {}).get("settings", {})
        if other := [key for key, value in settings.items() if key in servers[name] and servers[name][key] != value]:
            yield (
                f"{name} would not only get another release: the inventory changes {enumerate_names(other)}, too. Run "
                "deploy with the present release first."
            )


def _list_ill(states: Mapping[str, ServerState]) -> Iterator[str]:
    """The servers that are not as planned before the first one restarts. None if an interrupted run left a server
    closed to clients: this run continues it, and checks before each restart that others serve."""
    if any(state.interrupted for state in states.values()):
        return
    for name, state in states.items():
        if state.asked and (state.why or not state.reached):
            yield f"{name}: {(state.why or 'it does not answer').rstrip('.')}."
