#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_probe
short_description: Probe servers along the edges of the plan with the product's own protocol
version_added: 0.1.0
description:
  - From the host it runs on, tries to reach servers, all of them at the same time, and returns which server refuses,
    which role the server has, how far its data is, and how long the answer took.
  - Fails if a result is not as expected. The message lists all differences.
  - It only reads.
options:
  edges:
    description: The edges to probe.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The server's name, for the report.
        type: str
        required: true
      address:
        description: The server's address. Required for all protocols except V(ldapi).
        type: str
      port:
        description: The server's port. Required for all protocols except V(ldapi).
        type: int
      protocol:
        description:
          - The protocol of the probe.
          - V(ldapi) is the local socket of a directory, for root on the server itself.
          - V(command) runs O(access.commands).
          - V(port) checks whether the port is open, without sending anything.
          - V(haproxy) reads the servers that HAProxy routes to, from its monitor.
          - V(address), V(active), V(drained) and V(writes) check this host without a connection. With
            O(edges[].expect=refused) the opposite must hold.
          - V(address) checks whether this host has the address, such as the shared address of a pair.
          - V(active) checks whether this host is the active node of its active/standby pair.
          - V(drained) checks whether the traffic of this server is stopped, by a drain or an interrupted run.
          - V(writes) checks whether the watchdog found that this server cannot write.
        type: str
        choices: [tcp, tls, http, https, ldap, ldaps, ldapi, command, haproxy, port, address, active, drained, writes]
        default: tcp
      expect:
        description:
          - Whether the server must answer or the connection must be refused. V(either) accepts both. With
            O(edges[].protocol=active) a failover must not be in progress.
        type: str
        choices: [open, refused, either]
        default: open
      one_of:
        description: Exactly one of the edges with the same text must be open, such as those to the nodes of a pair.
        type: str
      refused_by:
        description:
          - The accepted ways of a refusal, for O(edges[].expect=refused). By default all are accepted.
          - V(firewall) is an ICMP answer of a firewall. V(timeout) is no answer, from a firewall that drops packets or
            a host that is down. V(closed) is a TCP reset, from a host without a listener or a standby or drained
            server. V(service) is a server that accepts the connection and then does not serve.
        type: list
        elements: str
        choices: [firewall, timeout, closed, service]
      role:
        description: The role that the server must report, if its protocol has roles.
        type: str
        choices: [provider, replica]
      at_least:
        description: The position that the server's data must have reached, one for each server that accepts writes.
        type: dict
      digest:
        description:
          - Ask for a digest of the server's content instead of its role, where the product's protocol has one.
          - V(quick) may only count what is there. V(whole) reads everything.
        type: str
        choices: [quick, whole]
      up:
        description: The servers that must be up for HAProxy, when O(edges[].protocol=haproxy).
        type: list
        elements: str
      one_up_of:
        description: Lists of servers. In each list, exactly one server must be up for HAProxy.
        type: list
        elements: list
  wait:
    description: Seconds during which the probes are repeated until everything is as expected.
    type: float
    default: 0
  lasts:
    description: Seconds for which everything must stay as expected. The first probe that differs ends it.
    type: float
    default: 0
  concurrency:
    description: How many edges are probed at the same time.
    type: int
    default: 32
  deadline:
    description:
      - Seconds after which one attempt at an edge is ended, even if the library that speaks its protocol blocks. The
        server then counts as one that does not answer.
    type: float
    default: 10
extends_documentation_fragment:
  - distributed.tiers.probing
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: It only reads.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Reach the master, and be refused by the member
  distributed.tiers.tier_probe:
    edges:
      - {name: m1, address: 10.111.0.11, port: 636, protocol: ldaps, role: provider}
      - {name: p1, address: 10.111.0.21, port: 636, expect: refused, refused_by: [firewall]}
    access: "{{ tiers_probe_access }}"

- name: Wait until this server's own data is where the master's was
  distributed.tiers.tier_probe:
    edges:
      - {name: here, protocol: ldapi, role: replica, at_least: "{{ hostvars['m1'].position }}"}
    access: "{{ tiers_probe_access }}"
    wait: 30
