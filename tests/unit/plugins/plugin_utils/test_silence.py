# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are silent, and how they are asked."""

from __future__ import annotations

import time
from pathlib import Path

from ansible_collections.distributed.tiers.plugins.plugin_utils.silence import has_ended, silent, ssh_command

SLEEP = ["sleep", "30"]


def test_a_host_whose_login_fails_is_not_silent() -> None:
    assert silent({"a": ["false"], "b": SLEEP, "c": ["true"], "d": ["/no/such/ssh"], "e": SLEEP}, 0.5) == ["b", "e"]


def test_a_silent_login_is_ended_with_the_programs_that_it_started(tmp_path: Path) -> None:
    """As `ProxyCommand` starts one."""
    note = tmp_path / "pid"
    assert not has_ended(["sh", "-c", f"sleep 30 & echo $! > {note}; wait"], 1)
    time.sleep(0.2)
    stat = Path(f"/proc/{note.read_text().strip()}/stat")
    # Gone, or a zombie that nobody has asked for yet
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_login_has_the_options_of_the_connection() -> None:
    options = {
        "ssh_args": "-o ControlMaster=auto -o ControlPersist=60s",
        "ssh_common_args": "-o 'ProxyCommand=nc %h %p'",
        "port": 2222,
        "remote_user": "deploy",
        "private_key_file": "/key",
        "host": "192.0.2.11",
    }
    command = ssh_command("m1", options.get, 10)
    assert command[0] == "ssh"
    # ssh takes the first value: a kept connection to a silent host would not answer either.
    assert command.index("ControlMaster=no") < command.index("ControlMaster=auto")
    assert "ConnectTimeout=70" in command
    assert "ProxyCommand=nc %h %p" in command
    assert command[-8:] == ["-p", "2222", "-l", "deploy", "-i", "/key", "192.0.2.11", "true"]
    assert ssh_command("m1", {}.get, 10)[-2:] == ["m1", "true"]
