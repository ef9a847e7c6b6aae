# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that speak the protocol of a product."""

    DOCUMENTATION = r"""
options:
  access:
    description:
      - Credentials and settings of the probes. Product roles set it as the variable C(tiers_probe_access).
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
        description: The object to read, for LDAP the suffix of the data.
        type: str
      rows:
        description: The parent of the rows that may be written, for LDAP its DN.
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
      http:
        description:
          - The requests of a product with the protocol V(http) or V(https). Any status from 200 to 299 is success.
            Operations without a request are not probed.
          - The certificate of V(https) must be valid for the address or name, by O(access.ca_path).
        type: dict
        suboptions:
          read:
            description: The path that is read. Here and below a method may stand before the path, as in V(HEAD /ready).
            type: str
          write:
            description: The request that writes a row.
            type: dict
            suboptions:
              method: {description: Its method., type: str, default: PUT}
              path: {description: 'Its path, with V({name}) for the name of the row.', type: str, required: true}
              body:
                description: 'Its body, with V({name}) for the name of the row. Other types than text are sent as JSON.'
                type: raw
          names:
            description: 'The path that gives a JSON list of the rows whose names begin with V({prefix}).'
            type: str
          remove:
            description:
              - 'What removes rows, such as V(DELETE /rows/{name}), one request for each, or one with V({prefix}) for
                all whose names begin so. It needs O(access.http.names).'
            type: str
          status:
            description:
              - The path that gives a JSON object with C(role), V(provider) or V(replica), and C(position), which maps
                each server that writes to a text that grows with its writes, or to a number.
            type: str
          headers: {description: 'Headers of every request. They must not contain secrets.', type: dict}
          user: {description: The account for basic authentication. Without it O(access.user) is., type: str}
          password: {description: Its password. Without it O(access.password) is., type: str}
          token: {description: A bearer token in place of user and password., type: str}
      commands:
        description:
          - The commands of a product with the protocol V(command), lists of words that run on the probing host without
            a shell. Exit code 0 is success. Operations without a command are not probed.
          - 'In the words V({address}), V({port}), V({user}), V({ca}), V({certificate}), V({key}), V({name}) and
            V({prefix}) are replaced. In the environment they are E(TIERS_ADDRESS), E(TIERS_PORT) and so on; the
            password is in E(TIERS_PASSWORD) only.'
          - A command makes a connection of its own, so it goes to the first server whose port is open.
        type: dict
        suboptions:
          read: {description: Reads., type: list, elements: str}
          write: {description: 'Writes the row V({name}).', type: list, elements: str}
          names:
            description: 'Prints the names of the rows that begin with V({prefix}), one a line.'
            type: list
            elements: str
          remove:
            description: 'Removes the rows whose names begin with V({prefix}). It needs O(access.commands.names).'
            type: list
            elements: str
          status: {description: Prints the same as O(access.http.status)., type: list, elements: str}
          user: {description: The account. Without it O(access.user) is., type: str}
          password: {description: Its password. Without it O(access.password) is., type: str}
      tcp:
        description: The exchange that counts as a read over V(tcp) or V(tls). Without it, the probe only checks
          whether the port is open.
        type: dict
        suboptions:
          send: {description: 'The text to send. Without it, the server must send first.', type: str}
          send_hex: {description: 'The same in hexadecimal, for bytes that are no text.', type: str}
          send_secret: {description: 'The same as O(access.tcp.send_hex), kept out of all output.', type: str}
          expect: {description: A regular expression that must be found in the answer., type: str}
  timeout:
    description: Seconds until an attempt counts as unanswered.
    type: float
    default: 5
requirements:
  - python-ldap on the host, for the LDAP protocols
author:
  - The distributed.tiers authors (@distributed-tiers)
"""
