#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_load
short_description: Put a steady, bounded load of real requests on servers, and record a sample of each
version_added: 0.1.0
description:
  - Runs client programs that use the product's own client library, until O(duration) is over or the same module with
    O(state=stopped) ends them. Run it with C(async).
  - Each of O(streams) is one program, or as many as its O(streams[].workers), with one request at a time. It uses the
    first of its servers that answers.
  - Every request writes one line to the file O(path), a JSON list of the stream, the start of the request (seconds
    since 1970), its duration, the server that answered, the number of attempts, the number of the written row (V(0)
    for a read), the error (or an empty text) and the number of the worker.
  - The program also measures ten ticks per second of its own. A tick that is late by 0.1 seconds or more writes a JSON
    object to the file, with its delay C(late) and its planned time C(due). A host that lacks processor time makes
    requests slow by itself.
  - A read on a persistent connection that was lost is repeated once on a new one, as client libraries do. A write is
    never repeated, because it may have been executed. A request on a new connection is never repeated.
options:
  state:
    description: Whether the load is started or a running load is ended.
    type: str
    choices: [running, stopped]
    default: running
  path:
    description: The file for the samples. It is written again, readable by its owner only.
    type: path
    required: true
  duration:
    description: Seconds after which the load ends by itself.
    type: float
    default: 60
  streams:
    description: The programs to run.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: A name for the samples., type: str, required: true}
      kind:
        description: Whether the program reads, or writes a new row with each request.
        type: str
        choices: [read, write]
        required: true
      servers:
        description: The endpoints to connect to, tried in this order.
        type: list
        elements: dict
        required: true
        suboptions:
          name: {description: The server's name., type: str, required: true}
          address: {description: Its address. Needed by all protocols but V(ldapi)., type: str}
          port: {description: Its port. Needed by all protocols but V(ldapi)., type: int}
          protocol:
            description: The protocol of the server.
            type: str
            choices: [tcp, tls, http, https, ldap, ldaps, ldapi, command, haproxy]
            required: true
      rate: {description: The most requests per second of all workers together., type: float, default: 5}
      workers:
        description: How many programs share the rate, each with a connection and one request at a time of its own.
        type: int
        default: 1
      connection:
        description: Whether the program keeps its connection or opens a new one for every request.
        type: str
        choices: [persistent, new]
        default: persistent
      prefix: {description: The prefix of the names of written rows., type: str}
      timeout: {description: Seconds for one request of this stream. By default O(timeout)., type: float}
extends_documentation_fragment:
  - distributed.tiers.probing
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: Does nothing in check mode.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Read five times a second for a minute, in the background
  distributed.tiers.tier_load:
    path: /run/tiers-load.jsonl
    duration: 60
    streams:
      - name: home reads
        kind: read
        servers:
          - {name: px-paris, address: 10.111.0.71, port: 636, protocol: ldaps}
          - {name: px-paris-b, address: 10.111.0.72, port: 636, protocol: ldaps}
    access: "{{ tiers_probe_access }}"
  async: 120
  poll: 0

- name: End it before its time
  distributed.tiers.tier_load:
    path: /run/tiers-load.jsonl
    state: stopped
"""

RETURN = r"""
streams:
  description: For each stream how many requests it made and how many of them failed.
  returned: when O(state=running)
  type: dict
  sample: {home reads: {requests: 300, failed: 0}}
path:
  description: The file with the samples.
  returned: always
  type: str
"""

import os
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing.load import Stream, run
from ansible_collections.distributed.tiers.plugins.module_utils.probing.options import ACCESS_SPEC, ENDPOINT
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Access


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["running", "stopped"], "default": "running"},
            "path": {"type": "path", "required": True},
            "duration": {"type": "float", "default": 60},
            "streams": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "kind": {"type": "str", "choices": ["read", "write"], "required": True},
                    "servers": {"type": "list", "elements": "dict", "required": True, **ENDPOINT},
                    "rate": {"type": "float", "default": 5},
                    "workers": {"type": "int", "default": 1},
                    "connection": {"type": "str", "choices": ["persistent", "new"], "default": "persistent"},
                    "prefix": {"type": "str"},
                    "timeout": {"type": "float"},
                },
                "required_if": [("kind", "write", ("prefix",))],
            },
            **ACCESS_SPEC,
        },
        supports_check_mode=True,
    )
    given = module.params
    path = Path(given["path"])
    stop = path.with_name(path.name + ".stop")
    if any(stream["rate"] <= 0 or stream["workers"] < 1 or not stream["servers"] for stream in given["streams"]):
        module.fail_json(msg="streams: every stream needs a rate above 0, at least one worker and at least one server")
    if module.check_mode:
        module.exit_json(changed=given["state"] == "running", path=str(path), streams={})
    if given["state"] == "stopped":
        stop.touch(mode=0o600)
        module.exit_json(changed=True, path=str(path))

    stop.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    end = time.monotonic() + given["duration"]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as samples:
        streams = run(
            [Stream.of(stream) for stream in given["streams"]],
            Access.of(given["access"]),
            given["timeout"],
            samples,
            lambda: stop.exists() or time.monotonic() > end,
        )
    stop.unlink(missing_ok=True)
    module.exit_json(changed=True, path=str(path), streams=streams)


if __name__ == "__main__":
    main()
