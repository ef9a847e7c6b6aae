#!/usr/bin/python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts Patroni, so that a former leader does not overwrite the leader key of its successor.

Patroni before 3.0.3 writes the key without a condition when its lease has ended (patroni/patroni#2689). A leader that
was cut off reads from a voter that was cut off, too: it still finds itself as the leader, writes the key and is
promoted again. Commits that its successor acknowledged are lost then."""

from __future__ import annotations

import sys
from typing import Any

FIXED = (3, 0, 3)


def is_affected(version: str) -> bool:
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    return numbers < FIXED


def make_update_conditional(store: type[Any]) -> None:
    """Let `store`, Patroni's class for etcd, update the leader key only if it has not changed since it was read."""
    update = store._update_leader

    def update_if_unchanged(self: Any) -> bool:
        leader, client = self.cluster and self.cluster.leader, self._client
        # Without a leader only a key that does not exist may be written.
        condition = {"mod_revision": leader.index} if leader else {"create_revision": 0}
        put, refused = client.put, []

        def put_if_unchanged(key: str, *arguments: Any, **more: Any) -> Any:
            if key != self.leader_path:
                return put(key, *arguments, **more)
            done = put(key, *arguments, **condition, **more)
            if not done:
                refused.append(key)
            return done

        client.put = put_if_unchanged
        try:
            updated = bool(update(self))
        finally:
            del client.put
        return updated and not refused

    store._update_leader = update_if_unchanged


def main() -> Any:
    from patroni.__main__ import main as start
    from patroni.version import __version__

    if is_affected(__version__):
        from patroni.dcs.etcd3 import Etcd3

        make_update_conditional(Etcd3)
    return start()


if __name__ == "__main__":
    sys.exit(main())
