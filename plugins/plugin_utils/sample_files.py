# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The samples of a drill, as the playbook has fetched them from the client hosts: one file for each client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ansible.errors import AnsibleActionFail

from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import (
    Sample,
    Stall,
    read_samples,
    read_stalls,
)

_T = TypeVar("_T")


def samples_in(directory: str) -> list[Sample]:
    """The requests that tier_load recorded."""
    return _of_all_clients(directory, read_samples)


def stalls_in(directory: str) -> list[Stall]:
    """The late ticks of the client hosts that tier_load recorded in the same files."""
    return _of_all_clients(directory, read_stalls)


def _of_all_clients(directory: str, read: Callable[[str, str], list[_T]]) -> list[_T]:
    try:
        files = sorted(Path(directory).glob("*.jsonl"))
        return [one for file in files for one in read(file.stem, file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:  # half of a character, half of a line
        raise AnsibleActionFail(f"samples in {directory}: {error}") from error
