# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make what the vendor ships: make.py DIRECTORY FILE…

A FILE gauge-VERSION.sh is an installer, gauge-VERSION.tar an archive.

The same bytes every time, so that the inventory can hold their checksums.
"""

from __future__ import annotations

import base64
import io
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent


def archive(version: str, top: str) -> bytes:
    """The files of a version, below a directory."""
    held = {
        "bin/gauged": (0o755, (HERE / "gauged").read_text(encoding="utf-8").replace("@VERSION@", version)),
        "VERSION": (0o644, f"{version}\n"),
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (mode, text) in held.items():
            member = tarfile.TarInfo(top + name)
            member.mode, member.size = mode, len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def installer(version: str) -> bytes:
    """A shell script with the files behind it."""
    script = (HERE / "install.sh").read_text(encoding="utf-8").replace("@VERSION@", version)
    return script.encode() + base64.encodebytes(archive(version, ""))


def shipped(file: str) -> bytes:
    """The contents of a file of the vendor, by its name."""
    name, form = file.rsplit(".", 1)
    version = name.removeprefix("gauge-")
    return installer(version) if form == "sh" else archive(version, f"{name}/")


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for wanted in sys.argv[2:]:
        (directory / wanted).write_bytes(shipped(wanted))
