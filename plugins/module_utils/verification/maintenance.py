# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether servers may go out of service, and which servers serve meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import is_deployed_from
from ansible_collections.distributed.tiers.plugins.module_utils.planner.preview import loss_of
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names, table, with_hint
from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import ProbeAnswers
from ansible_collections.distributed.tiers.plugins.module_utils.verification.status import (
    MAX_BEHIND,
    ServerState,
    has_reached,
    last_changes,
    read_states,
    worst_lag,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import (
    newest,
    own_edges,
    pair_of,
)

# Seconds by which data may be behind under load, without being behind.
IN_STEP = 10.0
NAME_THEM = "Name the servers, separated by commas: -e tiers_targets=NAME"


def drain(plan: Mapping[str, Any], answers: ProbeAnswers, asked: Iterable[str], min_online: int = 1) -> dict[str, Any]:
    """The result of draining these servers now. `answers`: tier_probe's per server; `min_online`: members that the
    pool needs. Gives `todo`, what is `wrong`, which service is `lost`, and all as `text`."""
    seen = _read_states(plan, answers)
    names, wrong = _split_known(plan, asked)
    todo = []
    for name in names:
        server, why = plan["servers"][name], seen[name].why or "it was not probed"
        if not server["promotable"]:
            wrong.append(f"{name} is a stopped cold backup: it has no clients.")
        elif server["state"] != "active":
            wrong.append(f"{name} is {server['state']} in the inventory: it has no clients.")
        elif not seen[name].reached:
            wrong.append(f"{name}: {why}. A host that cannot be reached cannot be drained.")
        elif not seen[name].drained:
            todo.append(name)  # one that an interrupted run left partly drained, too
    away = {name for name, one in seen.items() if _is_away(plan["servers"][name], one)}
    rows = [(name, _describe_substitute(plan, seen, name, away | set(todo), name in todo)) for name in names]
    return {
        "todo": todo,
        "wrong": wrong,
        "lost": [*_explain_lost_service(plan, away, todo, min_online), *_explain_lateness(plan, seen, todo, away)],
        "text": table(("SERVER", "MEANWHILE"), rows) if rows else "",
    }


def undrain(plan: Mapping[str, Any], answers: ProbeAnswers, asked: Collection[str]) -> dict[str, Any]:
    """Which servers must serve again: those asked for, or all whose traffic is stopped, by a drain or by an interrupted
    run. `answers`: tier_probe's per server. Gives `todo`, what is `wrong`, and all as `text`."""
    seen = _read_states(plan, answers)
    left = interrupted(plan, answers)["todo"]
    out = [name for name in plan["servers"] if seen[name].drained or name in left]
    names, wrong = _split_known(plan, asked) if asked else (out, [])
    rows = [(name, "serves again" if name in out else "is not drained") for name in names]
    text = table(("SERVER", "FROM NOW ON"), rows) if rows else "No server is drained."
    return {"todo": [name for name in names if name in out], "wrong": wrong, "text": text}


def interrupted(plan: Mapping[str, Any], answers: ProbeAnswers) -> dict[str, Any]:
    """The servers that an interrupted run left closed to clients (`todo`), and all as `text`. A drain that ended stays.
    `answers`: tier_probe's per server."""
    seen = _read_states(plan, answers)
    held_out = {
        member
        for name, one in seen.items()
        if plan["servers"][name]["serves_as"] == "distributor"
        for member, state in (one.routes_to or {}).items()
        if state == "DRAIN"
    }

    def is_held_out(name: str, one: ServerState) -> bool:
        return name in held_out and plan["servers"][name]["state"] == "active" and one.reached and not one.drained

    todo = [name for name, one in seen.items() if one.interrupted or is_held_out(name, one)]
    rows = [(name, seen[name].why or "a distributor routes no new client to it") for name in todo]
    return {"todo": todo, "text": table(("SERVER", "CLOSED TO CLIENTS"), rows) if rows else ""}


def lagging(plan: Mapping[str, Any], answers: ProbeAnswers) -> dict[str, dict[str, str]]:
    """The servers that seem to lag too far to replace another one, each with the positions that it must reach.

    Probes take seconds, in which others write on, and the first change in hours makes a server look hours behind. A
    server that has these positions when it is asked again was in step."""
    seen = _read_states(plan, answers)
    last = last_changes(plan, seen)
    return {name: last for name, one in seen.items() if _is_behind(plan["servers"][name], one, last)}


def with_second_look(plan: Mapping[str, Any], answers: ProbeAnswers, again: ProbeAnswers) -> ProbeAnswers:
    """The answers, and of the servers that have caught up the second one. `again`: tier_probe's of lagging servers."""
    late = lagging(plan, answers)
    return {**answers, **{name: again[name] for name, last in late.items() if has_reached(again.get(name) or {}, last)}}


def servers_for_restart(plan: Mapping[str, Any], name: str) -> list[str]:
    """The servers whose state decides whether `name` can go out of service: itself, its peer, and the servers to which
    its clients fail over; for a member the distributors; for a master whose peer serves, too, the relays below it."""
    server = plan["servers"][name]
    others = [(server["pair"] or {}).get("name"), *plan["allocation"]["backups"].get(name, {})]
    if server["serves_as"] == "parallel":
        others += [other for other, one in plan["servers"].items() if one["serves_as"] == "distributor"]
    if server["serves_as"] == "master" and not (server["active_standby"] or server["product_election"]):
        others += [other for other, one in plan["servers"].items() if name in _upstream_names(one)]
    return [name, *dict.fromkeys(other for other in others if other and other != name)]


def restart(plan: Mapping[str, Any], answers: ProbeAnswers, name: str, min_online: int = 1) -> dict[str, Any]:
    """The cost of a restart of a running server now, beyond what it costs while all others are
    healthy. `answers`: tier_probe's of `servers_for_restart`; other servers count as healthy.
    Gives which service would be `lost`, and which servers are `missing` for it."""
    servers = plan["servers"]
    asked = read_states([servers[other] for other in servers_for_restart(plan, name)], answers, {})
    if _is_away(servers[name], asked[name]):
        return {"lost": [], "missing": []}
    # What was never deployed has served nobody yet, and what is out by the inventory is not meant to.
    absent = {other for other, one in servers.items() if one["state"] != "active"} | _find_undeployed(plan, asked, name)
    missing = {
        other: _explain_away(one)
        for other, one in asked.items()
        if other not in absent and _is_away(servers[other], one)
    } | {other: why for other, why in _find_not_routed_to(plan, asked, name).items() if other not in absent}
    away = absent | missing.keys()
    accepted, planned = (loss_of(dict(plan), out, min_online) for out in (absent, {*absent, name}))
    before, after = (loss_of(dict(plan), out, min_online) for out in (away, {*away, name}))
    lost = []
    extra = (after["lost"] - before["lost"]) - (planned["lost"] - accepted["lost"])
    if extra > 0:
        lost.append(f"{extra} clients would have no server without {name}.")
    if before["writes"] and not after["writes"] and planned["writes"]:
        lost.append(f"No master would accept writes without {name}.")
    if before["pool"] and not after["pool"] and planned["pool"]:
        lost.append(f"The pool would not serve without {name}.")
    lost += _explain_lateness(plan, asked, [name], away)
    lost += _explain_cut_off(plan, asked, name, away)
    return {"lost": lost, "missing": [f"{other}: {why}." for other, why in missing.items()] if lost else []}


def retire(plan: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], asked: Iterable[str]) -> dict[str, Any]:
    """Which servers may be removed from their hosts: those that are down by the plan, once everybody else was deployed
    from it. `records`: the local fact of each server, empty where there is none. Gives `todo`, what is `wrong`, and all
    as `text`."""
    servers = plan["servers"]
    names, wrong = _split_known(plan, asked)
    for name in names:
        backup, state = servers[name]["backup"], servers[name]["state"]
        if state != "down":
            wrong.append(
                f"{name} is {state} in the inventory: set its tiers_state to down, deploy, and retire it then."
            )
        elif name in plan["voters"]:
            wrong.append(
                f"{name} is a voter of the arbiter: remove it from the group arbiter, deploy, and retire it then."
            )
        elif backup and backup not in names and records.get(backup):
            wrong.append(f"{backup} stands behind {name}: retire both, or give {backup} another tiers_backup_of first.")
    others = [name for name in servers if name not in names and servers[name]["state"] != "down"]
    outdated = [name for name in others if not is_deployed_from(plan, name, records.get(name, {}))]
    if names and outdated:
        wrong.append(f"{enumerate_names(outdated)} may still depend on them: deploy first, then retire.")
    rows = [
        (name, "is removed from its host" if records.get(name) else "it has no deployment record, or is unreachable")
        for name in names
    ]
    text = table(("SERVER", "FROM NOW ON"), rows) if rows else ""
    return {"todo": [name for name in names if records.get(name)], "wrong": wrong, "text": text}


