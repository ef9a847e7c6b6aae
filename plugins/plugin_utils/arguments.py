# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters take, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import BadValueError, comma_separated
from ansible_collections.distributed.tiers.plugins.module_utils.verification.samples import (
    Sample,
    Stall,
    read_samples,
    read_stalls,
)

_T = TypeVar("_T")


def mapping(plugin: str, what: str, value: Any) -> Mapping[str, Any]:
    """A dict, or an error that names the filter."""
    if not isinstance(value, Mapping):
        raise AnsibleFilterError(f"{plugin}: {what} must be a dict, not {type(value).__name__}")
    return value


def names(plugin: str, what: str, value: Any) -> tuple[str, ...]:
    """Names in a list, or in a text with commas, as they are typed on a command line."""
    try:
        return comma_separated(value)
    except BadValueError as error:
        raise AnsibleFilterError(f"{plugin}: {what} {error}") from error


def samples(plugin: str, directory: Any) -> list[Sample]:
    """The requests that tier_load recorded, one file for each client."""
    return _of_all_clients(plugin, directory, read_samples)


def stalls(plugin: str, directory: Any) -> list[Stall]:
    """The late ticks of the client hosts that tier_load recorded in the same files."""
    return _of_all_clients(plugin, directory, read_stalls)


def _of_all_clients(plugin: str, directory: Any, read: Callable[[str, str], list[_T]]) -> list[_T]:
    try:
        files = sorted(Path(str(directory)).glob("*.jsonl"))
        return [one for file in files for one in read(file.stem, file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:  # half of a character, half of a line
        raise AnsibleFilterError(f"{plugin}: {error}") from error
