# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest names every staged file for the tool on a host."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.services.manifest import build_check, build_manifest

FILE = {"dest": "/etc/x/x.conf", "secret": False, "reload": True}
CHECK: dict[str, Any] = {
    "type": "tcp",
    "address": "127.0.0.1",
    "port": 6379,
    "tls": False,
    "tls_name": "m1.x.internal",
    "status": 200,
    "timeout": 60.0,
}
RELEASE = {
    "version": "1.2.0",
    "release": "/opt/x/releases/1.2.0",
    "link": "/opt/x/current",
    "keep": 3,
    "unit": "x.service",
    "packages": ["redis", "nginx=1.22"],
    "query": ["dpkg-query"],
    "watched": [],
}


@pytest.mark.parametrize(
    ("group", "file", "owner", "owning", "mode"),
    [
        ("x", {}, "root", "x", "0640"),
        ("x", {"secret": True}, "root", "x", "0640"),
        ("root", {}, "root", "root", "0644"),
        ("root", {"secret": True}, "root", "root", "0600"),
        ("x", {"group": "root"}, "root", "root", "0644"),
        ("x", {"owner": "x", "group": "y", "mode": "0400"}, "x", "y", "0400"),
        ("x", {"owner": None, "group": None, "mode": None}, "root", "x", "0640"),
        ("root", {"owner": "", "group": "", "mode": ""}, "root", "root", "0644"),
    ],
)
def test_the_service_reads_its_files_and_only_it_reads_a_secret_one(
    group: str, file: dict[str, Any], owner: str, owning: str, mode: str
) -> None:
    (found,) = build_manifest(RELEASE, [FILE | file], group, {}, CHECK)["files"]
    assert found == {"dest": "/etc/x/x.conf", "owner": owner, "group": owning, "mode": mode, "reload": True}


def test_the_files_of_the_role_belong_to_root_and_come_last() -> None:
    own_files = {"/etc/systemd/system/x.service": "0644", "/etc/tiers/service.env": "0600"}
    files = build_manifest(RELEASE, [FILE], "x", own_files, CHECK)["files"]
    assert [file["dest"] for file in files] == ["/etc/x/x.conf", *own_files]
    root = {"owner": "root", "group": "root", "reload": False}
    assert files[1:] == [{**root, "dest": dest, "mode": mode} for dest, mode in own_files.items()]


def test_packages_are_named_without_their_versions() -> None:
    assert build_manifest(RELEASE, [], "x", {}, CHECK) == {
        **RELEASE,
        "packages": ["redis", "nginx"],
        "files": [],
        "check": build_check(CHECK),
    }


def test_a_check_has_the_bytes_that_it_sends() -> None:
    given = CHECK | {"path": None, "body": None, "send": "PING\\r\\n", "expect": "PONG", "command": None}
    assert build_check(given) == {
        **CHECK,
        "path": "/",
        "body": "",
        "send_hex": b"PING\r\n".hex(),
        "expect": "PONG",
        "command": [],
    }


def test_only_the_settings_of_a_check_reach_the_host() -> None:
    assert "secret" not in build_check(CHECK | {"secret": True, "send": ""})
