# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listeners of HAProxy, as lines of its configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_listeners
author: The distributed.tiers authors (@distributed)
version_added: 0.1.0
short_description: The lines of HAProxy's configuration for its listeners
description:
  - Returns the sections of all listeners, with their health checks and servers, for the template of role
    P(distributed.tiers.balancer#role).
options:
  listeners:
    description: The listeners, as C(balancer_listeners) of the role.
    type: list
    elements: dict
    required: true
  system:
    description: The name of the system. The cookies of its servers follow from it.
    type: str
    required: true
  tls:
    description: The directory of the certificates.
    type: str
    required: true
  address:
    description: The address of the host. HAProxy listens on IPv6, too, if it is one of IPv6.
    type: str
    default: ""
  interval:
    description: The time between two health checks, with its unit.
    type: str
    required: true
  fall:
    description: Failed checks until a server counts as down, if the listener has no number of its own.
    type: int
    required: true
  rise:
    description: Successful checks until a server counts as up, if the listener has no number of its own.
    type: int
    required: true
  dead_seconds:
    description: Seconds after which a session with a host that no longer answers ends.
    type: int
    required: true
  wait_seconds:
    description: Seconds for which requests wait for the only server of a listener.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show the lines of a listener
  ansible.builtin.debug:
    msg: "{{ lookup('distributed.tiers.haproxy_listeners', listeners=[relay], system='ledger', tls='/etc/tiers/tls',
      interval='1s', fall=2, rise=2, dead_seconds=2, wait_seconds=10).lines }}"
  vars:
    relay:
      name: upstream
      bind: 127.0.0.1:10636
      balance: first
      check: {type: ldap}
      servers: [{name: m1, address: 192.0.2.1, port: 636}]
"""

RETURN = r"""
_raw:
  description:
    - One dictionary. C(lines) are the lines of all sections, each section after an empty line. C(needed) are the names
      of the backends without which HAProxy is not healthy, C(everywhere) what stands before a port without an address.
  type: list
  elements: dict
"""

import dataclasses
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.distributed.tiers.plugins.module_utils.services.haproxy_listeners import (
    BalancerSettings,
    build_lines,
    everywhere,
    needed_backends,
)


class LookupModule(LookupBase):
    """Return the lines of all listeners."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        options = {field.name: self.get_option(field.name) for field in dataclasses.fields(BalancerSettings)}
        listeners = self.get_option("listeners")
        try:
            lines = build_lines(listeners, BalancerSettings(**options))
        except ValueError as error:
            raise AnsibleLookupError(f"A health check of HAProxy: {error}") from error
        return [{"lines": lines, "needed": needed_backends(listeners), "everywhere": everywhere(options["address"])}]
