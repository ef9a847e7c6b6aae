# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files whose names come from an operator."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from tempfile import NamedTemporaryFile


def check_has_end(path: str | Path) -> None:
    """OSError for what is there but no file: a pipe or a device, whose end may never come."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "Is no regular file")


def why_not(error: Exception) -> str:
    """The reason why a file cannot be read, in one line."""
    reason = getattr(error, "strerror", None) or error
    return " ".join(str(reason).split()) or type(error).__name__


def replace_file(target: Path, data: bytes) -> None:
    """All of the content or nothing."""
    with NamedTemporaryFile(dir=target.parent, prefix=".tiers.", delete=False) as file:
        try:
            file.write(data)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, target)
        except OSError:
            os.unlink(file.name)
            raise
