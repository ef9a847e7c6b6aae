# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action in a real run, with Ansible's own settings: its default callback would print text as one line of JSON."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[4]


def test_a_table_is_printed_line_by_line(tmp_path: Path) -> None:
    own_settings = tmp_path / "ansible.cfg"
    own_settings.touch()
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible"),
            "localhost",
            "--module-name=distributed.tiers.show",
            r'--args={"text": "SERVER  TIER\nm1      master"}',
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(own_settings),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache" / "collections"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\nSERVER  TIER\nm1      master\n" in done.stdout
