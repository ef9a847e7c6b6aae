# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: allocate_clients
short_description: Allocate clients to proxies
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Assigns each client to a proxy, and to another server for a failure of the proxy.
  - "In this order: no restriction, state or capacity is broken; the least weight is left without a proxy; the latency
    is least, where moving a client without need counts as so many milliseconds farther; load is even within a site;
    ties go by name, so the order of the input never matters."
  - The result contains a lower bound of the cost, which no allocation can beat.
positional: proxies, latency
options:
  _input:
    description:
      - 'The clients: a dictionary by name of V(site), V(weight), V(pin), V(allow), V(deny), V(spread); or a list of
        such dictionaries with V(name); or the text or the path of a CSV, JSON or YAML population.'
      - A dictionary of numbers by site describes that many clients at each site, without names.
      - 'V(allow) and V(deny) are lists of selectors: the name of a proxy, V(site:x), V(region:x), V(zone:x) or
        V(tag:x). Clients of one V(spread) group are put on different proxies.'
      - From some ten thousand clients on, a text or a path is much faster than a dictionary.
    type: raw
    required: true
  proxies:
    description:
      - The proxies by name, each with V(site) and optionally V(zone), V(region), V(capacity) (connections, a whole
        number from 1 up, null for no limit), V(state) (V(active), V(draining), V(down)), V(weight) (its share, a number
        above 0), V(tags) and V(backup) (the server that stands behind it).
    type: dict
    required: true
  latency:
    description:
      - Milliseconds by the client's site and the proxy's site.
      - A missing value is 0 inside a site. Between sites it is 1 without a matrix, and 1000 with one.
    type: dict
  previous:
    description:
      - The deployed allocation, as proxies by client or as a former result of this filter.
    type: dict
  previous_backups:
    description:
      - The backups that are deployed, as servers by client or as RV(_value.backups) of a former result.
    type: dict
  policy:
    description:
      - Milliseconds a client must gain to be moved without need (V(move_cost), a number from 0 up, default 20).
      - The most clients to move without need (V(move_budget), a whole number from 0 up, default no limit).
      - How far a proxy may be above its share of all weight (V(balance), a number from 1 up, default no limit).
      - The share of every capacity that is kept free (V(headroom), a number from 0 to less than 1, default 0).
      - The overall gain in percent from which on clients are moved without need at all (V(rebalance), a number from 0
        to 100, default 0).
    type: dict
seealso:
  - plugin: distributed.tiers.client_endpoints
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Share the clients of two sites out
  ansible.builtin.debug:
    msg: "{{ clients | distributed.tiers.allocate_clients(proxies, latency=latency) }}"
  vars:
    clients:
      desk-1: {site: paris}
      desk-2: {site: tokyo, weight: 3}
    proxies:
      px-paris: {site: paris, capacity: 100}
      px-tokyo: {site: tokyo, capacity: 100, backup: px-tokyo-b}
    latency:
      paris: {paris: 1, tokyo: 220}
      tokyo: {paris: 220, tokyo: 1}

- name: Where do a thousand clients of each site go, and does every single loss fit?
  ansible.builtin.debug:
    msg: "{{ ({'paris': 1000, 'tokyo': 1000} | distributed.tiers.allocate_clients(proxies)).survives }}"
"""

RETURN = r"""
_value:
  description: The allocation.
  type: dict
  contains:
    proxies:
      description: For each proxy its V(clients) (sorted names), their V(weight), its V(capacity) and its V(share).
      type: dict
    backups:
      description: For each active proxy the servers its clients go to when it fails, each with the sorted names.
      type: dict
    unplaced:
      description: The clients that no proxy takes, with the reason.
      type: dict
    moves:
      description:
        - The clients that change their proxy, each with V(client), V(from), V(to), V(forced) and V(why).
      type: list
      elements: dict
    survives:
      description: For each active proxy, V(ok) and the V(left_over_weight) that fits nowhere when it fails.
      type: dict
    stats:
      description: Costs, the bound that no allocation can beat, the gap between them, and counts.
      type: dict
    digest:
      description: A digest of the input, the same in whatever order it comes.
      type: str
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.planner.allocation import (
    AllocationError,
    Fault,
    allocate,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.populations import read_population

# Of lists and dictionaries in each other; a former result has four.
MOST_LEVELS = 5


def allocate_clients(
    clients: Any,
    proxies: Any,
    latency: Any = None,
    previous: Any = None,
    previous_backups: Any = None,
    policy: Any = None,
) -> dict[str, Any]:
    """Read the clients in whatever form they come, and allocate."""
    if not isinstance(clients, Mapping) or any(isinstance(value, int) for value in clients.values()):
        clients, problems = read_population(clients)
        if problems:
            raise AnsibleFilterError(_message(problems))
    try:
        return allocate(
            _plain(clients),
            _plain(proxies),
            _plain(latency),
            previous=_plain(previous),
            previous_backups=_plain(previous_backups),
            policy=_plain(policy),
        )
    except AllocationError as error:
        raise AnsibleFilterError(_message(error.problems)) from error


def _plain(value: Any, levels: int = MOST_LEVELS) -> Any:
    """Templating returns containers that are filled when they are read. The computation needs plain ones."""
    if value.__class__ is dict and not any(isinstance(inner, (Mapping, list)) for inner in value.values()):
        return value
    if not isinstance(value, (Mapping, list)):
        return value
    if not levels:
        raise AllocationError([Fault("a list or dictionary is nested too deeply")])
    if isinstance(value, list):
        return [_plain(inner, levels - 1) for inner in value]
    return {key: _plain(inner, levels - 1) for key, inner in value.items()}


def _message(problems: Sequence[str | Fault]) -> str:
    shown = "\n".join(f"  - {problem}" for problem in problems[:50])
    more = f"\n  - and {len(problems) - 50} more" if len(problems) > 50 else ""
    return f"The clients cannot be allocated:\n{shown}{more}"


class FilterModule:
    """One filter."""

    def filters(self) -> dict[str, Any]:
        return {"allocate_clients": allocate_clients}
