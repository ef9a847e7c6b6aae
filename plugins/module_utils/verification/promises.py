# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which promises were kept when a server failed or was cut off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import GIVES_WRITES
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.content import (
    count_equal,
    differing,
    is_compared,
    list_unread,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill import (
    HOME,
    HOME_READS,
    HOME_WRITES,
    POOL,
    POOL_READS,
    POOL_WATCH,
    WRITES,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import (
    Sample,
    Stall,
    Times,
    figures,
)
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import OF_THE_HOST, without

# Seconds. What an operator may tighten or loosen: `tiers_drill_allowed`.
ALLOWED: dict[str, float] = {
    "proxy_takeover": 8,
    "distributor_takeover": 8,
    "address_takeover": 3,
    "master_takeover": 10,
    "standby_failure": 15,
    "hanging_takeover": 20,
    "full_takeover": 20,
    "return_gap": 5,
    "return": 90,
}

# Seconds by which a tick of a client host is late when the host, and not the system, may be what is slow.
STALLED = 0.5

# Where in the slice of a client the servers are that a program asks; the others ask its endpoints.
_ASKED = {**dict.fromkeys(POOL, "pool"), **dict.fromkeys(HOME_WRITES, "write_endpoints")}
NO_CLIENT_ASKED = "not measured: no other client host asks"
_MISSING_AT_TAKEOVER = "acknowledged writes missing at the backup at takeover"


def _make_promise(text: str, measured: str, allowed: str, ok: bool | None) -> dict[str, Any]:
    """`ok` is None for what could not be measured: it counts neither as kept nor as broken."""
    return {"promise": text, "measured": measured, "allowed": allowed, "ok": ok}


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _judge_no_failure(text: str, seen: Mapping[str, Any], silent: Sequence[str]) -> dict[str, Any]:
    """No request may fail but those in flight, and each client must have asked."""
    notes = [f"{seen['failed']} of {seen['requests']} failed"]
    if seen["in_flight"]:
        notes.append(f"{seen['in_flight']} in flight")
    if seen["repeated"]:
        notes.append(f"{seen['repeated']} repeated by the client library")
    if seen["hanging"]:
        notes.append(f"{seen['hanging']} programs hung")
    if silent:
        notes.append(f"no request of {', '.join(silent)}")
    ok = seen["requests"] > 0 and seen["failed"] == 0 and not seen["hanging"] and not silent
    return _make_promise(text, ", ".join(notes), "0 failed", ok)


def _judge_recovery(text: str, seen: Mapping[str, Any], limit: float, silent: Sequence[str]) -> dict[str, Any]:
    """Service must be back within the limit for every program, and each client must have asked."""
    measured = f"longest gap {_seconds(seen['gap'])}, {seen['failed'] + seen['in_flight']} requests failed"
    if silent:
        measured += f", no request of {', '.join(silent)}"
    ok = seen["first"] is not None and seen["gap"] <= limit and not silent
    return _make_promise(text, measured, f"{limit:g} s", ok)


def _find_silent(samples: Iterable[Sample], asking: Iterable[str]) -> list[str]:
    """The clients that had to ask and left no sample."""
    return sorted(set(asking) - {sample.client for sample in samples})


class _Measurements:
    """The samples of a drill, to be asked by program and client, and judged."""

    def __init__(
        self, samples: Sequence[Sample], times: Times, offers: Iterable[str], planned: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._samples = samples
        self._times = times
        self._planned = planned
        offered = set(offers)
        self._why = {
            **dict.fromkeys((*HOME_READS, *POOL), without(offered, "read")),
            **dict.fromkeys(HOME_WRITES, without(offered, *sorted(WRITES))),
        }

    def list_asking(self, programs: Sequence[str], clients: Iterable[str] | None = None) -> list[str]:
        """The clients that the plan gives a server to ask with one of the programs, as far as these can be run."""
        servers = {_ASKED.get(program, "endpoints") for program in programs if not self._why[program]}
        wanted = self._planned if clients is None else clients
        return sorted(name for name in wanted if any(self._planned[name][key] for key in servers))

    def explain_missing(
        self, programs: Sequence[str], clients: Iterable[str] | None = None, more: Sequence[str] = ()
    ) -> str:
        """Why none of the clients' programs was run, nor any client's of `more`; or nothing."""
        if all(self._why[program] for program in (*programs, *more)):
            return self._why[programs[0]]
        return "" if self.list_asking(programs, clients) or self.list_asking(more) else NO_CLIENT_ASKED

    def select(self, programs: Sequence[str], clients: Iterable[str] | None = None) -> list[Sample]:
        wanted = None if clients is None else set(clients)
        return [s for s in self._samples if s.stream in programs and (wanted is None or s.client in wanted)]

    def measure_outage(self, samples: Iterable[Sample]) -> dict[str, Any]:
        return figures(samples, self._times, self._times.on)

    def judge_no_failure(
        self, text: str, programs: Sequence[str], clients: Iterable[str] | None = None, pool: bool = False
    ) -> dict[str, Any]:
        """Nothing may fail but what was in flight; with `pool` at the pool neither."""
        more = POOL_READS if pool else ()
        if why := self.explain_missing(programs, clients, more):
            return _make_promise(text, why, "0 failed", None)
        seen = self.select(programs, clients) + self.select(more)
        return _judge_no_failure(
            text,
            self.measure_outage(seen),
            _find_silent(seen, (*self.list_asking(programs, clients), *self.list_asking(more))),
        )

    def judge_recovery(
        self,
        text: str,
        programs: Sequence[str],
        limit: float,
        clients: Iterable[str] | None = None,
        by: str | None = None,
    ) -> dict[str, Any]:
        """Service is back within the limit, for every program; given by a certain server if one is named."""
        if why := self.explain_missing(programs, clients):
            return _make_promise(text, why, f"{limit:g} s", None)
        samples = self.select(programs, clients)
        seen = self.measure_outage(samples)
        if by and by not in seen["servers"]:
            seen["first"] = None
        return _judge_recovery(text, seen, limit, _find_silent(samples, self.list_asking(programs, clients)))


def judge(
    experiment: Mapping[str, Any],
    plan: Mapping[str, Any],
    samples: Sequence[Sample],
    times: Times,
    allowed: Mapping[str, float],
    missing_at_takeover: int | None = None,
    offers: Iterable[str] = OPERATIONS,
    stalls: Iterable[Stall] = (),
    evidence: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The promises of one experiment. A limit that was missed while a client host stalled is not measured. `evidence`:
    what the hosts of the experiment answered while its fault lasted (`probed`) and at its end (`ended`)."""
    seen = _Measurements(samples, times, offers, plan["clients"])
    clients = sorted(name for name, client in plan["clients"].items() if client["endpoints"])
    own: list[str] = experiment["own"]
    kind = experiment["kind"]
    if kind == "proxy_alone":
        alone = [name for name in own if len(plan["clients"][name]["endpoints"]) < 2]
        out = _judge_proxy_alone(seen, times, allowed, clients, own, alone)
        unaffected = [name for name in clients if name not in alone]
    else:
        unaffected = clients
        if kind == "proxy_backed":
            backup = experiment["backup"]
            others = [client for client in clients if client not in own]
            out = [
                seen.judge_recovery(
                    f"its clients are served again by {backup}", HOME, allowed["proxy_takeover"], own, by=backup
                ),
                seen.judge_no_failure("no other client is affected", HOME, others, pool=True),
            ]
        elif kind == "member":
            out = [
                seen.judge_no_failure("no request fails beyond those in flight", POOL_READS),
                seen.judge_no_failure("clients of the proxies are not affected", HOME),
            ]
        elif kind == "distributor":
            backup = experiment["backup"]
            out = [
                seen.judge_recovery(f"the pool fails over to {backup}", POOL_READS, allowed["distributor_takeover"]),
                seen.judge_no_failure("clients of the proxies are not affected", HOME),
            ]
            if experiment["virtual_address"]:
                text = f"{experiment['virtual_address']} answers again"
                out.insert(0, seen.judge_recovery(text, (POOL_WATCH,), allowed["address_takeover"]))
        elif kind == "site":
            out = _judge_site(experiment, plan, seen, times, allowed)
            unaffected = []
        elif kind == "voter":
            out = [seen.judge_no_failure("no client is affected", HOME, pool=True)]
        elif kind == "standby":
            out = _judge_without_standby(seen, allowed)
        elif kind == "voters":
            out, unaffected = _judge_no_majority(plan, seen, times, allowed), []
        elif experiment["fault"] in _SERVES_LESS:
            out = _judge_hindered_master(experiment, plan, seen, allowed, clients)
        elif experiment["fault"] == "cut_from_peer":
            out = _judge_cut_from_peer(experiment, plan, seen, allowed)
        else:
            out = _judge_master(experiment, plan, seen, allowed, clients, missing_at_takeover, offers)
    if any(fault["kind"] == "cut" for fault in experiment["faults"].values()):
        out = [*_judge_evidence(experiment, plan, evidence or {}), *out]
    if why := _explain_no_promise(experiment, plan):
        out = [_report_only(promise, why) for promise in out]
    took = times.whole - times.on
    again = "after its fault ended" if experiment["faults"] else "after it was switched on"
    stall = _find_worst_stall(stalls, times)
    promises = [
        *out,
        _make_promise(
            f"{experiment['what']} comes back, all is as planned",
            f"{_seconds(took)} {again}",
            f"{allowed['return']:g} s",
            took <= allowed["return"],
        ),
        *([_judge_return(seen, unaffected, times, allowed["return_gap"])] if kind not in ("site", "voters") else []),
    ]
    return [_excuse_stalled(promise, stall) for promise in promises]


def _decides_by_vrrp(experiment: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Whether the server is a node of an active/standby pair whose nodes decide between themselves which one serves."""
    server = plan["servers"][experiment["target"]]
    return bool(server.get("active_standby")) and server.get("failover") != "lease"


_BY_VRRP = "any, reported (elected by VRRP)"


def _explain_no_promise(experiment: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """The text in place of a limit where nothing is promised; empty where no reason is known. A node that only sends
    prevents by VRRP that its peer is elected, although it serves no client."""
    return _BY_VRRP if experiment["fault"] == "deaf" and _decides_by_vrrp(experiment, plan) else ""


def _report_only(promise: dict[str, Any], why: str) -> dict[str, Any]:
    """The promise as a figure that is only reported."""
    return {**promise, "allowed": why, "ok": None if promise["ok"] is None else True}


def _judge_evidence(
    experiment: Mapping[str, Any], plan: Mapping[str, Any], evidence: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Whether the fault was there and the server alive all the time, and how many nodes of its pair served."""
    target = experiment["target"]
    probed: Mapping[str, Any] = evidence.get("probed", {})
    ended: Mapping[str, Any] = evidence.get("ended", {}).get(target) or {}
    edges = (probed.get(target) or {}).get("edges") or []
    service = [edge for edge in edges if edge["protocol"] not in OF_THE_HOST]
    is_alive = bool(service) and bool(service[0]["reachable"])
    dropped, lasted = ended.get("dropped", 0), bool(ended.get("lasted"))
    measured = ", ".join(
        [
            "it answered on its own host" if is_alive else "it did not answer on its own host",
            f"{dropped} packets dropped",
            *([] if lasted else ["the fault ended before the drill undid it"]),
        ]
    )
    out = [
        _make_promise(
            f"{target} is alive, and the fault lasts", measured, "all the time", is_alive and lasted and dropped > 0
        )
    ]
    if plan["servers"][target].get("active_standby") or plan["servers"][target].get("product_election"):
        serving = sorted(
            name
            for name in (target, experiment["backup"])
            if any(
                edge["protocol"] == "active" and edge["reachable"]
                for edge in (probed.get(name) or {}).get("edges") or []
            )
        )
        text = "at most one node of the pair serves"
        promise = _make_promise(text, f"{' and '.join(serving) or 'none'} at the end", "1", len(serving) <= 1)
        by_vrrp = _decides_by_vrrp(experiment, plan)
        out.append(_report_only(promise, _BY_VRRP) if by_vrrp else promise)
    return out


def _judge_cut_from_peer(
    experiment: Mapping[str, Any],
    plan: Mapping[str, Any],
    seen: _Measurements,
    allowed: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Clients still reach the server. A pair elected by VRRP may have two active nodes, and its address may move."""
    server = plan["servers"][experiment["target"]]
    if server.get("product_election") and server.get("replication") == "synchronous":
        return _judge_without_standby(seen, allowed)
    if server.get("active_standby"):
        return [seen.judge_recovery("clients are served", (*HOME, *POOL_READS), allowed["master_takeover"])]
    return [seen.judge_no_failure("no client is affected", HOME, pool=True)]


def _judge_without_standby(seen: _Measurements, allowed: Mapping[str, float]) -> list[dict[str, Any]]:
    """A master that waits for its standby gives it up after a while. Reads need no standby."""
    return [
        seen.judge_no_failure("reads go on", HOME_READS, pool=True),
        seen.judge_recovery("writes go on without the standby", HOME_WRITES, allowed["standby_failure"]),
    ]


# Faults of a master that still answers some requests, or answers them late
_SERVES_LESS = {
    "stopped_5": "hanging_takeover",
    "stopped_60": "hanging_takeover",
    "disk_full": "full_takeover",
    "lossy": "master_takeover",
    "slow": "master_takeover",
}


def _judge_hindered_master(
    experiment: Mapping[str, Any],
    plan: Mapping[str, Any],
    seen: _Measurements,
    allowed: Mapping[str, float],
    clients: Sequence[str],
) -> list[dict[str, Any]]:
    """Reads that need no master go on; all others are served within the limit, by either node of the pair."""
    limit = allowed[_SERVES_LESS[experiment["fault"]]]
    behind = [name for name in clients if _is_at_the_master(plan, name)]
    before = [name for name in clients if name not in behind]
    out = []
    if before or not behind:
        out.append(seen.judge_no_failure("proxies go on answering reads", HOME_READS, before))
    if behind:
        out.append(seen.judge_recovery("reads that go to the master itself are served", HOME_READS, limit, behind))
    return [*out, seen.judge_recovery("writes are served", HOME_WRITES, limit)]


def _judge_site(
    experiment: Mapping[str, Any],
    plan: Mapping[str, Any],
    seen: _Measurements,
    times: Times,
    allowed: Mapping[str, float],
) -> list[dict[str, Any]]:
    """A site that is cut off reads from its own proxies, and clients that need no server of the site notice nothing."""
    site, servers = experiment["site"], plan["servers"]
    local, outside = [], []
    for name, client in sorted(plan["clients"].items()):
        if not client["endpoints"]:
            continue
        home = servers.get(client["endpoints"][0]["name"], {})
        if client["site"] == site == home.get("site") and not _is_at_the_master(plan, name):
            local.append(name)
        elif site not in (client["site"], home.get("site")):
            outside.append(name)
    again = figures(seen.select(HOME, local), Times(times.on, times.on, times.on, times.whole + allowed["return_gap"]))
    writes = _make_promise(
        f"reads and writes of {site} are served after the cut",
        f"all programs {_seconds(again['first'])} after its fault ended",
        f"{allowed['return']:g} s",
        again["first"] is not None and again["first"] <= allowed["return"],
    )
    return [
        seen.judge_no_failure(f"clients of {site} with a proxy there go on reading", HOME_READS, local),
        seen.judge_no_failure("clients and servers of other sites notice nothing", HOME, outside),
        *([writes] if local and not seen.explain_missing(HOME, local) else []),
    ]


def _judge_no_majority(
    plan: Mapping[str, Any], seen: _Measurements, times: Times, allowed: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Without a majority no lease is granted: a pair that needs one serves no client until the voters are back."""
    if not any(server.get("failover") == "lease" for server in plan["servers"].values()):
        return [seen.judge_no_failure("no client is affected, as no pair needs a lease", HOME, pool=True)]
    if why := seen.explain_missing(HOME):
        return [_make_promise("clients are served after the return of the voters", why, "", None)]
    again = figures(seen.select(HOME), Times(times.on, times.on, times.on, times.whole + allowed["return_gap"]))
    return [
        _make_promise(
            "clients are served after the return of the voters",
            f"all programs {_seconds(again['first'])} after its fault ended",
            f"{allowed['return']:g} s",
            again["first"] is not None and again["first"] <= allowed["return"],
        )
    ]


def _find_worst_stall(stalls: Iterable[Stall], times: Times) -> Stall | None:
    """The longest stall of a client host between the loss of the server and the end of its return, if it counts."""
    counting = [
        stall
        for stall in stalls
        if stall.seconds >= STALLED and stall.end >= times.off_begin and stall.begin <= times.whole
    ]
    return max(counting, key=lambda stall: stall.seconds, default=None)


def _excuse_stalled(promise: dict[str, Any], stall: Stall | None) -> dict[str, Any]:
    """The promise, or "not measured" in its place where it was missed while a client host stalled. Missing data are
    missing, however slow a host was."""
    if stall is None or promise["ok"] is not False or promise["promise"] == _MISSING_AT_TAKEOVER:
        return promise
    why = f"not measured: {stall.client} itself stalled for {_seconds(stall.seconds)}"
    return {**promise, "measured": f"{promise['measured']}; {why}", "ok": None, "stalled": True}


def _judge_return(seen: _Measurements, unaffected: Sequence[str], times: Times, limit: float) -> dict[str, Any]:
    text = "no client waits longer than allowed at its return"
    if why := seen.explain_missing(HOME, unaffected, POOL_READS):
        return _make_promise(text, why, f"gap {limit:g} s", None)
    samples = seen.select(HOME, unaffected) + seen.select(POOL_READS)
    back = figures(samples, Times(times.on, times.on, times.on, times.whole))
    return _make_promise(
        text,
        f"{back['failed'] + back['in_flight']} of {back['requests']} failed, longest gap {_seconds(back['gap'])}",
        f"gap {limit:g} s",
        back["requests"] > 0 and back["gap"] <= limit,
    )


def _judge_proxy_alone(
    seen: _Measurements,
    times: Times,
    allowed: Mapping[str, float],
    clients: Sequence[str],
    own: Sequence[str],
    alone: Sequence[str],
) -> list[dict[str, Any]]:
    elsewhere = [name for name in own if name not in alone]
    planned = f"{', '.join(alone) or 'nobody'}" + (
        f"; {', '.join(elsewhere)} until another proxy serves them" if elsewhere else ""
    )
    text = "exactly its own clients lose service"
    if why := seen.explain_missing(HOME):
        rest = ("no other client is affected", *(["its clients are served again after its return"] if alone else []))
        return [_make_promise(text, why, planned, None), *(_make_promise(text, why, "", None) for text in rest)]
    outages = {name: seen.measure_outage(seen.select(HOME, [name])) for name in clients}
    lost = [name for name, outage in outages.items() if outage["failed"] or outage["hanging"]]
    out = [
        _make_promise(
            text,
            f"lost: {', '.join(lost) or 'nobody'}",
            planned,
            set(alone) <= set(lost) <= {*alone, *elsewhere},
        ),
        seen.judge_no_failure(
            "no other client is affected", HOME, [client for client in clients if client not in own], pool=True
        ),
    ]
    if elsewhere:
        limit = allowed["proxy_takeover"]
        out.append(seen.judge_recovery("those with another endpoint are served again", HOME, limit, elsewhere))
    if alone:
        again = figures(
            seen.select(HOME, alone), Times(times.on, times.on, times.on, times.whole + allowed["return_gap"])
        )
        out.append(
            _make_promise(
                "its clients are served again after its return",
                f"first answer {_seconds(again['first'])} after it was switched on",
                f"{allowed['return']:g} s",
                again["first"] is not None and again["first"] <= allowed["return"],
            )
        )
    return out


def _judge_master(
    experiment: Mapping[str, Any],
    plan: Mapping[str, Any],
    seen: _Measurements,
    allowed: Mapping[str, float],
    clients: Sequence[str],
    missing: int | None,
    offers: Iterable[str],
) -> list[dict[str, Any]]:
    backup, limit = experiment["backup"], allowed["master_takeover"]
    behind = [name for name in clients if _is_at_the_master(plan, name)]
    before = [name for name in clients if name not in behind]
    out = []
    if before or not behind:
        out.append(seen.judge_no_failure("proxies go on answering reads", HOME_READS, before))
    if behind:
        text = f"reads that go to the master itself resume at {backup}"
        out.append(seen.judge_recovery(text, HOME_READS, limit, behind))
    if seen.list_asking(POOL_READS):
        out.append(seen.judge_no_failure("so does the pool", POOL_READS))
    out.append(seen.judge_recovery(f"writes resume at {backup}", HOME_WRITES, limit))
    replication = plan["servers"][experiment["target"]].get("replication", "asynchronous")
    text = _MISSING_AT_TAKEOVER
    tolerated = {"synchronous": "0", "none": "any, reported (nothing is replicated)"}
    allowance = tolerated.get(replication, "any, reported (asynchronous replication)")
    if why := without(offers, "write", "names", "remove"):
        return [*out, _make_promise(text, why, allowance, None)]
    ok = missing is not None and not (replication == "synchronous" and missing)
    return [*out, _make_promise(text, "not counted" if missing is None else str(missing), allowance, ok)]


def _is_at_the_master(plan: Mapping[str, Any], client: str) -> bool:
    """Whether between a client and the master's data there is nothing, or a proxy that only passes on."""
    endpoints = plan["clients"][client]["endpoints"]
    server = plan["servers"].get(endpoints[0]["name"], {}) if endpoints else {}
    only_passes_on = server.get("passes_through") or server.get("proxy_mode") == "pooler"
    return bool(server.get("serves_as") == "master" or only_passes_on)


def excuse_missing(plan: Mapping[str, Any], target: str, missing: Iterable[str]) -> set[str] | None:
    """Rows that may be missing for good because they were when the master was lost: where its backup goes on alone and
    the master follows it afterwards. None: any may be, because nothing is replicated."""
    master = plan["servers"][target]
    if master.get("replication") == "none":
        return None
    is_dropped = master["active_standby"] and master.get("rejoin") != GIVES_WRITES
    return set(missing) if is_dropped and master.get("replication") == "asynchronous" else set()


def judge_lasting(
    missing: Mapping[str, int], unread: Mapping[str, str], written: int, is_excused: bool = False
) -> dict[str, Any]:
    """After all: every acknowledged write is on every server. With `is_excused` nothing is promised."""
    gone = {name: count for name, count in sorted(missing.items()) if count}
    parts = [f"{count} missing at {name}" for name, count in gone.items()]
    parts += [f"{name}: {why}" for name, why in sorted(unread.items())]
    ok = (is_excused or not gone) and not unread and bool(missing) and written > 0
    return _make_promise(
        _LASTING,
        "; ".join(parts) or f"0 of {written} missing on {len(missing)} servers",
        "any, reported (nothing is replicated)" if is_excused else "0 missing",
        ok,
    )


_LASTING = "every acknowledged write is on every server after the master's return"


def judge_content(plan: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """After all: servers with data hold the same. Nothing where no server holds any. `answers`: what tier_probe
    returned for the content edges of each server."""
    equal, holding = count_equal(plan, answers)
    if not holding:
        return None
    parts = [f"{name}: {why}" for name, why in (*differing(plan, answers), *list_unread(answers))]
    measured = "; ".join([f"{equal} of {holding} servers", *parts])
    ok: bool | None = not parts
    if ok and (equal < holding or holding < 2 or not is_compared(answers)):
        measured, ok = f"not measured: {measured} could be compared", None
    return _make_promise("the content of all servers is equal", measured, "all", ok)


def explain_unread(offers: Iterable[str]) -> dict[str, Any] | None:
    """The same where rows cannot be written or looked for."""
    why = without(offers, "write", "names", "remove")
    return _make_promise(_LASTING, why, "0 missing", None) if why else None
