# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of HAProxy as a role writes it: its template, through Ansible, with the variables of the roles."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

ROLES = Path(__file__).parents[3] / "roles"
VARIABLES = (
    "balancer/defaults/main.yml",
    "balancer/vars/main.yml",
    "server/defaults/main.yml",
    "server/vars/main.yml",
    "distributor/defaults/main.yml",
    "distributor/vars/main.yml",
    "product_service/vars/balancing.yml",
    "product_service/defaults/main.yml",
    "product_service/vars/main.yml",
)


def variables() -> dict[str, Any]:
    """Those of the roles."""
    known: dict[str, Any] = {}
    for path in VARIABLES:
        known |= yaml.safe_load((ROLES / path).read_text(encoding="utf-8"))
    return known


def render(**given: Any) -> str:
    """The configuration of a host with this inventory and plan, which go before the variables of the roles."""
    source = ROLES / "balancer/templates/haproxy.cfg.j2"
    host = {
        "ansible_facts": {"os_family": "Debian"},
        "ansible_managed": "managed",
        "role_path": str(ROLES / "balancer"),
        "tiers_plan": {"system": "test", "domain": "tiers.internal"},
        "tiers_service": {"name": "test", "port": 8443, "protocol": "http", "tls": "terminated", "local_port": 8080},
    }
    return str(template(f"{{{{ lookup('ansible.builtin.template', '{source}') }}}}", variables() | host | given))


def for_anybody(text: str) -> str:
    """The configuration without what takes root, and a user of HAProxy's name."""
    return re.sub(r"\n    (user|group|chroot) .*", "", text)


def make_certificate(directory: Path, *names: str) -> None:
    """A key, and a certificate of these names that is its own authority, where a host has them in `directory`."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-subj", "/CN=test", "-addext", f"subjectAltName={','.join(f'DNS:{name}' for name in names)}"]
        + ["-keyout", directory / "server.key", "-out", directory / "server.crt"],
        check=True,
        capture_output=True,
    )
    shutil.copy(directory / "server.crt", directory / "ca.crt")
