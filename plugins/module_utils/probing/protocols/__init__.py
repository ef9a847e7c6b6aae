# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to speak to a server in its own protocol. A new protocol is one file here and one line in `_DRIVERS`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Driver
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.command import Command
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.haproxy import Haproxy
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.http import Http
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.ldap import Ldap
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.tcp import Tcp, Tls

_DRIVERS: dict[str, Callable[[], Driver]] = {
    "tcp": Tcp,
    "tls": Tls,
    "http": partial(Http, tls=False),
    "https": partial(Http, tls=True),
    "ldap": Ldap,
    "ldaps": Ldap,
    "ldapi": Ldap,
    "command": Command,
    "haproxy": Haproxy,
}
PROTOCOLS = tuple(_DRIVERS)


def driver(protocol: str) -> Driver:
    """The driver that speaks `protocol`."""
    if protocol not in _DRIVERS:
        raise ValueError(f"unknown protocol {protocol!r}: one of {', '.join(PROTOCOLS)}")
    return _DRIVERS[protocol]()
