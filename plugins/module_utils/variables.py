# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every variable of the collection, once: what it means, where it stands, and how its value is read."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.findings import did_you_mean
from ansible_collections.distributed.tiers.plugins.module_utils.products import FAILBACK, REDUNDANCY, TIERS

PREFIX = "tiers_"
GROUPS = (*TIERS, "backup", "client")
STATES = ("active", "draining", "down")
SEVERITIES = ("warning", "off")
POLICY = {
    "move_cost": "milliseconds a client must gain before it is moved without need",
    "move_budget": "most clients moved without need in one run",
    "balance": "a proxy takes at most this times its fair share (1 or more)",
    "headroom": "share of every capacity kept free (from 0 to less than 1)",
    "rebalance": "least overall gain in percent for voluntary moves",
}
HOST_NAME = re.compile(r"^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?$")


class BadValueError(ValueError):
    """The value cannot be what the variable is for; the text says what it is to be."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the inventory contract.

    `read` turns what the inventory holds into what the planner uses. Without it the variable is for roles and
    playbooks alone: the planner knows the name and leaves the value, which may be a template, untouched.
    """

    name: str
    where: str
    kind: str
    default: str
    meaning: str
    read: Callable[[Any], Any] | None = None
    choices: tuple[str, ...] = ()

    @property
    def systemwide(self) -> bool:
        """One value for the whole system, the same on every host."""
        return self.where == "all"


def word(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip():
        raise BadValueError("is to be a word")
    return str(value).strip()


def choice(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return str(value)
        hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
        raise BadValueError(f"is to be one of {', '.join(allowed)}" + (f"; {hint}" if hint else ""))

    return read


def number(least: float = 0, most: float = math.inf) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        try:
            result = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            result = math.nan
        if not (math.isfinite(result) and least <= result <= most):
            raise BadValueError(f"is to be a number from {least:g}" + (f" to {most:g}" if most < math.inf else " up"))
        return result

    return read


def integer(least: int = 0, most: int = 2**53) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        whole = isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value.strip()))
        if isinstance(value, bool) or not whole or not least <= int(value) <= most:
            raise BadValueError(f"is to be a whole number from {least}" + (f" to {most}" if most < 2**53 else " up"))
        return int(value)

    return read


def flag(value: Any) -> bool:
    if isinstance(value, bool):
        return bool(value)
    # Extra variables arrive as text.
    if isinstance(value, str) and value.lower() in ("true", "yes", "false", "no"):
        return value.lower() in ("true", "yes")
    raise BadValueError("is to be true or false")


def words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise BadValueError("is to be a list of words")
    try:
        return tuple(word(item) for item in value)
    except BadValueError:
        raise BadValueError("is to be a list of words") from None


def address(value: Any) -> str:
    """An IP address in its canonical form, or a host name."""
    if isinstance(value, str):
        try:
            return str(ipaddress.ip_address(value.strip()))
        except ValueError:
            if HOST_NAME.match(value.strip()):
                return value.strip()
    raise BadValueError("is to be an IP address or a host name")


def ip_address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        raise BadValueError("is to be an IP address") from None


