# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about a product that is described in the inventory, and about what a product says of its ports and pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.description import UDP, is_template, part
from ansible_collections.distributed.tiers.plugins.module_utils.planner.escapes import bytes_of
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.pairing import (
    asks_arbiter,
    both_may_serve,
    is_cold,
    pairs,
    redundancy_of,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import (
    RESERVED_PORTS,
    WRITE_PORT,
    Port,
    Product,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, reading, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.text import did_you_mean, ended, with_hint

# A sound description, which the examples change.
LEDGER = """\
all:
  vars:
    tiers_product: service
    tiers_service:
      name: ledger
      port: 8443
      protocol: http
      tls: product
      tiers: [master, proxy, parallel]
      redundancy: {master: [warm]}
      stateful: false
      install: {way: package, packages: [ledger]}
      unit: ledger.service
"""


def ledger(*changes: tuple[str, str]) -> str:
    """The sound description with other lines in the place of some."""
    text = LEDGER
    for line, instead in changes:
        if line not in text:
            raise ValueError(f"'{line}' is not in the example")
        text = text.replace(line, instead)
    return text


def descriptions(topology: Topology) -> Iterator[tuple[Product, Mapping[str, Any], str]]:
    """Each product that is described, its description, and the variable that holds it."""
    for product in topology.products.values():
        if product.described_by and product.description:
            yield product, product.description, product.described_by


def runners(topology: Topology, product: Product) -> Iterator[tuple[Server, str]]:
    """The servers that run the product's program, with the tier whose work they do."""
    for server in topology.servers.values():
        work = topology.serves_as(server)
        if topology.product_of(server) is product and work and product.runs_on(work):
            yield server, work


rule(
    "service-description",
    ERROR,
    reason="The product service is defined by its description alone.",
    remedy="Correct the description. `ansible-doc -t role distributed.tiers.product_service` describes each field.",
    fires=ledger(("protocol: http", "protocol: htp"), ("      tls: product\n", "")),
    silent=LEDGER,
    firm=True,
    part=True,
)(reading("service-description"))


@rule(
    "port-udp",
    ERROR,
    reason="HAProxy routes a client of a failed server to another one, but it does not route UDP.",
    remedy="Let clients use TCP on this port, or remove it from the description and balance it by other means.",
    fires=ledger(
        (
            "stateful: false",
            "stateful: false\n      ports: [{name: syslog, port: 6514, protocol: udp, to: [proxy], from: [client]}]",
        )
    ),
    silent=ledger(
        (
            "stateful: false",
            "stateful: false\n      ports: [{name: gossip, port: 7946, protocol: udp, to: [proxy], from: [master]}]",
        )
    ),
    firm=True,
    part=True,
)
def port_udp(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for product in topology.products.values():
        for port in product.more_ports:
            if port.protocol == "udp" and ("client" in port.sources or "distributor" in (*port.sources, *port.to)):
                message = f"Port {port.port} ('{port.name}') is UDP. {UDP}"
                yield Problem(None, product.described_by, message)


# What each way of installation needs, and what it may have besides. What has a default stands in every description.
WAYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "package": (("packages",), ()),
    "archive": (("source", "checksum"), ()),
    "installer": (("source", "checksum", "command"), ("answers", "result")),
    "venv": (("requirement",), ("wheels",)),
    "none": ((), ()),
}
CHECKSUM = re.compile(r"sha256:[0-9a-fA-F]{64}|sha384:[0-9a-fA-F]{96}|sha512:[0-9a-fA-F]{128}")


@rule(
    "service-install",
    ERROR,
    reason="Software is installed in one way, and only if its checksum matches.",
    remedy="Set the fields of one way and none of another. A checksum is sha256: and 64 hexadecimal digits.",
    fires=ledger(("{way: package, packages: [ledger]}", "{way: archive, source: 'ledger-{version}.tar.gz'}")),
    silent=ledger(
        (
            "{way: package, packages: [ledger]}\n",
            """
        way: archive
        source: ledger-{version}.tar.gz
        checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      version: "1.2.0"
""",
        ),
        ("install: \n", "install:\n"),
    ),
    firm=True,
    part=True,
)
def service_install(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for _product, description, variable in descriptions(topology):
        install = part(description, "install")
        if "way" not in install:
            continue
        needed, allowed = WAYS[install["way"]]
        for key in needed:
            if not install.get(key):
                yield Problem(None, variable, f"'install.{key}' is missing: way {install['way']} needs it.")
        of_ways = {key for must, may in WAYS.values() for key in (*must, *may)}
        for key in sorted(of_ways & install.keys() - {*needed, *allowed}):
            yield Problem(None, variable, f"'install.{key}' is not for way {install['way']}.")
        checksum = install.get("checksum")
        sums = checksum.items() if isinstance(checksum, Mapping) else [("", checksum)] if checksum else []
        for version, text in sums if "checksum" in needed else ():
            if not (isinstance(text, str) and (CHECKSUM.fullmatch(text) or is_template(text))):
                where = f"install.checksum.{version}".rstrip(".")
                yield Problem(None, variable, f"'{where}' is no checksum of sha256, sha384 or sha512.")


RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")


@rule(
    "service-version",
    ERROR,
    reason="Each release is kept in a directory named after its version, so that a rollback is possible.",
    remedy="Set version in the description, or tiers_version, to a version that has a checksum.",
    fires=ledger(("{way: package, packages: [ledger]}", "{way: venv, requirement: 'ledger=={version}'}")),
    silent=ledger(
        ("{way: package, packages: [ledger]}", "{way: venv, requirement: 'ledger=={version}'}\n      version: '1.2.0'")
    ),
    firm=True,
    part=True,
)
def service_version(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for product, description, _variable in descriptions(topology):
        install = part(description, "install")
        if install.get("way") not in ("archive", "installer", "venv"):
            continue
        checksum = install.get("checksum")
        for server, _work in runners(topology, product):
            if server.version is None:
                yield Problem(server.name, "tiers_version", f"Way {install['way']} needs a version, and none is given.")
            elif not RELEASE.fullmatch(server.version):
                yield Problem(
                    server.name, "tiers_version", f"'{server.version:.60}' cannot be the name of a directory."
                )
            elif isinstance(checksum, Mapping) and server.version not in map(str, checksum):
                text = f"No checksum is given for version {server.version}"
                message = with_hint(text, server.version, map(str, checksum))
                yield Problem(server.name, "tiers_version", message)


COMMANDS = ("default", "master", "proxy", "parallel")


@rule(
    "service-command",
    ERROR,
    reason="A server runs either a command, in a unit of its own, or an existing unit.",
    remedy="Set either command or unit. A command can differ for default, master, proxy and parallel.",
    fires=ledger(("unit: ledger.service", "command: {proxy: /usr/bin/ledger --upstream}")),
    silent=ledger(("unit: ledger.service", "command: {default: /usr/bin/ledger, proxy: /usr/bin/ledger --upstream}")),
    firm=True,
    part=True,
)
def service_command(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for product, description, variable in descriptions(topology):
        command, unit = description.get("command"), description.get("unit")
        if command and unit:
            yield Problem(None, variable, "There are both 'command' and 'unit'.")
        elif not command and not unit:
            yield Problem(None, variable, "There is neither 'command' nor 'unit'.")
        elif isinstance(command, Mapping):
            for key in sorted(str(key) for key in command.keys() - set(COMMANDS)):
                hint = did_you_mean(key, COMMANDS) or f"known are {', '.join(COMMANDS)}"
                yield Problem(None, variable, ended(f"'command.{key}' is not known; {hint}"))
            for work in sorted({work for _server, work in runners(topology, product)}):
                if not command.get(work) and not command.get("default"):
                    yield Problem(None, variable, f"'command' has nothing for {work}, and no default.")
        elif command and not isinstance(command, str) and not is_template(command):
            yield Problem(None, variable, "'command' must be text, or to map tiers to text.")


@rule(
    "service-local-port",
    ERROR,
    reason="With tls: terminated, HAProxy listens on the port, and the program on another one, on loopback.",
    remedy="With tls: terminated, set local_port to a free port other than port. Otherwise remove it.",
    fires=ledger(("tls: product", "tls: terminated\n      local_port: 8443")),
    silent=ledger(("tls: product", "tls: terminated\n      local_port: 8080")),
    firm=True,
    part=True,
)
def service_local_port(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for product, _description, variable in descriptions(topology):
        local = product.local_port
        if product.tls != "terminated":
            if local is not None:
                yield Problem(None, variable, f"'local_port' is for tls terminated, here it is {product.tls}.")
        elif local is None:
            yield Problem(None, variable, "'local_port' is missing: with tls terminated the program listens there.")
        elif local in RESERVED_PORTS:
            yield Problem(None, variable, f"'local_port' {local} is used by {RESERVED_PORTS[local]}.")
        else:
            for server, _work in runners(topology, product):
                if server.port == local:
                    yield Problem(server.name, variable, f"'local_port' {local} is the port that HAProxy has there.")


@rule(
    "write-port",
    ERROR,
    reason="With writes: port, proxies and distributors have a port for writes, which leads to the active master.",
    remedy="With writes: port, set write_port to a port that is free on proxies and distributors. Otherwise remove it.",
    fires=ledger(("tls: product", "tls: product\n      writes: port")),
    silent=ledger(("tls: product", "tls: product\n      writes: port\n      write_port: 8444")),
    firm=True,
    part=True,
)
def write_port(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for product in topology.products.values():
        port, variable = product.write_port, product.described_by
        if product.writes != WRITE_PORT:
            if port is not None:
                yield Problem(None, variable, f"'write_port' is for writes: port, here it is {product.writes}.")
        elif port is None:
            yield Problem(None, variable, "'write_port' is missing: with writes: port, clients write there.")
        else:
            yield from _taken_write_port(topology, product, port)


def _taken_write_port(topology: Topology, product: Product, port: int) -> Iterator[Problem]:
    """The listeners on proxies and distributors that have the write port already."""
    further: Mapping[int, Port] = {more.port: more for more in product.more_ports if more.protocol == "tcp"}
    if port in RESERVED_PORTS:
        yield Problem(None, product.described_by, f"'write_port' {port} is that of {RESERVED_PORTS[port]}.")
    elif port == product.local_port:
        yield Problem(None, product.described_by, f"'write_port' {port} is 'local_port' of the program.")
    elif port in further:
        yield Problem(None, product.described_by, f"'write_port' {port} is that of port '{further[port].name}'.")
    for server in topology.servers.values():
        listens = topology.serves_as(server) in ("proxy", "distributor")
        if listens and topology.product_of(server) is product and server.port == port:
            message = f"'write_port' {port} is the port that the server serves on."
            yield Problem(server.name, product.described_by, message)


@rule(
    "service-cache",
    ERROR,
    reason="Only HTTP answers can be cached.",
    remedy="Set proxy.mode to pass or product, or protocol to http.",
    fires=ledger(("protocol: http", "protocol: tcp\n      proxy: {mode: cache}")),
    silent=ledger(("protocol: http", "protocol: http\n      proxy: {mode: cache}")),
    firm=True,
    part=True,
)
def service_cache(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for product, description, variable in descriptions(topology):
        if product.proxy_mode == "cache" and description.get("protocol") == "tcp":
            yield Problem(None, variable, "'proxy.mode' is cache, and 'protocol' is tcp.")


# What a kind of check needs.
CHECKS: Mapping[str, str] = {"http": "path", "command": "command"}


@rule(
    "service-check",
    ERROR,
    reason="A server gets traffic when it passes its check, so the check must test something.",
    remedy="Give check.path with type http, check.command with type command. With type tcp, check.expect is a regular "
    "expression for the answer, and check.send what is sent before.",
    fires=ledger(("unit: ledger", "check: {type: http}\n      unit: ledger")),
    silent=ledger(("unit: ledger", "check: {type: http, path: /ready}\n      unit: ledger")),
    firm=True,
    part=True,
)
def service_check(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for _product, description, variable in descriptions(topology):
        check = part(description, "check")
        needed = CHECKS.get(check.get("type", ""))
        if needed and not check.get(needed):
            yield Problem(None, variable, f"'check.{needed}' is missing: type {check['type']} needs it.")
        if check.get("type") == "http" and description.get("protocol") == "tcp":
            yield Problem(None, variable, "'check.type' is http, and 'protocol' is tcp.")
        for wrong in _wrong_question(check):
            yield Problem(None, variable, wrong)
        probe = part(part(description, "probe"), "tcp")
        if wrong := _wrong_text(probe.get("send")):
            yield Problem(None, variable, f"'probe.tcp.send': {wrong}.")


@rule(
    "hang-unnoticed",
    WARNING,
    reason="The kernel accepts connections also for a program that hangs, so no check notices it and no watchdog "
    "restarts it: its clients wait.",
    remedy="Give the check an answer: type http with a path, type tcp with send and expect, or type command. To accept "
    "it, set tiers_watchdog_seconds to 0.",
    fires=ledger(("tls: product", "tls: none\n      check: {type: tcp}")),
    silent=ledger(("tls: product", "tls: none\n      check: {type: tcp, send: 'PING\\\\n', expect: PONG}")),
)
def hang_unnoticed(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for product in topology.products.values():
        names = tuple(server.name for server, _work in runners(topology, product) if server.watchdog_seconds > 0)
        if names and not product.watched:
            name = product.description.get("name", product.name)
            message = f"The check of {name} is a TCP connection only, so its program is not watched."
            yield Problem(None, product.described_by, message, hosts=names)


def _wrong_question(check: Mapping[str, Any]) -> Iterator[str]:
    """Mistakes in the text that a check sends and expects over tcp."""
    send, expect = check.get("send"), check.get("expect")
    if check.get("type") == "http":
        for key in ("send", "expect"):
            if check.get(key):
                yield f"'check.{key}' is for type tcp or command, here it is http. Use 'check.path' and 'check.body'."
        return
    if send and not expect:
        yield "'check.expect' is missing: HAProxy sends 'check.send' and needs to know which answer is good."
    if wrong := _wrong_text(send):
        yield f"'check.send': {wrong}."
    if expect and not is_template(expect):
        try:
            if re.search(expect, ""):
                yield "'check.expect' matches an empty answer, so any answer would be good."
        except re.error as error:
            yield f"'check.expect' is not a regular expression: {error}."


def _wrong_text(text: Any) -> str:
    """Why a text cannot be sent. One that is a template is judged where it is filled in."""
    if not isinstance(text, str) or is_template(text):
        return ""
    try:
        bytes_of(text)
    except ValueError as error:
        return str(error)
    return ""


@rule(
    "plain-text",
    WARNING,
    reason="Without TLS, anyone on the network can read the traffic and pretend to be a server.",
    remedy="Set tls to product, or to terminated if the program cannot do TLS.",
    fires=ledger(("tls: product", "tls: none")),
    silent=LEDGER,
)
def plain_text(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for name, product in topology.products.items():
        if product.tls == "none":
            name = product.description.get("name", name)
            yield Problem(None, product.described_by, f"Connections to {name} are not encrypted.")


@rule(
    "pair-data",
    WARNING,
    reason="Without replication, each node of the pair has data of its own after a failover.",
    remedy="Set replication, or stateful: false if there are no data. Otherwise set active: one and a warm backup.",
    fires=ledger(("stateful: false", "stateful: true\n      active: both")),
    silent=ledger(("stateful: false", "stateful: true\n      active: both\n      replication: asynchronous")),
)
def pair_data(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        product = topology.product_of(primary)
        if product is None or (product.described_by and not product.description):
            continue
        if primary.tier == "master" and product.stateful and product.replication == "none":
            if both_may_serve(topology, primary):
                message = f"It and {primary.name} may both write, each for itself."
                yield Problem(backup.name, product.described_by, message)
            elif redundancy_of(topology, backup) == "hot":
                message = f"It must be hot, but it does not replicate the data of {primary.name}."
                yield Problem(backup.name, "tiers_redundancy", message)


@rule(
    "synchronous-position",
    WARNING,
    reason="An active node that acknowledges writes while its standby does not answer must keep that standby from "
    "being promoted. Only its position can: a node without a position is promoted if it is healthy.",
    remedy="Set position, and let the service acknowledge writes without its standby only when its new position is "
    "published (docs/arbiter.md#positions). Otherwise set replication: asynchronous.",
    fires=ledger(("stateful: false", "stateful: true\n      replication: synchronous"), ("[warm]", "[hot]")),
    silent=ledger(
        ("stateful: false", "stateful: true\n      replication: synchronous\n      position: cat /var/lib/ledger/term"),
        ("[warm]", "[hot]"),
    ),
)
def synchronous_position(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        product = topology.product_of(primary)
        if primary.tier != "master" or product is None or not asks_arbiter(topology, primary):
            continue
        is_described = bool(product.description) and product.replication == "synchronous"
        if is_described and not product.description.get("position"):
            message = f"It may be promoted although it lacks writes that {primary.name} acknowledged."
            yield Problem(backup.name, product.described_by, message)


@rule(
    "cold-active",
    ERROR,
    reason="A cold backup is stopped, so it cannot serve together with its primary, and no failover would start it.",
    remedy="Set active: one, or make the backup warm or hot.",
    fires=ledger(("{master: [warm]}", "{master: [cold]}\n      active: both")),
    silent=ledger(("{master: [warm]}", "{master: [cold]}\n      active: one")),
)
def cold_active(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for primary, backup in pairs(topology):
        if is_cold(topology, backup) and both_may_serve(topology, primary):
            yield Problem(
                backup.name, "tiers_redundancy", f"It is cold, and both nodes of {primary.name}'s pair may serve."
            )


@rule(
    "more-ports",
    ERROR,
    reason="Two listeners cannot have one port of a host.",
    remedy="Give each port of the product its own name and number.",
    fires=ledger(("unit:", "ports: [{name: cluster, port: 8443, to: [master], from: [pair]}]\n      unit:")),
    silent=ledger(("unit:", "ports: [{name: cluster, port: 6222, to: [master], from: [pair]}]\n      unit:")),
)
def more_ports(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for product in topology.products.values():
        names: set[str] = set()
        users: dict[tuple[str, int], str] = {("tcp", port): user for port, user in RESERVED_PORTS.items()}
        if product.local_port is not None:
            users["tcp", product.local_port] = "the program itself"
        for port in product.more_ports:
            key, user = (port.protocol, port.port), f"port '{port.name}'"
            if port.name in names:
                yield Problem(None, product.described_by, f"Two ports are called '{port.name}'.")
            elif key in users:
                message = f"{user.capitalize()}: {port.port} {port.protocol} is used by {users[key]}."
                yield Problem(None, product.described_by, message)
            names.add(port.name)
            users.setdefault(key, user)
        for server, work in runners(topology, product):
            for port in product.more_ports:
                if work in port.to and (port.protocol, port.port) == ("tcp", server.port):
                    message = f"Port '{port.name}': {port.port} tcp is the one the server serves on."
                    yield Problem(server.name, "tiers_port", message)
