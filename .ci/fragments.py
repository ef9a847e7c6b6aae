# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that a change which users can see has a changelog fragment.

A range of commits that changes plugins/, roles/ or playbooks/ must add or change a file in changelogs/fragments/, or a
commit of it must say why not, in a line of its body: `No changelog: REASON`. The range begins at BASE, which continuous
integration sets to the commit before a push. Without it, the range begins at `main`, or, on `main`, at `origin/main`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VISIBLE = ("plugins", "roles", "playbooks")
FRAGMENTS = "changelogs/fragments"
REASON = re.compile(r"^No changelog: \S", re.MULTILINE)


def read_git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


def find_base(root: Path) -> str | None:
    """The commit before the range; none where nothing is there to compare with."""
    main = "origin/main" if read_git(root, "branch", "--show-current").strip() == "main" else "main"
    command = ["git", "merge-base", os.environ.get("BASE") or main, "HEAD"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip() or None


def missing_fragment(root: Path) -> str:
    """The reason why the range needs a fragment; empty if it needs none."""
    base = find_base(root)
    if base is None:
        return ""
    span = f"{base}..HEAD"
    visible = read_git(root, "diff", "--name-only", span, "--", *VISIBLE).split()
    if not visible or read_git(root, "diff", "--name-only", "--diff-filter=d", span, "--", FRAGMENTS).split():
        return ""
    if REASON.search(read_git(root, "log", "--format=%b", span)):
        return ""
    changed = f"{visible[0]} and {len(visible) - 1} more files" if visible[1:] else visible[0]
    return (
        f"{changed} changed since {base[:9]}, and no file in {FRAGMENTS}/. "
        "Add a fragment, or a line `No changelog: REASON` to the body of a commit."
    )


if __name__ == "__main__":
    sys.exit(missing_fragment(ROOT) or 0)
