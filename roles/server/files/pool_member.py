#!/usr/bin/env python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drain one member of the pool at this distributor, or admit it again, through HAProxy's runtime socket.

    pool_member.py drain MEMBER SECONDS   no new session; wait for those it has, end what is left after SECONDS
    pool_member.py admit MEMBER           in again, as soon as its health checks pass

Prints what it did, nothing where nothing was to do.
"""

from __future__ import annotations

import csv
import socket
import sys
import time

SOCKET = "/run/haproxy/admin.sock"
POOL = "pool"
DRAINED_BY_COMMAND = 0x08


def say(command: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(SOCKET)
        connection.sendall(f"{command}\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.decode().strip()


def do(command: str) -> None:
    """Say what HAProxy answers nothing to; an answer is a complaint."""
    if complaint := say(command):
        sys.exit(f"{command}: {complaint}")


def drained(member: str) -> bool:
    lines = say(f"show servers state {POOL}").splitlines()
    columns = next((line for line in lines if line.startswith("# ")), "# ")[2:].split()
    for line in lines:
        row = dict(zip(columns, line.split()))
        if row.get("srv_name") == member:
            return bool(int(row["srv_admin_state"]) & DRAINED_BY_COMMAND)
    sys.exit(f"{member} is no member of the listener {POOL}")


def sessions(member: str) -> int:
    rows = csv.DictReader(say("show stat").lstrip("# ").splitlines())
    return sum(int(row["scur"]) for row in rows if (row["pxname"], row["svname"]) == (POOL, member))


def drain(member: str, seconds: float) -> None:
    if not drained(member):
        do(f"set server {POOL}/{member} state drain")
        print(f"{member} drained")
    end = time.monotonic() + seconds
    while (left := sessions(member)) and time.monotonic() < end:
        time.sleep(0.5)
    if left:
        do(f"shutdown sessions server {POOL}/{member}")
        print(f"{left} sessions ended")


def admit(member: str) -> None:
    if drained(member):
        do(f"set server {POOL}/{member} state ready")
        print(f"{member} admitted")


if __name__ == "__main__":
    try:
        if sys.argv[1] == "drain":
            drain(sys.argv[2], float(sys.argv[3]))
        else:
            admit(sys.argv[2])
    except (FileNotFoundError, ConnectionRefusedError):
        pass  # HAProxy does not run here: nobody gets to the member this way