def switch_over(plan: Mapping[str, Any], answers: ProbeAnswers, asked: Iterable[str]) -> dict[str, Any]:
    """The switchovers of the requested pairs. Returns `todo`, with the `name` of the active node, the node `to` become
    active and the `edge` that shows it; the mistakes (`wrong`); and all as `text`."""
    seen = _read_states(plan, answers)
    names, wrong = _split_known(plan, asked)
    todo: list[dict[str, Any]] = []
    for primary in dict.fromkeys(pair_of(plan["servers"][name]) for name in names):
        nodes = (primary, plan["servers"][primary]["backup"])
        serving = [name for name in nodes if name and _is_active_node(plan["servers"][name], seen[name])]
        found = list(_explain_unable(plan, seen, primary, serving))
        wrong += found
        if not found:
            (other,) = set(nodes) - set(serving)
            todo.append({"name": serving[0], "to": other, "edge": _make_proof(plan, other)})
    rows = [(step["name"], step["to"]) for step in todo]
    return {"todo": todo, "wrong": wrong, "text": table(("SERVES NOW", "WILL SERVE"), rows) if rows else ""}


def pause_failover(
    plan: Mapping[str, Any], answers: ProbeAnswers, asked: Collection[str], resumes: bool = False, minutes: float = 0
) -> dict[str, Any]:
    """The pairs whose automatic failover is paused, or resumed: those asked for, or all that serve by a lease.

    `answers`: tier_probe's per server; `minutes`: after which a pause ends by itself, 0 for never. Gives `todo`, for
    each pair the node whose failover agent does it, what is `wrong`, and all as `text`."""
    seen = _read_states(plan, answers)
    servers = plan["servers"]
    by_lease = [name for name, server in servers.items() if server["failover"] == "lease" and not server["primary"]]
    names, wrong = _split_known(plan, asked) if asked else (by_lease, [])
    if not names and not wrong:
        wrong.append("No pair of this system serves by a lease (tiers_failover: lease).")
    todo: dict[str, str] = {}
    rows = []
    for primary in dict.fromkeys(pair_of(servers[name]) for name in names):
        nodes = [primary, servers[primary]["backup"]] if servers[primary]["backup"] else [primary]
        reached = [name for name in nodes if seen[name].reached]
        active = [name for name in reached if seen[name].serves]
        found = list(_explain_not_pausable(plan, primary, reached, active, resumes))
        wrong += found
        if found:
            continue
        is_paused = any((seen[name].lease or {}).get("paused") for name in reached)
        if is_paused or not resumes:
            todo[primary] = (active or reached)[0]
        then = "on" if resumes else f"paused for {minutes:g} min" if minutes else "paused until resume_failover"
        rows.append((primary, active[0] if active else "none", "paused" if is_paused else "on", then))
    text = table(("PAIR", "ACTIVE", "FAILOVER NOW", "FROM NOW ON"), rows) if rows else ""
    return {"todo": todo, "wrong": wrong, "text": text}


