# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the whole result of every task as JSON, a line each, for the tests beside it."""

from __future__ import annotations

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: results
type: stdout
short_description: Results as JSON
description: A line for each result.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "results"

    def v2_runner_on_ok(self, result):
        self.show(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.show(result)

    def show(self, result):
        # before core 2.19 it had no public name
        self._display.display(json.dumps(getattr(result, "result", None) or result._result, default=str))
