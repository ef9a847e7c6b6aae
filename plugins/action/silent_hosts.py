# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader

from ansible_collections.distributed.tiers.plugins.plugin_utils.silence import AT_ONCE, silent, ssh_command

SSH = ("ssh", "ansible.builtin.ssh", "smart")


class ActionModule(ActionBase):
    """Find the hosts that do not answer ssh, all at the same time."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _checked, options = self.validate_argument_spec(
            argument_spec={"hosts": {"type": "list", "elements": "str", "required": True}}
        )
        # Makes the options of the plugin known.
        connection_loader.get("ansible.builtin.ssh", class_only=True)
        self._templates = self._templar.copy_with_new_env()
        asked = {host: self._variables(variables["hostvars"], host) for host in options["hosts"]}
        asked = {
            host: known
            for host, known in asked.items()
            if str(known.get("ansible_connection") or self._task.connection) in SSH
        }
        seconds = max((float(self._option(known, "timeout")) for known in asked.values()), default=0.0)
        commands = {host: ssh_command(host, partial(self._option, known), seconds) for host, known in asked.items()}
        at_once = max(int(variables.get("ansible_forks") or 0), AT_ONCE)
        return result | {"changed": False, "hosts": silent(commands, seconds, at_once), "seconds": seconds}

    def _variables(self, hostvars: Any, host: str) -> dict[str, Any]:
        """The variables of a host that its connection asks for."""
        raw = getattr(hostvars, "raw_get", hostvars.__getitem__)(host)
        self._templates.available_variables = raw
        names = ["ansible_connection", *constants.config.get_plugin_vars("connection", "ssh")]
        return {name: self._templates.template(raw[name]) for name in names if name in raw}

    def _option(self, known: Mapping[str, Any], name: str) -> Any:
        """An option of the plugin: from the host's variables, the command line, the environment or the settings."""
        return constants.config.get_config_value(
            name, plugin_type="connection", plugin_name="ssh", variables=dict(known)
        )
