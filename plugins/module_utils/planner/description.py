# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The description of a product in the inventory: whether it is sound, and what the planner takes from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import chain
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Port, Product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Unreadable
from ansible_collections.distributed.tiers.plugins.module_utils.text import did_you_mean

Options = Mapping[str, Mapping[str, Any]]
# (where in the description, what is wrong there)
Mistake = tuple[str, str]

# What the planner reads. Templates here are filled in once, so they have to mean the same on every host; those
# elsewhere are the roles' business, on each host by itself.
PLANNED: tuple[tuple[str, ...], ...] = (
    ("name",),
    ("port",),
    ("protocol",),
    ("tls",),
    ("local_port",),
    ("writes",),
    ("write_port",),
    ("ports",),
    ("tiers",),
    ("redundancy",),
    ("active",),
    ("failback",),
    ("stateful",),
    ("replication",),
    ("rejoin",),
    ("upgrade_order",),
    ("failure_detection",),
    ("client_timeout",),
    ("may_differ",),
    ("secrets",),
    ("version",),
    ("user",),
    ("install", "way"),
    ("install", "checksum"),
    ("proxy",),
    ("check", "type"),
)
# Of a value of one host; and of one for the whole system, which may list all clients.
MOST_PARTS = 10**5
MOST_PARTS_OF_ALL = 10**7
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
VARIABLE = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
# The collection's own directory, and what it runs beside the product.
RESERVED_NAMES = ("tiers", "haproxy", "nginx", "keepalived")
UDP = (
    "Only TCP is balanced: HAProxy, which shares clients out to members and follows the active master, does not "
    "forward UDP. A UDP port between servers is opened in the firewall and reaches each server directly."
)
INSIDE_TLS = {"http": "https", "tcp": "tls"}

KINDS = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "path": "a path",
    "str": "text",
}
_LEFT_OUT = object()


def options_of(specs: Any, variable: str) -> Options:
    """The structure of a variable, out of a role's meta/argument_specs.yml."""
    entries = specs.get("argument_specs") if isinstance(specs, Mapping) else None
    for entry in entries.values() if isinstance(entries, Mapping) else ():
        options = entry.get("options") if isinstance(entry, Mapping) else None
        option = options.get(variable) if isinstance(options, Mapping) else None
        if isinstance(option, Mapping) and isinstance(option.get("options"), Mapping):
            structure: Options = option["options"]
            return structure
    return {}


def with_planned(raw: Mapping[str, Any], fill: Callable[[Any], Any]) -> dict[str, Any]:
    """The description with those templates filled in that the planner has to understand."""
    result = dict(raw)
    for first, *rest in PLANNED:
        if not rest and is_template(result.get(first)):
            result[first] = fill(result[first])
        elif rest and isinstance(inner := result.get(first), Mapping) and is_template(inner.get(rest[0])):
            result[first] = {**inner, rest[0]: fill(inner[rest[0]])}
    return result


def is_template(value: Any, most: int = MOST_PARTS) -> bool:
    """Whether there may be a template anywhere in the value, or something else that is not the plain value yet.

    RecursionError if it contains itself or stands for more than `most` parts, as a few aliases of YAML can.
    """
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, (Mapping, list, tuple)):
        return _Parts(most).hold_template(value)
    # A vaulted value is opened where its template would be filled in.
    return not isinstance(value, (int, float, type(None), Unreadable))


def check_parts(value: Any, most: int = MOST_PARTS) -> None:
    """RecursionError for what contains itself, or stands for too many parts."""
    is_template(value, most)


class _Parts:
    """Goes through all parts of a value, also where one template was found: what must be filled in has an end."""

    def __init__(self, most: int) -> None:
        self.left = most

    def hold_template(self, value: Any) -> bool:
        parts: Iterable[Any] = value
        if isinstance(value, Mapping):
            parts = chain(value, value.values())
        elif not isinstance(value, (list, tuple)):
            return is_template(value)
        self.left -= len(value)
        if self.left < 0:
            raise RecursionError
        found = False
        for part in parts:
            found |= "{{" in part or "{%" in part if isinstance(part, str) else self.hold_template(part)
        return found


