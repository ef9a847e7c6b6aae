#!/usr/bin/env python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disable one member of the pool at this distributor, or enable it, through HAProxy's runtime socket.

    pool_member.py disable MEMBER SECONDS   no new sessions; wait for existing ones, close them after SECONDS
    pool_member.py enable MEMBER            new sessions as soon as the health checks pass

Prints the changes, or nothing if there were none.
"""

from __future__ import annotations

import csv
import socket
import sys
import time

SOCKET = "/run/haproxy/admin.sock"
POOL = "pool"
DISABLED_BY_COMMAND = 0x08  # SRV_ADMF_FDRAIN


def send(command: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(SOCKET)
        connection.sendall(f"{command}\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.decode().strip()


def execute(command: str) -> None:
    """Send a command. HAProxy answers only if the command failed."""
    if error := send(command):
        sys.exit(f"{command}: {error}")


def is_disabled(member: str) -> bool:
    lines = send(f"show servers state {POOL}").splitlines()
    columns = next((line for line in lines if line.startswith("# ")), "# ")[2:].split()
    for line in lines:
        row = dict(zip(columns, line.split()))
        if row.get("srv_name") == member:
            return bool(int(row["srv_admin_state"]) & DISABLED_BY_COMMAND)
    sys.exit(f"{member} is no member of the listener {POOL}")


def count_sessions(member: str) -> int:
    rows = csv.DictReader(send("show stat").lstrip("# ").splitlines())
    return sum(int(row["scur"]) for row in rows if (row["pxname"], row["svname"]) == (POOL, member))


def disable(member: str, seconds: float) -> None:
    if not is_disabled(member):
        execute(f"set server {POOL}/{member} state drain")
        print(f"{member} disabled")
    end = time.monotonic() + seconds
    while (left := count_sessions(member)) and time.monotonic() < end:
        time.sleep(0.5)
    if left:
        execute(f"shutdown sessions server {POOL}/{member}")
        print(f"{left} sessions closed")


def enable(member: str) -> None:
    if is_disabled(member):
        execute(f"set server {POOL}/{member} state ready")
        print(f"{member} enabled")


if __name__ == "__main__":
    try:
        if sys.argv[1] == "disable":
            disable(sys.argv[2], float(sys.argv[3]))
        else:
            enable(sys.argv[2])
    except (FileNotFoundError, ConnectionRefusedError):
        pass  # HAProxy does not run here, so it routes no client to the member.
