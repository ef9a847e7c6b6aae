# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: service_manifest
short_description: Build the manifest of a staged described service
version_added: 0.1.0
description:
  - The program C(/etc/tiers/service) reads from the manifest the files of the service, who may read them, and the
    health check of the service.
  - A file without a mode can be read by the group of the service. If that is root, everybody can read it, unless it
    is secret.
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
  release:
    description: The release and its parts. Copied into the manifest.
    type: dict
    required: true
    suboptions:
      version:
        description: Version of the release, empty if it has none.
        type: str
        required: true
      release:
        description: Directory of the release, empty if packages install it.
        type: str
        required: true
      link:
        description: Link to the current release.
        type: str
        required: true
      keep:
        description: Releases to keep.
        type: int
        required: true
      unit:
        description: The unit of the service.
        type: str
        required: true
      packages:
        description: Packages of the service. A version after C(=) is dropped.
        type: list
        elements: str
        default: []
      query:
        description: Command that prints the versions of packages.
        type: list
        elements: str
        required: true
      watched:
        description: Files outside the manifest that the service reads when it starts.
        type: list
        elements: str
        default: []
  files:
    description: The described files of this server.
    type: list
    elements: dict
    required: true
  group:
    description: Group of the service.
    type: str
    required: true
  own_files:
    description: Modes of the files that the role creates, by path.
    type: dict
    required: true
  check:
    description: The described health check, with the address of the service.
    type: dict
    required: true
    suboptions:
      type:
        description: C(http), C(tcp) or C(command).
        type: str
        required: true
      address:
        description: Address of the service for checks on its host.
        type: str
        required: true
      port:
        description: Port of the service for checks on its host.
        type: int
        required: true
      tls:
        description: Whether the service speaks TLS there.
        type: bool
        required: true
      tls_name:
        description: Name in its certificate.
        type: str
        required: true
      path:
        description: Path of HTTP.
        type: str
      status:
        description: Status that a healthy service answers.
        type: int
        required: true
      body:
        description: Regular expression that the body must match.
        type: str
      send:
        description: Text to send, with escapes.
        type: str
      expect:
        description: Regular expression that the answer must match.
        type: str
      command:
        description: Command that must end with 0.
        type: list
        elements: str
      secret:
        description: Whether the text that is sent may contain a secret. Not part of the manifest.
        type: bool
      timeout:
        description: Seconds that the service has to become healthy.
        type: float
        required: true
"""

EXAMPLES = r"""
- name: Build the manifest
  distributed.tiers.service_manifest:
    release:
      version: 1.2.0
      release: /opt/x/releases/1.2.0
      link: /opt/x/current
      keep: 3
      unit: x.service
      query: [dpkg-query]
    files: [{dest: /etc/x/x.conf, secret: true, reload: false}]
    group: x
    own_files: {/etc/systemd/system/x.service: "0644"}
    check: {type: tcp, address: 127.0.0.1, port: 80, tls: false, tls_name: m1.x, status: 200, timeout: 60}
  register: manifest
"""

RETURN = r"""
manifest:
  description: The manifest.
  returned: always
  type: dict
"""
