# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the values of variables: the values that are allowed, and the messages about all others."""

from __future__ import annotations

import functools
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import (
    LARGEST_INTEGER,
    LARGEST_NUMBER,
    Bounds,
    integers,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import POLICY as POLICY_BOUNDS
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import OFF, WARNING
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import TIERS
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import LARGEST_DIGITS, shorten
from ansible_collections.distributed.tiers.plugins.module_utils.text import did_you_mean

IPAddress: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

# The group of the voters: its hosts may be in a tier, too.
ARBITER = "arbiter"
# The group of the hosts that scrape metrics: they may be in a tier, too.
MONITOR = "monitor"
GROUPS = (*TIERS, "backup", "client", ARBITER, MONITOR)
SEVERITIES = (WARNING, OFF)
POLICY = {
    "move_cost": "milliseconds a client must gain before it is moved without need",
    "move_budget": "most clients moved without need in one run",
    "balance": "a proxy takes at most this times its fair share",
    "headroom": "share of every capacity kept free",
    "rebalance": "least overall gain in percent for voluntary moves",
}
RATES = {
    "read": "reads of a client at its servers (5)",
    "connect": "such with a new connection each (2)",
    "write": "writes (3)",
    "pool_read": "reads through the pool (as `read`)",
    "pool_connect": "such with a new connection each (as `connect`)",
    "watch": "looks whether the pool's address answers (2)",
}
IP_ZONE = re.compile(r"[A-Za-z0-9._-]{0,15}")
HOST_NAME = re.compile(r"^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?$")


LONGEST_WORD = 1000


class BadValueError(ValueError):
    """The value cannot be what the variable is for; the text says what it must be."""


def word(value: Any) -> str:
    text = ""
    if isinstance(value, str):
        text = str(value).strip()
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 10**LARGEST_DIGITS:
        text = str(value)
    elif isinstance(value, date):
        raise BadValueError(f"must be a word. YAML reads {value} as a date; put it in quotes: '{value}'")
    if not text:
        raise BadValueError("must be a word")
    if not text.isprintable() or len(text) > LONGEST_WORD:
        raise BadValueError(f"must be a word of {LONGEST_WORD} characters at most, without line breaks and the like")
    return text


# A certificate's subject takes 64 characters, and the CA is called "CA of NAME".
SYSTEM_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,56}[A-Za-z0-9])?")


def system_name(value: Any) -> str:
    """The name of a system as certificates, file names and the identity rules of products can carry it."""
    text = word(value)
    if not SYSTEM_NAME.fullmatch(text):
        raise BadValueError(
            "must have 58 characters at most, of A-Z, a-z, 0-9, space, '.', '_' and '-', and begin and end with "
            "a letter or a digit: certificates carry it"
        )
    return text


def sentence(value: Any) -> str:
    """Words on one line, on however many they are written."""
    return word(" ".join(value.split()) if isinstance(value, str) else value)


def choice(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return str(value)
        hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
        raise BadValueError(f"must be one of {', '.join(allowed)}" + (f"; {hint}" if hint else ""))

    return read


@dataclass(frozen=True, slots=True)
class Within:
    """Reads a number of these bounds; a text that is one counts, as extra variables come."""

    bounds: Bounds

    def __call__(self, value: Any) -> Any:
        number = self._integer(value) if self.bounds.integers else self._number(value)
        if number not in self.bounds:
            finite = not self.bounds.integers and self.bounds.most == LARGEST_NUMBER < (number or 0) < math.inf
            limit = f"a number from {self.bounds.least:g} to {LARGEST_NUMBER:g}"
            raise BadValueError(f"must be {limit if finite else self.bounds.text}")
        return number

    @staticmethod
    def _number(value: Any) -> float | None:
        try:
            return None if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            return None

    @staticmethod
    def _integer(value: Any) -> int | None:
        text = isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value.strip())
        return int(value) if text or (isinstance(value, int) and not isinstance(value, bool)) else None


def number(least: float = 0, most: float = LARGEST_NUMBER) -> Within:
    return Within(Bounds(least, most))


def integer(least: int = 0, most: int = LARGEST_INTEGER) -> Within:
    return Within(integers(least, most))


def flag(value: Any) -> bool:
    if isinstance(value, bool):
        return bool(value)
    # Extra variables arrive as text.
    if isinstance(value, str) and value.lower() in ("true", "yes", "false", "no"):
        return value.lower() in ("true", "yes")
    raise BadValueError("must be true or false")


def words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise BadValueError("must be a list of words")
    try:
        return tuple(word(item) for item in value)
    except BadValueError as error:
        dated = any(isinstance(item, date) for item in value)
        raise BadValueError(f"must be a list of words: one {error}" if dated else "must be a list of words") from None