"""

RETURN = r"""
edges:
  description: The result of every edge, in the order of O(edges).
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The server's name., type: str}
    address: {description: Its address., type: str}
    port: {description: Its port., type: int}
    protocol: {description: The protocol of the probe., type: str}
    expect: {description: The expected result., type: str}
    reachable:
      description: Whether the server answered, this host has the address, or this node of a pair serves.
      type: bool
    refused_by:
      description:
        - V(firewall), V(closed), V(timeout), V(name) (does not resolve), V(network) (no such host or route) or
          V(service) (it is there, but its protocol does not answer as it should).
      type: str
    role: {description: The role observed - V(provider) or V(replica) - if the protocol has roles., type: str}
    position: {description: How far its data is; a position for each server that writes., type: dict}
    digest:
      description:
        - A text that is equal on servers with equal content and position. Null where the protocol has none, or where
          the content changed while it was read.
      type: str
    connect_ms:
      description:
        - Milliseconds until the connection was established or refused. Null where the server was asked a question at
          once.
      type: float
    at: {description: When the position was read; in seconds since 1970 by the clock of this host., type: float}
    servers: {description: The state of the servers that HAProxy routes to., type: dict}
    latency_ms: {description: Milliseconds for a whole answer - connection TLS login and reading., type: float}
    traffic:
      description:
        - With O(edges[].protocol=drained) V(open), V(drained) (an operator drained the server), V(interrupted) (a run
          that was interrupted left it closed to clients) or V(not deployed).
      type: str
    lease:
      description:
        - With O(edges[].protocol=active), what the failover agent knows of the lease of its pair - C(holder), whether
          failover is C(paused) and until when (C(paused_until), in seconds since 1970, 0 without a limit), seconds
          since the arbiter answered (C(age)), C(ttl). None where keepalived elects.
      type: dict
    ok: {description: Whether the result is as expected., type: bool}
    why: {description: The difference from the expected result, type: str}
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing.options import ACCESS_SPEC, ADDRESS_NEEDED
from ansible_collections.distributed.tiers.plugins.module_utils.probing.probe import (
    LOCAL_CHECKS,
    probe_all,
)
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import PROTOCOLS
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Access

# Seconds between two probes of servers that must stay as expected
PAUSE = 1.0


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "edges": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str"},
                    "port": {"type": "int"},
                    "protocol": {"type": "str", "choices": [*PROTOCOLS, *LOCAL_CHECKS], "default": "tcp"},
                    "expect": {"type": "str", "choices": ["open", "refused", "either"], "default": "open"},
                    "one_of": {"type": "str"},
                    "refused_by": {
                        "type": "list",
                        "elements": "str",
                        "choices": ["firewall", "timeout", "closed", "service"],
                    },
                    "role": {"type": "str", "choices": ["provider", "replica"]},
                    "at_least": {"type": "dict"},
                    "digest": {"type": "str", "choices": ["quick", "whole"]},
                    "up": {"type": "list", "elements": "str"},
                    "one_up_of": {"type": "list", "elements": "list"},
                },
                "required_if": [
                    ("protocol", "address", ("address",)),
                    ("protocol", "port", ("address", "port")),
                    *ADDRESS_NEEDED,
                ],
            },
            "wait": {"type": "float", "default": 0},
            "lasts": {"type": "float", "default": 0},
            "concurrency": {"type": "int", "default": 32},
            "deadline": {"type": "float", "default": 10},
            **ACCESS_SPEC,
        },
        supports_check_mode=True,
    )
    params = module.params
    end = time.monotonic() + params["lasts"]
    while True:
        seen = probe_all(
            params["edges"],
            Access.of(params["access"]),
            params["timeout"],
            params["wait"],
            params["concurrency"],
            params["deadline"],
        )
        if time.monotonic() >= end or not all(edge["ok"] for edge in seen):
            break
        time.sleep(PAUSE)
    result = {"changed": False, "edges": seen}
    wrong = [f"{edge['name']} ({edge['address']}:{edge['port']}): {edge['why']}" for edge in seen if not edge["ok"]]
    if wrong:
        module.fail_json(msg="Not as expected: " + "; ".join(wrong), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
