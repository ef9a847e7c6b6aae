# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_check
short_description: Check whether the certificate of a host matches the plan
version_added: 0.1.0
description:
  - Compares what a host has with its planned subject, names and CA, and with the time that is left.
  - The CA that issued the certificate is found by its name and the identifier of its key. No signature is verified.
author:
  - The distributed.tiers authors (@distributed-tiers)
requirements:
  - cryptography, on the controller
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is ever changed.
  diff_mode:
    support: none
options:
  installed:
    description:
      - The files of the host. First a line that begins with the SHA-256 of its public key (DER, in hexadecimal).
      - Then its certificate and its CA as PEM texts.
      - Empty if it has no key, certificate or CA.
    type: str
    required: true
  subject:
    description: The planned subject, by C(organizationName), C(organizationalUnitName) and C(commonName).
    type: dict
    required: true
  names:
    description: The planned alternative names, as C(DNS:NAME) and C(IP:ADDRESS).
    type: list
    elements: str
    required: true
  ca:
    description: The PEM texts of all CAs that the host must trust, one after the other.
    type: str
    required: true
  renew_days:
    description: A certificate with fewer days left is issued again.
    type: int
    required: true
  issuer:
    description:
      - The place in O(ca) of the CA that must have issued the certificate, counted from 0. A certificate of another
        one is issued again.
      - Without it, any CA of O(ca) is accepted.
    type: int
  issued_since:
    description: A certificate that was issued before this time is issued again. In seconds since 1970.
    type: float
"""

EXAMPLES = r"""
- name: Read the installed certificate
  ansible.builtin.shell:
    chdir: /etc/tiers/tls
    cmd: set -o pipefail; openssl pkey -in server.key -pubout -outform DER | sha256sum && cat server.crt ca.crt
    executable: /bin/bash
  register: installed
  changed_when: false    # only looks
  failed_when: false    # a host may have none yet

- name: Check whether the certificate matches the plan
  distributed.tiers.certificate_check:
    installed: "{{ installed.stdout if installed.rc == 0 else '' }}"
    subject: {organizationName: demo, organizationalUnitName: servers, commonName: m1}
    names: [DNS:m1.demo.internal, IP:192.0.2.11]
    ca: "{{ lookup('ansible.builtin.file', 'ca.crt') }}"
    renew_days: 30
  register: certificate
"""

RETURN = r"""
reasons:
  description: Why a certificate must be issued. Empty if the installed one matches the plan.
  returned: always
  type: list
  elements: str
lacks_trust:
  description: Whether the CAs on the host differ from those of O(ca).
  returned: always
  type: bool
"""
