# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to speak to a server in its own protocol. A new protocol is one file here and one line in `driver`."""

from __future__ import annotations

from ansible_collections.distributed.tiers.plugins.module_utils.protocols.base import Driver
from ansible_collections.distributed.tiers.plugins.module_utils.protocols.haproxy import Haproxy
from ansible_collections.distributed.tiers.plugins.module_utils.protocols.ldap import Ldap
from ansible_collections.distributed.tiers.plugins.module_utils.protocols.tcp import Tcp, Tls

PROTOCOLS = ("tcp", "tls", "ldap", "ldaps", "ldapi", "haproxy")


def driver(protocol: str) -> Driver:
    """The driver that speaks `protocol`."""
    if protocol == "tcp":
        return Tcp()
    if protocol == "tls":
        return Tls()
    if protocol in ("ldap", "ldaps", "ldapi"):
        return Ldap()
    if protocol == "haproxy":
        return Haproxy()
    raise ValueError(f"unknown protocol {protocol!r}: one of {', '.join(PROTOCOLS)}")