def address(value: Any) -> str:
    """An IP address in its canonical form, or a host name."""
    try:
        return ip_address(value)
    except BadValueError:
        if isinstance(value, str) and HOST_NAME.match(value.strip()):
            return value.strip()
    raise BadValueError("must be an IP address or a host name")


def ip_address(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    # Python takes anything for the zone of an address, even further lines of a configuration.
    if IP_ZONE.fullmatch(text.partition("%")[2]):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            pass
    raise BadValueError("must be an IP address")


# Rules ask for each address of an inventory several times.
@functools.cache
def parsed_address(text: str) -> IPAddress | None:
    """The address, None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def comma_separated(value: Any) -> tuple[str, ...]:
    """Words in a list, or in one text with commas, as they are typed on a command line."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    return words(value)


def mapping(value: Any, of: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise BadValueError(f"must map {of}")
    return value


def keyed(value: Any, allowed: tuple[str, ...], of: str) -> Mapping[str, Any]:
    for key in mapping(value, of):
        if key not in allowed:
            hint = did_you_mean(shorten(key), allowed)
            raise BadValueError(
                f"does not know the key '{shorten(key)}'; " + (hint or f"known are {', '.join(allowed)}")
            )
    return {str(key): item for key, item in value.items()}


def at(key: Any, read: Callable[[Any], Any], value: Any) -> Any:
    """Read one item of a mapping. BadValueError names its key."""
    try:
        return read(value)
    except BadValueError as error:
        raise BadValueError(f"at '{shorten(key)}' {error}") from None


def groups(value: Any) -> dict[str, tuple[str, ...]]:
    return {key: at(key, words, item) for key, item in keyed(value, GROUPS, "tiers to groups").items()}


def expected(value: Any) -> dict[str, int]:
    return {key: at(key, integer(), item) for key, item in keyed(value, GROUPS, "tiers to numbers of hosts").items()}


def latency(value: Any) -> dict[str, dict[str, float]]:
    of = "sites to sites to milliseconds"
    milliseconds = number()
    return {
        at(here, word, here): {
            at(there, word, there): at(f"{here}.{there}", milliseconds, ms) for there, ms in mapping(row, of).items()
        }
        for here, row in mapping(value, of).items()
    }


def networks(value: Any) -> dict[str, tuple[str, ...]]:
    def read(items: Any) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_network(item)) for item in words(items))
        except ValueError as error:
            raise BadValueError(f"must be a list of networks like 10.1.0.0/24 ({error})") from None

    return {at(site, word, site): at(site, read, items) for site, items in mapping(value, "sites to networks").items()}


def network(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(word(value)))
    except ValueError:
        raise BadValueError("must be a network like 192.0.2.0/24") from None


def policy(value: Any) -> dict[str, float | None]:
    items = keyed(value, tuple(POLICY), "settings of the allocation to numbers").items()
    return {key: None if item is None else at(key, Within(POLICY_BOUNDS[key]), item) for key, item in items}


def rates(value: Any) -> dict[str, float]:
    items = keyed(value, tuple(RATES), "kinds of requests to numbers a second").items()
    return {key: at(key, number(0), item) for key, item in items}


def rules(value: Any) -> dict[str, dict[str, str]]:
    """The severity of each overridden rule, and the reason. BadValueError names all mistakes at once."""

    def severity(item: Any) -> str:
        # `off` without quotes is false in YAML.
        return OFF if item is False else choice(SEVERITIES)(item)

    def why(item: Any) -> str:
        if item is None or (isinstance(item, str) and not item.strip()):
            raise BadValueError("is missing: say why the rule is lowered")
        return sentence(item)

    def read(item: Any) -> dict[str, str]:
        entry = keyed(item, ("severity", "why"), "severity and why: severity to warning or off, why to the reason")
        return {"severity": at("severity", severity, entry.get("severity")), "why": at("why", why, entry.get("why"))}

    found, wrong = {}, []
    for key, item in mapping(value, "rules to their severity and why").items():
        try:
            found[shorten(key)] = at(key, read, item)
        except BadValueError as error:
            wrong.append(str(error))
    if wrong:
        raise BadValueError("; ".join(wrong[:SHOWN]) + (f"; and {len(wrong) - SHOWN} more" if wrong[SHOWN:] else ""))
    return found


SHOWN = 5


def population(value: Any) -> Any:
    if isinstance(value, str) and value.strip():
        return str(value)
    if isinstance(value, (list, tuple, Mapping)):
        return value
    raise BadValueError("must be a list of clients or the path of a CSV, JSON or YAML file")


def description(value: Any) -> Mapping[str, Any]:
    """A description is checked along its own structure, see service.py."""
    return mapping(value, "the settings of the product to their values")


one_or_more = integer(1)
