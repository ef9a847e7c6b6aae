# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategy of a play, whatever the operator's default is."""

from __future__ import annotations

DOCUMENTATION = r"""
name: strategy
author: The distributed.tiers authors (@distributed-tiers)
version_added: 0.1.0
short_description: Name of the strategy that a play needs
description:
  - Under the strategies C(free) and C(host_pinned) Ansible ignores C(run_once) and no host waits for another. Each host
    would then compute a plan of its own, from what the faster hosts had answered until then. A play that computes
    something once for all hosts therefore names its strategy.
  - Keeps the operator's kind of strategy. Under Mitogen it names the one of Mitogen, and a linear one such as C(debug)
    stays.
options:
  _terms:
    description: V(linear), where all hosts carry out a task before the next one, or V(free).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Compute something once for all hosts
  hosts: all
  strategy: "{{ lookup('distributed.tiers.strategy', 'linear') }}"
  tasks: []
"""

RETURN = r"""
_raw:
  description: The name of the strategy for each term.
  type: list
  elements: str
"""

import re
from typing import Any

from ansible import constants
from ansible.plugins.lookup import LookupBase


def strategy(kind: str, default: str) -> str:
    """The default if it is of this kind, else its sibling that is."""
    if default.rpartition(".")[2].startswith("mitogen"):
        return f"mitogen_{kind}"
    pace = re.search(r"(free|host_pinned)$", default)
    if kind == "linear":
        return default[: pace.start()] + kind if pace else default
    return f"ansible.builtin.{kind}"


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        return [strategy(term, str(constants.config.get_config_value("DEFAULT_STRATEGY"))) for term in terms]
