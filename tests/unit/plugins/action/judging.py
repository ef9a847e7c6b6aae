# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run an action that judges an operation in this process, on the variables that hosts have, or lack."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any

PACKAGE = "ansible_collections.distributed.tiers.plugins"


def run_action(
    action: str, options: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]] | None = None, **variables: Any
) -> dict[str, Any]:
    """The result of the action. `hosts`: the variables of each host of the run; `variables`: more of the task."""
    plugin = import_module(f"{PACKAGE}.action.{action}").ActionModule
    one = plugin.__new__(plugin)
    one._task = SimpleNamespace(args=dict(options), async_val=0, check_mode=True)
    one._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="unused"))
    one._load_name = action
    hosts = hosts or {}
    servers = (options.get("plan") or {"servers": hosts})["servers"]
    groups = {"all": [*hosts], "tiers_servers": [name for name in hosts if name in servers], "tiers_hosts": [*hosts]}
    return one.run(None, {"groups": groups, "hostvars": hosts, "ansible_play_hosts_all": [*hosts], **variables})


def documented(action: str) -> dict[str, set[str]]:
    """The names of the options and results in the documentation of a module, as its fragments complete it."""
    import yaml

    module = import_module(f"{PACKAGE}.modules.{action}")
    documentation = yaml.safe_load(module.DOCUMENTATION)
    options = {*documentation.get("options", {})}
    for name in documentation["extends_documentation_fragment"]:
        fragment, _dot, part = name.removeprefix("distributed.tiers.").partition(".")
        texts = import_module(f"{PACKAGE}.doc_fragments.{fragment}").ModuleDocFragment
        options |= {*(yaml.safe_load(getattr(texts, (part or "documentation").upper())).get("options") or {})}
    return {"options": options, "results": {*yaml.safe_load(module.RETURN)}}
