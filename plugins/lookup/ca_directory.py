# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a system's CA on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ca_directory
author: The distributed.tiers authors (@distributed-tiers)
version_added: 0.1.0
short_description: The directory of a system's CA on the controller
description:
  - Each system has one CA, and each CA belongs to one system.
  - The CA is in the directory C(tiers_ca_dir). If that has the CA of another system, the CA is in a subdirectory with
    the name of the system.
  - Without C(tiers_ca_dir) the CA is in C(.tiers-ca/NAME) beside the inventory of the master, with the name of the
    system. A CA that an earlier release created in C(.tiers-ca) stays there.
options:
  _terms:
    description: The name of the system.
    type: list
    elements: str
    required: true
  directory:
    description: The directory that the operator set (C(tiers_ca_dir)). Empty if there is none.
    type: str
    default: ""
  inventory:
    description: The directory of the inventory of the master.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the directory of the CA
  ansible.builtin.debug:
    msg: "{{ lookup('distributed.tiers.ca_directory', tiers_plan.system, inventory=inventory_dir) }}"
"""

RETURN = r"""
_raw:
  description: The directory for each system. It need not exist.
  type: list
  elements: str
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

try:
    from cryptography import x509
except ImportError as error:
    _MISSING: ImportError | None = error
else:
    _MISSING = None

CERTIFICATE = "ca.crt"
# The common name of a CA that this collection created, before the name of its system
NAME_PREFIX = "CA of "


def choose(system: str, directory: str, inventory: str, read_name: Callable[[Path], str | None]) -> Path:
    """The directory of the CA. `read_name` returns the common name of the CA in a directory, None without a CA."""
    shared = Path(directory) if directory else Path(inventory) / ".tiers-ca"
    own = shared / system
    if read_name(own) is not None:
        return own
    name = read_name(shared)
    if name is None:
        return shared if directory else own
    is_of_another = name.startswith(NAME_PREFIX) and name != f"{NAME_PREFIX}{system}"
    return own if is_of_another else shared


def read_common_name(directory: Path) -> str | None:
    """The common name of the CA in a directory, empty if it has none. None: there is no CA."""
    path = directory / CERTIFICATE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AnsibleLookupError(f"The certificate of the CA cannot be read: {error}.") from error
    if _MISSING:
        raise AnsibleLookupError("Python's cryptography is missing on the controller.") from _MISSING
    try:
        subject = x509.load_pem_x509_certificate(content).subject
    except ValueError as error:
        raise AnsibleLookupError(
            f"{path} is not a certificate: {error}. Restore it from a copy. Or remove it and deploy with "
            "-e host_ca_make=true, which issues all certificates again."
        ) from error
    names = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        directory, inventory = self.get_option("directory"), self.get_option("inventory")
        return [str(choose(system, directory, inventory, read_common_name)) for system in terms]