def unusable(value: Any) -> Unreadable:
    """Why a value that the planner has to understand is none."""
    if isinstance(value, date):
        return Unreadable(f"YAML reads {value} as a date; put it in quotes: '{value}'")
    return Unreadable("a template in it stays one")


def read_description(raw: Mapping[str, Any], options: Options) -> tuple[dict[str, Any], list[Mistake]]:
    """The description with defaults and without what cannot be used, and everything that is wrong with it."""
    reading = _DescriptionReader()
    # Templates in what the planner reads were filled in. What still looks like one will never be a value.
    raw = with_planned(raw, unusable)
    description = reading.mapping(raw, options, "")
    reading.mistakes += limits(description)
    for where, _text in reading.mistakes:
        key = re.split(r"[.\[]", where, maxsplit=1)[0]
        # Half of a list would make other rules speak of what is not there. Then what the role says stands.
        if key in ("redundancy", *LISTS):
            description.pop(key, None)
    return description, reading.mistakes


class _DescriptionReader:
    """Goes through a description along its structure and keeps what is wrong."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def mapping(self, raw: Mapping[Any, Any], options: Options, where: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in raw:
            if key not in options:
                hint = did_you_mean(shorten(key), options) or f"known are {', '.join(sorted(options))}"
                self.mistakes.append((f"{where}{shorten(key)}", f"is not known; {hint}"))
        for key, option in options.items():
            given = raw.get(key)
            if given is None:
                given = option.get("default")
            if given is not None:
                value = self.value(given, option, f"{where}{key}")
                if value is not _LEFT_OUT:
                    found[key] = value
            elif option.get("required"):
                self.mistakes.append((f"{where}{key}", f"is missing: {_describe(option)}"))
        return found

    def value(self, raw: Any, option: Mapping[str, Any], where: str) -> Any:
        """The usable part of a value; a template is not checked."""
        kind = option.get("type", "str")
        if isinstance(raw, Unreadable):
            return self.wrong(where, f"cannot be had: {raw.reason}")
        if isinstance(raw, Mapping):
            if kind == "dict" and "options" in option:
                return self.mapping(raw, option["options"], f"{where}.")
        elif isinstance(raw, (list, tuple)):
            if kind == "list":
                return self.elements(raw, option, where)
        elif is_template(raw):
            return raw
        return self.plain(raw, kind, option, where)

    def elements(self, raw: list[Any] | tuple[Any, ...], option: Mapping[str, Any], where: str) -> list[Any]:
        element = {**option, "type": option.get("elements", "raw")}
        values = [self.value(item, element, f"{where}[{number}]") for number, item in enumerate(raw)]
        return [value for value in values if value is not _LEFT_OUT]

    def plain(self, raw: Any, kind: str, option: Mapping[str, Any], where: str) -> Any:
        """A value without further structure, of the kind it must be. Roles take it as it is written, so what an
        argument would merely be converted to counts as wrong here, but for numbers in quotes."""
        if kind == "raw" or (kind == "dict" and isinstance(raw, Mapping)):
            return raw
        if kind == "str" and isinstance(raw, (bool, int, float)):
            return self.wrong(where, "must be text: put it in quotes")
        has_kind = {
            "str": isinstance(raw, str),
            "bool": isinstance(raw, bool),
            "dict": False,
            "list": False,
            "int": not isinstance(raw, (bool, float)),
            "float": not isinstance(raw, bool),
        }.get(kind, True)
        try:
            checked = ArgumentSpecValidator({"value": {"type": kind}}).validate({"value": raw}) if has_kind else None
        except OverflowError:
            checked = None
        if checked is None or checked.error_messages:
            shown = f", here it is {_kind_of(raw)}"
            return self.wrong(where, f"must be {KINDS.get(kind, kind)}{shown}")
        value = checked.validated_parameters["value"]
        choices = option.get("choices")
        if choices and value not in choices:
            hint = UDP if value == "udp" else did_you_mean(shorten(value), choices)
            allowed = f"must be one of {', '.join(map(str, choices))}, here it is '{shorten(value, 40)}'"
            return self.wrong(where, allowed + (f"; {hint}" if hint else ""))
        return value

    def wrong(self, where: str, text: str) -> object:
        self.mistakes.append((where, text))
        return _LEFT_OUT


def _kind_of(value: Any) -> str:
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        (Mapping, "a mapping"),
        ((list, tuple), "a list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "something else")


def _describe(option: Mapping[str, Any]) -> str:
    text = option.get("description") or "it has no default."
    text = " ".join(text) if isinstance(text, list) else str(text)
    # Markup of the documentation.
    return re.sub(r"\b[A-Z]\(([^)]*)\)", r"\1", text).strip()


def limits(description: dict[str, Any]) -> Iterator[Mistake]:
    """Checks that the structure cannot express. Invalid values are removed."""
    name = description.get("name")
    if name is not None and (not NAME.fullmatch(name) or name in RESERVED_NAMES):
        del description["name"]
        why = (
            "is used by the collection itself" if name in RESERVED_NAMES else "is no name of a unit and of directories"
        )
        yield "name", f"'{shorten(name, 40)}' {why}: lower-case letters, digits and hyphens, a letter first, 32 at most"
    for key in ("port", "local_port", "write_port"):
        if not _is_port(description.get(key, 1)):
            yield key, f"must be from 1 to 65535, here it is {shorten(description.pop(key))}"
    for number, port in enumerate(description.get("ports", ())):
        if not _is_port(port.get("port", 1)):
            yield f"ports[{number}].port", f"must be from 1 to 65535, here it is {shorten(port.pop('port'))}"
    for key in ("failure_detection", "client_timeout"):
        if not 0 <= description.get(key, 0) < 1e9:
            yield key, f"must be a number of seconds, here it is {shorten(description.pop(key))}"

    secrets = description.get("secrets", ())
    for secret in [name for name in secrets if not VARIABLE.fullmatch(name)]:
        secrets.remove(secret)
        yield "secrets", f"'{shorten(secret, 40)}' is no name of a variable"


def part(description: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A part of the description; empty if it is a template."""
    found = description.get(key)
    return found if isinstance(found, Mapping) else {}


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and 0 < value < 65536


