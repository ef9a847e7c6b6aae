# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Run the module on the host, and compare the clock it read there with the controller's."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        before = time.time()
        result.update(self._execute_module(module_args=self._task.args, task_vars=task_vars))
        after = time.time()
        if clock := result.get("clock"):
            # The module began after `before` and ended before `after`, both by the controller's clock.
            clock["least"] = round(clock["ended"] - after, 3)
            clock["most"] = round(clock["began"] - before, 3)
        return result
