# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: watchdog_settings
short_description: Compute the settings of the watchdog of a server
version_added: 0.1.0
description:
  - Decides which programs of a server the watchdog checks and how, and when the server steps aside for its peer.
  - A product behind TLS that HAProxy terminates is checked on loopback, every other program at its service address.
  - A product with which the watchdog can exchange nothing is not checked, because the kernel accepts connections also
    for a program that hangs.
author:
  - The distributed.tiers authors (@distributed-tiers)
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is ever changed.
  diff_mode:
    support: none
options:
  server:
    description: The slice of the server in the plan.
    type: dict
    required: true
  domain:
    description: Domain under which the servers know each other.
    type: str
    required: true
  check:
    description: The health check of the product, as C(tiers_balancing) of its role has it.
    type: dict
    required: true
  changes:
    description: The parts of O(check) that differ for the watchdog, C(tiers_watchdog_check) of the role.
    type: dict
    default: {}
  unit:
    description: The unit of the product. Not used for a server without a product.
    type: str
    default: ""
  data_paths:
    description: Directories of the data. Without free space there, a master cannot write.
    type: list
    elements: str
    default: []
  can_write:
    description: Command of the product that checks whether a master can write.
    type: list
    elements: str
    default: []
  monitor_port:
    description: Port of the monitor of HAProxy.
    type: int
    required: true
  session_seconds:
    description: Seconds after which sessions with a server that HAProxy marked down end.
    type: float
    required: true
  aside_seconds:
    description: Seconds without a possible write after which the server steps aside.
    type: float
    required: true
  host:
    description: Paths on the host.
    type: dict
    required: true
    suboptions:
      drained:
        description: The record of an operation that stopped the traffic.
        type: str
        required: true
      tls:
        description: Directory of the certificate of the server.
        type: str
        required: true
      rules:
        description: The firewall of a server that stepped aside.
        type: str
        required: true
      flag:
        description: The file that exists while the server has stepped aside.
        type: str
        required: true
      note:
        description: The file with the reason why the server cannot write.
        type: str
        required: true
      haproxy_socket:
        description: The administration socket of HAProxy.
        type: str
        required: true
      nft:
        description: The program C(nft).
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Compute the settings of the watchdog
  distributed.tiers.watchdog_settings:
    server: "{{ tiers_server }}"
    domain: "{{ tiers_plan.domain }}"
    check: "{{ tiers_balancing.check }}"
    unit: slapd.service
    data_paths: [/var/lib/ldap]
    monitor_port: 8404
    session_seconds: 5
    aside_seconds: 6
    host:
      drained: /etc/ansible/facts.d/tiers_drained.fact
      tls: /etc/tiers/tls
      rules: /etc/tiers/aside.nft
      flag: /run/tiers/aside
      note: /run/tiers/cannot-write
      haproxy_socket: /run/haproxy/admin.sock
      nft: /usr/sbin/nft
  register: watchdog
"""

RETURN = r"""
settings:
  description: The content of C(/etc/tiers/watchdog.json).
  returned: always
  type: dict
"""
