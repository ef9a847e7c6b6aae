# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of playbooks without a host, and what stands in playbooks and roles, for the tests of this tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[3]


def ansible_playbook(*arguments: str | Path, seconds: float = 120, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook as in this repository, for so long at most. `settings`: more of the environment."""
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *arguments],
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), **settings},
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def shown(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a run, on one line."""
    return " ".join(done.stdout.split())


def parts(wanted: Callable[[dict[str, Any]], bool]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The plays and tasks of all playbooks and roles that are wanted, with their file and name."""

    def search(part: Any) -> Iterator[dict[str, Any]]:
        if isinstance(part, dict):
            if wanted(part):
                yield part
            part = list(part.values())
        if isinstance(part, list):
            for item in part:
                yield from search(item)

    for path in sorted([*REPOSITORY.glob("playbooks/**/*.yml"), *REPOSITORY.glob("roles/*/tasks/*.yml")]):
        for part in search(yaml.safe_load(path.read_text(encoding="utf-8"))):
            yield f"{path.name}: {part['name']}", part
