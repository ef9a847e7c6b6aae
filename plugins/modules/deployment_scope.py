#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_scope
short_description: Find the hosts that a deployment must touch
version_added: 0.1.0
description:
  - Computes the record of the inputs of every host of the run. The inputs are all values from which the configuration
    of a host is computed. The record has only digests, keyed with the key of the CA.
  - Compares it with the record of the last complete deployment of the host, which the run has read as the local fact
    C(tiers_inputs). With O(scope=changed), only hosts for which something changed are deployed.
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
  plan:
    description: The plan.
    type: dict
    required: true
  scope:
    description: V(all) hosts of the run, or those for which something has V(changed) (C(tiers_scope)).
    type: str
    choices: [all, changed]
    default: all
  authorities:
    description: The CAs of the system, as role C(host) reads them, and the C(directory) of the CA's key.
    type: dict
    required: true
  renew_days:
    description: A certificate with fewer days left is issued again, for hosts without C(host_certificate_renew_days).
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Select the hosts to deploy
  distributed.tiers.deployment_scope:
    plan: "{{ tiers_plan }}"
    scope: changed
    authorities: "{{ host_authorities }}"
  run_once: true
  register: tiers_deployment
"""

RETURN = r"""
hosts:
  description: The hosts to deploy.
  returned: always
  type: list
  elements: str
records:
  description: For each host the record of a complete deployment, without the end of its certificate.
  returned: always
  type: dict
reasons:
  description: For each host for which something changed, the reasons.
  returned: always
  type: dict
text:
  description: The hosts and the reasons as text. Empty with O(scope=all).
  returned: always
  type: str
"""