def complete(product: Product, description: Mapping[str, Any]) -> Product:
    """The product as it is described. Values that are missing or invalid remain those of the role."""
    fields = {key: description[key] for key in AS_WRITTEN if key in description}
    fields |= {key: tuple(description[key]) for key in LISTS if key in description}
    if "redundancy" in description:
        fields["redundancy"] = {tier: tuple(kinds) for tier, kinds in description["redundancy"].items()}
    if "protocol" in description:
        spoken = description["protocol"]
        fields["protocol"] = spoken if description.get("tls") == "none" else INSIDE_TLS[spoken]
    if mode := part(description, "proxy").get("mode"):
        fields["proxy_mode"] = mode
    fields["more_ports"] = tuple(
        Port(port["name"], port["port"], port["protocol"], tuple(port["to"]), tuple(port["from"]))
        for port in description.get("ports", ())
        if port.keys() >= {"name", "port", "protocol", "to", "from"}
    )
    fields["watched"] = is_watched(description)
    fields["secrets"] = (*product.secrets, *description.get("secrets", ()))
    return replace(product, **fields, description=description)


def is_watched(description: Mapping[str, Any]) -> bool:
    """Whether the check of a described service gets an answer of the program: a text, a handshake, an exit code."""
    check, probe = part(description, "check"), part(part(description, "probe"), "tcp")
    asks = check.get("type", "tcp") != "tcp" or check.get("expect") or probe.get("send") or is_template(probe)
    return bool(asks or description.get("tls") == "product" or isinstance(description.get("check"), str))


AS_WRITTEN = (
    "port",
    "tls",
    "local_port",
    "writes",
    "write_port",
    "active",
    "stateful",
    "replication",
    "rejoin",
    "failure_detection",
    "client_timeout",
    "version",
)
LISTS = ("tiers", "failback", "upgrade_order", "may_differ")
