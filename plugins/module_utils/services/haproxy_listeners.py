# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listeners in the configuration of HAProxy, line by line. Pure.

A listener has the keys of `balancer_listeners` of role `balancer`; `name`, `bind`, `balance`, `check` and `servers` are
required. Numbers may be texts: ansible-core before 2.19 makes a text of a number that comes from a template.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.escapes import bytes_of

BalancerListener = Mapping[str, Any]
INDENT = "    "


@dataclasses.dataclass(frozen=True)
class BalancerSettings:
    """Settings of all listeners of a host."""

    system: str
    # The directory of the certificates
    tls: str
    # Of the host. HAProxy listens on IPv4 only if a port has no address; [::] is IPv4 and IPv6.
    address: str
    interval: str
    fall: int
    rise: int
    # Seconds after which a session with a host that no longer answers ends
    dead_seconds: int
    # Seconds for which requests wait for the only server of a listener
    wait_seconds: int


def needed_backends(listeners: list[BalancerListener]) -> list[str]:
    """The backends without which HAProxy is not healthy."""
    return [_backend_of(listener) for listener in listeners if listener.get("needed", True)]


def build_lines(listeners: list[BalancerListener], settings: BalancerSettings) -> list[str]:
    """The sections of all listeners, each after an empty line.

    ValueError for a text with an escape that does not exist.
    """
    return [line for listener in listeners for line in _listener(listener, settings)]


def everywhere(address: str) -> str:
    """The prefix of a port without an address, on a host with this address."""
    return "[::]" if ":" in address else ""


def _listener(listener: BalancerListener, settings: BalancerSettings) -> Iterator[str]:
    name, mode = listener["name"], listener.get("mode", "tcp")
    yield from ("", f"listen {name}", f"{INDENT}mode {mode}")
    for line in (*_clients(listener, settings), *(_requests(listener) if mode == "http" else ())):
        yield INDENT + line
    if listener.get("waits"):
        yield f"{INDENT}# While the product restarts, requests wait and HAProxy retries them every second."
        yield f"{INDENT}retries {settings.wait_seconds}"
        for server in listener["servers"]:
            yield f"{INDENT}server {server['name']} {_socket(server)}"
        yield from ("", f"backend {_backend_of(listener)}", f"{INDENT}mode {mode}")
    for line in (*_health_check(listener), *_servers(listener, settings)):
        yield INDENT + line
    for server in filter(_has_own_backup, listener["servers"]):
        inner = f"{name}-{server['name']}"
        yield from ("", f"# {server['name']} and its own backup. The outer listener adds the headers about the client.")
        yield from (f"listen {inner}", f"{INDENT}mode {mode}", f"{INDENT}bind abns@tiers-{inner}")
        for line in (*_health_check(listener), *_nodes(listener, server, settings)):
            yield INDENT + line


def _clients(listener: BalancerListener, settings: BalancerSettings) -> Iterator[str]:
    """Lines for the connections of clients: address, TLS, balance, and which clients are refused."""
    address = everywhere(settings.address) if listener["bind"].startswith(":") else ""
    tls = f" ssl crt {settings.tls}/server.crt" if listener.get("terminates") else ""
    http = listener.get("mode") == "http"
    yield f"bind {address}{listener['bind']}{tls}" + (" alpn h2,http/1.1" if tls and http else "")
    yield f"balance {listener['balance']}"
    if listener["balance"] == "source":
        yield (
            "# This distributor and its peer route a client to the same server. "
            "Few clients move if a server is added or removed."
        )
        yield "hash-type consistent"
    if listener.get("closes_when_empty"):
        accepted = " ".join(listener.get("always_accepts") or [])
        others = f" !{{ src {accepted} }}" if accepted else ""
        yield "# Rejected before TLS: a client that knows another server connects to it without a delay."
        yield f"tcp-request connection reject if {{ nbsrv({_backend_of(listener)}) lt 1 }}{others}"
    if int(listener.get("queue_length") or 0):
        answer = 'http-request return status 503 content-type text/plain string "Too many wait already."'
        refuse = answer if http else "tcp-request content reject"
        yield f"{refuse} if {{ queue({listener['name']}) ge {listener['queue_length']} }}"
    if listener.get("queue_timeout"):
        yield f"timeout queue {listener['queue_timeout']}"


def _requests(listener: BalancerListener) -> Iterator[str]:
    """Lines for requests of HTTP: headers, repetition, cookie."""
    terminates = listener.get("terminates")
    yield "option forwardfor"
    yield f"http-request set-header X-Forwarded-Proto {'https' if terminates else 'http'}"
    yield "# HAProxy removes requests of disconnected clients from the queue."
    yield "option abortonclose"
    if methods := listener.get("retry_methods"):
        yield (
            "# A request that a server did not accept is always sent to the next one. "
            "A request that a server may have executed is repeated only"
        )
        yield "# if its method permits that."
        yield "retry-on conn-failure empty-response junk-response response-timeout 0rtt-rejected 502 503 504"
        yield f"http-request disable-l7-retry unless {{ method {' '.join(methods)} }}"
    if listener.get("cookie"):
        yield f"cookie {listener['cookie']} insert indirect nocache httponly{' secure' if terminates else ''}"


