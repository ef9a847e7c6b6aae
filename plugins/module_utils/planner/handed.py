# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan that comes as data: whether it is whole, and whether it was made for the hosts of this inventory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import SCHEMA, digest_of
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten, shown
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Client, Server, Topology

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
OF_CLIENTS = {"address": "tiers_address", "site": "tiers_site", "product": "tiers_product"}


JSON_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def faults(plan: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the plan in itself; `schema` is docs/plan.schema.json."""
    if not isinstance(plan, Mapping):
        yield "it holds no plan"
    elif plan.get("schema") != SCHEMA or isinstance(plan.get("schema"), bool):
        yield f"its schema is {shown(plan.get('schema'))}, this collection reads {SCHEMA}"
    elif where := next(deviations(plan, schema, schema), None):
        yield f"{where[1:]} is missing or not what it must be"
    elif digest_of(plan) != plan["digest"]:
        yield "it was changed after it was written: its digest is of another content"


def deviations(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    """Where the value does not follow the schema. Knows of JSON Schema what that of the plan uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema and all(any(deviations(value, choice, root)) for choice in schema["anyOf"]):
        yield " "
    if "enum" in schema and not any(value == choice for choice in schema["enum"]):
        yield " "
    kinds = schema.get("type", ())
    allowed = [cls for kind in ([kinds] if isinstance(kinds, str) else kinds) for cls in JSON_TYPES[kind]]
    if allowed and (type(value) not in allowed or (isinstance(value, float) and not math.isfinite(value))):
        yield " "
    elif isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f".{key}" for key in schema.get("required", ()) if key not in value)
        for key, item in value.items():
            if key in known:
                yield from (f".{key}{rest}".rstrip() for rest in deviations(item, known[key], root))
            elif not isinstance(others, bool):
                yield from (f".{shorten(key, 40)}{rest}".rstrip() for rest in deviations(item, others, root))
            elif not others:
                yield f".{shorten(key, 40)}"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from (f".{number}{rest}".rstrip() for rest in deviations(item, schema["items"], root))


def misfits(plan: Mapping[str, Any], topology: Topology, part: bool) -> Iterator[Problem]:
    """What in the inventory is otherwise than in the plan. With `part`, hosts that only the plan has are left out."""
    for key, mine in (("system", topology.name), ("domain", topology.domain)):
        if plan[key] != mine:
            variable = "tiers_name" if key == "system" else "tiers_domain"
            yield Problem(
                None, variable, f"The plan is of {key} '{shorten(plan[key])}', this inventory of '{mine}'.", rule=RULE
            )
    of_plan: tuple[tuple[str, Mapping[str, Any], dict[str, Any]], ...] = (
        ("servers", topology.servers, OF_SERVERS),
        ("clients", topology.clients, OF_CLIENTS),
    )
    for kind, hosts, keys in of_plan:
        absent = [name for name in plan[kind] if name not in hosts]
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
            planned = plan[kind].get(name)
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


def value_of(topology: Topology, host: Server | Client, key: str) -> Any:
    if key == "product":
        product = topology.product_of(host)
        return product.name if product else None
    return getattr(host, key)


def approved(plan: Mapping[str, Any], digest: str) -> Iterator[Problem]:
    """Whether the plan is the one of this digest, where another run made and somebody approved it."""
    if plan["digest"] != digest:
        yield Problem(
            None,
            "tiers_plan_digest",
            f"Another plan was approved: {digest:.12}, now it comes to {plan['digest']:.12}. The inventory or what is "
            "deployed has changed in between.",
            rule=RULE,
        )
