# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which promises were kept when a server was lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
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
from ansible_collections.distributed.tiers.plugins.module_utils.verification.verify import without

# Seconds. What an operator may tighten or loosen: `tiers_drill_allowed`.
ALLOWED: dict[str, float] = {
    "proxy_takeover": 8,
    "distributor_takeover": 8,
    "address_takeover": 3,
    "master_takeover": 10,
    "return_gap": 5,
    "return": 90,
}

# Seconds by which a tick of a client host is late when the host, and not the system, may be what is slow.
STALLED = 0.5

NOBODY = "not measured: no other client host asks"
_MISSING_AT_TAKEOVER = "acknowledged writes missing at the backup at takeover"


def _promise(text: str, measured: str, allowed: str, ok: bool | None) -> dict[str, Any]:
    """`ok` is None for what could not be measured: it counts neither as kept nor as broken."""
    return {"promise": text, "measured": measured, "allowed": allowed, "ok": ok}


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _kept(text: str, seen: Mapping[str, Any], silent: Sequence[str]) -> dict[str, Any]:
    """Nothing may fail but what was in flight, and nobody may have been silent."""
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
    return _promise(text, ", ".join(notes), "0 failed", ok)


def _soon(text: str, seen: Mapping[str, Any], limit: float, silent: Sequence[str]) -> dict[str, Any]:
    """Service is back within the limit, for every program, and nobody may have been silent."""
    measured = f"longest gap {_seconds(seen['gap'])}, {seen['failed'] + seen['in_flight']} requests failed"
    if silent:
        measured += f", no request of {', '.join(silent)}"
    ok = seen["first"] is not None and seen["gap"] <= limit and not silent
    return _promise(text, measured, f"{limit:g} s", ok)


def _silent(samples: Iterable[Sample], asking: Iterable[str]) -> list[str]:
    """Who was to ask and of whom there is no sample."""
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

    def asking(self, programs: Sequence[str], clients: Iterable[str] | None = None) -> list[str]:
        """The clients that the plan gives a server to ask with one of the programs, as far as these can be run."""
        servers = {"pool" if program in POOL else "endpoints" for program in programs if not self._why[program]}
        wanted = self._planned if clients is None else clients
        return sorted(name for name in wanted if any(self._planned[name][key] for key in servers))

    def why_not(self, programs: Sequence[str], clients: Iterable[str] | None = None, more: Sequence[str] = ()) -> str:
        """Why none of the clients' programs was run, nor any client's of `more`; or nothing."""
        if all(self._why[program] for program in (*programs, *more)):
            return self._why[programs[0]]
        return "" if self.asking(programs, clients) or self.asking(more) else NOBODY

    def pick(self, programs: Sequence[str], clients: Iterable[str] | None = None) -> list[Sample]:
        wanted = None if clients is None else set(clients)
        return [s for s in self._samples if s.stream in programs and (wanted is None or s.client in wanted)]

    def outage(self, samples: Iterable[Sample]) -> dict[str, Any]:
        return figures(samples, self._times, self._times.on)

    def kept(
        self, text: str, programs: Sequence[str], clients: Iterable[str] | None = None, pool: bool = False
    ) -> dict[str, Any]:
        """Nothing may fail but what was in flight; with `pool` at the pool neither."""
        more = POOL_READS if pool else ()
        if why := self.why_not(programs, clients, more):
            return _promise(text, why, "0 failed", None)
        seen = self.pick(programs, clients) + self.pick(more)
        return _kept(text, self.outage(seen), _silent(seen, (*self.asking(programs, clients), *self.asking(more))))

    def soon(
        self,
        text: str,
        programs: Sequence[str],
        limit: float,
        clients: Iterable[str] | None = None,
        by: str | None = None,
    ) -> dict[str, Any]:
        """Service is back within the limit, for every program; given by a certain server if one is named."""
        if why := self.why_not(programs, clients):
            return _promise(text, why, f"{limit:g} s", None)
        samples = self.pick(programs, clients)
        seen = self.outage(samples)
        if by and by not in seen["servers"]:
            seen["first"] = None
        return _soon(text, seen, limit, _silent(samples, self.asking(programs, clients)))


