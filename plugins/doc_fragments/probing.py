# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What the modules that speak a product's protocol have in common."""

    DOCUMENTATION = r"""
options:
  access:
    description:
      - How the product lets probes in. Product roles provide it as the variable C(tiers_probe_access).
    type: dict
    default: {}
    suboptions:
      user:
        description: The account, for LDAP its DN. Without it the probe is anonymous.
        type: str
      password:
        description: The password of the account.
        type: str
      base:
        description: What is read, for LDAP the suffix of the data.
        type: str
      rows:
        description: Where rows may be written, for LDAP the DN above them.
        type: str
      ca_path:
        description: File with the certificates of the authorities that are trusted, on the host.
        type: path
      certificate_path:
        description: File with the certificate to show to the server, on the host.
        type: path
      key_path:
        description: File with the key of O(access.certificate_path), on the host.
        type: path
  timeout:
    description: Seconds until an attempt counts as unanswered.
    type: float
    default: 5
requirements:
  - python-ldap on the host, for the LDAP protocols
author:
  - The distributed.tiers authors (@distributed-tiers)
"""