def _explain_not_pausable(
    plan: Mapping[str, Any], primary: str, reached: list[str], active: list[str], resumes: bool
) -> Iterator[str]:
    """Why automatic failover of a pair cannot be paused or resumed."""
    server = plan["servers"][primary]
    backup = server["backup"]
    if not backup:
        yield f"{primary} has no backup: it has no failover."
    elif server["product_election"]:
        yield f"{primary} and {backup} have no lease: their product elects the active node."
    elif server["failover"] != "lease":
        yield (
            f"{primary} and {backup} do not serve by a lease (tiers_failover: lease), and only a lease can be paused. "
            "While the standby must not be promoted, drain it."
        )
    elif not reached:
        yield f"Neither {primary} nor {backup} answers: see status."
    elif not active and not resumes:
        yield f"Neither {primary} nor {backup} is active, and a pause would keep it so: see status."


def resync(plan: Mapping[str, Any], answers: ProbeAnswers, asked: Iterable[str], min_online: int = 1) -> dict[str, Any]:
    """Whether the data of a server can be copied again, and from which other server.

    `answers`: tier_probe's per server; `min_online`: members that the pool needs. Gives `todo` with the source's `name`
    and `address` for the server, what is `wrong`, which service is `lost` meanwhile, and all as `text`."""
    seen = _read_states(plan, answers)
    names, wrong = _split_known(plan, asked)
    if len(names) > 1:
        wrong.append("Name one server: its data come from the others, which must keep theirs meanwhile.")
    todo: dict[str, dict[str, Any]] = {}
    for name in names[:1]:
        found = list(_explain_not_resyncable(plan, seen, name))
        wrong += found
        if not found:
            source = plan["servers"][_list_sources(plan, seen, name)[0]]
            todo[name] = {"name": source["name"], "address": source["address"]}
    away = {name for name, one in seen.items() if _is_away(plan["servers"][name], one)}
    lost = [*_explain_lost_service(plan, away, [*todo], min_online), *_explain_lateness(plan, seen, [*todo], away)]
    rows = [
        (
            name,
            source["name"],
            _describe_extra_changes(seen[name], seen[source["name"]]),
            _describe_substitute(plan, seen, name, away, True),
        )
        for name, source in todo.items()
    ]
    text = table(("SERVER", "DATA FROM", "ONLY ON THIS SERVER", "MEANWHILE"), rows) if rows else ""
    return {"todo": todo, "wrong": wrong, "lost": lost, "text": text}


