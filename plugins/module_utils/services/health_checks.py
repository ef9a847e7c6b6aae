# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How HAProxy, the watchdog and the probes ask a described service. Pure.

`check` and `probe` are these parts of the description, with their defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.escapes import bytes_of


def balancer_check(check: Mapping[str, Any]) -> dict[str, Any]:
    """The health check of HAProxy, which runs no command: it sends a text or opens a connection instead."""
    if check["type"] == "http":
        return {"type": "http", "path": check["path"] or "/", "status": check["status"], "body": check["body"] or ""}
    text = {"send": check["send"] or "", "expect": check["expect"] or ""}
    return {"type": "tcp", **text, "secret": check["secret"]}


def balancing(described: Mapping[str, Any], is_cache: bool) -> dict[str, Any]:
    """How HAProxy balances the service. `is_cache`: the server is a proxy in mode cache, which has no command to drain.

    A distributor that balances requests must terminate TLS. One that balances connections passes TLS through.
    """
    return {
        "mode": described["protocol"],
        "tls": "terminate" if described["protocol"] == "http" else "pass",
        "local_port": described["local_port"],
        "check": balancer_check(described["check"]),
        "drain": "product" if described["drain"] and not is_cache else "firewall",
        "timeouts": described["timeouts"],
    }


def watchdog_changes(check: Mapping[str, Any], probe: Mapping[str, Any], tls: str) -> dict[str, Any]:
    """The parts of HAProxy's check that the watchdog does differently. `tls`: of the slice of the server.

    A command may wait for other servers, so the watchdog runs it only if the service answers neither a text nor a TLS
    handshake.
    """
    if check["type"] != "http" and check["expect"]:
        return {}
    if check["type"] != "command":
        return {"send": (probe["tcp"] or {}).get("send") or ""}
    return {"type": "tcp", "send": ""} if tls == "product" else {"type": "command", "command": check["command"]}


def probe_access(probe: Mapping[str, Any], question: Mapping[str, Any], tls: str) -> dict[str, Any]:
    """Credentials and requests with which probes read and write rows.

    `question`: the text to send over TCP or TLS, and the expected answer. `tls`: the directory of the certificates.
    ValueError for a text with an escape that does not exist.
    """
    login = probe["http"] or probe["commands"] or {}
    # Modules do not log what they get under the name send_secret.
    send = "send_secret" if question.get("secret") else "send_hex"
    tcp = {send: bytes_of(question.get("send") or "").hex(), "expect": question.get("expect")}
    return {
        "http": _given(probe["http"] or {}),
        "commands": _given(probe["commands"] or {}),
        "tcp": _given(tcp),
        "user": login.get("user") or "",
        "password": login.get("password") or "",
        "ca_path": f"{tls}/ca.crt",
        "certificate_path": f"{tls}/server.crt",
        "key_path": f"{tls}/server.key",
    }


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}
