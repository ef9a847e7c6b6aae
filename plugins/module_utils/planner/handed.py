# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan that another run computed: whether it is complete, and whether it was made for the hosts of this inventory."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, TypeAlias, get_args, get_origin, is_typeddict

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import SCHEMA, digest_of
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten, shown
from ansible_collections.distributed.tiers.plugins.module_utils.planner.structure import (
    AtLeast,
    Matches,
    PlanData,
    choices_of,
    read_fields,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import (
    Client,
    MonitorHost,
    Server,
    Topology,
    VoterHost,
)

RULE = "handed-plan"
# What a host's variables say -> the variable that says it. If one differs, the plan was made of another inventory.
OF_SERVERS = {
    "tier": None,
    "primary": "tiers_backup_of",
    "address": "tiers_address",
    "port": "tiers_port",
    "product": "tiers_product",
    "version": "tiers_version",
    "site": "tiers_site",
    "zone": "tiers_zone",
    "state": "tiers_state",
    "capacity": "tiers_capacity",
    "weight": "tiers_weight",
}
OF_VOTERS = {"address": "tiers_address"}
OF_MONITORS = {"address": "tiers_address"}
OF_CLIENTS = {"address": "tiers_address", "site": "tiers_site", "product": "tiers_product"}


# So many deviations are named, the rest is counted.
MOST_DEVIATIONS = 20
WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}

# Where a value stands in the plan: the way to what holds it, and its own key.
Way: TypeAlias = "tuple[Any, Any] | None"
# Adds to the list what is wrong with a value.
ValueCheck = Callable[[Any, Way, list[str]], None]


def list_faults(plan: Any) -> list[str]:
    """Everything that is wrong with the plan in itself, each with the path of the value."""
    if not isinstance(plan, Mapping):
        return ["it holds no plan"]
    if plan.get("schema") != SCHEMA or isinstance(plan.get("schema"), bool):
        return [f"its schema is {shown(plan.get('schema'))}, this collection reads {SCHEMA}"]
    if deviations := list_deviations(plan):
        more = len(deviations) - MOST_DEVIATIONS
        counted = [f"{more} more of its values are not what they must be"] if more > 0 else []
        return deviations[:MOST_DEVIATIONS] + counted
    if digest_of(plan) != plan["digest"]:
        return ["it was changed after it was written: its digest is of another content"]
    return []


def list_deviations(plan: Mapping[str, Any]) -> list[str]:
    """The deviations of a plan from the types in structure.py: the path, the expected value and the one that is
    there."""
    found: list[str] = []
    check_of(PlanData)(plan, None, found)
    return found