def replace(
    plan: Mapping[str, Any],
    answers: ProbeAnswers,
    records: Mapping[str, Mapping[str, Any]],
    unread: Mapping[str, str],
    tried: ProbeAnswers,
    asked: Iterable[str],
) -> dict[str, Any]:
    """Whether new machines can be deployed in the place of failed ones of the same names, and where their data come
    from. `answers`: tier_probe's per server; `records`: the local fact of each server, empty where there is none;
    `unread`: why a host could not be read; `tried`: tier_probe's of `old_machine_edges` per host. Gives `todo`, what is
    `wrong`, and all as `text`."""
    seen = _read_states(plan, answers)
    names, wrong = _split_known(plan, asked)
    if names and not any(record for name, record in records.items() if name not in names):
        wrong.append(f"No other server of {plan['system']} is deployed: run deploy.")
    rows = []
    away = {*names, *(name for name, one in seen.items() if _is_away(plan["servers"][name], one))}
    for name in names:
        server = plan["servers"][name]
        sources = [source for source in _list_sources(plan, seen, name) if source not in names]
        wrong += _explain_not_replaceable(plan, seen, name, records.get(name, {}), unread.get(name, ""), sources)
        wrong += _explain_old_machine(plan, seen, name, tried, names)
        rows.append(
            (
                name,
                server["address"],
                sources[0] if sources and _copies_data(server) else "-",
                _describe_substitute(plan, seen, name, away, True),
            )
        )
    text = table(("SERVER", "NEW MACHINE", "DATA FROM", "MEANWHILE"), rows) if rows else ""
    return {"todo": names, "wrong": wrong, "text": text}


def _copies_data(server: Mapping[str, Any]) -> bool:
    """Whether a new server gets data from another one."""
    replicates = server["replication"] != "none" and server["redundancy"] not in ("cold", "warm")
    return bool(server["holds_data"] and replicates)


