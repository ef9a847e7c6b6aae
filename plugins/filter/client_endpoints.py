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
  - Returns the servers of a client in the order of preference, its proxy first and then its backup.
  - Returns one client, all clients, or all clients as one CSV or JSON text.
positional: client
options:
  _input:
    description: A result of P(distributed.tiers.allocate_clients#filter).
    type: dict
    required: true
  client:
    description: The client. By default all clients.
    type: str
  export:
    description:
      - Write all clients as one text.
      - V(csv) has the columns V(client), V(proxy) and V(backup); V(json) is an object of lists by client.
    type: str
    choices: [csv, json]
  addresses:
    description:
      - The addresses of servers, by name. A server without an entry is written by its name.
      - Two servers of a client with the same address, such as a pair with a shared address, are written once.
    type: dict
    default: {}
  write_addresses:
    description:
      - The text for the endpoint at which a server takes writes, by its name, where that is not the one for reads.
        A server that is not in it takes no writes.
      - With it, each client has a list V(read) and a list V(write), and V(csv) the additional columns V(proxy_writes)
        and V(backup_writes).
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
    - With O(write_addresses), a dictionary of the lists V(read) and V(write) in the place of each list.
    - Without O(client), a dictionary of these lists by client.
    - With O(export), one text.
  type: raw
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shown

NO_RESULT = "this is no result of allocate_clients"


def client_endpoints(
    allocation: Any, client: Any = None, export: Any = None, addresses: Any = None, write_addresses: Any = None
) -> Any:
    """The servers of one client, of all, or all as a text."""
    if export not in (None, "csv", "json"):
        raise AnsibleFilterError(f"export must be csv or json, not {shown(export)}")
    if client is not None and (export is not None or not isinstance(client, str)):
        raise AnsibleFilterError("client must be a name, and only one of client and export can be given")
    readers, writers = _texts("addresses", addresses), _texts("write_addresses", write_addresses)

    def endpoints_at(servers: list[str]) -> list[str] | dict[str, list[str]]:
        read = _at(readers, servers)
        return {"read": read, "write": _at(writers, [s for s in servers if s in writers])} if writers else read

    if client is not None:
        return endpoints_at(_servers_of(allocation, client))
    endpoints = {name: endpoints_at(both) for name, both in sorted(_servers(allocation).items())}
    return endpoints if export is None else _as_text(endpoints, export, bool(writers))


def _texts(option: str, given: Any) -> Mapping[str, str]:
    """An option that has a text for each server."""
    if given is not None and not isinstance(given, Mapping):
        raise AnsibleFilterError(f"{option} must be a dictionary")
    for server, text in (given or {}).items():
        if not isinstance(text, str):
            raise AnsibleFilterError(f"{option}: what to write for {shown(server)} must be a text, not {shown(text)}")
    return given or {}


def _as_text(endpoints: Mapping[str, Any], export: str, with_writes: bool) -> str:
    if export == "json":
        return json.dumps(endpoints, indent=0, sort_keys=True, ensure_ascii=False) + "\n"
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("client", "proxy", "backup", *(("proxy_writes", "backup_writes") if with_writes else ())))
    for name, servers in endpoints.items():
        lists = (servers["read"], servers["write"]) if with_writes else (servers,)
        writer.writerow((name, *(cell for both in lists for cell in (both + ["", ""])[:2])))
    return text.getvalue()


def _at(addresses: Mapping[str, str], servers: list[str]) -> list[str]:
    """The addresses of the servers, in their order; nodes of a pair that share an address give it once."""
    return list(dict.fromkeys(addresses.get(server, server) for server in servers))


def _servers_of(allocation: Any, client: str) -> list[str]:
    for proxy, names, backups in _shares(allocation):
        if client in names:
            return [proxy, *(server for server, others in backups if client in others)]
    if client in _part(allocation, "unplaced"):
        return []
    raise AnsibleFilterError(f"the allocation knows no client {shown(client)}")


def _servers(allocation: Any) -> dict[str, list[str]]:
    servers: dict[str, list[str]] = {name: [] for name in _part(allocation, "unplaced")}
    for proxy, names, backups in _shares(allocation):
        servers.update((name, [proxy]) for name in names)
        for server, others in backups:
            for name in others:
                if name not in servers:
                    raise AnsibleFilterError(f"{NO_RESULT}: {shown(name)} has a backup and no proxy")
                servers[name].append(server)
    return servers


def _shares(allocation: Any) -> Iterator[tuple[str, list[str], list[tuple[str, list[str]]]]]:
    """Each proxy with its clients, and with the servers that are their backups."""
    backups = _part(allocation, "backups")
    for proxy, entry in _part(allocation, "proxies").items():
        names = _names(entry.get("clients") if isinstance(entry, Mapping) else None, proxy)
        others = _part(backups, proxy) if proxy in backups else {}
        yield proxy, names, [(server, _names(those, server)) for server, those in others.items()]


def _part(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, Mapping) or not all(map(isinstance, found, repeat(str))):
        raise AnsibleFilterError(f"{NO_RESULT}: {shown(key)} in it is no dictionary by name")
    return found


def _names(value: Any, server: str) -> list[str]:
    if not isinstance(value, list) or not all(map(isinstance, value, repeat(str))):
        raise AnsibleFilterError(f"{NO_RESULT}: the clients at {shown(server)} are no list of names")
    return value


class FilterModule:
    """One filter."""

    def filters(self) -> dict[str, Any]:
        return {"client_endpoints": client_endpoints}
