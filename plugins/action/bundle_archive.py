# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
import os
import platform
import tarfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version

from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import TABLE
from ansible_collections.distributed.tiers.plugins.module_utils.verification.masking import (
    is_secret_name,
    mask,
    texts_of,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.answers import Answers

DECLARED = frozenset(variable.name for variable in TABLE if variable.kind == "secret")


class ActionModule(ActionBase):
    """Write the archive from what all hosts returned, without secrets."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _checked, options = self.validate_argument_spec(
            argument_spec={
                "plan": {"type": "dict", "required": True},
                "directory": {"type": "path", "required": True},
                "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
                "status": {"type": "str", "default": ""},
            }
        )
        hosts = variables["groups"].get("tiers_hosts", ())
        answers = Answers(hosts, variables["hostvars"]).of("tiers_bundle_read")
        secrets = {*options["secrets"], *secrets_of(variables["hostvars"], variables["groups"].get("all", ()))}
        parts = {
            "README.txt": describe(options["plan"], answers),
            "plan.json": json.dumps(options["plan"], indent=1, sort_keys=True),
            "status.txt": options["status"],
        }
        for host, answer in answers.items():
            for name, text in (answer.get("parts") or {}).items():
                parts[f"{host}/{name}"] = str(text)
        now = datetime.now(UTC)
        name = f"support-{options['plan']['system'].replace(' ', '-')}-{now:%Y%m%dT%H%M%SZ}"
        path = Path(options["directory"]) / f"{name}.tar.gz"
        if not self._task.check_mode:
            write_archive(path, name, {part: mask(text, secrets) for part, text in parts.items()}, now)
        return result | {"changed": not self._task.check_mode, "path": str(path), "missing": list_missing(answers)}


def secrets_of(hostvars: Any, hosts: Iterable[str]) -> set[str]:
    """The values of all variables of all hosts that are secrets by their name or by the description of a service."""
    found: set[str] = set()
    for host in hosts:
        variables = hostvars[host]
        declared = DECLARED | declared_by_service(variables.get("tiers_service"))
        found |= {text for name in variables if is_secret_name(name, declared) for text in texts_of(variables[name])}
        service = variables.get("tiers_service")
        if isinstance(service, Mapping):
            found |= {*texts_of(service.get("secret_environment") or {})}
    return found


def declared_by_service(service: Any) -> frozenset[str]:
    """The variables that the description of a service declares as secrets."""
    return frozenset(service.get("secrets") or ()) if isinstance(service, Mapping) else frozenset()


def list_missing(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The hosts that gave nothing, with the reason."""
    return {host: str(one.get("msg") or "no answer") for host, one in answers.items() if not one.get("parts")}


def describe(plan: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]]) -> str:
    """The text that explains the archive: the versions, its contents, and the hosts that are missing."""
    galaxy = Path(__file__).parents[2] / "galaxy.yml"
    manifest = Path(__file__).parents[2] / "MANIFEST.json"
    version = "a checkout"
    if manifest.exists():
        version = json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    elif galaxy.exists():
        version = next(
            (
                line.split()[1]
                for line in galaxy.read_text(encoding="utf-8").splitlines()
                if line.startswith("version:")
            ),
            version,
        )
    missing = list_missing(answers)
    lines = [
        f"System: {plan['system']}, plan {plan['digest']}",
        f"Collection distributed.tiers: {version}",
        f"ansible-core: {ansible_version}, Python {platform.python_version()}",
        f"Hosts: {', '.join(host for host in answers if host not in missing) or 'none'}",
        *(f"Host without an answer: {host}: {why}" for host, why in missing.items()),
        "",
        "plan.json has the plan with its findings, status.txt what status reports. Each host has a directory.",
        "Secrets are replaced by (masked). Names of servers, addresses and logs are not masked.",
    ]
    return "\n".join(lines) + "\n"


def write_archive(path: Path, name: str, parts: Mapping[str, str], now: datetime) -> None:
    """Write the archive, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for part, text in sorted(parts.items()):
            content = text.encode(errors="replace")
            entry = tarfile.TarInfo(f"{name}/{part}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(now.timestamp())
            archive.addfile(entry, io.BytesIO(content))
