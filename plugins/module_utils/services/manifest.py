# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of what is staged for a described service: what its tool on the host needs to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.escapes import bytes_of


def build_manifest(
    release: Mapping[str, Any],
    files: Sequence[Mapping[str, Any]],
    group: str,
    own_files: Mapping[str, str],
    check: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of the manifest.

    `release` is copied. `group` is the group of described `files` that name none. `own_files` are the files of the
    role, which belong to root, with their modes. `check` is the described one with the address at which the host asks.
    """
    root = {"owner": "root", "group": "root", "reload": False}
    return {
        **release,
        # A package may be given with its version.
        "packages": [str(package).partition("=")[0] for package in release["packages"]],
        "files": [
            *(place_file(file, group) for file in files),
            *({**root, "dest": dest, "mode": mode} for dest, mode in own_files.items()),
        ],
        "check": build_check(check),
    }


def place_file(file: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The path, owner, group and mode of a described file."""
    owning = file.get("group") or group
    return {
        "dest": file["dest"],
        "owner": file.get("owner") or "root",
        "group": owning,
        "mode": file.get("mode") or default_mode(owning, file["secret"]),
        "reload": file["reload"],
    }


def default_mode(group: str, is_secret: bool) -> str:
    """A service that does not run as root reads its files by its group."""
    if group != "root":
        return "0640"
    return "0600" if is_secret else "0644"


def build_check(check: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: check[name] for name in ("type", "address", "port", "tls", "tls_name", "status", "timeout")},
        "path": check.get("path") or "/",
        "body": check.get("body") or "",
        "send_hex": bytes_of(check.get("send") or "").hex(),
        "expect": check.get("expect") or "",
        "command": list(check.get("command") or []),
    }
