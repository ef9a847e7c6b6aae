# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the state of servers from the monitor page of the HAProxy on this host."""

from __future__ import annotations

import csv
import http.client
import io
from collections.abc import Sequence

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    Access,
    Endpoint,
    Observation,
    Session,
    Unavailable,
)


def servers(page: str) -> dict[str, str]:
    """HAProxy's state of each server, such as UP, DOWN, DRAIN or MAINT. A server in several backends has the first
    of DRAIN, MAINT and UP that it has in any. A member with a backup has a backend of its own: in the pool, it is up
    already if its backup is."""
    rows = list(csv.DictReader(io.StringIO(page.removeprefix("# "))))
    backends = {row["pxname"] for row in rows}
    states: dict[str, str] = {}
    for row in rows:
        name, state = row["svname"], row["status"].split(" ")[0]
        is_pair = f"{row['pxname']}-{name}" in backends
        if name in ("FRONTEND", "BACKEND") or (is_pair and state not in ("DRAIN", "MAINT")):
            continue
        found = (state, states.get(name))
        states[name] = next((known for known in ("DRAIN", "MAINT", "UP") if known in found), state)
    return states


class Haproxy:
    """The statistics page: http://address:port/stats;csv."""

    def offers(self, access: Access) -> frozenset[str]:
        return frozenset()

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation:
        connection = http.client.HTTPConnection(endpoint.address, endpoint.port, timeout=timeout)
        try:
            connection.request("GET", "/stats;csv")
            answer = connection.getresponse()
            page = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"HAProxy's monitor: {error}", lost=True) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise Unavailable(f"HAProxy's monitor answers {answer.status} {answer.reason}")
        return Observation(servers=servers(page))

    def connect(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> Session:
        raise Unavailable("HAProxy's monitor has no rows")
