# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_streams
short_description: The programs that a client host runs during a drill
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Gives the streams for M(distributed.tiers.tier_load) - reads and writes at the endpoints of a client, reads through
    the pool, on kept and on new connections.
options:
  _input:
    description: The client's slice of the plan.
    type: dict
    required: true
  rates:
    description:
      - Requests a second of a program that reads (C(read)), that connects again each time (C(connect)), that writes
        (C(write)), of those that do the first two through the pool (C(pool_read), C(pool_connect)), and of the one that
        looks whether the pool's address answers (C(watch)).
      - More than 10 a second are shared among workers.
    type: dict
    required: true
  run:
    description: The name of the drill, by which its rows begin.
    type: str
    required: true
extends_documentation_fragment:
  - distributed.tiers.verification.offers
  - distributed.tiers.verification.protocol
"""

EXAMPLES = r"""
- name: Put load on the servers of this client
  distributed.tiers.tier_load:
    path: /run/load.jsonl
    streams: "{{ tiers_client | distributed.tiers.drill_streams({'read': 5, 'connect': 2, 'write': 3}, 'trial') }}"
    access: "{{ tiers_probe_access }}"
"""

RETURN = r"""
_value:
  description: Streams for the option O(distributed.tiers.tier_load#module:streams).
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS
from ansible_collections.distributed.tiers.plugins.module_utils.verification.drill import streams
from ansible_collections.distributed.tiers.plugins.plugin_utils.arguments import mapping


def drill_streams(
    client: Any, rates: Any, run: str, protocol: Any = None, offers: Any = OPERATIONS
) -> list[dict[str, Any]]:
    asked, wanted = mapping("drill_streams", "the input", client), mapping("drill_streams", "rates", rates)
    return streams(asked, wanted, str(run), protocol or None, offers)


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"drill_streams": drill_streams}