def _explain_not_replaceable(
    plan: Mapping[str, Any],
    seen: Mapping[str, ServerState],
    name: str,
    record: Mapping[str, Any],
    unread: str,
    sources: list[str],
) -> Iterator[str]:
    """Why the machine that answers as a server cannot be deployed in its place."""
    server = plan["servers"][name]
    if server["state"] == "down":
        yield f"{name} is down in the inventory: remove its tiers_state first."
    elif unread:
        yield f"{name}: {unread}. Install the new machine, and let Ansible connect to it."
    elif record:
        yield (
            f"{name} has a deployment record: it is no new machine. If its data are damaged, run resync. If replace "
            "was interrupted, run deploy."
        )
    elif _copies_data(server) and server["serves_as"] == "master" and not server["pair"]:
        yield f"{name} is the only master: no other server has its data. Run deploy, then restore a backup."
    elif _copies_data(server) and not sources:
        yield f"{name} gets its data from another master, and none is up and in service: start one first."


def _explain_old_machine(
    plan: Mapping[str, Any], seen: Mapping[str, ServerState], name: str, tried: ProbeAnswers, names: Collection[str]
) -> Iterator[str]:
    """The signs that the failed machine of a server still serves. The new one runs no program of the system yet."""
    connected = [
        host
        for host, answer in tried.items()
        if any(edge["name"] == name and edge["reachable"] for edge in answer.get("edges", ()))
    ]
    routing = [host for host, one in seen.items() if host != name and (one.routes_to or {}).get(name) == "UP"]
    signs = [f"{enumerate_names(connected)} can connect to it"] if connected else []
    signs += [f"HAProxy of {enumerate_names(routing)} reports it UP"] if routing else []
    if signs:
        yield f"{name} still serves: {' and '.join(signs)}. Switch the old machine off, or cut it off from the network."
        return
    peer = (plan["servers"][name]["pair"] or {}).get("name")
    if peer and peer not in names and _is_active_node(plan["servers"][peer], seen[peer]) is False:
        yield (
            f"{peer}, the peer of {name}, is not active. The old machine of {name} may still serve: switch it off, "
            "and run this again when status shows that the peer is active."
        )


def _read_states(plan: Mapping[str, Any], answers: ProbeAnswers) -> dict[str, ServerState]:
    return read_states([*plan["servers"].values()], answers, {})


def _split_known(plan: Mapping[str, Any], asked: Iterable[str]) -> tuple[list[str], list[str]]:
    """The servers among the names asked for, and what is wrong with the others."""
    names = list(dict.fromkeys(asked))
    if not names:
        return [], [NAME_THEM]
    wrong = [
        with_hint(f"'{name}' is no server of {plan['system']}", name, plan["servers"])
        for name in names
        if name not in plan["servers"]
    ]
    return [name for name in names if name in plan["servers"]], wrong


def _is_away(server: Mapping[str, Any], seen: ServerState) -> bool:
    """Whether a server cannot take the place of another one."""
    stopped = seen.drained or seen.interrupted or not seen.can_write
    return server["state"] != "active" or not seen.reached or stopped or (server["kept_running"] and not seen.up)


def _explain_away(seen: ServerState) -> str:
    return seen.why or "it does not answer"


def _find_undeployed(plan: Mapping[str, Any], asked: Mapping[str, ServerState], name: str) -> set[str]:
    """The servers that no deployment has ended on, and the members that no distributor knows."""
    fresh = {other for other, one in asked.items() if not one.deployed}
    known = [one.routes_to for other, one in asked.items() if _has_distributor(plan, other) and one.routes_to]
    if plan["servers"][name]["serves_as"] == "parallel" and known:
        members = {other for other, one in plan["servers"].items() if one["tier"] == "parallel" and other != name}
        fresh |= {member for member in members if all(member not in routes_to for routes_to in known)}
    return fresh


def _has_distributor(plan: Mapping[str, Any], name: str) -> bool:
    return bool(plan["servers"][name]["serves_as"] == "distributor")


def _upstream_names(server: Mapping[str, Any]) -> list[str]:
    return [upstream["name"] for upstream in server["upstreams"]]


