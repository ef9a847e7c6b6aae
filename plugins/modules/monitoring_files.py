#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: monitoring_files
short_description: Write the files by which Prometheus and Grafana watch a system
version_added: 0.1.0
description:
  - Writes on the controller C(prometheus.yml), the hosts of each of its jobs, C(tiers-rules.yml) with the alerts, the
    CA that signed the certificates of the hosts, and C(dashboard.json) for Grafana. See C(docs/monitoring.md).
author:
  - The distributed.tiers authors (@distributed-tiers)
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: In check mode no file is written.
  diff_mode:
    support: none
options:
  plan:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
  dest:
    description: The directory for the files. It is created.
    type: path
    required: true
  ca:
    description: The CAs that Prometheus trusts, as PEM text.
    type: str
    required: true
  alertmanagers:
    description: Addresses of Alertmanagers, as Prometheus reaches them.
    type: list
    elements: str
    default: ["127.0.0.1:9093"]
  runbooks:
    description: The URL of the directory of C(runbooks.md), for the links in alerts.
    type: str
    default: https://github.com/distributed-tiers/distributed.tiers/blob/main/docs
  disk_percent:
    description: The alert reports a file system that is fuller, in percent.
    type: float
    default: 90.0
"""

EXAMPLES = r"""
- name: Write the files for Prometheus and Grafana
  distributed.tiers.monitoring_files:
    plan: "{{ tiers_plan }}"
    dest: reports/monitoring
    ca: "{{ lookup('ansible.builtin.file', 'ca.crt') }}"
  run_once: true
"""

RETURN = r"""
dest:
  description: The full path of the directory.
  returned: always
  type: str
files:
  description: The full paths of the files that were written, or would be in check mode.
  returned: always
  type: list
  elements: str
"""