@cache
def check_of(kind: Any, limit: AtLeast | Matches | None = None) -> ValueCheck:
    """The check of one type. Made once for each type, because a large plan holds millions of values."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return object_check(kind)
    if origin is list:
        return list_check(check_of(arguments[0]))
    if origin is dict:
        return names_check(check_of(arguments[1]))
    return value_check(kind, limit)


def object_check(kind: Any) -> ValueCheck:
    fields = read_fields(kind)
    checks = {key: check_of(field.kind, field.limit) for key, field in fields.items()}
    required = [key for key, field in fields.items() if field.required]

    def check(value: Any, way: Way, found: list[str]) -> None:
        if not isinstance(value, dict):
            found.append(mismatch(way, "an object", value))
            return
        for key in required:
            if key not in value:
                found.append(f"{path_of((way, key))} is missing")
        for key, item in value.items():
            if known := checks.get(key):
                known(item, (way, key), found)
            else:
                found.append(f"{path_of((way, key))} is not known")

    return check


def names_check(check_item: ValueCheck) -> ValueCheck:
    def check(value: Any, way: Way, found: list[str]) -> None:
        if not isinstance(value, dict):
            found.append(mismatch(way, "an object", value))
            return
        for key, item in value.items():
            check_item(item, (way, key), found)

    return check


def list_check(check_item: ValueCheck) -> ValueCheck:
    def check(value: Any, way: Way, found: list[str]) -> None:
        if not isinstance(value, list):
            found.append(mismatch(way, "a list", value))
            return
        for number, item in enumerate(value):
            check_item(item, (way, number), found)

    return check


def value_check(kind: Any, limit: AtLeast | Matches | None) -> ValueCheck:
    """The check of a text, a number, a choice of words, or of one of several types."""
    choices = choices_of(kind)
    words = tuple(word for choice in choices if get_origin(choice) is Literal for word in get_args(choice))
    types = {choice for choice in choices if choice in WORDS} | ({int} if float in choices else set())
    inner = next((check_of(choice) for choice in choices if is_typeddict(choice)), None)
    named = [", ".join(map(repr, words))] if words else []
    named += [WORDS[choice] for choice in choices if choice in WORDS]
    must = " or ".join(named) + limit_words(limit)

    def check(value: Any, way: Way, found: list[str]) -> None:
        if type(value) in types:
            if is_within(value, limit):
                return
        elif inner is not None:
            inner(value, way, found)
            return
        elif isinstance(value, str) and value in words:
            return
        found.append(mismatch(way, must, value))

    return check


def is_within(value: Any, limit: AtLeast | Matches | None) -> bool:
    if isinstance(limit, AtLeast):
        return bool(value >= limit.least)
    if isinstance(limit, Matches):
        return re.fullmatch(limit.pattern, value) is not None
    return not isinstance(value, float) or math.isfinite(value)


def limit_words(limit: AtLeast | Matches | None) -> str:
    if isinstance(limit, AtLeast):
        return f" of at least {limit.least}"
    return f" like {limit.pattern}" if isinstance(limit, Matches) else ""


def mismatch(way: Way, must: str, value: Any) -> str:
    return f"{path_of(way)} must be {must}, here it is {shown(value)}"


def path_of(way: Way) -> str:
    """`servers.px1.port`, as programs that read JSON write it."""
    keys = []
    while way is not None:
        way, key = way
        keys.append(shorten(key, 40))
    return ".".join(reversed(keys))


def misfits(plan: Mapping[str, Any], topology: Topology, part: bool) -> Iterator[Problem]:
    """Differences between inventory and plan. With `part`, hosts that only the plan has are no difference."""
    for key, mine in (("system", topology.name), ("domain", topology.domain)):
        if plan[key] != mine:
            variable = "tiers_name" if key == "system" else "tiers_domain"
            yield Problem(
                None, variable, f"The plan is of {key} '{shorten(plan[key])}', this inventory of '{mine}'.", rule=RULE
            )
    only_votes = {name: voter for name, voter in plan["voters"].items() if voter["only_votes"]}
    of_plan: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any], dict[str, Any]], ...] = (
        ("servers", plan["servers"], topology.servers, OF_SERVERS),
        ("clients", plan["clients"], topology.clients, OF_CLIENTS),
        # Too few hosts for an arbiter have no slice.
        ("voters", only_votes, topology.voter_hosts if plan["voters"] else {}, OF_VOTERS),
        ("monitors", plan["monitors"], {host.name: host for host in topology.monitors()}, OF_MONITORS),
    )
    for kind, of_kind, hosts, keys in of_plan:
        absent = [name for name in of_kind if name not in hosts]
        if absent and not part:
            yield Problem(
                None,
                None,
                f"Among its {kind} the plan has hosts that this inventory lacks. Only a playbook that looks at each "
                "host by itself works on a part of the inventory.",
                rule=RULE,
                hosts=tuple(absent),
            )
        for name, host in hosts.items():
            planned = of_kind.get(name)
            if planned is None:
                yield Problem(name, None, f"The plan has no such host among its {kind}.", rule=RULE)
                continue
            for key, variable in keys.items():
                mine, its = value_of(topology, host, key), planned.get(key)
                if mine != its:
                    yield Problem(
                        name,
                        variable,
                        f"The plan was made with {key} {shown(its)}, here it is {shown(mine)}.",
                        rule=RULE,
                    )


def value_of(topology: Topology, host: Server | Client | VoterHost | MonitorHost, key: str) -> Any:
    if key == "product" and isinstance(host, (Server, Client)):
        product = topology.product_of(host)
        return product.name if product else None
    return getattr(host, key)


def approved(plan: Mapping[str, Any], digest: str) -> Iterator[Problem]:
    """Whether the plan has the digest that was approved in another run."""
    if plan["digest"] != digest:
        yield Problem(
            None,
            "tiers_plan_digest",
            f"Another plan was approved: {digest:.12}, and the current plan is {plan['digest']:.12}. The inventory or "
            "the deployed state has changed in between.",
            rule=RULE,
        )
