# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: client_endpoints
short_description: The ordered servers of clients
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Reads an allocation from the client's side, as the servers it uses in order, its proxy first and then its backup.
  - Answers for one client, for all, or writes all as one CSV or JSON text.
positional: client
options:
  _input:
    description: A result of P(distributed.tiers.allocate_clients#filter).
    type: dict
    required: true
  client:
    description: The client to answer for. All, when not given.
    type: str
  export:
    description:
      - Write all clients as one text.
      - V(csv) has the columns V(client), V(proxy) and V(backup); V(json) is an object of lists by client.
    type: str
    choices: [csv, json]
  addresses:
    description:
      - What to write for a server, by its name. A server that is not in it is written by its name.
      - Two servers of a client for which the same is written, a pair that shares an address, are written once.
    type: dict
    default: {}
seealso:
  - plugin: distributed.tiers.allocate_clients
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the servers of one client
  ansible.builtin.debug:
    msg: "{{ allocation | distributed.tiers.client_endpoints('desk-1') }}"
  # ["px-paris", "px-tokyo"]

- name: Write the servers of all clients
  ansible.builtin.copy:
    content: "{{ allocation | distributed.tiers.client_endpoints(export='csv', addresses={'px-paris': '192.0.2.1'}) }}"
    dest: endpoints.csv
    mode: "0644"
"""

RETURN = r"""
_value:
  description:
    - A list of servers for one client, empty where it has none.
    - A dictionary of such lists for all, by client.
    - One text where O(export) is given.
  type: raw
"""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def client_endpoints(
    allocation: Any, client: Any = None, export: Any = None, addresses: Any = None
) -> list[Any] | dict[str, list[Any]] | str:
    """The servers of one client, of all, or all as a text."""
    if export not in (None, "csv", "json"):
        raise AnsibleFilterError(f"export must be csv or json, not {export!r}")
    if client is not None and (export is not None or not isinstance(client, str)):
        raise AnsibleFilterError("client must be a name, and only one of client and export can be given")
    if addresses is not None and not isinstance(addresses, Mapping):
        raise AnsibleFilterError("addresses must be a dictionary")
    try:
        return _answer(allocation, client, export, dict(addresses or {}))
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(f"this is no result of allocate_clients: {type(error).__name__} {error}") from error


def _answer(
    allocation: Mapping[str, Any], client: str | None, export: str | None, addresses: dict[str, Any]
) -> list[Any] | dict[str, list[Any]] | str:
    if client is not None:
        return _at(addresses, _servers_of(allocation, client))
    endpoints = {name: _at(addresses, both) for name, both in _all(allocation)}
    if export is None:
        return endpoints
    if export == "json":
        return json.dumps(endpoints, indent=0, sort_keys=True, ensure_ascii=False) + "\n"
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("client", "proxy", "backup"))
    writer.writerows((name, *(both + ["", ""])[:2]) for name, both in sorted(endpoints.items()))
    return text.getvalue()


def _at(addresses: dict[str, Any], servers: list[str]) -> list[Any]:
    """Where the servers are reached; halves of a pair that share an address are there once."""
    return list(dict.fromkeys(addresses.get(server, server) for server in servers))


def _servers_of(allocation: Mapping[str, Any], client: str) -> list[str]:
    for proxy, entry in allocation["proxies"].items():
        if client in entry["clients"]:
            backups = allocation["backups"].get(proxy, {})
            return [proxy, *(server for server, names in backups.items() if client in names)]
    if client in allocation["unplaced"]:
        return []
    raise AnsibleFilterError(f"the allocation knows no client {client!r}")


def _all(allocation: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    servers: dict[str, list[str]] = {name: [] for name in allocation["unplaced"]}
    for proxy, entry in allocation["proxies"].items():
        for name in entry["clients"]:
            servers[name] = [proxy]
        for server, names in allocation["backups"].get(proxy, {}).items():
            for name in names:
                servers[name].append(server)
    return sorted(servers.items())


class FilterModule:
    """One filter."""

    def filters(self) -> dict[str, Any]:
        return {"client_endpoints": client_endpoints}
