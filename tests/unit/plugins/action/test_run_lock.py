# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock in real runs against a file of this machine: each command is a run of its own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[4]


def lock(path: Path, **arguments: Any) -> dict[str, Any]:
    given = {"playbook": "deploy", "path": str(path), **arguments}
    command = [
        Path(sys.executable).with_name("ansible"),
        "localhost",
        "--module-name=distributed.tiers.run_lock",
        f"--args={json.dumps(given)}",
    ]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(path.parent / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache" / "collections"),
    }
    (path.parent / "ansible.cfg").touch()
    done = subprocess.run(
        command, cwd=path.parent, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.partition("=>")[2])
    return result


def holder(path: Path) -> dict[str, Any]:
    (found,) = json.loads(path.read_text())["holders"]
    return dict(found)


def test_lock_is_taken_over_from_a_dead_run_of_this_controller_and_from_no_other(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    assert lock(path)["held"] is True
    first = holder(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # The process of the first command is gone.
    result = lock(path, playbook="drain")
    assert result["held"] is True and result["changed"] is False and result["refused"] == ""
    second = holder(path)
    assert second["id"] != first["id"] and second["playbook"] == "drain"
    # As if it had been taken on another controller.
    second["process"]["host"] = "elsewhere"
    path.write_text(json.dumps({"holders": [second]}))
    result = lock(path)
    assert result["held"] is False
    assert result["refused"].startswith("localhost: drain of ")
    assert result["refused"].endswith(f"-e tiers_lock_takeover={second['id']}.")
    assert lock(path, takeover="12345678")["held"] is False
    assert holder(path) == second
    assert lock(path, takeover=second["id"])["held"] is True
    assert holder(path)["playbook"] == "deploy"


def test_live_run_of_this_controller_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    lock(path)
    live = holder(path)
    fields = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()
    live["process"] |= {"pid": os.getpid(), "started": fields[19]}
    path.write_text(json.dumps({"holders": [live]}))
    assert lock(path)["held"] is False
