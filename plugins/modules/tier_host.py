#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_host
short_description: Compare the state of a host with its deployment
version_added: 0.1.0
description:
  - Compares the firewall, the names and the certificates of the host it runs on with what the last deployment left
    there, and reports every difference, certificates that end soon, and disks that fill up.
  - Only reads, and does not fail if it has findings.
options:
  firewall:
    description:
      - Check that the table C(inet tiers) is loaded and holds exactly the rules of C(/etc/tiers/firewall.nft).
    type: bool
    default: false
  names:
    description:
      - Ask the host's resolver for every name in C(/etc/tiers/hosts), and compare the answers with the planned
        addresses.
    type: bool
    default: false
  certificates:
    description:
      - Check how long the certificates in C(/etc/tiers/tls) are valid, and that the service on this host uses the
        installed one.
    type: dict
    suboptions:
      alert_days: {description: A certificate that is valid for fewer days is a finding., type: float, required: true}
      address: {description: The service's address., type: str}
      port: {description: The service's port., type: int}
      protocol: {description: The protocol of the service. Without TLS it has no certificate., type: str, default: tcp}
      request:
        description: >-
          Bytes in hexadecimal that the service expects before it speaks TLS, as PostgreSQL does. With them its
          certificate is read whatever O(certificates.protocol) is.
        type: str
        default: ""
  disks:
    description: Check how full the file systems under some paths are, and that they can be written to.
    type: dict
    suboptions:
      alert_percent: {description: A file system that is fuller is a finding., type: float, required: true}
      paths: {description: The paths. One that does not exist is left out., type: list, elements: str, required: true}
  faults:
    description: Check whether a fault of a drill lasts on the host.
    type: bool
    default: false
  others:
    description: Search services outside this collection that a first deployment would end.
    type: dict
    suboptions:
      let_in:
        description: >-
          TCP ports that the planned firewall leaves open besides those of ssh. Without it, and on a host that has
          such a firewall, ports are not compared.
        type: list
        elements: int
      files:
        description: Files that a deployment replaces, each with a regular expression that names what it serves.
        type: dict
        default: {}
  boot:
    description: Units of systemd that must start at a boot.
    type: list
    elements: str
    default: []
  files:
    description: Compare the settings with those that M(distributed.tiers.tier_files) recorded.
    type: bool
    default: false
  ssh:
    description: Read the ports of the host's ssh server, and the port of the current connection.
    type: bool
    default: false
  programs:
    description:
      - Units of systemd that must run, and of which no process may be suspended (SIGSTOP).
      - An enabled C(keepalived.service) or C(tiers-failover.service) that is stopped is left out. The protocol
        V(drained) of M(distributed.tiers.tier_probe) reports it.
    type: list
    elements: str
    default: []
  product:
    description:
      - A command of the product, as a list of words. Each line that it prints is a finding, and so is its failure.
      - It may take O(timeout) three times.
    type: list
    elements: str
    default: []
  clock:
    description: Read the clock, and which program keeps it right.
    type: bool
    default: false
  time_service:
    description: The time service of the inventory. It is returned with the clock.
    type: str
    default: ""
  timeout:
    description: Seconds within which each program that this module runs must answer.
    type: float
    default: 5
author:
  - The distributed.tiers authors (@distributed-tiers)
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: It only reads.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Check the firewall and the names of this host
  distributed.tiers.tier_host:
    firewall: true
    names: true
"""

RETURN = r"""
findings:
  description: Differences from the deployment.
  returned: always
  type: list
  elements: dict
  contains:
    look:
      description: Subject - V(firewall), V(names), V(certificate), V(disk), V(program), V(drill), V(files),
        V(product) or V(others).
      type: str
    why: {description: The difference., type: str}
certificates:
  description: The certificates in C(/etc/tiers/tls) that can be read.
  returned: when O(certificates) is given
  type: list
  elements: dict
  contains:
    path: {description: Path of the file., type: str}
    subject: {description: The name that the certificate is for., type: str}
    days: {description: Days until it expires; negative after that., type: float}
ssh:
  description: How administrators reach the host.
  returned: when O(ssh=true)
  type: dict
  contains:
    connection:
      description: >-
        Client address and port, server address and port of this connection, as the host sees them. Empty if it is
        not ssh.
      type: str
    ports:
      description: The server port of this connection, and the ports of the ssh servers of the host.
      type: list
      elements: int
clock:
  description: The clock of the host.
  returned: when O(clock=true)
  type: dict
  contains:
    began: {description: When the module began; in seconds since 1970 by this clock., type: float}
    ended: {description: When it ended., type: float}
    least: {description: The least seconds by which the clock can be ahead of the controller's., type: float}
    most: {description: The most seconds. Both are negative where it is behind., type: float}
    named: {description: O(time_service)., type: str}
    synchronized_by:
      description: Programs that run and keep the clock right. V(kernel) if the kernel says that it is synchronised.
      type: list
      elements: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks, ssh


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "firewall": {"type": "bool", "default": False},
            "names": {"type": "bool", "default": False},
            "certificates": {
                "type": "dict",
                "options": {
                    "alert_days": {"type": "float", "required": True},
                    "address": {"type": "str"},
                    "port": {"type": "int"},
                    "protocol": {"type": "str", "default": "tcp"},
                    "request": {"type": "str", "default": ""},
                },
                "required_together": [("address", "port")],
            },
            "disks": {
                "type": "dict",
                "options": {
                    "alert_percent": {"type": "float", "required": True},
                    "paths": {"type": "list", "elements": "str", "required": True},
                },
            },
            "others": {
                "type": "dict",
                "options": {
                    "let_in": {"type": "list", "elements": "int"},
                    "files": {"type": "dict", "default": {}},
                },
            },
            "faults": {"type": "bool", "default": False},
            "programs": {"type": "list", "elements": "str", "default": []},
            "boot": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "bool", "default": False},
            "ssh": {"type": "bool", "default": False},
            "product": {"type": "list", "elements": "str", "default": []},
            "clock": {"type": "bool", "default": False},
            "time_service": {"type": "str", "default": ""},
            "timeout": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    began = time.time()
    params = module.params
    found: dict[str, list[str]] = {}
    if params["firewall"]:
        found["firewall"] = [
            *host_checks.check_firewall(params["timeout"]),
            *host_checks.check_former_edges(),
            *host_checks.check_aside(params["timeout"]),
        ]
    if params["names"]:
        found["names"] = host_checks.check_names(params["timeout"])
    if given := params["certificates"]:
        protocol, request = (given["protocol"], bytes.fromhex(given["request"])) if given["address"] else ("", b"")
        found["certificate"] = host_checks.check_certificates(
            given["address"], given["port"], protocol, given["alert_days"], params["timeout"], request
        )
    if given := params["disks"]:
        found["disk"] = host_checks.judge_file_systems(
            host_checks.read_file_systems(given["paths"]), given["alert_percent"]
        )
    if given := params["programs"]:
        found["program"] = host_checks.check_programs(given, params["timeout"])
    if given := params["product"]:
        found["product"] = host_checks.check_product(given, 3 * params["timeout"])
    if params["faults"]:
        found["drill"] = host_checks.check_faults()
    if given := params["boot"]:
        found["program"] = found.get("program", []) + host_checks.check_boot(given, params["timeout"])
    if params["files"]:
        found["files"] = host_checks.check_files() + host_checks.check_restore()
    if given := params["others"]:
        ports = given["let_in"]
        if ports is not None:
            ports = {*ports, *ssh.read_ports(ssh.read_connection(), params["timeout"])}
        found["others"] = host_checks.check_other_services(ports, given["files"])
    findings = [{"look": look, "why": why} for look, reasons in found.items() for why in reasons]
    result: dict[str, Any] = {"changed": False, "findings": findings}
    if params["certificates"]:
        result["certificates"] = host_checks.read_validity(began)
    if params["ssh"]:
        connection = ssh.read_connection()
        result["ssh"] = {"connection": connection, "ports": ssh.read_ports(connection, params["timeout"])}
    if params["clock"]:
        by = host_checks.read_time_services(params["timeout"])
        result["clock"] = {
            "synchronized_by": by,
            "named": params["time_service"],
            "began": began,
            "ended": time.time(),
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
