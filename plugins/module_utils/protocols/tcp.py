# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain TCP and TLS: for products whose own protocol nobody speaks here."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from ansible_collections.distributed.tiers.plugins.module_utils.protocols.base import (
    Access,
    Endpoint,
    Observation,
    Session,
    Unavailable,
    knock,
)


class Tcp:
    """A port that accepts a connection is all there is to see."""

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation:
        refused_by, why, _ms = knock(endpoint, timeout)
        if refused_by:
            raise Unavailable(why, lost=True)
        return Observation()

    def connect(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> Session:
        raise Unavailable("rows cannot be read or written over plain TCP or TLS")


class Tls(Tcp):
    """The server's certificate must be valid for the address."""

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation:
        context = ssl.create_default_context(cafile=access.ca_path)
        if access.certificate_path:
            context.load_cert_chain(access.certificate_path, access.key_path)
        try:
            with (
                socket.create_connection((endpoint.address, endpoint.port), timeout) as plain,
                context.wrap_socket(plain, server_hostname=endpoint.address),
            ):
                return Observation()
        except (OSError, ssl.SSLError) as error:
            raise Unavailable(f"TLS: {error}", lost=True) from error
