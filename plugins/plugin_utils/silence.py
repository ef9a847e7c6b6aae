# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts do not answer ssh. Ansible itself asks the items of a loop one after another, and waits for each."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Each answer costs a login. So many at a time keep ten silent hosts to one wait.
AT_ONCE = 25


def ssh_command(host: str, option: Callable[[str], Any], seconds: float) -> list[str]:
    """The login of Ansible's connection plugin `ssh` to a host, with its options. It runs nothing and asks no question.

    ssh takes the first value of an option. Its own deadline is later than ours, so that one that ends has an answer."""
    first = ["BatchMode=yes", f"ConnectTimeout={round(seconds) + 60}", "ControlMaster=no", "ControlPath=none"]
    words = [str(option("ssh_executable") or "ssh"), *(word for value in first for word in ("-o", value))]
    for name in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        words += shlex.split(str(option(name) or ""))
    for flag, name in (("-p", "port"), ("-l", "remote_user"), ("-i", "private_key_file")):
        words += [flag, os.path.expanduser(str(value))] if (value := option(name)) else []
    return [*words, str(option("host") or host), "true"]


def silent(commands: Mapping[str, list[str]], seconds: float, at_once: int = AT_ONCE) -> list[str]:
    """The hosts whose command has not ended after so many seconds. Whether it succeeded does not matter."""
    with ThreadPoolExecutor(max(at_once, 1)) as pool:
        ended = pool.map(lambda command: has_ended(command, seconds), commands.values())
        return [host for host, end in zip(commands, ended, strict=True) if not end]


def has_ended(command: list[str], seconds: float) -> bool:
    """Whether a program ends within so many seconds. It is killed if not, with the programs that it started."""
    nothing = subprocess.DEVNULL
    try:
        program = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    except OSError:
        return True  # Ansible says what is wrong with it.
    with program:
        try:
            program.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            return False
    return True
