#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_settings
short_description: Compute the settings of the metrics of a host
version_added: 0.1.0
description:
  - Decides which units a host reports, whose connections it counts, and how it asks for the position of its data.
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
    description: The slice of the server in the plan; empty for a host that is none.
    type: dict
    default: {}
  voter:
    description: The slice of the voter in the plan; empty for a host that is none.
    type: dict
    default: {}
  units:
    description: The units of the product, C(tiers_probe_units) of its role.
    type: list
    elements: str
    default: []
  access:
    description: How probes of the product connect, C(tiers_probe_access) of its role.
    type: dict
    default: {}
  position:
    description:
      - C(tiers_metrics_position) of the role of the product - C(command), which prints how far the data are, and
        C(pattern), a regular expression with the groups C(writer) and C(position).
      - Without it, C(commands.status) of O(access) is the command.
    type: dict
    default: {}
  check:
    description: The command of the product that prints findings, C(tiers_product_check) of its role.
    type: list
    elements: str
    default: []
  host:
    description: Paths of files on the host.
    type: dict
    required: true
    suboptions:
      file:
        description: The file that the node exporter reads.
        type: str
        required: true
      record:
        description: The deployment record of a server.
        type: str
        required: true
      voter_record:
        description: The record of a voter.
        type: str
        required: true
      drained:
        description: The record of the operation that stopped the traffic.
        type: str
        required: true
      active:
        description: The program that reports whether the server is the active node.
        type: str
        required: true
      lease:
        description: The file in which the failover agent records the lease of its pair.
        type: str
        required: true
      cannot_write:
        description: The note of the watchdog about a server that cannot write.
        type: str
        required: true
      aside:
        description: The note of the watchdog about a server that stepped aside.
        type: str
        required: true
      checked:
        description: The last result of O(check).
        type: str
        required: true
      tls:
        description: The directory of the certificates.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Compute the settings of the metrics
  distributed.tiers.metrics_settings:
    server: "{{ tiers_server }}"
    units: "{{ tiers_probe_units }}"
    access: "{{ tiers_probe_access }}"
    host:
      file: /var/lib/prometheus/node-exporter/tiers.prom
      record: /etc/ansible/facts.d/tiers.fact
      voter_record: /etc/ansible/facts.d/tiers_voter.fact
      drained: /etc/ansible/facts.d/tiers_drained.fact
      active: /etc/tiers/active
      lease: /run/tiers/lease.json
      cannot_write: /run/tiers/cannot-write
      aside: /run/tiers/aside
      tls: /etc/tiers/tls
  register: metrics
"""

RETURN = r"""
settings:
  description: The content of the settings file.
  returned: always
  type: dict
"""
