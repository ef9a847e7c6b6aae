# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import systems_of
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import JudgingAction


class ActionModule(JudgingAction):
    """Find the hosts of the system that the run is about."""

    arguments: ClassVar[Mapping[str, Any]] = {}

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        templar = self._templar.copy_with_new_env()

        def template(_host: str, raw: Mapping[str, Any], name: str) -> Any:
            templar.available_variables = raw
            return templar.template(raw[name])

        run = [str(host) for host in variables["ansible_play_hosts_all"]]
        found = systems_of(run, variables["groups"], variables["hostvars"], template)
        if not found:
            return {"hosts": {}, "outside": [], "left_out": []}
        hosts, in_run = found[0].connected(), set(run)
        return {
            "hosts": dict.fromkeys(hosts, True),
            "outside": [host for host in found[0].servers() if host not in in_run],
            "left_out": [host for host in hosts if host not in in_run],
        }
