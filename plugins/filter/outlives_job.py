# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: outlives_job
short_description: Whether a directory outlives a job of AWX
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - A job of AWX runs in a container, which is removed with all its files when the job ends. Only what is mounted into
    the container lasts, except for the files of the job itself.
options:
  _input:
    description: A directory on the controller. It need not exist.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Fail if the directory ends with the job
  ansible.builtin.assert:
    that: tiers_ca_dir | distributed.tiers.outlives_job
"""

RETURN = r"""
_value:
  description: Whether the directory remains. True if the mounts cannot be read.
  type: bool
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.distributed.tiers.plugins.module_utils.operations import job

MOUNTS = Path("/proc/self/mountinfo")


def outlives_job(path: Any) -> bool:
    if not isinstance(path, str):
        raise AnsibleFilterError(f"outlives_job: the input must be a path, not {type(path).__name__}")
    try:
        return job.outlives_job(str(Path(path).expanduser().resolve()), MOUNTS.read_text(encoding="utf-8"))
    except OSError:  # a controller without /proc
        return True


class FilterModule:
    """Ansible core jinja2 filters."""

    def filters(self) -> dict[str, Any]:
        return {"outlives_job": outlives_job}
