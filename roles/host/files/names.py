#!/usr/bin/python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the names of the servers back into /etc/hosts when another program has rewritten it, as cloud-init does.

usage: names BLOCK HOSTS. The first and the last line of BLOCK mark it in HOSTS. Nothing is written when the block is
there already."""

from __future__ import annotations

import errno
import os
import sys
import tempfile


def put_back(block: str, hosts: str) -> str:
    """The text of a hosts file with the block in it, in its old place or at the end."""
    lines, planned = hosts.splitlines(), block.splitlines()
    begin, end = planned[0], planned[-1]
    if begin in lines and end in lines[lines.index(begin) :]:
        first = lines.index(begin)
        last = lines.index(end, first)
        lines[first : last + 1] = planned
    else:
        # One marker of the block is missing. The remaining lines are harmless, and the complete block is appended.
        lines = [line for line in lines if line not in (begin, end)] + planned
    return "\n".join(lines) + "\n"


def write(path: str, text: str) -> None:
    """Replace a file at once; in place where it is a mount of its own, as in containers."""
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".hosts.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            os.fchmod(file.fileno(), os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644)
        os.replace(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        if error.errno != errno.EBUSY:
            raise
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)


def main() -> int:
    block_file, hosts_file = sys.argv[1:3]
    path = os.path.realpath(hosts_file)
    with open(block_file, encoding="utf-8") as file:
        block = file.read()
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            hosts = file.read()
    except FileNotFoundError:
        hosts = ""
    planned = put_back(block, hosts)
    if planned != hosts:
        write(path, planned)
        print(f"{hosts_file} was rewritten without the names of the servers; they are back")
    return 0


if __name__ == "__main__":
    sys.exit(main())
