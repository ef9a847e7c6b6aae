# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of systemd that must run on a host, and that must start when it boots."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_units
author: The distributed.tiers authors (@distributed)
version_added: 0.1.0
short_description: The units of systemd that a deployment left running on a host
description:
  - Returns the units that must run on a host, and those that must start when it boots, for
    M(distributed.tiers.tier_host).
options:
  server:
    description: The slice of the server in the plan. Empty on a host without a server.
    type: dict
    required: true
  is_deployed:
    description: Whether the host has a deployment record.
    type: bool
    required: true
  is_client:
    description: Whether the host is one of a client.
    type: bool
    default: false
  is_voter:
    description: Whether a voter of the arbiter was deployed on the host.
    type: bool
    default: false
  product_unit:
    description: The unit of the product.
    type: str
    default: ""
  has_firewall:
    description: Whether the collection writes the firewall of the host.
    type: bool
    default: true
  has_names:
    description: Whether the collection writes the names that the host knows.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show the units that must run on this host
  ansible.builtin.debug:
    msg: "{{ lookup('distributed.tiers.host_units', server=tiers_server, is_deployed=true).running }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary. C(running) are the units that must run and have no protocol of their own, C(boot) those that must
      start at a boot. C(recorded) is true if a deployment has recorded the settings of the host.
  type: list
  elements: dict
"""

from typing import Any

from ansible.plugins.lookup import LookupBase

from ansible_collections.distributed.tiers.plugins.module_utils.services.host_units import (
    boot_units,
    is_recorded,
    running_units,
)


class LookupModule(LookupBase):
    """Return the units of a host."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        host = [self.get_option(name) for name in ("server", "is_deployed")]
        places = [self.get_option(name) for name in ("is_client", "is_voter")]
        others = [self.get_option(name) for name in ("is_voter", "product_unit", "has_firewall", "has_names")]
        return [
            {
                "running": running_units(*host),
                "boot": boot_units(*host, *others),
                "recorded": is_recorded(*host, *places),
            }
        ]