def _find_not_routed_to(plan: Mapping[str, Any], asked: Mapping[str, ServerState], name: str) -> dict[str, str]:
    """The members, other than `name`, that a distributor does not route to now, and why."""
    if plan["servers"][name]["serves_as"] != "parallel":
        return {}
    return {
        member: f"{other}: HAProxy reports it as {state}"
        for other, one in asked.items()
        if _has_distributor(plan, other)
        for member, state in (one.routes_to or {}).items()
        if member in plan["servers"] and member != name and state != "UP"
    }


def _explain_cut_off(
    plan: Mapping[str, Any], asked: Mapping[str, ServerState], name: str, away: Collection[str]
) -> Iterator[str]:
    """Relays that route to this master alone although the plan has another one for them."""
    for other, one in asked.items():
        if other in away:
            continue
        # A master that the relay does not know yet has its turn later in this run.
        ways = {way: (one.routes_to or {}).get(way) for way in _upstream_names(plan["servers"][other])}
        up = [way for way, state in ways.items() if state == "UP"]
        down = [
            f"{way} as {state}"
            for way, state in ways.items()
            if state and way not in up and plan["servers"][way]["state"] == "active"
        ]
        if up == [name] and down:
            yield f"{other} would reach no master without {name}: its HAProxy reports {enumerate_names(down)}."


def _is_active_node(server: Mapping[str, Any], seen: ServerState) -> bool | None:
    """Whether this node of a pair that elects is the active one. None: the pair does not elect, or no answer."""
    return seen.serves if server["active_standby"] or server["product_election"] else seen.holds


def _explain_lost_service(plan: Mapping[str, Any], away: set[str], todo: list[str], min_online: int) -> Iterator[str]:
    """Service that there is now and would not be."""
    before, after = (loss_of(dict(plan), out, min_online) for out in (away, {*away, *todo}))
    who = enumerate_names(todo)
    if after["lost"] > before["lost"]:
        yield f"{after['lost'] - before['lost']} clients would have no server without {who}."
    if before["writes"] and not after["writes"]:
        yield f"No server would accept writes without {who}."
    if before["pool"] and not after["pool"]:
        yield f"The pool would not serve without {who}."


def _explain_lateness(
    plan: Mapping[str, Any], seen: Mapping[str, ServerState], todo: list[str], away: set[str]
) -> Iterator[str]:
    """The servers that would take over with data that are not in step."""
    last = last_changes(plan, seen)
    for name in todo:
        other = (plan["servers"][name]["pair"] or {}).get("name")
        if other and other not in away and _is_behind(plan["servers"][other], seen[other], last):
            yield f"{other}, which must serve without {name}, lags behind."


def _is_behind(server: Mapping[str, Any], seen: ServerState, last: Mapping[str, str]) -> bool:
    lag = None if server["redundancy"] == "warm" else worst_lag(seen, last)
    return lag is not None and lag.exceeds(IN_STEP, MAX_BEHIND)


def _describe_substitute(
    plan: Mapping[str, Any], seen: Mapping[str, ServerState], name: str, away: set[str], now: bool
) -> str:
    """The servers that serve while one is out."""
    server = plan["servers"][name]
    if seen[name].drained:
        return "drained already"
    if not now:
        return "cannot be drained"
    if server["primary"]:
        return f"{server['primary']} is without a backup" if server["primary"] not in away else "no server serves"
    if server["backup"] and server["backup"] not in away:
        return f"{server['backup']} serves"
    if server["serves_as"] == "parallel":
        left = [s["name"] for s in plan["servers"].values() if s["tier"] == "parallel" and s["name"] not in away]
        return f"{enumerate_names(left)} of the pool serve" if left else "no server serves"
    endpoints = plan["allocation"]["backups"].get(name, {}).items()
    moved = [f"{len(clients)} clients go to {to}" for to, clients in endpoints if to not in away]
    return ", ".join(moved) or "no server serves"