def comma_separated(value: Any) -> tuple[str, ...]:
    """Words in a list, or in one text with commas, as they are typed on a command line."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    return words(value)


def mapping(value: Any, of: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise BadValueError(f"is to map {of}")
    return value


def keyed(value: Any, allowed: tuple[str, ...], of: str) -> Mapping[str, Any]:
    for key in mapping(value, of):
        if key not in allowed:
            hint = did_you_mean(str(key), allowed)
            raise BadValueError(f"does not know the key '{key}'; " + (hint or f"known are {', '.join(allowed)}"))
    return {str(key): item for key, item in value.items()}


def at(key: Any, read: Callable[[Any], Any], value: Any) -> Any:
    """Read one item of a mapping; what is wrong is told with its key."""
    try:
        return read(value)
    except BadValueError as error:
        raise BadValueError(f"at '{key}' {error}") from None


def groups(value: Any) -> dict[str, tuple[str, ...]]:
    return {key: at(key, words, item) for key, item in keyed(value, GROUPS, "tiers to groups").items()}


def expected(value: Any) -> dict[str, int]:
    return {key: at(key, integer(), item) for key, item in keyed(value, GROUPS, "tiers to numbers of hosts").items()}


def latency(value: Any) -> dict[str, dict[str, float]]:
    of = "sites to sites to milliseconds"
    return {
        word(here): {word(there): at(f"{here}.{there}", number(), ms) for there, ms in mapping(row, of).items()}
        for here, row in mapping(value, of).items()
    }


def networks(value: Any) -> dict[str, tuple[str, ...]]:
    def read(items: Any) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_network(item)) for item in words(items))
        except ValueError as error:
            raise BadValueError(f"is to be a list of networks like 10.1.0.0/24 ({error})") from None

    return {word(site): at(site, read, items) for site, items in mapping(value, "sites to networks").items()}


def network(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(word(value)))
    except ValueError:
        raise BadValueError("is to be a network like 192.0.2.0/24") from None


def policy(value: Any) -> dict[str, float | None]:
    readers: dict[str, Callable[[Any], Any]] = {
        "move_cost": number(),
        "move_budget": integer(),
        "balance": number(1),
        "headroom": number(0, 0.99),
        "rebalance": number(0, 100),
    }
    items = keyed(value, tuple(POLICY), "settings of the allocation to numbers").items()
    return {key: None if item is None else at(key, readers[key], item) for key, item in items}


def rules(value: Any) -> dict[str, dict[str, str]]:
    def read(item: Any) -> dict[str, str]:
        entry = keyed(item, ("severity", "why"), "severity and why")
        return {
            "severity": at("severity", choice(SEVERITIES), entry.get("severity")),
            "why": at("why", word, entry.get("why")),
        }

    return {str(key): at(key, read, item) for key, item in mapping(value, "rules to their severity and why").items()}


def population(value: Any) -> Any:
    if isinstance(value, str) and value.strip():
        return str(value)
    if isinstance(value, (list, tuple, Mapping)):
        return value
    raise BadValueError("is to be a list of clients or the path of a CSV, JSON or YAML file")


def one_or_more(value: Any) -> int:
    return integer(1)(value)


TABLE: tuple[Variable, ...] = (
    # The system.
    Variable(
        "tiers_name", "all", "word", "tiers", "Name of the system: in certificates, reports and file names.", word
    ),
    Variable(
        "tiers_domain", "all", "host name", "tiers.internal", "Domain under which the servers know each other.", address
    ),
    Variable(
        "tiers_product",
        "server, client",
        "word",
        "",
        "The product: `openldap`, or the full name of a product role from elsewhere.",
        word,
    ),
    Variable(
        "tiers_groups",
        "all",
        "mapping",
        "each tier's own name",
        "Which inventory groups are read as which tier: `{proxy: ldap_proxies}`.",
        groups,
    ),
    Variable(
        "tiers_expected",
        "all",
        "mapping",
        "",
        "How many hosts each tier must have; guards against a half-read inventory.",
        expected,
    ),
    Variable(
        "tiers_rules",
        "all",
        "mapping",
        "",
        "Rules made milder, with the reason: `{rule: {severity: warning, why: text}}`. Severity is `warning` or `off`.",
        rules,
    ),
    # Where a host is and how others reach it.
    Variable(
        "tiers_address",
        "server, client",
        "address",
        "`ansible_host`, then the inventory name",
        "How others reach the host. Always from the inventory, never from facts.",
        address,
    ),
    Variable("tiers_port", "server", "port", "the product's", "The port it serves on.", integer(1, 65535)),
    Variable("tiers_site", "server, client", "word", "default", "The place it stands at.", word),
    Variable("tiers_region", "server", "word", "", "A group of sites, for the selector `region:x`.", word),
    Variable(
        "tiers_zone",
        "server, client",
        "word",
        "the host itself",
        "Failure domain inside the site: rack, hypervisor, power.",
        word,
    ),
    Variable("tiers_tags", "server", "list", "", "Free words, for the selector `tag:x`.", words),
    # What a server does.
    Variable(
        "tiers_state",
        "server",
        "choice",
        "active",
        "A draining server takes no new clients, a down one none at all.",
        choice(STATES),
        STATES,
    ),
    Variable("tiers_capacity", "proxy, parallel", "number", "unlimited", "Connections it can hold.", one_or_more),
    Variable(
        "tiers_weight",
        "proxy, parallel, client",
        "number",
        "1",
        "A server's share of the load; a client's number of connections.",
        number(0),
    ),
    Variable("tiers_version", "server", "word", "the product's newest", "Version of the product that is to run.", word),
    Variable(
        "tiers_upstream",
        "proxy, parallel",
        "list",
        "the master and its backup",
        "Servers it funnels to, best first.",
        words,
    ),
    Variable(
        "tiers_virtual_address",
        "distributor",
        "IP address",
        "",
        "Address a primary shares with its backup.",
        ip_address,
    ),
    Variable(
        "tiers_data_version",
        "parallel",
        "word",
        "",
        "Revision of the data a member serves, where that is not replicated.",
        word,
    ),
    Variable(
        "tiers_upgrading",
        "all",
        "flag",
        "false",
        "An upgrade is under way: versions may differ between the tiers.",
        flag,
    ),
    Variable(
        "tiers_min_online", "all", "number", "1", "With fewer members that serve, the pool counts as lost.", one_or_more
    ),
    Variable(
        "tiers_network",
        "server",
        "network",
        "",
        "The network segment of the host, such as 192.0.2.0/24: a shared address has to be in it.",
        network,
    ),
    Variable(
        "tiers_failure_detection",
        "server",
        "number",
        "the product's",
        "Seconds of silence after which it counts a peer as lost; 0 is never.",
        number(0),
    ),
    Variable(
        "tiers_client_timeout",
        "all",
        "number",
        "the product's",
        "Seconds after which a client gives a silent server up.",
        number(0),
    ),
    Variable(
        "tiers_reload_delay",
        "proxy",
        "number",
        "",
        "Seconds a proxy waits before it reloads from its master.",
        number(0),
    ),
    Variable(
        "tiers_reloads_at_once", "all", "number", "unlimited", "Most proxies that reload at one time.", one_or_more
    ),
    Variable(
        "tiers_time_service",
        "server",
        "word",
        "",
        "What keeps the clock right, such as chrony or the hypervisor; `none` if nothing does.",
        word,
    ),
    Variable(
        "tiers_starts_after",
        "server",
        "list",
        "",
        "Servers that have to run before it. Its tier's place in the order of starting must allow it.",
        words,
    ),
    Variable(
        "tiers_resolve",
        "all",
        "flag",
        "false",
        "Names `<server>.<tiers_domain>` are to resolve, on the controller, to the servers' addresses.",
        flag,
    ),
    # Backups.
    Variable("tiers_backup_of", "backup", "host", "", "The primary: the one server it stands behind.", word),
    Variable(
        "tiers_redundancy",
        "backup",
        "choice",
        "hot where the product can",
        "Cold: installed. Warm: running, serving nobody. Hot: kept in step.",
        choice(REDUNDANCY),
        REDUNDANCY,
    ),
    Variable(
        "tiers_failback",
        "backup",
        "choice",
        "auto where the product can",
        "Whether the primary takes over again by itself once it is back.",
        choice(FAILBACK),
        FAILBACK,
    ),
    # Clients and how they are shared out.
    Variable(
        "tiers_clients",
        "all",
        "list or path",
        "",
        "Client populations: a list, or a CSV, JSON or YAML file, relative to the inventory.",
        population,
    ),
    Variable("tiers_pin", "client", "host", "", "The one proxy this client must use.", word),
    Variable(
        "tiers_allow",
        "client",
        "list",
        "every proxy",
        "Selectors of proxies it may use: a name, `site:x`, `region:x`, `zone:x`, `tag:x`.",
        words,
    ),
    Variable("tiers_deny", "client", "list", "", "Selectors of proxies it must not use.", words),
    Variable("tiers_spread", "client", "word", "", "Clients of one spread group sit on different proxies.", word),
    Variable(
        "tiers_site_networks",
        "all",
        "mapping",
        "",
        "Networks the named clients of a site connect from: `{paris: [10.1.0.0/24]}`.",
        networks,
    ),
    Variable(
        "tiers_site_latency",
        "all",
        "mapping",
        "0 inside a site, 1 between sites",
        "Milliseconds between sites: `{paris: {tokyo: 120}}`.",
        latency,
    ),
    Variable(
        "tiers_allocation",
        "all",
        "mapping",
        "`move_cost: 20`",
        "How clients are shared out. Keys: " + "; ".join(f"`{k}`: {v}" for k, v in POLICY.items()) + ".",
        policy,
    ),
    Variable("tiers_direct", "client", "flag", "false", "It uses the master itself, and no proxy.", flag),
    # What is asked of a run, most often as an extra variable.
    Variable(
        "tiers_loss",
        "all",
        "list",
        "",
        "A loss that the preview is to tell besides its own: a server's name, `site:x`, `zone:x` (or `zone:site/x`); "
        "several are lost together. On a command line with commas.",
        comma_separated,
    ),
    Variable(
        "tiers_plan_file",
        "all",
        "path",
        "",
        "A plan as JSON (docs/plan.md), relative to where the command is run: `plan` writes it, all other playbooks "
        "take it instead of computing one.",
    ),
    Variable(
        "tiers_findings_file",
        "all",
        "path",
        "",
        "Where `validate` writes its findings as JSON, relative to where the command is run: `schema` 1, `findings`, "
        "each with `rule`, `severity`, `host`, `variable`, `message`, `remedy` and, where it was lowered, `why`.",
    ),
    # What playbooks and roles use.
    Variable(
        "tiers_ca_dir",
        "all",
        "path",
        "`.tiers-ca` beside the inventory",
        "Where the controller keeps the certificate authority.",
    ),
    Variable(
        "tiers_ca_passphrase",
        "all",
        "secret",
        "",
        "Passphrase of the authority's key. Needed unless hosts bring certificates of their own.",
    ),
    Variable("tiers_report_dir", "all", "path", "`./reports`", "Where the controller writes reports and exports."),
    Variable("tiers_drill_confirm", "all", "flag", "false", "Allows `drill` to break servers on purpose.", flag),
    Variable(
        "tiers_drill_power_off",
        "all",
        "text",
        "its services are killed",
        "Command on the controller that kills a host; `{server}` in it is the server.",
    ),
    Variable("tiers_drill_power_on", "all", "text", "", "Command on the controller that starts a killed host again."),
    Variable("tiers_drill_seconds", "all", "number", "12", "How long each loss of a drill lasts.", number(1)),
    Variable(
        "tiers_drill_rates",
        "all",
        "mapping",
        "",
        "Load of each client in a drill: `read`, `connect`, `write` a second.",
    ),
    Variable("tiers_drill_allowed", "all", "mapping", "", "Seconds that a drill allows, see docs/drills.md."),
    Variable(
        "tiers_status_strict", "all", "flag", "false", "Makes `status` fail when something is not as planned.", flag
    ),
)
BY_NAME: dict[str, Variable] = {variable.name: variable for variable in TABLE}

# Set by the playbooks while they run, so they are seen among a host's variables, but they are no input.
MADE_IN_RUNS = frozenset(
    {
        "tiers_plan",
        "tiers_server",
        "tiers_client",
        "tiers_validation",
        "tiers_probe_access",
        "tiers_probe_units",
        "tiers_wave",
    }
)

# What else of a host is looked at. The product roles' secrets come on top.
ANSIBLE_HOST = "ansible_host"
OWN_CERTIFICATE = "common_certificate"
UNLOCKS_CA = "tiers_ca_passphrase"
# Made of the host's variables when they are read: what its own certificate is good for, and fingerprints of the
# product's options.
CERTIFICATE_FOR = "certificate.names"
OPTIONS = "product.options"
LOCAL_FACT = "ansible_local.tiers"
