#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_rows
short_description: Write, search and remove real rows through servers of the plan
version_added: 0.1.0
description:
  - Proves that data are replicated as planned - a row that is written through one server can be read through another.
  - Rows are only written below the place that O(access) names. A product without rows is reported as such.
options:
  state:
    description:
      - V(present) writes one row through each of O(servers), named by O(prefix), O(writer) and the server, then reads
        it through each of O(readers).
      - V(found) searches O(names) at each of O(servers) and changes nothing.
      - V(absent) removes all rows whose names begin with O(prefix), through the first of O(servers) that answers.
    type: str
    choices: [present, found, absent]
    required: true
  servers:
    description: The servers through which rows are written, searched or removed.
    type: list
    elements: dict
    required: true
    suboptions: &endpoint
      name: {description: The server's name., type: str, required: true}
      address: {description: Its address. Needed by all protocols but V(ldapi)., type: str}
      port: {description: Its port. Needed by all protocols but V(ldapi)., type: int}
      protocol:
        description: The protocol of the server.
        type: str
        choices: [tcp, tls, http, https, ldap, ldaps, ldapi, command, haproxy]
        required: true
  readers:
    description: Servers through which a row that was written must be readable.
    type: list
    elements: dict
    default: []
    suboptions: *endpoint
  prefix:
    description: The prefix of the names of the rows. Required unless O(state=found).
    type: str
  writer:
    description: The name of the writer, a part of the names of rows. Required if O(state=present).
    type: str
  names:
    description: The rows to search.
    type: list
    elements: str
    default: []
  wait:
    description: Seconds during which the search for missing rows is repeated.
    type: float
    default: 10
  required:
    description: Whether a missing row or a server without an answer is a failure. Otherwise it is only reported.
    type: bool
    default: true
  deadline:
    description:
      - Seconds beyond O(wait) after which the work at one server is ended, even if the library that speaks its protocol
        blocks. Removing rows may take six times as long.
    type: float
    default: 10
extends_documentation_fragment:
  - distributed.tiers.probing
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: partial
    details: Only searches in check mode, and cannot predict whether there are rows to remove.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Write through the proxy, read through the pool
  distributed.tiers.tier_rows:
    state: present
    prefix: verify-1
    writer: c-paris
    servers: [{name: px-paris, address: 10.111.0.71, port: 636, protocol: ldaps}]
    readers: [{name: d1, address: 10.111.0.30, port: 636, protocol: ldaps}]
    access: "{{ tiers_probe_access }}"

- name: Count what the backup has
  distributed.tiers.tier_rows:
    state: found
    servers: [{name: m2, protocol: ldapi}]
    names: [verify-1-c-paris-px-paris]
    wait: 0
    required: false
    access: "{{ tiers_probe_access }}"
  register: result
"""

RETURN = r"""
rows:
  description:
    - With O(state=present), for each row its RV(rows[].name), the RV(rows[].server) it was written through, how long
      that took and what the RV(rows[].readers) saw.
    - With O(state=found), what each server has.
    - With O(state=absent), how many rows were removed.
  returned: always, but not in check mode unless O(state=found)
  type: list
  elements: dict
  contains:
    name: {description: The name of the row written., type: str}
    server: {description: The server that was asked., type: str}
    ok: {description: Whether the result is as expected., type: bool}
    why: {description: The reason of a failure., type: str}
    connect_ms: {description: Milliseconds until the connection was established., type: float}
    write_ms: {description: Milliseconds until the write was acknowledged., type: float}
    found: {description: How many of the rows are there., type: int}
    missing: {description: Names of the rows that are not there., type: list, elements: str}
    ms: {description: Milliseconds until all rows were there., type: float}
    removed: {description: How many rows were removed., type: int}
    readers: {description: For each reader the result of O(state=found)., type: list, elements: dict}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing import rows
from ansible_collections.distributed.tiers.plugins.module_utils.probing.options import ACCESS_SPEC, ENDPOINT
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Access, Endpoint


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "found", "absent"], "required": True},
            "servers": {"type": "list", "elements": "dict", "required": True, **ENDPOINT},
            "readers": {"type": "list", "elements": "dict", "default": [], **ENDPOINT},
            "prefix": {"type": "str"},
            "writer": {"type": "str"},
            "names": {"type": "list", "elements": "str", "default": []},
            "wait": {"type": "float", "default": 10},
            "required": {"type": "bool", "default": True},
            "deadline": {"type": "float", "default": 10},
            **ACCESS_SPEC,
        },
        required_if=[("state", "present", ("prefix", "writer")), ("state", "absent", ("prefix",))],
        supports_check_mode=True,
    )
    given = module.params
    access, timeout, wait = Access.of(given["access"]), given["timeout"], given["wait"]
    servers = [Endpoint.of(server) for server in given["servers"]]
    readers = [Endpoint.of(reader) for reader in given["readers"]]
    if module.check_mode and given["state"] != "found":
        module.exit_json(changed=given["state"] == "present" and bool(servers))

    if given["state"] == "present":
        done = rows.at_once(
            lambda server: rows.write(
                server, f"{given['prefix']}-{given['writer']}-{server.name}", readers, access, timeout, wait
            ),
            servers,
            given["deadline"] + wait,
        )
    elif given["state"] == "found":
        done = rows.at_once(
            lambda server: rows.find(server, access, timeout, given["names"], wait), servers, given["deadline"] + wait
        )
    else:
        done = rows.at_once(
            lambda _first: rows.remove(servers, given["prefix"], access, timeout), servers[:1], 6 * given["deadline"]
        )

    changed = any("write_ms" in one or one.get("removed") for one in done)
    wrong = [f"{one['server']}: {one['why']}" for one in done if not one["ok"]]
    if wrong and given["required"]:
        module.fail_json(msg="Not as expected: " + "; ".join(wrong), rows=done, changed=changed)
    module.exit_json(changed=changed, rows=done)


if __name__ == "__main__":
    main()
