# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load the firewall of a host, and keep it only if a new connection gets through it."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

MODULE = "distributed.tiers.tier_firewall"
# Connection plugins by which a login is a connection of ssh. The login of others is not the host's to tell.
SSH = ("ssh", "paramiko", "paramiko_ssh", "libssh", "mitogen_ssh")
# Time for the host to restore the previous firewall, and for one more connection.
GRACE_SECONDS = 15


class ActionModule(ActionBase):
    """The module in two steps, the second one over a new connection."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        begun = time.monotonic()
        result |= self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        loaded, before = result.pop("loaded", ""), result.pop("connection", "")
        if not loaded or result.get("failed"):
            return result
        seconds = int(arguments.get("confirm_seconds") or 60)
        given = {**arguments, "loaded": loaded, "connection": before if self._connection.transport in SSH else ""}
        answer, error = "", ""
        with self._without_connection_reuse():
            while not answer:
                self._renew_connection()
                try:
                    seen = self._execute_module(module_name=MODULE, module_args=given, task_vars=task_vars)
                except AnsibleConnectionFailure as failure:
                    error = str(failure)
                else:
                    answer = str(seen.get("answer", ""))
                    error = error or str(seen.get("msg", ""))
                if not answer and time.monotonic() - begun > seconds + GRACE_SECONDS:
                    break
                if not answer:
                    time.sleep(1)
        if answer != "confirmed":
            result |= {"failed": True, "changed": False, "msg": explain(answer, before, seconds, error.strip())}
        return result

    @contextlib.contextmanager
    def _without_connection_reuse(self) -> Any:
        """Have ssh neither use nor keep a connection (ControlPersist). The first option on its command line counts."""
        try:
            options = self._connection.get_option("ssh_args")
        except (KeyError, AttributeError):
            yield
            return
        self._connection.set_option("ssh_args", f"-o ControlPath=none {options or ''}".strip())
        try:
            yield
        finally:
            self._connection.set_option("ssh_args", options)

    def _renew_connection(self) -> None:
        """Close the connection, so that the next command opens one."""
        if type(self._connection).reset is not ConnectionBase.reset:
            self._connection.reset()


def explain(answer: str, before: str, seconds: int, error: str) -> str:
    """Why the firewall was not kept. `before`: the ssh connection over which it was loaded."""
    if answer == "same connection":
        return (
            f"The firewall was loaded, but no new connection could be opened to confirm it: ssh goes on using {before}."
            f" The host restores the previous firewall {seconds} s after it was loaded. Have ssh keep no connection to "
            "this host (ControlPath none), then run the playbook again."
        )
    when = "has restored" if answer else f"restores, {seconds} s after the other one was loaded,"
    came = ""
    if before:
        client, _port, _server, port = before.split()
        came = f" The host sees this run come from {client} to its port {port}: both must be let in."
    reason = f": {error}." if error else "."
    return (
        f"The planned firewall does not let a new connection of this run in{reason} "
        f"The host {when} the previous firewall.{came} Correct host_firewall_ssh_sources, host_firewall_ssh_ports "
        "or host_firewall_extra_rules, then run the playbook again."
    )
