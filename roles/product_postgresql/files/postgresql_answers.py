#!/usr/bin/python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends when Patroni and PostgreSQL on this host have answered. The watchdog kills it, and restarts both, if one hangs.

Patroni keeps its connection to PostgreSQL, so it does not notice a postmaster that hangs: only new connections do. Any
answer counts, also a refused connection: Patroni starts a PostgreSQL that does not run."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
from pathlib import Path

# The postmaster starts a process for each connection, which answers this question for TLS with a letter.
QUESTION_FOR_TLS = bytes.fromhex("0000000804d2162f")


def main() -> int:
    settings = json.loads(Path(f"{sys.argv[0]}.json").read_text(encoding="utf-8"))
    address = settings["address"]
    # An expired certificate is no reason to restart.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((address, settings["patroni"])) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall(b"GET /liveness HTTP/1.0\r\n\r\n")
        # Patroni would log an answer that was not read to its end.
        while connection.recv(4096):
            pass
    with contextlib.suppress(OSError), socket.create_connection((address, settings["postgresql"])) as plain:
        plain.sendall(QUESTION_FOR_TLS)
        if plain.recv(1) == b"S":
            # PostgreSQL would log a connection that ends without a handshake or a close of TLS.
            context.wrap_socket(plain).unwrap()
    return 0


if __name__ == "__main__":
    sys.exit(main())