def _health_check(listener: BalancerListener) -> Iterator[str]:
    """Lines for the health check of the servers."""
    if listener.get("tracks"):
        yield f"# The servers are those of {listener['tracks']}, which checks their health."
        return
    check = listener["check"]
    if check["type"] == "ldap":
        yield "option ldap-check"
    elif check["type"] == "http":
        path, host = _quote(check.get("path") or "/"), listener.get("tls_name") or "localhost"
        yield "option httpchk"
        yield f"http-check send meth GET uri {path} ver HTTP/1.1 hdr Host {host} hdr Connection close"
        yield f"http-check expect status {check.get('status') or 200}"
        if check.get("body"):
            yield f"http-check expect rstring {_quote_pattern(check['body'])}"
    elif check.get("expect"):
        yield "option tcp-check"
        if check.get("send"):
            yield f"tcp-check send-binary {bytes_of(str(check['send'])).hex()}"
        yield f"tcp-check expect rstring {_quote_pattern(check['expect'])}"


def _servers(listener: BalancerListener, settings: BalancerSettings) -> Iterator[str]:
    """The servers of a listener. One with a backup of its own is reached through a listener of both."""
    limits = f" slowstart {listener['slow_start']}" if listener.get("slow_start") else ""
    limits += f" maxconn {listener['server_connections']}" if int(listener.get("server_connections") or 0) else ""
    yield _default_server(listener, limits, settings)
    heaviest = max((float(server.get("weight", 1)) for server in listener["servers"]), default=1)
    for place, server in enumerate(listener["servers"]):
        with_backup = _has_own_backup(server)
        tracks, is_ordered = listener.get("tracks"), listener["balance"] == "first"
        words = [f"abns@tiers-{listener['name']}-{server['name']}" if with_backup else _socket(server)]
        words += [f"track {tracks}/{server['name']}"] if tracks else []
        words += [] if tracks or with_backup else _check_port(listener)
        words += [] if with_backup and listener.get("terminates") else _tls(listener, settings)
        words += [] if is_ordered else [f"weight {_weight(server, heaviest)}"]
        if listener.get("mode") == "http" and listener.get("cookie"):
            words.append("cookie " + hashlib.sha256(f"{settings.system} {server['name']}".encode()).hexdigest()[:16])
        words += ["backup"] if server.get("backup") is True or (is_ordered and place) else []
        words += ["disabled"] if server.get("state") == "down" and not with_backup else []
        yield " ".join(["server", server["name"], *words])


def _nodes(listener: BalancerListener, server: Mapping[str, Any], settings: BalancerSettings) -> Iterator[str]:
    """A server and its own backup, which serves only if the server is down."""
    yield _default_server(listener, "", settings)
    yield (
        "# Two failed connections mark a server as down. "
        "So clients of a failed host are routed to its backup before the health check fails."
    )
    yield "default-server observe layer4 error-limit 2 on-error mark-down"
    for node in (server, server["backup"]):
        words = [_socket(node), *_check_port(listener), *_tls(listener, settings)]
        words += [] if node is server else ["backup"]
        words += ["disabled"] if node.get("state") == "down" else []
        yield " ".join(["server", node["name"], *words])


def _default_server(listener: BalancerListener, limits: str, settings: BalancerSettings) -> str:
    fall, rise = listener.get("fall", settings.fall), listener.get("rise", settings.rise)
    check = "" if listener.get("tracks") else f" check inter {settings.interval} fall {fall} rise {rise}"
    return f"default-server{check}{limits} tcp-ut {settings.dead_seconds}s"


def _backend_of(listener: BalancerListener) -> str:
    """The backend whose checks decide whether the listener has a server. A listener that waits for its server never
    marks it down itself."""
    return f"{listener['name']}-health" if listener.get("waits") else str(listener["name"])


def _has_own_backup(server: Mapping[str, Any]) -> bool:
    return isinstance(server.get("backup"), Mapping)


def _weight(server: Mapping[str, Any], heaviest: float) -> int:
    """The weight of a server; the heaviest one has 100. A server that drains gets no new client."""
    if server.get("state") == "draining":
        return 0
    return max(1, round(100 * float(server.get("weight", 1)) / heaviest))


def _socket(server: Mapping[str, Any]) -> str:
    address = str(server["address"])
    return f"{f'[{address}]' if ':' in address else address}:{server['port']}"


def _check_port(listener: BalancerListener) -> list[str]:
    """The port of the health check if another one than the server's answers it."""
    port = int(listener.get("check", {}).get("port") or 0)
    return [f"port {port}"] if port else []


def _tls(listener: BalancerListener, settings: BalancerSettings) -> list[str]:
    """TLS towards the servers. If the listener terminates TLS, HAProxy opens a new TLS session to the server."""
    name, terminates = listener.get("tls_name"), listener.get("terminates")
    if not name or (listener.get("tracks") and not terminates):
        return []
    files = f"ca-file {settings.tls}/ca.crt crt {settings.tls}/server.crt"
    verified = f"{'ssl' if terminates else 'check-ssl'} verify required {files} verifyhost {name} check-sni {name}"
    return [verified, f"sni str({name})"] if terminates else [verified]


def _quote(text: Any) -> str:
    """A text of the inventory as one argument."""
    return "'" + str(text).replace("'", "'\\''") + "'"


def _quote_pattern(text: Any) -> str:
    """A regular expression as one argument. A line break would end the line of the configuration."""
    return _quote(str(text).replace("\n", "\\n").replace("\r", "\\r"))
