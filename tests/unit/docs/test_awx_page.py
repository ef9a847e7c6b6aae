# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The authority that docs/awx.md makes by hand, and the settings that read it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PAGE = Path(__file__).parents[3] / "docs" / "awx.md"
# What the page leaves to the terminal.
PASSPHRASE = {"mkdir -m 700 ~/tiers-ca": "", "openssl genpkey": " -pass pass:hush", "openssl req": " -passin pass:hush"}


def test_the_commands_make_an_authority_as_a_deployment_does(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    for begin, more in PASSPHRASE.items():
        (command,) = re.findall(rf"^{begin}.*$", text, re.MULTILINE)
        subprocess.run(command + more, shell=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True)
    certificate = x509.load_pem_x509_certificate((tmp_path / "tiers-ca/ca.crt").read_bytes())
    key = (tmp_path / "tiers-ca/ca.key").read_bytes()
    assert load_pem_private_key(key, b"hush").public_key() == certificate.public_key()
    with pytest.raises(TypeError):
        load_pem_private_key(key, None)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)


def test_files_are_read_by_absolute_paths() -> None:
    """A relative one is looked up beside the playbook, wherever the collection is."""
    paths = re.findall(r"lookup\('ansible\.builtin\.file', '([^']+)'\)", PAGE.read_text(encoding="utf-8"))
    assert len(paths) == 3
    assert [path for path in paths if not path.startswith(("/", "~/"))] == []