def _explain_unable(
    plan: Mapping[str, Any], seen: Mapping[str, ServerState], primary: str, serving: list[str]
) -> Iterator[str]:
    """Why a pair cannot switch over."""
    server = plan["servers"][primary]
    backup = server["backup"]
    if not backup:
        yield f"{primary} has no backup to switch over to."
    elif not (server["leader_election"] or server["product_election"]):
        yield (
            f"{primary} and {backup} both serve, without leader election. While only {backup} must serve, "
            f"drain {primary}."
        )
    elif server["failback"] == "auto":
        may_stay = server["active_standby"] or server["product_election"] or server["serves_as"] == "distributor"
        for_good = f" For good, set tiers_failback of {backup} to manual, deploy, and run switch_over again."
        yield (
            f"{primary} fails back by itself (tiers_failback: auto), so {backup} would not stay active. While {backup} "
            f"must serve, drain {primary}.{for_good if may_stay else ''}"
        )
    elif len(serving) != 1:
        who = f"Both {primary} and {backup} serve" if serving else f"Neither {primary} nor {backup} serves"
        yield f"{who} now: see status."
    else:
        (other,) = {primary, backup} - set(serving)
        state = plan["servers"][other]["state"]
        if state != "active":
            yield f"{other} cannot be promoted: it is {state} in the inventory."
        elif _is_away(plan["servers"][other], seen[other]):
            yield f"{other} cannot be promoted: {seen[other].why or 'it does not answer'}."
        elif _is_behind(plan["servers"][other], seen[other], last_changes(plan, seen)):
            yield f"{other} cannot be promoted: it lags behind."


def _list_sources(plan: Mapping[str, Any], seen: Mapping[str, ServerState], name: str) -> list[str]:
    """The servers that can give a server its data now, the one that serves first."""
    server = plan["servers"][name]
    if server["serves_as"] == "master":
        above = [server["pair"]["name"]] if server["pair"] else []
    else:
        above = [upstream["name"] for upstream in server["upstreams"]]
    return [one for one in above if one != name and not _is_away(plan["servers"][one], seen[one]) and seen[one].up]


def _explain_not_resyncable(plan: Mapping[str, Any], seen: Mapping[str, ServerState], name: str) -> Iterator[str]:
    """Why the data of a server cannot be copied again from another one."""
    server = plan["servers"][name]
    if not server["holds_data"] or server["replication"] == "none":
        yield f"{name} has no data that it gets from another server."
    elif server["redundancy"] in ("cold", "warm"):
        yield f"{name} is a {server['redundancy']} backup: it does not replicate."
    elif server["state"] != "active":
        yield f"{name} is {server['state']} in the inventory: set its tiers_state to active and deploy first."
    elif not seen[name].reached:
        yield f"{name}: {seen[name].why or 'it was not probed'}. Start the host, or repair its network."
    elif server["serves_as"] == "master" and not server["pair"]:
        yield f"{name} is the only master: no other server can provide its data. Restore a dump."
    elif not (sources := _list_sources(plan, seen, name)):
        yield f"{name} is the only healthy master: no other master is up and in service."
    else:
        yield from _explain_unfit_source(plan, seen, name, sources[0])


def _explain_unfit_source(
    plan: Mapping[str, Any], seen: Mapping[str, ServerState], name: str, source: str
) -> Iterator[str]:
    """Why a server must not give its data: it lacks changes that others than the target have."""
    if not seen[source].position:
        yield f"{source}, the source of the data, reports no position."
        return
    others = [one.position or {} for other, one in seen.items() if other != name and one.up]
    if _is_behind(plan["servers"][source], seen[source], newest(others)):
        ahead = [other for other, one in seen.items() if other != name and _is_ahead(one, seen[source])]
        yield (
            f"{source}, the source of the data, lacks changes that {enumerate_names(ahead)} "
            f"{'has' if len(ahead) == 1 else 'have'}: see status."
        )


def _is_ahead(one: ServerState, other: ServerState) -> bool:
    theirs = other.position or {}
    return one.up and any(change > theirs.get(writer, "") for writer, change in (one.position or {}).items())


def _describe_extra_changes(target: ServerState, source: ServerState) -> str:
    """The changes that a resync would lose, as far as positions show. Equal positions are no proof of equal data."""
    if not target.up or not target.position:
        return "not known"
    return "changes that are lost" if _is_ahead(target, source) else "nothing by its position"


def _make_proof(plan: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The edge by which a node checks that it serves."""
    return next(
        {**edge, "expect": "open"} for edge in own_edges(plan, name) if edge["protocol"] in ("active", "address")
    )
