# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ledger CONFIGURATION [check]

Serves, or only looks whether the configuration is right. It is TOML; secrets come from the environment.

    name = "m1"
    listen = "127.0.0.1:8080"
    threads = 16

    [master]                    # either: holds the rows
    data = "/var/lib/ledger/rows.db"
    user = "operator"           # who may write; password in LEDGER_PASSWORD
    pair = "https://m2.ledger.internal:8443"    # optional; secret of the pair in LEDGER_PAIR_SECRET
    second = false              # true in the node that is the backup
    ca = "/etc/tiers/tls/ca.crt"
    lease = "/run/tiers/lease.json"     # optional: where the failover agent writes the lease of the pair

    [member]                    # or: keeps sessions
    upstream = "https://upstream.ledger.internal:10636"
    ca = "/etc/tiers/tls/ca.crt"
    delay = 0.0                 # seconds more for every request

A master acts when it gets SIGUSR1 and stops acting when it gets SIGUSR2.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any

from ledger.app import Application, MasterApplication, MemberApplication
from ledger.lease import Lease
from ledger.pair import Master
from ledger.remote import Remote
from ledger.store import Store

# How long a master waits for the peer before it goes on alone, and a member for the active master: less than its
# own clients wait for it.
PAIR_SECONDS = 1.0
UPSTREAM_SECONDS = 2.0


class Wrong(Exception):
    """The configuration or the environment is not as it must be."""


def secret(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise Wrong(f"the environment has no {name}")
    return value


def read(path: Path) -> dict[str, Any]:
    try:
        configuration = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Wrong(str(error)) from None
    for key in ("name", "listen"):
        if not configuration.get(key):
            raise Wrong(f"{key} is missing")
    if ("master" in configuration) == ("member" in configuration):
        raise Wrong("there must be one of [master] and [member]")
    for section, key in (("master", "data"), ("master", "user"), ("member", "upstream")):
        if section in configuration and not configuration[section].get(key):
            raise Wrong(f"{key} is missing in [{section}]")
    return configuration


def build_master(name: str, options: dict[str, Any]) -> MasterApplication:
    other, pair_secret = None, ""
    if options.get("pair"):
        other = Remote(options["pair"], options.get("ca"), PAIR_SECONDS)
        pair_secret = secret("LEDGER_PAIR_SECRET")
    store = Store(options["data"])
    lease = Lease(Path(options["lease"]), Path(options["data"]).parent) if options.get("lease") else None
    master = Master(store, other, pair_secret, options.get("second", False), lease=lease)
    application = MasterApplication(name, store, master, options["user"], secret("LEDGER_PASSWORD"), pair_secret)
    if other is not None:
        threading.Thread(target=master.keep, daemon=True).start()

    def turn(number: int, _frame: object) -> None:
        # Not here: a signal's handler runs between any two steps of the main thread.
        threading.Thread(target=master.promote if number == signal.SIGUSR1 else master.demote).start()

    signal.signal(signal.SIGUSR1, turn)
    signal.signal(signal.SIGUSR2, turn)
    return application


def build(configuration: dict[str, Any]) -> Application:
    name = configuration["name"]
    if "master" in configuration:
        return build_master(name, configuration["master"])
    options = configuration["member"]
    upstream = Remote(options["upstream"], options.get("ca"), UPSTREAM_SECONDS)
    return MemberApplication(name, upstream, options.get("delay", 0.0))


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Before anything else: their default is to end the process.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    # systemd stops with this; leaving the loop closes what is open.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    arguments = sys.argv[1:]
    if not 1 <= len(arguments) <= 2 or arguments[1:] not in ([], ["check"]):
        sys.exit(__doc__)
    try:
        configuration = read(Path(arguments[0]))
        if arguments[1:]:
            return
        application = build(configuration)
    except (Wrong, ValueError, OSError) as error:
        sys.exit(f"{arguments[0]}: {error}")
    # What builds and checks needs no server, and its tests have none.
    import waitress

    waitress.serve(
        application,
        listen=configuration["listen"],
        threads=configuration.get("threads", 16),
        connection_limit=1000,
        ident=None,
    )


if __name__ == "__main__":
    main()
