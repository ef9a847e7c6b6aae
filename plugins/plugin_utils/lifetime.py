# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this run is a job of AWX that removes a directory when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.operations.job import outlives_job

MOUNTS = Path("/proc/self/mountinfo")


def is_removed_after_job(directory: str, variables: Mapping[str, Any]) -> bool:
    """Whether AWX removes the directory after this run. False if the mounts cannot be read."""
    if "awx_job_id" not in variables and "tower_job_id" not in variables:
        return False
    try:
        return not outlives_job(str(Path(directory).expanduser().resolve()), MOUNTS.read_text(encoding="utf-8"))
    except OSError:
        return False