def judge(
    experiment: Mapping[str, Any],
    plan: Mapping[str, Any],
    samples: Sequence[Sample],
    times: Times,
    allowed: Mapping[str, float],
    missing_at_takeover: int | None = None,
    offers: Iterable[str] = OPERATIONS,
    stalls: Iterable[Stall] = (),
) -> list[dict[str, Any]]:
    """The promises of one experiment. A limit that was missed while a client host stalled is not measured."""
    seen = _Measurements(samples, times, offers, plan["clients"])
    clients = sorted(name for name, client in plan["clients"].items() if client["endpoints"])
    own: list[str] = experiment["own"]
    kind = experiment["kind"]
    if kind == "proxy_alone":
        alone = [name for name in own if len(plan["clients"][name]["endpoints"]) < 2]
        out = _proxy_alone(seen, times, allowed, clients, own, alone)
        unaffected = [name for name in clients if name not in alone]
    else:
        unaffected = clients
        if kind == "proxy_backed":
            backup = experiment["backup"]
            others = [client for client in clients if client not in own]
            out = [
                seen.soon(f"its clients are served again by {backup}", HOME, allowed["proxy_takeover"], own, by=backup),
                seen.kept("no other client is affected", HOME, others, pool=True),
            ]
        elif kind == "member":
            out = [
                seen.kept("no request fails beyond those in flight", POOL_READS),
                seen.kept("clients of the proxies are not affected", HOME),
            ]
        elif kind == "distributor":
            backup = experiment["backup"]
            out = [
                seen.soon(f"{backup} takes the pool over", POOL_READS, allowed["distributor_takeover"]),
                seen.kept("clients of the proxies are not affected", HOME),
            ]
            if experiment["virtual_address"]:
                text = f"{experiment['virtual_address']} answers again"
                out.insert(0, seen.soon(text, (POOL_WATCH,), allowed["address_takeover"]))
        else:
            out = _master(experiment, plan, seen, allowed, clients, missing_at_takeover, offers)
    took = times.whole - times.on
    stall = _worst_stall(stalls, times)
    promises = [
        *out,
        _promise(
            f"{experiment['target']} comes back, all is as planned",
            f"{_seconds(took)} after it was switched on",
            f"{allowed['return']:g} s",
            took <= allowed["return"],
        ),
        _return(seen, unaffected, times, allowed["return_gap"]),
    ]
    return [_unless_stalled(promise, stall) for promise in promises]


def _worst_stall(stalls: Iterable[Stall], times: Times) -> Stall | None:
    """The longest stall of a client host between the loss of the server and the end of its return, if it counts."""
    counting = [
        stall
        for stall in stalls
        if stall.seconds >= STALLED and stall.end >= times.off_begin and stall.begin <= times.whole
    ]
    return max(counting, key=lambda stall: stall.seconds, default=None)


def _unless_stalled(promise: dict[str, Any], stall: Stall | None) -> dict[str, Any]:
    """The promise, or "not measured" in its place where it was missed while a client host stalled. Missing data are
    missing, however slow a host was."""
    if stall is None or promise["ok"] is not False or promise["promise"] == _MISSING_AT_TAKEOVER:
        return promise
    why = f"not measured: {stall.client} itself stalled for {_seconds(stall.seconds)}"
    return {**promise, "measured": f"{promise['measured']}; {why}", "ok": None, "stalled": True}


def _return(seen: _Measurements, unaffected: Sequence[str], times: Times, limit: float) -> dict[str, Any]:
    text = "its return interrupts no client"
    if why := seen.why_not(HOME, unaffected, POOL_READS):
        return _promise(text, why, f"gap {limit:g} s", None)
    samples = seen.pick(HOME, unaffected) + seen.pick(POOL_READS)
    back = figures(samples, Times(times.on, times.on, times.on, times.whole))
    return _promise(
        text,
        f"{back['failed'] + back['in_flight']} of {back['requests']} failed, longest gap {_seconds(back['gap'])}",
        f"gap {limit:g} s",
        back["requests"] > 0 and back["gap"] <= limit,
    )


