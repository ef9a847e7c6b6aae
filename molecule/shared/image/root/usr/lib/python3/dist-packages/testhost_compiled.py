# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what Python compiles from archives. Every task of Ansible brings its module in one, and compiling that each time
is a third of what tests with hosts cost. Loaded at the start of Python, by testhost.pth."""

from __future__ import annotations

import marshal
import os
import zipimport
from _imp import source_hash
from types import CodeType

PLACE = "/var/cache/testhost"
compile_source = zipimport._compile_source


def load_or_compile(path: str, source: bytes) -> CodeType:
    file = f"{PLACE}/{source_hash(0, source).hex()}"
    try:
        with open(file, "rb") as stream:
            return marshal.loads(stream.read())
    except OSError:
        pass
    code = compile_source(path, source)
    new = f"{file}.{os.getpid()}"
    try:
        with open(new, "wb") as stream:
            stream.write(marshal.dumps(code))
        os.replace(new, file)
    except OSError:
        pass  # a user who may not write there
    return code


zipimport._compile_source = load_or_compile
