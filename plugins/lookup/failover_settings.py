# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover of one node of a pair: settings of its agent, units and files."""

from __future__ import annotations

DOCUMENTATION = r"""
name: failover_settings
author: The distributed.tiers authors (@distributed)
version_added: 0.1.0
short_description: The settings and the units of the failover of one node of a pair
description:
  - Returns what role P(distributed.tiers.failover#role) writes and runs on a node, whether the elections of keepalived
    or the lease of the arbiter decide which node serves.
options:
  server:
    description: The slice of the node in the plan.
    type: dict
    required: true
  host:
    description:
      - Directories and files on the node - C(etc), C(run), C(lasting), C(hooks), C(tls), C(nft), C(lease_unit),
        C(keepalived_config) and C(drop_in).
    type: dict
    required: true
  times:
    description: The times of the agent in seconds, as its settings file has them.
    type: dict
    required: true
  limits:
    description:
      - With a lease, how far the position of a standby may be behind, C(allowed_lag), and the seconds for which one
        that is further behind leaves the lease to a better node, C(behind_seconds).
    type: dict
    required: true
  system:
    description: The name of the system. The key of the lease follows from it.
    type: str
    required: true
  port:
    description: The port that must answer on the node.
    type: int
    required: true
  cold_units:
    description: The units that the agent starts and stops if the node is a cold backup.
    type: list
    elements: str
    default: []
  stays_out:
    description: Whether the node is drained, or stepped down, and does not serve until it rejoins.
    type: bool
    required: true
"""

EXAMPLES = r"""
- name: Show the units of the failover of this node
  ansible.builtin.debug:
    msg: "{{ lookup('distributed.tiers.failover_settings', server=tiers_server, host=paths, times={'check_seconds': 10},
      limits={'allowed_lag': 0, 'behind_seconds': 5}, system='ledger', port=8443, stays_out=false).units }}"
  vars:
    paths:
      etc: /etc/tiers
      run: /run/tiers
      lasting: /var/lib/tiers
      hooks: /etc/tiers/failover.d
      tls: /etc/tiers/tls
      nft: /usr/sbin/nft
      lease_unit: /etc/systemd/system/tiers-failover.service
      keepalived_config: /etc/keepalived/keepalived.conf
      drop_in: /etc/systemd/system/keepalived.service.d/10-tiers.conf
"""

RETURN = r"""
_raw:
  description:
    - One dictionary. C(settings) is the content of the settings file of the agent, C(agent_files) are its program and
      what it reads, C(units) the units with C(name), C(files) and C(state) in the order of their start, C(unused) the
      files that the node no longer uses.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.distributed.tiers.plugins.module_utils.services.failover_settings import (
    FILES,
    agent_files,
    agent_settings,
    failover_units,
    unused_files,
)


class LookupModule(LookupBase):
    """Return the settings of the failover of a node, its units and its files."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        server, host = self.get_option("server"), self.get_option("host")
        if missing := [name for name in FILES if name not in host]:
            raise AnsibleLookupError(f"failover_settings: host has no {', '.join(missing)}")
        given = [self.get_option(name) for name in ("times", "limits", "system", "port", "cold_units")]
        return [
            {
                "settings": agent_settings(server, host, *given),
                "agent_files": agent_files(server, host["etc"]),
                "units": failover_units(server, host, self.get_option("stays_out")),
                "unused": unused_files(server, host),
            }
        ]