def _proxy_alone(
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
    if why := seen.why_not(HOME):
        rest = ("no other client is affected", *(["its clients are served again after its return"] if alone else []))
        return [_promise(text, why, planned, None), *(_promise(text, why, "", None) for text in rest)]
    outages = {name: seen.outage(seen.pick(HOME, [name])) for name in clients}
    lost = [name for name, outage in outages.items() if outage["failed"] or outage["hanging"]]
    out = [
        _promise(
            text,
            f"lost: {', '.join(lost) or 'nobody'}",
            planned,
            set(alone) <= set(lost) <= {*alone, *elsewhere},
        ),
        seen.kept("no other client is affected", HOME, [client for client in clients if client not in own], pool=True),
    ]
    if elsewhere:
        limit = allowed["proxy_takeover"]
        out.append(seen.soon("those with another endpoint are served again", HOME, limit, elsewhere))
    if alone:
        again = figures(
            seen.pick(HOME, alone), Times(times.on, times.on, times.on, times.whole + allowed["return_gap"])
        )
        out.append(
            _promise(
                "its clients are served again after its return",
                f"first answer {_seconds(again['first'])} after it was switched on",
                f"{allowed['return']:g} s",
                again["first"] is not None and again["first"] <= allowed["return"],
            )
        )
    return out


def _master(
    experiment: Mapping[str, Any],
    plan: Mapping[str, Any],
    seen: _Measurements,
    allowed: Mapping[str, float],
    clients: Sequence[str],
    missing: int | None,
    offers: Iterable[str],
) -> list[dict[str, Any]]:
    backup, limit = experiment["backup"], allowed["master_takeover"]
    behind = [name for name in clients if _speaks_to_the_master(plan, name)]
    before = [name for name in clients if name not in behind]
    out = []
    if before or not behind:
        out.append(seen.kept("proxies go on answering reads", HOME_READS, before))
    if behind:
        text = f"reads that go to the master itself resume at {backup}"
        out.append(seen.soon(text, HOME_READS, limit, behind))
    if seen.asking(POOL_READS):
        out.append(seen.kept("so does the pool", POOL_READS))
    out.append(seen.soon(f"writes resume at {backup}", HOME_WRITES, limit))
    replication = plan["servers"][experiment["target"]].get("replication", "asynchronous")
    text = _MISSING_AT_TAKEOVER
    tolerated = {"synchronous": "0", "none": "any, reported (nothing is replicated)"}
    told = tolerated.get(replication, "any, reported (asynchronous replication)")
    if why := without(offers, "write", "names", "remove"):
        return [*out, _promise(text, why, told, None)]
    ok = missing is not None and not (replication == "synchronous" and missing)
    return [*out, _promise(text, "not counted" if missing is None else str(missing), told, ok)]


def _speaks_to_the_master(plan: Mapping[str, Any], client: str) -> bool:
    """Whether between a client and the master's data there is nothing, or a proxy that only passes on."""
    endpoints = plan["clients"][client]["endpoints"]
    server = plan["servers"].get(endpoints[0]["name"], {}) if endpoints else {}
    return bool(server.get("serves_as") == "master" or server.get("passes_through"))


def excused(plan: Mapping[str, Any], target: str, missing: Iterable[str]) -> set[str] | None:
    """Rows that may be missing for good because they were when the master was lost: where its backup goes on alone and
    the master follows it afterwards. None: any may be, for nothing is replicated."""
    master = plan["servers"][target]
    if master.get("replication") == "none":
        return None
    return set(missing) if master["active_standby"] and master.get("replication") == "asynchronous" else set()


def lasting(missing: Mapping[str, int], unread: Mapping[str, str], written: int, told: bool = False) -> dict[str, Any]:
    """After all: every acknowledged write is on every server. With `told` nothing is promised."""
    gone = {name: count for name, count in sorted(missing.items()) if count}
    parts = [f"{count} missing at {name}" for name, count in gone.items()]
    parts += [f"{name}: {why}" for name, why in sorted(unread.items())]
    ok = (told or not gone) and not unread and bool(missing) and written > 0
    return _promise(
        _LASTING,
        "; ".join(parts) or f"0 of {written} missing on {len(missing)} servers",
        "any, reported (nothing is replicated)" if told else "0 missing",
        ok,
    )


_LASTING = "every acknowledged write is on every server after the master's return"


def not_looked_for(offers: Iterable[str]) -> dict[str, Any] | None:
    """The same where rows cannot be written or looked for."""
    why = without(offers, "write", "names", "remove")
    return _promise(_LASTING, why, "0 missing", None) if why else None
